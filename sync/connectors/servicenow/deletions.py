"""What an instance's delete audit says: rows of `sys_audit_delete`, one a deleted record of an audited table.

Restoring a record removes nothing from the audit, so what is asked by id may be there again: whoever asks looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sync.connectors.servicenow import query
from sync.connectors.servicenow.instance import Instance
from sync.connectors.servicenow.reading import all_rows
from sync.core.records import Deletion
from sync.errors import ConfigurationError

_NAMES = ("sys_id", "documentkey", "sys_created_on", "sys_created_by")


def deleted(instance: Instance, table: str, since: datetime | None, ids: Sequence[str]) -> list[Deletion]:
    """The latest deletion of each record. Empty where the user may not read the audit."""
    scope = f"tablename={query.name(table)}"
    if since is not None:
        scope = query.every(scope, f"sys_created_on>={query.stamp(since)}")
    unique = list(dict.fromkeys(ids))
    parts = (
        [query.one_of("documentkey", part) for part in query.chunks(unique, "documentkey")] if ids else [""]
    )
    try:
        rows = [
            row
            for part in parts
            for row in all_rows(instance, "sys_audit_delete", _NAMES, query.every(scope, part))
        ]
    except ConfigurationError:
        return []
    latest: dict[str, Deletion] = {}
    for row in rows:
        at = datetime.fromisoformat(row["sys_created_on"]).replace(tzinfo=UTC)
        if row["documentkey"] not in latest or latest[row["documentkey"]].at < at:
            latest[row["documentkey"]] = Deletion(row["documentkey"], at, row.get("sys_created_by", ""))
    return list(latest.values())
