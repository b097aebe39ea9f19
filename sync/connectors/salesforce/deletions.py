"""What lies in an org's recycle bin: rows that `queryAll` shows with `IsDeleted` (REST API guide, "QueryAll")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from sync.connectors.salesforce import soql
from sync.connectors.salesforce.org import Org
from sync.core.records import Deletion
from sync.errors import ConfigurationError, TransientError

PAGE = 2000
_NAMES = ("Id", "SystemModstamp", "LastModifiedById")


def deleted(org: Org, name: str, since: datetime | None, ids: Sequence[str]) -> list[Deletion]:
    """Deleted rows, newest state; a purged one is not shown any more. Empty where the user may not ask."""
    conditions = [soql.one_of("Id", part) for part in soql.chunks(dict.fromkeys(ids))] if ids else [""]
    window = soql.within(since, None)
    try:
        rows = [
            row
            for part in conditions
            for row in _rows(org, name, soql.both("IsDeleted = true", window, part))
        ]
    except ConfigurationError:
        return []
    return [
        Deletion(
            row["Id"],
            datetime.fromisoformat(row["SystemModstamp"][:19]).replace(tzinfo=UTC),
            row.get("LastModifiedById") or "",
        )
        for row in rows
    ]


def by_key(org: Org, name: str, key_field: str, keys: Sequence[str]) -> dict[str, str]:
    """Ids of deleted rows, by key; of several with one key the last one made. Empty where the user may not ask."""
    try:
        rows = [
            row
            for part in soql.chunks(dict.fromkeys(keys))
            for row in _rows(
                org, name, soql.both("IsDeleted = true", "", soql.one_of(key_field, part)), (key_field,)
            )
        ]
    except ConfigurationError:
        return {}
    return {row[key_field]: row["Id"] for row in rows}


def _rows(org: Org, name: str, condition: str, more: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """All rows by Id, without an open query cursor."""
    last_id = ""
    while True:
        beyond = f"Id > {soql.quoted(last_id)}" if last_id else ""
        text = soql.select((*_NAMES, *more), name, soql.both(condition, beyond), order="Id", limit=PAGE)
        data: Mapping[str, Any] | None = org.read(f"queryAll/?q={quote(text, safe='')}")
        if not isinstance(data, dict) or not isinstance(data.get("records"), list):
            raise TransientError("Salesforce answered a query with something else.", code="bad_answer")
        yield from data["records"]
        if data.get("done") is True and data.get("totalSize", 0) < PAGE:
            return
        if not data["records"]:
            raise TransientError(
                "Salesforce answered an empty page and said that more follows.", code="bad_answer"
            )
        last_id = data["records"][-1]["Id"]
