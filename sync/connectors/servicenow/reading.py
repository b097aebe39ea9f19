"""Reading a ServiceNow instance: keyset pages of changes, rows by id and by key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sync.connectors.parallel import Workers
from sync.connectors.servicenow import query
from sync.connectors.servicenow.instance import Instance, Rows
from sync.core.records import ChangeQuery, Cursor, LookUp, Page, Record, Version
from sync.errors import SchemaError

MAX_LIMIT = 10_000  # of one list call
PAGE = 1000
_SYSTEM_FIELDS = ("sys_id", "sys_updated_on", "sys_mod_count", "sys_updated_by")
_BEFORE_ALL = Cursor(datetime.min.replace(tzinfo=UTC))
_DROPPED = (
    "ServiceNow silently drops terms with unknown fields: check the fields in the flow's scope, and that the user may "
    "read sys_id and sys_updated_on."
)


def columns(fields: Sequence[str], number_field: str) -> list[str]:
    return list(dict.fromkeys(name for name in (*_SYSTEM_FIELDS, number_field, *fields) if name))


def changes(instance: Instance, asked: ChangeQuery) -> Iterator[Page]:
    """Pages oldest first by (sys_updated_on, sys_id).

    The count of matching rows alone tells the end: access control removes rows after the limit was applied, so a
    page may be short or empty and more may follow.
    """
    names = columns(asked.fields, asked.number_field)
    cursor, seen, last = asked.cursor, 0, False
    while not last:
        part, last = _page(instance, asked, cursor, names)
        records = tuple(record(row, asked.number_field) for row in part.rows)
        _check_order(records, cursor, asked)
        refuse_hidden(asked.name, part.rows, names)
        if records:
            cursor = Cursor(records[-1].version.changed_at, records[-1].id)
        yield Page(records, cursor if records else None, last, part.read_at, seen + part.total)
        seen += len(records)


def size(instance: Instance, asked: ChangeQuery) -> int:
    """Rows that match before access control hides some."""
    return instance.rows(asked.name, query.condition(asked, asked.cursor), ("sys_id",), limit=1).total


def _page(
    instance: Instance, asked: ChangeQuery, cursor: Cursor | None, names: Sequence[str]
) -> tuple[Rows, bool]:
    condition = query.changes(asked, cursor)
    return visible_page(instance, asked.name, condition, names, max(1, min(asked.page_size, MAX_LIMIT)))


def visible_page(
    instance: Instance, table: str, condition: str, names: Sequence[str], limit: int
) -> tuple[Rows, bool]:
    """The next rows that are visible, and whether nothing follows them.

    Where all rows of a page are hidden, the cursor cannot advance. The same page is then asked for again with a
    larger limit, and only beyond the largest by offset: an offset skips a row when an earlier one moves away.
    """
    offset = 0
    while True:
        part = instance.rows(table, condition, names, limit=limit, offset=offset)
        last = offset + limit >= part.total
        if part.rows or last:
            return part, last
        if limit < MAX_LIMIT:
            limit = min(limit * 4, MAX_LIMIT)
        else:
            offset += limit


def _check_order(records: Sequence[Record], cursor: Cursor | None, asked: ChangeQuery) -> None:
    """A row that the query excludes, or out of order, shows that a term was dropped: stop before losing rows.

    A cursor within a second asks for that whole second, for rows are stamped with whole seconds.
    """
    before = Cursor(cursor.at.replace(microsecond=0), cursor.id) if cursor else _BEFORE_ALL
    for row in records:
        here = Cursor(row.version.changed_at, row.id)
        repeated = here == before and before.id
        if here < before or repeated or not _within(here.at, asked):
            raise SchemaError(
                f"{asked.name} answered a row that its query excludes ({row.number or row.id}).",
                code="bad_order",
                advice=_DROPPED,
            )
        before = here


def _within(at: datetime, asked: ChangeQuery) -> bool:
    return (asked.since is None or at >= asked.since) and (asked.until is None or at < asked.until)


def record(row: dict[str, Any], number_field: str) -> Record:
    """Make a Record of a row; the row itself becomes its values."""
    return Record(row.get("sys_id", ""), row.get(number_field, "") if number_field else "", version(row), row)


def refuse_hidden(table: str, rows: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """An empty field is there and empty; one that is not there is hidden or gone, and must not pass for empty.

    What lies behind a reference is left out: whether the platform omits it where the reference is empty is unverified.
    """
    for row in rows:
        if len(row) >= len(names):
            continue
        if missing := [name for name in names if name not in row and "." not in name]:
            raise SchemaError(
                f"{table} came without {', '.join(missing)}: there is no such field, or our user may not read it.",
                code="hidden_field",
                advice="Let the integration user read the field, or correct its name in the mapping, then resume the flow.",
            )


def version(row: dict[str, Any]) -> Version:
    try:
        at = datetime.fromisoformat(row["sys_updated_on"]).replace(tzinfo=UTC)
        count = int(row["sys_mod_count"]) if row.get("sys_mod_count") else None
        if not row["sys_id"]:
            raise KeyError("sys_id")
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(
            f"A row came without a usable {error}.",
            code="hidden_system_field",
            advice="Let the integration user read sys_id, sys_updated_on, sys_mod_count and sys_updated_by.",
        ) from error
    return Version(at, at, count, row.get("sys_updated_by", ""))


def read(
    instance: Instance,
    workers: Workers,
    table: str,
    ids: Sequence[str],
    fields: Sequence[str],
    number_field: str,
) -> dict[str, Record]:
    names = columns(fields, number_field)
    rows = rows_by_key(instance, workers, table, "sys_id", ids, names)
    refuse_hidden(table, rows, names)
    return {row["sys_id"]: record(row, number_field) for row in rows}


def find(
    instance: Instance,
    workers: Workers,
    table: str,
    key_field: str,
    keys: Sequence[str],
    fields: Sequence[str],
    number_field: str,
) -> dict[str, list[Record]]:
    """Records by key. Databases may compare without regard to case; the exact key is preferred."""
    asked = _asked(keys)
    found: dict[str, list[Record]] = {}
    for row in rows_by_key(
        instance, workers, table, key_field, keys, columns((*fields, key_field), number_field)
    ):
        value = row[key_field]
        key = asked.get(value, asked.get(value.casefold(), value))
        found.setdefault(key, []).append(record(row, number_field))
    return found


def look_up(instance: Instance, asked: LookUp) -> list[Record]:
    """The first rows that meet a condition. Rows that access control hides are none."""
    names = columns(asked.fields, asked.number_field)
    ordered = [f"ORDERBYDESC{query.name(_column(each))}" if each.endswith(" desc") else f"ORDERBY{query.name(each)}"
               for each in asked.order or ("sys_id",)]  # fmt: skip
    condition = "^".join(part for part in (query.every(asked.condition), *ordered) if part)
    part, _ = visible_page(instance, asked.name, condition, names, asked.limit)
    refuse_hidden(asked.name, part.rows, names[:4])
    return [record(row, asked.number_field) for row in part.rows[: asked.limit]]


def _column(ordered: str) -> str:
    return ordered.removesuffix(" desc")


def _asked(keys: Sequence[str]) -> dict[str, str]:
    return {key.casefold(): key for key in keys} | {key: key for key in keys}


def keys(instance: Instance, table: str, key_field: str, start: str, end: str) -> Iterator[tuple[str, str]]:
    """(key, sys_id), page by page. An empty key is none."""
    bounds = [f"{query.name(key_field)}ISNOTEMPTY"]
    bounds += [f"{key_field}>={query.escaped(start)}"] if start else []
    bounds += [f"{key_field}<{query.escaped(end)}"] if end else []
    for row in all_rows(instance, table, list(dict.fromkeys(["sys_id", key_field])), "^".join(bounds)):
        yield row[key_field], row["sys_id"]


def rows_by_key(
    instance: Instance,
    workers: Workers,
    table: str,
    key_field: str,
    keys: Sequence[str],
    names: Sequence[str],
    condition: str = "",
) -> list[dict[str, Any]]:
    """All visible rows whose key is one of `keys` and that meet `condition`. `names` hold sys_id and the key."""

    def fetch(chunk: Sequence[str]) -> list[dict[str, Any]]:
        wanted = query.every(query.one_of(key_field, chunk), condition)
        return list(all_rows(instance, table, names, wanted))

    budget = max(1000, query.MAX_IN_CHARACTERS - len(condition) * len(query.parts(condition)))
    unique = dict.fromkeys(keys)
    parts = list(query.chunks(unique, key_field, budget))
    rows = [row for answer in workers.map(fetch, parts) for row in answer]
    asked = _asked(list(unique))
    for row in rows:
        value = row.get(key_field)
        if value not in asked and str(value).casefold() not in asked:
            raise SchemaError(
                f"{table} answered rows that {key_field} excludes.", code="dropped_term", advice=_DROPPED
            )
    return rows


def all_rows(
    instance: Instance, table: str, names: Sequence[str], condition: str
) -> Iterator[dict[str, Any]]:
    """All visible rows of a result by sys_id, without a moving offset. `names` hold sys_id."""
    last_id, limit, offset = "", PAGE, 0
    while True:
        beyond = f"sys_id>{last_id}" if last_id else ""
        ordered = f"{query.every(condition, beyond)}^ORDERBYsys_id".removeprefix("^")
        part = instance.rows(table, ordered, names, limit=limit, offset=offset)
        yield from part.rows
        if offset + limit >= part.total:
            return
        if part.rows:
            last_id, offset = part.rows[-1]["sys_id"], 0
        else:
            offset += limit
