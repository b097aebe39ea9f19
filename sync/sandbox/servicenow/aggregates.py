"""Counting and reckoning over rows, in groups: what the Aggregate API asks for and how it is answered.

Numbers are strings, averages with four decimals. Source: the vendor's Aggregate API page.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from sync.sandbox.servicenow.schema import NUMBER_TYPES, Row
from sync.sandbox.servicenow.terms import Operand

Stats = dict[str, object]


@dataclass(frozen=True, slots=True)
class Having:
    """One `sysparm_having` term, such as `count^priority^>^3`."""

    function: str
    field: str
    compare: Callable[[Decimal, Decimal], bool]
    value: Decimal


@dataclass(frozen=True, slots=True)
class Wanted:
    """`reckoned`: the columns for each of avg, sum, min and max; `groups`: by which columns, with their names."""

    count: bool
    reckoned: Mapping[str, Sequence[tuple[str, Operand]]]
    groups: Sequence[tuple[str, Operand]]


@dataclass(frozen=True, slots=True)
class Group:
    keys: tuple[str, ...]
    rows: list[Row]


def grouped(wanted: Wanted, rows: Iterable[Row]) -> list[Group]:
    """One group for each combination of values, in their order; the whole is one group where none is asked."""
    found: dict[tuple[str, ...], list[Row]] = {} if wanted.groups else {(): []}
    for row in rows:
        found.setdefault(tuple(operand.get(row) for _, operand in wanted.groups), []).append(row)
    return [Group(keys, found[keys]) for keys in sorted(found)]


def stats(wanted: Wanted, group: Group) -> Stats:
    answer: Stats = {"count": str(len(group.rows))} if wanted.count else {}
    for function, columns in wanted.reckoned.items():
        if columns:
            answer[function] = {name: reckon(function, operand, group.rows) for name, operand in columns}
    return answer


def reckon(function: str, operand: Operand, rows: list[Row]) -> str:
    """The figure over all rows that have a value; "" where none has."""
    texts = [text for row in rows if (text := operand.get(row))]
    if not texts:
        return ""
    if operand.column.kind not in NUMBER_TYPES:
        return _OF_TEXTS[function](texts) if function in _OF_TEXTS else ""
    return _OF_NUMBERS[function]([Decimal(text) for text in texts])


def passes(having: Sequence[Having], operands: Mapping[str, Operand], group: Group) -> bool:
    return all(_holds(term, operands, group) for term in having)


def _holds(term: Having, operands: Mapping[str, Operand], group: Group) -> bool:
    if term.function == "count":
        return term.compare(Decimal(len(group.rows)), term.value)
    operand = operands.get(term.field)
    text = reckon(term.function, operand, group.rows) if operand else ""
    number = as_number(text)
    return number is not None and term.compare(number, term.value)


def parse_having(text: str) -> list[Having]:
    """The terms that can be read; the others are dropped, as in queries."""
    return [term for part in text.split(",") if (term := _having(part)) is not None]


def _having(text: str) -> Having | None:
    parts = text.split("^")
    if len(parts) != 4:
        return None
    function, field, sign, value = parts
    number = as_number(value)
    if number is None or sign not in _COMPARE or (function != "count" and function not in _OF_NUMBERS):
        return None
    return Having(function, field, _COMPARE[sign], number)


def as_number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


_COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_OF_TEXTS: dict[str, Callable[[list[str]], str]] = {"min": min, "max": max}
_OF_NUMBERS: dict[str, Callable[[list[Decimal]], str]] = {
    "avg": lambda numbers: f"{sum(numbers, Decimal()) / len(numbers):.4f}",
    "sum": lambda numbers: str(sum(numbers, Decimal())),
    "min": lambda numbers: str(min(numbers)),
    "max": lambda numbers: str(max(numbers)),
}
FUNCTIONS = tuple(_OF_NUMBERS)
