"""Finding the rows of a list call: which index serves, what is counted, and in which order."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from sync.sandbox.servicenow.query import Compiled
from sync.sandbox.servicenow.schema import NUMBER_TYPES, SYS_ID, UPDATED_ON, Row, Table
from sync.sandbox.servicenow.store import Store, TableData
from sync.sandbox.servicenow.terms import Getter, Operand, Test

_KEYSET = ((UPDATED_ON, False), (SYS_ID, False))


@dataclass(frozen=True, slots=True)
class Found:
    rows: list[Row]
    total: int | None  # None: nobody asked


def search(store: Store, table: Table, compiled: Compiled, *, offset: int, limit: int, count: bool) -> Found:
    """The rows from `offset`; `total` is the number that match, whatever the caller may see."""
    families = store.family(table.name)
    one_list = store.dialect.order_spans_union or len(compiled.queries) < 2
    if one_list and len(families) == 1 and _follows_change(table, compiled.order):
        return _by_change(families[0], compiled, offset, limit, count=count)
    matched = [row for data in families for row in _candidates(data, compiled) if _passes(compiled.test, row)]
    for operand, descending in reversed(compiled.order):
        matched.sort(key=_sort_key(operand), reverse=descending)
    if not one_list:
        matched.sort(key=partial(_first_match, compiled.queries))
    return Found(matched[offset : offset + limit], len(matched))


def _first_match(queries: Sequence[Test | None], row: Row) -> int:
    """Which of the united queries found the row."""
    return next(place for place, test in enumerate(queries) if _passes(test, row))


def _passes(test: Test | None, row: Row) -> bool:
    return test is None or test(row)


def _follows_change(table: Table, order: Iterable[tuple[Operand, bool]]) -> bool:
    asked = tuple((table.position.get(operand.column.name), descending) for operand, descending in order)
    return asked == _KEYSET


def _candidates(data: TableData, compiled: Compiled) -> Iterable[Row]:
    bounds = compiled.bounds
    if bounds.ids is not None:
        return [row for sys_id in bounds.ids if (row := data.by_id.get(sys_id)) is not None]
    if bounds.low or bounds.high:
        start, end = data.between((bounds.low, ""), bounds.high)
        return (data.by_id[sys_id] for _, sys_id in islice(data.changed, start, end))
    return data.by_id.values()


def _by_change(data: TableData, compiled: Compiled, offset: int, limit: int, *, count: bool) -> Found:
    """Walk the index of changes and stop with the page, unless the total is wanted."""
    bounds, test = compiled.bounds, compiled.test
    if bounds.ids is not None:
        rows = sorted(
            (row for row in _candidates(data, compiled) if _passes(test, row)),
            key=lambda row: (row[UPDATED_ON], row[SYS_ID]),
        )
        return Found(rows[offset : offset + limit], len(rows))
    low = (bounds.low, "")
    if bounds.whole:
        test = None
    if compiled.keyset is not None:
        test, low = compiled.keyset.test, (compiled.keyset.stamp, compiled.keyset.sys_id + "~")
    start, end = data.between(low, bounds.high)
    page = list(islice(_matching(data, test, start, end), offset, offset + limit))
    if not count:
        return Found(page, None)
    if compiled.keyset is not None and compiled.keyset.key and test is not None:
        places = data.remembered(compiled.keyset.key, partial(_places, data, test))
        return Found(page, bisect_left(places, end) - bisect_left(places, start))
    return Found(page, _count(data, test, start, end))


def _places(data: TableData, test: Test) -> Sequence[int]:
    """Where in the order of change the rows stand that pass: counted once, however many pages follow."""
    by_id = data.by_id
    return array("L", (place for place, (_, sys_id) in enumerate(data.changed) if test(by_id[sys_id])))


def _matching(data: TableData, test: Test | None, start: int, end: int) -> Iterator[Row]:
    by_id = data.by_id
    for _, sys_id in islice(data.changed, start, end):
        row = by_id[sys_id]
        if test is None or test(row):
            yield row


def _count(data: TableData, test: Test | None, start: int, end: int) -> int:
    if test is None:
        return end - start
    by_id = data.by_id
    return sum([test(by_id[sys_id]) for _, sys_id in data.changed[start:end]])


def _sort_key(operand: Operand) -> Getter:
    """References sort as people read them, numbers by size, empty values first."""
    if operand.column.reference:
        return operand.show
    if operand.column.kind in NUMBER_TYPES:
        get = operand.get
        return lambda row: get(row).rjust(20)
    return operand.get
