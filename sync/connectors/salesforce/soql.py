"""SOQL text, made by quoting: no value reaches a query except through here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote_plus

from sync.core.records import Cursor
from sync.errors import SchemaError

# A URI may have 16,384 bytes; the rest is left for host, path, SELECT list and conditions.
MAX_IN_BYTES = 11_000
MAX_IN_VALUES = 2000  # also the largest page, so that one answer can hold one row per key
_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"'})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*\Z")


def quoted(value: str) -> str:
    return f"'{value.translate(_ESCAPES)}'"


def stamp(moment: datetime) -> str:
    """A datetime literal, unquoted. A fraction is rounded up: rows are stamped with whole seconds."""
    moment = moment.astimezone(UTC)
    if moment.microsecond:
        moment = moment.replace(microsecond=0) + timedelta(seconds=1)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def name(text: str) -> str:
    """An object or field name, checked, since names cannot be quoted."""
    if not _NAME.match(text):
        raise SchemaError(
            f"{text!r} is not a Salesforce name.", code="INVALID_FIELD", advice="Check the mapping."
        )
    return text


def both(*conditions: str) -> str:
    """The conditions joined by AND, each in parentheses of its own; empty ones are left out."""
    return " AND ".join(f"({condition})" for condition in conditions if condition.strip())


def after(cursor: Cursor | None, field: str = "SystemModstamp") -> str:
    """Rows behind the cursor by (`field`, Id)."""
    if cursor is None:
        return ""
    at = stamp(cursor.at.replace(microsecond=0))
    if not cursor.id:
        return f"{field} >= {at}"
    return f"({field} = {at} AND Id > {quoted(cursor.id)}) OR {field} > {at}"


def within(since: datetime | None, until: datetime | None) -> str:
    bounds = []
    if since:
        bounds.append(f"SystemModstamp >= {stamp(since)}")
    if until:
        bounds.append(f"SystemModstamp < {stamp(until)}")
    return " AND ".join(bounds)


def born(start: datetime | None, end: datetime | None) -> str:
    """Rows created in [start, end)."""
    bounds = []
    if start:
        bounds.append(f"CreatedDate >= {stamp(start)}")
    if end:
        bounds.append(f"CreatedDate < {stamp(end)}")
    return " AND ".join(bounds)


def one_of(field: str, values: Iterable[str]) -> str:
    return f"{name(field)} IN ({','.join(map(quoted, values))})"


def select(fields: Sequence[str], table: str, condition: str, *, order: str, limit: int) -> str:
    where = f" WHERE {condition}" if condition else ""
    return f"SELECT {', '.join(map(name, fields))} FROM {name(table)}{where} ORDER BY {order} LIMIT {limit}"  # noqa: S608


def count(table: str, condition: str) -> str:
    where = f" WHERE {condition}" if condition.strip() else ""
    return f"SELECT COUNT() FROM {name(table)}{where}"  # noqa: S608


def marks(table: str, condition: str) -> str:
    where = f" WHERE {condition}" if condition.strip() else ""
    return f"SELECT COUNT(Id) counted, MAX(SystemModstamp) latest FROM {name(table)}{where}"  # noqa: S608


def chunks(
    values: Iterable[str], max_bytes: int = MAX_IN_BYTES, max_values: int = MAX_IN_VALUES
) -> Iterator[list[str]]:
    """Cut values so that each IN list fits the URL once percent-encoded."""
    chunk: list[str] = []
    size = 0
    for value in values:
        cost = len(quote_plus(quoted(value))) + 3
        if chunk and (size + cost > max_bytes or len(chunk) == max_values):
            yield chunk
            chunk, size = [], 0
        chunk.append(value)
        size += cost
    if chunk:
        yield chunk
