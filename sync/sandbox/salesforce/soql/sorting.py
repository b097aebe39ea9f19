"""ORDER BY: which fields may be sorted by, and sorting by several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.soql.columns import Column, Resolver
from sync.sandbox.salesforce.soql.syntax import Order
from sync.sandbox.salesforce.store import Row


def sortable(columns: Resolver, order: Order) -> Column:
    column = columns.resolve(order.path)
    if column.field.long:
        raise Refusal("MALFORMED_QUERY", f"field '{column.field.name}' can not be sorted in a query call")
    return column


def sort(rows: list[Row], sorts: list[tuple[Order, Column]]) -> None:
    """Sort by the last key first: each pass is stable, so the first key decides."""
    for order, column in reversed(sorts):
        key = _sort_key(column)
        nulls = [row for row in rows if column.get(row.values) is None]
        others = [row for row in rows if column.get(row.values) is not None]
        others.sort(key=key, reverse=order.descending)
        rows[:] = others + nulls if order.nulls_last else nulls + others


def _sort_key(column: Column) -> Callable[[Row], Any]:
    get = column.get
    if column.field.case_sensitive:
        return lambda row: get(row.values)

    def folded(row: Row) -> Any:
        value = get(row.values)
        return value.lower() if isinstance(value, str) else value

    return folded
