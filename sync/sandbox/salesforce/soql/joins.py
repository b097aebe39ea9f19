"""Semi-joins and anti-joins: ids compared with what another query finds, which is asked first.

Source: SOQL reference, "Comparison Operators": both sides are ids or references, the inner query has no query of
its own, and nulls of it match nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.soql.columns import Columns
from sync.sandbox.salesforce.soql.syntax import And, Comparison, Condition, Join, Not, Path, Query, Text
from sync.sandbox.salesforce.soql.tokens import excerpt
from sync.sandbox.salesforce.store import Stored

_IDS = frozenset({"id", "reference"})
Finder = Callable[[Query], set[Stored]]


def without_joins(condition: Condition, columns: Columns, find: Finder) -> Condition:
    """Return a condition whose joins became lists of ids. Raises Refusal."""
    if isinstance(condition, Join):
        check_id(condition.path, columns)
        ids = (str(value) for value in find(condition.query) if value is not None)
        return Comparison(condition.path, condition.operator, tuple(Text(value, value) for value in ids))
    if isinstance(condition, Comparison):
        return condition
    if isinstance(condition, Not):
        return Not(without_joins(condition.child, columns, find))
    children = tuple(without_joins(child, columns, find) for child in condition.children)
    return And(children) if isinstance(condition, And) else type(condition)(children)


def check_id(path: Path, columns: Columns) -> None:
    """Raises Refusal (INVALID_FIELD) for a field that holds no ids."""
    if columns.resolve(path).field.type not in _IDS:
        what = (
            f"The left operand and the selected field of a joined query must be ids: {'.'.join(path.parts)}"
        )
        raise Refusal("INVALID_FIELD", excerpt(columns.statement, path.at) + what)
