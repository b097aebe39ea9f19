"""Who changed which column when: the rows of `sys_audit`.

Source: docs, "Sys Audit table": table, record, column, values as stored, user; community: `record_checkpoint` is the
record's sys_mod_count after the update. Read by admin alone unless an administrator has added a read rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sync.connectors.parallel import Workers
from sync.connectors.servicenow import query
from sync.connectors.servicenow.instance import Instance
from sync.core.records import Change
from sync.errors import SchemaError

TABLE = "sys_audit"
PAGE = 1000
_COLUMNS = (
    "sys_id", "documentkey", "fieldname", "oldvalue", "newvalue", "user", "sys_created_on", "record_checkpoint",
)  # fmt: skip
_SMALLEST_IN = 1000  # characters that a list of records is given, however many columns are asked for


def history(
    instance: Instance, workers: Workers, ids: Sequence[str], fields: Sequence[str], since: datetime | None
) -> list[Change]:
    """Entries of these records and columns, oldest first. A record whose table is not audited has none.

    The record names its table, which may extend the flow's, so the table is not asked for.
    Raises SchemaError where entries match and none may be seen.
    """
    names = sorted(
        {name for name in fields if "." not in name}
    )  # a column behind a reference is another record's
    if not ids or not names:
        return []
    after = f"sys_created_on>={query.stamp(since.replace(microsecond=0))}" if since else ""
    condition = query.every(query.one_of("fieldname", names), after)
    budget = max(_SMALLEST_IN, query.MAX_IN_CHARACTERS - len(condition))
    parts = list(query.chunks(dict.fromkeys(ids), "documentkey", budget))
    asked, wanted = set(ids), set(names)

    def read(chunk: Sequence[str]) -> list[dict[str, Any]]:
        return _rows(instance, query.every(query.one_of("documentkey", chunk), condition), asked)

    rows = [row for answer in workers.map(read, parts) for row in answer]
    changes = [_change(row) for row in rows if row["fieldname"] in wanted]
    return sorted(changes, key=lambda each: (each.at, each.count or 0))


def _rows(instance: Instance, condition: str, asked: set[str]) -> list[dict[str, Any]]:
    """All visible rows, by keyset. Where none of a page is visible, none of the rest is taken to be."""
    found: list[dict[str, Any]] = []
    while True:
        beyond = f"sys_id>{found[-1]['sys_id']}" if found else ""
        part = instance.rows(TABLE, f"{query.every(condition, beyond)}^ORDERBYsys_id", _COLUMNS, limit=PAGE)
        if part.total and not part.rows and not found:
            raise SchemaError("Our user may not read sys_audit.", code="hidden_history")
        for row in part.rows:
            # A column that may not be read is left out of the answer, and its term is dropped from the query.
            if len(row) < len(_COLUMNS) or row["documentkey"] not in asked:
                raise SchemaError("Our user may not read all of sys_audit.", code="hidden_history")
        found += part.rows
        if part.total <= PAGE or not part.rows:
            return found


def _change(row: dict[str, Any]) -> Change:
    checkpoint = str(row["record_checkpoint"])
    return Change(
        record_id=row["documentkey"],
        field=row["fieldname"],
        old=row["oldvalue"],
        new=row["newvalue"],
        by=row["user"],
        at=datetime.fromisoformat(row["sys_created_on"]).replace(tzinfo=UTC),
        count=int(checkpoint) if checkpoint.isdigit() else None,
    )
