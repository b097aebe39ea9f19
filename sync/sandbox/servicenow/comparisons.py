"""Order among values: by number in a number column, by the stored text elsewhere; an empty value is in no order."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sync.sandbox.servicenow.schema import NUMBER_TYPES, Row
from sync.sandbox.servicenow.scripts import evaluate
from sync.sandbox.servicenow.terms import Getter, Operator, Term, Test

Relation = Callable[[Any, Any], bool]  # of two numbers, or of two texts


def folded(term: Term) -> tuple[Getter, str]:
    """The column's values and the term's own, both without regard to case where the dialect compares so."""
    get = term.operand.get
    value = evaluate(term.value, term.caller)
    if term.operand.text and not term.caller.dialect.string_comparison_case_sensitive:
        return (lambda row: get(row).casefold()), value.casefold()
    return get, value


def number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _compare(relation: Relation) -> Operator:
    def build(term: Term) -> Test | None:
        get, value = folded(term)
        if term.operand.column.kind not in NUMBER_TYPES:
            return lambda row: bool(text := get(row)) and relation(text, value)
        bound = number(value)
        if bound is None:
            return None
        return lambda row: (found := number(get(row))) is not None and relation(found, bound)

    return build


GREATER = _compare(operator.gt)
AT_LEAST = _compare(operator.ge)
LESS = _compare(operator.lt)
AT_MOST = _compare(operator.le)


def within(term: Term, low: str, high: str) -> Test | None:
    """Both ends belong to the range."""
    above, below = AT_LEAST(replace(term, value=low)), AT_MOST(replace(term, value=high))
    if above is None or below is None:
        return None
    return lambda row: above(row) and below(row)


def between(term: Term) -> Test | None:
    low, mark, high = term.value.partition("@")
    return within(term, low, high) if mark else None


def _to_field(relation: Relation) -> Operator:
    """`reassignment_countGT_FIELDreopen_count`; where either is empty there is no order."""

    def build(term: Term) -> Test | None:
        other = term.scope.resolve(term.value)
        if other is None:
            return None
        one, two = term.operand.get, other.get
        if term.operand.column.kind not in NUMBER_TYPES:
            return lambda row: bool((a := one(row)) and (b := two(row))) and relation(a, b)

        def numeric(row: Row) -> bool:
            a, b = number(one(row)), number(two(row))
            return a is not None and b is not None and relation(a, b)

        return numeric

    return build


FIELD_ORDER: dict[str, Operator] = {
    "GT_FIELD": _to_field(operator.gt),
    "LT_FIELD": _to_field(operator.lt),
    "GT_OR_EQUALS_FIELD": _to_field(operator.ge),
    "LT_OR_EQUALS_FIELD": _to_field(operator.le),
}
