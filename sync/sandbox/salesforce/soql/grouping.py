"""GROUP BY, HAVING and aggregate functions: rows become groups, and groups are filtered and sorted as rows are.

Source: SOQL reference, "GROUP BY", "HAVING" and "Aggregate Functions".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from operator import itemgetter
from typing import Any

from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.soql.columns import Column, Getter, Resolver
from sync.sandbox.salesforce.soql.conditions import Conditions
from sync.sandbox.salesforce.soql.functions import AGGREGATES, aggregated
from sync.sandbox.salesforce.soql.select import Renderer
from sync.sandbox.salesforce.soql.sorting import sort, sortable
from sync.sandbox.salesforce.soql.syntax import Path, Query
from sync.sandbox.salesforce.soql.tokens import excerpt
from sync.sandbox.salesforce.store import Row, Stored, Values
from sync.sandbox.salesforce.values import render as render_value

MAX_GROUPS = 2000  # more would take queryMore(), which aggregates do not have


class Groups:
    """The groups of one statement: a row of values each, first those it groups by, then its aggregates."""

    def __init__(self, query: Query, columns: Resolver) -> None:
        self._query = query
        self._columns = columns
        self._found: dict[tuple[str, ...], Column] = {}
        self._aggregates: list[tuple[Callable[[Sequence[Any]], Stored], Getter]] = []
        self._keys = [self._grouped(path) for path in query.group]

    def resolve(self, path: Path) -> Column:
        """Return a column of the groups; an aggregate nobody named yet is counted from now on.

        Raises Refusal (MALFORMED_QUERY).
        """
        if path.key in self._found:
            return self._found[path.key]
        if path.function not in AGGREGATES:
            raise self._malformed(path, f"Field must be grouped or aggregated: {'.'.join(path.parts)}")
        inner = self._columns.resolve(replace(path, function=""))
        self._aggregates.append((AGGREGATES[path.function], inner.get))
        slot = len(self._query.group) + len(self._aggregates) - 1
        return self._keep(path, aggregated(path.function, inner.field), slot)

    def rows(self, rows: Sequence[Row]) -> list[Row]:
        """Return a row for each group; without GROUP BY, all rows are one group, even if there is none."""
        members: dict[tuple[Stored, ...], list[Values]] = {} if self._keys else {(): []}
        for row in rows:
            key = tuple(_folded(get(row.values)) for get in self._keys)
            members.setdefault(key, []).append(row.values)
        return [Row(self._values(each)) for each in members.values()]

    def _values(self, members: list[Values]) -> Values:
        keys: Values = [get(members[0]) for get in self._keys]
        for function, get in self._aggregates:
            keys.append(function([value for value in map(get, members) if value is not None]))
        return keys

    def _grouped(self, path: Path) -> Getter:
        if path.function in AGGREGATES:
            raise self._malformed(path, f"Aggregate functions cannot be grouped by: {path.function}")
        column = self._columns.resolve(path)
        if not column.field.groupable:
            raise Refusal(
                "MALFORMED_QUERY", f"field '{column.field.name}' can not be grouped in a query call"
            )
        self._keep(path, column.field, len(self._found))
        return column.get

    def _keep(self, path: Path, field: Any, slot: int) -> Column:
        column = Column(field, itemgetter(slot), slot)
        self._found[path.key] = column
        return column

    def _malformed(self, path: Path, what: str) -> Refusal:
        return Refusal("MALFORMED_QUERY", excerpt(self._query.statement, path.at) + what)


def grouped(
    rows: Sequence[Row], query: Query, columns: Resolver, now: datetime
) -> tuple[list[Row], Renderer]:
    """Return the groups that a statement asks for, in its order, and how one is rendered. Raises Refusal."""
    if query.limit is not None and not query.group:
        raise Refusal(
            "MALFORMED_QUERY", "Non-grouped query that uses overall aggregate functions cannot also use LIMIT"
        )
    if query.counts_only:
        raise Refusal("MALFORMED_QUERY", "Grouped query cannot use COUNT() without a field")
    if query.children or query.typeofs or query.fields_group:
        raise Refusal("MALFORMED_QUERY", "Grouped query cannot use child relationships in the SELECT list")
    groups = Groups(query, columns)
    render = _renderer(groups, query)
    having = Conditions(groups, now).compile(query.having) if query.having else None
    sorts = [(each, sortable(groups, each)) for each in query.order]
    found = [row for row in groups.rows(rows) if having is None or having(row.values)]
    sort(found, sorts)
    end = None if query.limit is None else query.offset + query.limit
    found = found[query.offset : end]
    if len(found) > MAX_GROUPS:
        raise Refusal(
            "EXCEEDED_ID_LIMIT",
            "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch",
        )
    return found, render


def _renderer(groups: Groups, query: Query) -> Renderer:
    columns: dict[str, Column] = {}
    unnamed = 0
    for path in query.paths:
        column = groups.resolve(path)
        name = path.alias or (f"expr{unnamed}" if path.function else column.field.name)
        unnamed += bool(path.function and not path.alias)
        if name in columns:
            raise Refusal("MALFORMED_QUERY", f"duplicate alias: {name}")
        columns[name] = column

    def render(values: Values) -> dict[str, Any]:
        record: dict[str, Any] = {"attributes": {"type": "AggregateResult"}}
        for name, column in columns.items():
            record[name] = render_value(column.field, column.get(values))
        return record

    return render


def _folded(value: Stored) -> Stored:
    return value.lower() if isinstance(value, str) else value
