"""Records every instance is delivered with, under the sys_ids they have everywhere.

Clients and their tests rely on them. Source of the ids and values: the test suite of PySNC, which the vendor keeps
against an instance as delivered.
"""

from __future__ import annotations

Values = dict[str, str]

ADMIN_ROLE = "2831a114c611228501d4ea6c309d626d"
_FINANCE = "a581ab703710200044e0bfc8bcbe5de8"
_NATASHA = "46c5bf6ca9fe1981010713e3ac7d3384"

# They exist and cannot log in: the logins of the sandbox have passwords made at its start.
USERS: tuple[Values, ...] = (
    {
        "sys_id": "6816f79cc0a8016401c5a33be04be441",
        "user_name": "admin",
        "name": "System Administrator",
        "first_name": "System",
        "last_name": "Administrator",
        "email": "admin@example.com",
        "department": _FINANCE,
    },
    {
        "sys_id": "26fbff173b331300ad3cc9bb34efc4bd",
        "user_name": "problem.admin",
        "name": "Problem Admin",
        "first_name": "Problem",
        "last_name": "Admin",
        "email": "problem.admin@example.com",
    },
    {
        "sys_id": _NATASHA,
        "user_name": "natasha.ingram",
        "name": "Natasha Ingram",
        "first_name": "Natasha",
        "last_name": "Ingram",
        "email": "natasha.ingram@example.com",
        "department": _FINANCE,
    },
)
DEPARTMENTS: tuple[Values, ...] = ({"sys_id": _FINANCE, "name": "Finance", "dept_head": _NATASHA},)
