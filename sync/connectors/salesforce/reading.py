"""Reading a Salesforce org: keyset pages of changes, records by id and by key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sync.connectors.parallel import Workers
from sync.connectors.salesforce import soql
from sync.connectors.salesforce.org import Org
from sync.core.records import ChangeQuery, Cursor, LookUp, Page, Record, Version
from sync.errors import SchemaError, TransientError

PAGE = 2000  # the most that one query answer or one retrieve holds
_SYSTEM_FIELDS = ("Id", "SystemModstamp", "LastModifiedDate", "LastModifiedById")
_ORDER = "SystemModstamp, Id"


def columns(fields: Sequence[str], number_field: str) -> list[str]:
    """The SELECT list: system fields first, each name once whatever its case."""
    names = {name.lower(): name for name in (*_SYSTEM_FIELDS, number_field, *fields) if name}
    return list(names.values())


def changes(org: Org, query: ChangeQuery) -> Iterator[Page]:
    """Pages oldest first by (SystemModstamp, Id).

    A page is the last when its query is done and counts fewer rows than its LIMIT: both are the platform's own
    words. The number of rows received says nothing, for wide rows come in smaller portions. No query cursor is
    kept open; an org allows a user only ten.
    """
    limit = min(query.page_size, PAGE)
    names = columns(query.fields, query.number_field)
    cursor = query.cursor
    while True:
        text = soql.select(names, query.name, condition(query, cursor), order=_ORDER, limit=limit)
        data, read_at = timed_query(org, text)
        records = tuple(record(row, query.number_field, query.fields) for row in data["records"])
        _check_order(records, cursor)
        last = data.get("done") is True and data["totalSize"] < limit
        if records:
            cursor = Cursor(records[-1].version.changed_at, records[-1].id)
        elif not last:
            raise TransientError(
                "Salesforce answered an empty page and said that more follows.", code="bad_answer"
            )
        yield Page(records, cursor if records else None, last, read_at)
        if last:
            return


def condition(query: ChangeQuery, cursor: Cursor | None) -> str:
    """Which rows a reading still has before it. In what order Salesforce compares ids is documented nowhere."""
    assert query.id_from == query.id_before == ""
    return soql.both(
        query.scope,
        query.enter,
        soql.born(query.born_from, query.born_before),
        soql.after(cursor),
        soql.within(query.since, query.until),
    )


def timed_query(org: Org, text: str) -> tuple[Mapping[str, Any], datetime]:
    """A query's answer and a server time not later than its look-up: the answer's date less all the time it took."""
    started = org.transport.monotonic()
    data = org.query(text)
    moment = org.transport.server_now() or datetime.now(UTC)
    return data, moment - timedelta(seconds=org.transport.monotonic() - started)


def _check_order(records: Sequence[Record], cursor: Cursor | None) -> None:
    """Stop before losing rows if the answer is not what was asked for.

    Stamps must not fall and no row may come twice, but that of the cursor if it was edited since. How Salesforce sorts
    ids of one stamp is left to it: whether that is the order of their characters is documented nowhere. A cursor
    within a second asks for that whole second.
    """
    before = cursor.at.replace(microsecond=0) if cursor else datetime.min.replace(tzinfo=UTC)
    seen = {(before, cursor.id)} if cursor else set()
    ids: set[str] = set()
    for row in records:
        at = row.version.changed_at
        if at < before or row.id in ids or (at, row.id) in seen:
            raise SchemaError(
                "Salesforce answered rows out of order.", code="bad_order", advice="Check the flow's scope."
            )
        before = at
        ids.add(row.id)


def record(row: dict[str, Any], number_field: str, fields: Sequence[str]) -> Record:
    """Make a Record of a row; the row itself becomes its values."""
    try:
        version = Version(
            moment(row["SystemModstamp"]),
            moment(row["LastModifiedDate"]),
            None,
            row["LastModifiedById"] or "",
        )
        found = Record(row["Id"], str(row.get(number_field) or ""), version, row)
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(
            f"A row came without usable system fields: {error}.", code="INVALID_FIELD"
        ) from error
    for field in fields:
        if "." in field:
            row[field] = _walk(row, field)
    return found


def moment(text: str) -> datetime:
    """`2026-11-23T17:36:44.000+0000`, always UTC and with whole seconds."""
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)


def _walk(row: Any, path: str) -> Any:
    for name in path.split("."):
        row = row.get(name) if isinstance(row, dict) else None
    return row


def read(
    org: Org, workers: Workers, table: str, ids: Sequence[str], fields: Sequence[str], number_field: str
) -> dict[str, Record]:
    """Records by id; ids that the org shows no record for are absent."""
    names = columns(fields, number_field)
    if any("." in name for name in names):  # a retrieve takes no relationship paths
        rows = rows_by_key(org, workers, table, "Id", ids, names)
    else:
        parts = [ids[start : start + PAGE] for start in range(0, len(ids), PAGE)]
        answers = workers.map(lambda part: _retrieve(org, table, part, names), parts)
        rows = [row for answer in answers for row in answer]
    return {row["Id"]: record(row, number_field, fields) for row in rows}


def _retrieve(org: Org, table: str, ids: Sequence[str], names: Sequence[str]) -> list[dict[str, Any]]:
    body = json.dumps({"ids": list(ids), "fields": list(names)}).encode()
    answer = org.read(f"composite/sobjects/{soql.name(table)}", method="POST", data=body)
    if not isinstance(answer, list) or len(answer) != len(ids):
        raise TransientError("Salesforce did not answer each id of a retrieve.", code="bad_answer")
    return [row for row in answer if row is not None]


def find(
    org: Org,
    workers: Workers,
    table: str,
    key_field: str,
    keys: Sequence[str],
    fields: Sequence[str],
    number_field: str,
) -> dict[str, list[Record]]:
    """Records by key. A key is matched as the platform does, without regard to case unless the exact one was asked."""
    names = columns((*fields, key_field), number_field)
    asked = {key.casefold(): key for key in keys} | {key: key for key in keys}
    found: dict[str, list[Record]] = {}
    for row in rows_by_key(org, workers, table, key_field, keys, names):
        value = str(_walk(row, key_field))
        key = asked.get(value) or asked.get(value.casefold())
        if key is not None:
            found.setdefault(key, []).append(record(row, number_field, fields))
    return found


def look_up(org: Org, asked: LookUp) -> list[Record]:
    """The first rows that meet a condition."""
    names = columns(asked.fields, asked.number_field)
    order = ", ".join(_ordered(each) for each in asked.order) or "Id"
    data = org.query(soql.select(names, asked.name, asked.condition, order=order, limit=asked.limit))
    return [record(row, asked.number_field, asked.fields) for row in data["records"]]


def _ordered(text: str) -> str:
    column = soql.name(text.removesuffix(" desc"))
    return f"{column} DESC NULLS LAST" if text.endswith(" desc") else f"{column} ASC NULLS LAST"


def keys(org: Org, table: str, key_field: str, start: str, end: str) -> Iterator[tuple[str, str]]:
    """(key, id), page by page. An empty key is none; how keys are compared is left to the platform."""
    field = soql.name(key_field)
    bounds = [f"{field} != null"]
    bounds += [f"{field} >= {soql.quoted(start)}"] if start else []
    bounds += [f"{field} < {soql.quoted(end)}"] if end else []
    for row in all_rows(org, table, ["Id", key_field], soql.both(*bounds)):
        yield str(row[key_field]), str(row["Id"])


def rows_by_key(
    org: Org,
    workers: Workers,
    table: str,
    key_field: str,
    keys: Sequence[str],
    names: Sequence[str],
    condition: str = "",
) -> list[dict[str, Any]]:
    """All rows whose key is one of `keys` and that meet `condition`."""

    def fetch(chunk: Sequence[str]) -> list[dict[str, Any]]:
        return list(all_rows(org, table, names, soql.both(condition, soql.one_of(key_field, chunk))))

    parts = list(soql.chunks(dict.fromkeys(keys)))
    return [row for rows in workers.map(fetch, parts) for row in rows]


def all_rows(org: Org, table: str, names: Sequence[str], condition: str) -> Iterator[dict[str, Any]]:
    """All rows of a small result, by Id, without an open query cursor. `names` hold Id."""
    last_id = ""
    while True:
        beyond = f"Id > {soql.quoted(last_id)}" if last_id else ""
        data = org.query(soql.select(names, table, soql.both(condition, beyond), order="Id", limit=PAGE))
        yield from data["records"]
        if data.get("done") is True and data["totalSize"] < PAGE:
            return
        if not data["records"]:
            raise TransientError(
                "Salesforce answered an empty page and said that more follows.", code="bad_answer"
            )
        last_id = data["records"][-1]["Id"]
