"""Which rows a query must look at: by key, from a stamp on, or all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sync.sandbox.salesforce.org import View
from sync.sandbox.salesforce.soql.conditions import Conditions
from sync.sandbox.salesforce.soql.syntax import And, Comparison, Condition, Join, Moment, Not, Order
from sync.sandbox.salesforce.store import Row

_STAMP = "systemmodstamp"
_BY_ID = (("", "id"), False)  # the one key of an order, and that it does not descend


@dataclass(frozen=True, slots=True)
class Plan:
    """`rows` may hold more than match. `ordered`: they already come as the query wants them."""

    rows: Iterable[Row]
    ordered: bool = False


def plan(
    view: View,
    conditions: Conditions,
    where: Condition | None,
    order: tuple[Order, ...],
    *,
    include_deleted: bool,
) -> Plan:
    # Deleted rows are in no index of keys, so a query that wants them too must look further.
    keyed = by_key(view, conditions, where) if where and not include_deleted else None
    if keyed is not None:
        return Plan(keyed.values())
    by_stamp = _follows_stamps(order)
    low = lower_bound(where) if where else None
    if by_stamp or low is not None:
        return Plan(view.table.scan(low or 0), by_stamp)
    by_id = view.table.in_id_order and [(each.path.key, each.descending) for each in order] == [_BY_ID]
    return Plan(view.table.rows.values(), by_id)


def by_key(view: View, conditions: Conditions, condition: Condition) -> dict[str, Row] | None:
    """Return candidate rows by id when keys bound the condition, else None."""
    if isinstance(condition, Comparison):
        return _by_comparison(view, conditions, condition)
    if isinstance(condition, Not | Join):
        return None
    found = [by_key(view, conditions, child) for child in condition.children]
    if isinstance(condition, And):
        usable = [rows for rows in found if rows is not None]
        return min(usable, key=len) if usable else None
    union: dict[str, Row] = {}
    for rows in found:
        if rows is None:
            return None
        union.update(rows)
    return union


def _by_comparison(view: View, conditions: Conditions, condition: Comparison) -> dict[str, Row] | None:
    path = condition.path
    if len(path.parts) > 1 or path.function or condition.operator not in ("=", "IN"):
        return None
    field, table = view.field(path.parts[0]), view.table
    if field is None or not (field.name == "Id" or field.name in table.indexes or field.on_delete):
        return None
    values = [conditions.value(field, literal) for literal in condition.values]
    if None in values:
        return None
    if field.name == "Id":
        return {str(value): table.rows[str(value)] for value in values if str(value) in table.rows}
    if field.on_delete:
        found = (table.referring(field.name, str(value)) for value in values)
    else:
        found = (table.find(field.name, str(value)) for value in values)
    return {str(row.values[0]): row for rows in found for row in rows}


def lower_bound(condition: Condition) -> int | None:
    """Return a SystemModstamp below which nothing can match, or None if the condition sets none."""
    if isinstance(condition, Comparison):
        literal = condition.values[0]
        is_stamp = condition.path.key == ("", _STAMP)
        if is_stamp and condition.operator in ("=", ">", ">=") and isinstance(literal, Moment):
            return literal.value
        return None
    if isinstance(condition, Not | Join):
        return None
    bounds = [lower_bound(child) for child in condition.children]
    known = [bound for bound in bounds if bound is not None]
    if isinstance(condition, And):
        return max(known, default=None)
    return min(known) if len(known) == len(bounds) else None


def _follows_stamps(order: tuple[Order, ...]) -> bool:
    """Tell whether the order is the index's own, so that reading can stop at the limit."""
    keys = [each.path.key for each in order]
    stamp, row_id = ("", _STAMP), ("", "id")
    return keys in ([stamp], [stamp, row_id]) and not any(each.descending for each in order)
