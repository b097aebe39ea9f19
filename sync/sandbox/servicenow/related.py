"""Conditions on rows of other tables: JOIN, RLQUERY and SUBQUERY.

Each reads the other table once, when the query is compiled, and then looks values up. An empty value joins nothing.
Rows the caller may not see count too, as in X-Total-Count. Otherwise than on the platform: of a joined child table only
rows of that class count, also where the join has conditions; an RLQUERY may dot-walk without `,m2m`.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterable

from sync.sandbox.servicenow.language import Join, Parsed, RelatedList, Subquery
from sync.sandbox.servicenow.schema import SYS_ID, Row
from sync.sandbox.servicenow.terms import Scope, Test

Passing = Callable[
    [Scope, Parsed], tuple[Iterable[Row], bool]
]  # the rows that pass, and whether no term was dropped
Built = tuple[Test, bool] | None  # None: there is no such table or column

_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def joined(join: Join, scope: Scope, passing: Passing) -> Built:
    """Rows with at least one joined row that passes the conditions, and all joins that go on from it."""
    other, own = scope.beside(join.table), scope.resolve(join.from_field)
    theirs = other.resolve(join.field) if other else None
    if join.from_table not in {table.name for table in scope.table.lineage()}:
        return None
    if other is None or own is None or theirs is None:
        return None
    rows, complete = passing(other, join.query)
    for each in join.onward:
        built = joined(each, other, passing)
        if built is None:
            complete = False
            continue
        rows, complete = filter(built[0], rows), complete and built[1]
    return _one_of(own.get, {theirs.get(row) for row in rows}), complete


def subquery(clause: Subquery, scope: Scope, passing: Passing) -> Built:
    other, own = scope.beside(clause.table), scope.resolve(clause.own_field)
    theirs = other.resolve(clause.field) if other else None
    if other is None or own is None or theirs is None:
        return None
    rows, complete = passing(other, clause.query)
    return _one_of(own.get, {theirs.get(row) for row in rows}), complete


def related(clause: RelatedList, scope: Scope, passing: Passing) -> Built:
    """Rows that as many rows of the other table point at as the clause says."""
    other = scope.beside(clause.table)
    pointer = other.resolve(clause.field) if other else None
    if other is None or pointer is None:
        return None
    rows, complete = passing(other, clause.query)
    counts = Counter(pointer.get(row) for row in rows)
    low, high = clause.count, clause.count_to
    if clause.comparison == "BETWEEN":
        return (lambda row: low <= counts[row[SYS_ID]] <= high), complete
    compare = _COMPARE[clause.comparison]
    return (lambda row: compare(counts[row[SYS_ID]], low)), complete


def _one_of(get: Callable[[Row], str], values: set[str]) -> Test:
    wanted = frozenset(values - {""})
    return lambda row: get(row) in wanted
