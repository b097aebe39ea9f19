"""What people wrote into journal columns: the rows of `sys_journal_field`, one an entry, of whatever record.

Source: docs, "Retrieving journal entries": table (name), column (element), record (element_id), text, author and time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sync.connectors.parallel import Workers
from sync.connectors.servicenow import query
from sync.connectors.servicenow.instance import Instance
from sync.connectors.servicenow.reading import PAGE, rows_by_key, visible_page
from sync.core.notes import KINDS, Entry, EntryPage, Place
from sync.core.records import Cursor
from sync.errors import SchemaError

# Texts are read only of records that are linked: others' are none of our business.
_HEADER = ("sys_id", "element", "element_id", "sys_created_on", "sys_created_by")
_ENTRY = (*_HEADER, "value")
_OURS = f"elementIN{','.join(KINDS)}"
_ORDER = "ORDERBYsys_created_on^ORDERBYsys_id"


def headers(instance: Instance, table: str, since: datetime) -> Iterator[EntryPage]:
    """Pages by keyset. The count of matching rows alone tells the end."""
    cursor, last = Cursor(since), False
    while not last:
        condition = f"{query.every(_OURS, query.after(cursor, 'sys_created_on'))}^{_ORDER}"
        part, last = visible_page(instance, table, condition, _HEADER, PAGE)
        found = tuple(_entry(row, _HEADER) for row in part.rows)
        if found:
            if found[0].at < cursor.at.replace(microsecond=0):
                raise SchemaError(
                    f"{table} answered an entry that its query excludes.",
                    code="dropped_term",
                    advice="Let the integration user read all columns of sys_journal_field.",
                )
            cursor = Cursor(found[-1].at, found[-1].id)
        yield EntryPage(found, part.read_at)


def entries(
    instance: Instance,
    workers: Workers,
    table: str,
    ids: Sequence[str],
    parents: Sequence[str],
    since: datetime | None,
) -> list[Entry]:
    after = f"sys_created_on>={query.stamp(since.replace(microsecond=0))}" if since else ""
    key, keys = ("sys_id", ids) if ids else ("element_id", parents)
    rows = rows_by_key(instance, workers, table, key, keys, _ENTRY, query.every(_OURS, after)) if keys else []
    return sorted((_entry(row, _ENTRY) for row in rows), key=lambda each: (each.at, each.id))


def _entry(row: dict[str, Any], names: Sequence[str]) -> Entry:
    """Raises SchemaError for a row without a column that was asked for, or of another column: a term was dropped."""
    try:
        if missing := [name for name in names if name not in row]:
            raise KeyError(", ".join(missing))
        return Entry(
            row["sys_id"], row["element_id"], Place(row["element"]), row["sys_created_by"],
            datetime.fromisoformat(row["sys_created_on"]).replace(tzinfo=UTC), text=row.get("value") or "",
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(
            f"sys_journal_field answered an entry without a usable {error}.",
            code="hidden_journal",
            advice="Let the integration user read all columns of sys_journal_field.",
        ) from error
