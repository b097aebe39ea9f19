#!/usr/bin/env python3
"""Writes deploy/servicenow/integration_console.xml: the role and its access controls, as an update set.

Ids are derived from names, so that a newer set updates what an older one made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import md5
from pathlib import Path
from xml.sax.saxutils import escape

TARGET = Path(__file__).parents[1] / "deploy" / "servicenow" / "integration_console.xml"
NAME = "Integration Console"
ROLE = "integration_console"
AT = "2026-11-01 00:00:00"
# Table -> why the console reads it. Rows and, with ".*", their columns.
READS = {
    "sys_db_object": "which tables there are, and what they extend",
    "sys_dictionary": "which columns there are",
    "sys_choice": "which choices there are",
    "sys_journal_field": "comments and work notes",
    "sys_audit": "who changed a field, and when",
    "sys_audit_delete": "which records were deleted",
    "sys_user": "owners by their names",
    "sys_user_group": "groups by their names",
    "sys_user_has_role": "whether the user has what it needs",
}


def main() -> None:
    TARGET.write_text(update_set(), encoding="utf-8")


def update_set() -> str:
    changes = "".join(_change(table, row) for table, row in records())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<unload unload_date="{AT}">\n{_remote()}{changes}</unload>\n'


def records() -> Iterator[tuple[str, Mapping[str, str]]]:
    role = _id("role")
    about = "Lets Integration Console read what tells it of columns, journals and history."
    yield "sys_user_role", {"sys_id": role, "name": ROLE, "description": about, "elevated_privilege": "false"}
    for table, why in READS.items():
        for name in (table, f"{table}.*"):
            acl = _id("acl", name)
            yield "sys_security_acl", {
                "sys_id": acl, "name": name, "type": "record", "operation": "read", "active": "true", "admin_overrides": "true",
                "advanced": "false", "description": f"Integration Console reads {table}: {why}.",
            }  # fmt: skip
            yield (
                "sys_security_acl_role",
                {
                    "sys_id": _id("acl role", name),
                    "sys_security_acl": acl,
                    "sys_user_role": role,
                },
            )


def _id(*parts: str) -> str:
    return md5("/".join(("integration_console", *parts)).encode(), usedforsecurity=False).hexdigest()


def _elements(row: Mapping[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in row.items())


def _remote() -> str:
    row = {
        "sys_id": _id("set"), "name": NAME, "description": "A role and access controls for Integration Console.",
        "application": "global", "state": "loaded", "release_date": "", "remote_sys_id": _id("remote"),
    }  # fmt: skip
    return f'<sys_remote_update_set action="INSERT_OR_UPDATE">{_elements(row)}</sys_remote_update_set>\n'


def _change(table: str, record: Mapping[str, str]) -> str:
    """One record as a customer update. Its own XML is text within the set's."""
    inner = _elements({**record, "sys_update_name": f"{table}_{record['sys_id']}", "sys_scope": "global"})
    payload = f'<?xml version="1.0" encoding="UTF-8"?><record_update table="{table}"><{table} action="INSERT_OR_UPDATE">{inner}</{table}></record_update>'
    row = {
        "sys_id": _id("change", table, record["sys_id"]), "action": "INSERT_OR_UPDATE", "application": "global",
        "category": "customer", "name": f"{table}_{record['sys_id']}", "payload": payload,
        "remote_update_set": _id("set"), "replace_on_upgrade": "false", "table": table,
        "target_name": record.get("name", record["sys_id"]), "type": table, "update_domain": "global",
    }  # fmt: skip
    return f'<sys_update_xml action="INSERT_OR_UPDATE">{_elements(row)}</sys_update_xml>\n'


if __name__ == "__main__":
    main()
