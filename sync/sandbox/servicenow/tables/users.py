"""People, groups and roles."""

from __future__ import annotations

from sync.sandbox.servicenow.schema import REGISTRY, Column, Table
from sync.sandbox.servicenow.tables.system import SYS_METADATA

_ITIL = frozenset({"itil"})
_USER_ADMIN = frozenset({"user_admin"})


def _to(table: str, name: str, label: str) -> Column:
    return Column(name, label, "reference", 32, reference=table)


SYS_USER = REGISTRY.add(
    Table(
        "sys_user",
        "User",
        (
            Column("user_name", "User ID"),
            Column("name", "Name", max_length=151),
            Column("first_name", "First name", max_length=50),
            Column("last_name", "Last name", max_length=50),
            Column("email", "Email", "email", 100),
            Column("employee_number", "Employee number", max_length=40),
            Column("title", "Title", max_length=60),
            Column("phone", "Business phone", "ph_number"),
            Column("mobile_phone", "Mobile phone", "ph_number"),
            # What every reader gets; the passwords themselves are no data.
            Column("user_password", "Password", "password", 255, read_only=True, default="********"),
            Column("active", "Active", "boolean", default="true"),
            Column("locked_out", "Locked out", "boolean", default="false"),
            Column("time_zone", "Time zone", default="UTC"),
            Column("web_service_access_only", "Web service access only", "boolean", default="false"),
            _to("cmn_department", "department", "Department"),
            _to("core_company", "company", "Company"),
        ),
        audited=True,
        readers=_ITIL,
        writers=_USER_ADMIN,
        deleters=_USER_ADMIN,
    )
)
CMN_DEPARTMENT = REGISTRY.add(
    Table(
        "cmn_department",
        "Department",
        (
            Column("name", "Name", max_length=100),
            Column("id", "ID"),
            Column("description", "Description", max_length=1000),
            _to("sys_user", "dept_head", "Department head"),
        ),
        readers=_ITIL,
        writers=_USER_ADMIN,
        deleters=_USER_ADMIN,
    )
)
SYS_USER_GROUP = REGISTRY.add(
    Table(
        "sys_user_group",
        "Group",
        (
            Column("name", "Name", max_length=80),
            Column("description", "Description", max_length=1000),
            Column("email", "Group email", "email", 100),
            Column("active", "Active", "boolean", default="true"),
            _to("sys_user", "manager", "Manager"),
        ),
        audited=True,
        readers=_ITIL,
        writers=_USER_ADMIN,
        deleters=_USER_ADMIN,
    )
)
SYS_USER_GRMEMBER = REGISTRY.add(
    Table(
        "sys_user_grmember",
        "Group Member",
        (_to("sys_user", "user", "User"), _to("sys_user_group", "group", "Group")),
        display="user",
        readers=_ITIL,
        writers=_USER_ADMIN,
        deleters=_USER_ADMIN,
    )
)
SYS_USER_ROLE = REGISTRY.add(
    Table(
        "sys_user_role",
        "Role",
        (Column("name", "Name", max_length=100), Column("description", "Description", max_length=1000)),
        parent=SYS_METADATA,
        readers=_ITIL,
    )
)
SYS_USER_HAS_ROLE = REGISTRY.add(
    Table(
        "sys_user_has_role",
        "User Role",
        (
            _to("sys_user", "user", "User"),
            _to("sys_user_role", "role", "Role"),
            Column("inherited", "Inherited", "boolean", default="false"),
            Column("state", "State", default="active"),
        ),
        display="user",
        readers=_ITIL,
        writers=_USER_ADMIN,
        deleters=_USER_ADMIN,
    )
)
