"""The operators of encoded queries, each a function from column and value to a test of one row.

Empty values pass `!=`, `NOT IN` and `NOT LIKE` here; whether they do on every release is unverified, so a
careful client says `^ORfieldISEMPTY` or `^fieldISNOTEMPTY`. Text compares without regard to case, as the usual
database collations do (unverified); codes, ids and numbers compare exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sync.sandbox.servicenow.schema import DATE_TYPES, NUMBER_TYPES, STRING_TYPES, Column, Row
from sync.sandbox.servicenow.scripts import Caller, evaluate
from sync.sandbox.servicenow.stamps import parse, stamp

Getter = Callable[[Row], str]
Test = Callable[[Row], bool]


@dataclass(frozen=True, slots=True)
class Operand:
    """A column, perhaps at the end of a dot-walk: how to read it from a row, and how a person sees it."""

    column: Column
    get: Getter
    show: Getter

    @property
    def text(self) -> bool:
        return self.column.kind in STRING_TYPES and not self.column.choices


@dataclass(frozen=True, slots=True)
class Term:
    """What an operator is given; `other` finds a second column for field comparisons, None if there is none."""

    operand: Operand
    value: str
    caller: Caller
    other: Callable[[str], Operand | None]


Operator = Callable[[Term], Test | None]  # None: the term makes no sense and is dropped


def _fold(term: Term) -> tuple[Getter, str]:
    get = term.operand.get
    value = evaluate(term.value, term.caller)
    if term.operand.text:
        return (lambda row: get(row).casefold()), value.casefold()
    return get, value


def _equal(term: Term) -> Test:
    if term.value in ("", "NULL"):
        return _empty(term)
    if term.operand.text:
        get, value = _fold(term)
        return lambda row: get(row) == value
    raw, value = term.operand.get, evaluate(term.value, term.caller)
    return lambda row: raw(row) == value


def _not(operator: Callable[[Term], Test]) -> Operator:
    def build(term: Term) -> Test:
        test = operator(term)
        return lambda row: not test(row)

    return build


def _one_of(term: Term) -> Test:
    get, value = _fold(term)
    wanted = frozenset(value.split(","))
    return lambda row: get(row) in wanted


def _shown(term: Term) -> tuple[Getter, str]:
    """Text searches read what a person reads: on a reference, the display value."""
    show = term.operand.show if term.operand.column.reference else term.operand.get
    return (lambda row: show(row).casefold()), term.value.casefold()


def _contains(term: Term) -> Test:
    get, value = _shown(term)
    return lambda row: value in get(row)


def _starts(term: Term) -> Test:
    get, value = _shown(term)
    return lambda row: get(row).startswith(value)


def _ends(term: Term) -> Test:
    get, value = _shown(term)
    return lambda row: get(row).endswith(value)


def _empty(term: Term) -> Test:
    get = term.operand.get
    return lambda row: not get(row)


def _anything(term: Term) -> Test:
    return lambda row: True


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _compare(relation: Callable[[float, float], bool], words: Callable[[str, str], bool]) -> Operator:
    """Order by number in a number column, by the stored text elsewhere; an empty value is in no order."""

    def build(term: Term) -> Test | None:
        get = term.operand.get
        value = evaluate(term.value, term.caller)
        if term.operand.column.kind in NUMBER_TYPES:
            bound = _number(value)
            if bound is None:
                return None

            def numeric(row: Row) -> bool:
                found = _number(get(row))
                return found is not None and relation(found, bound)

            return numeric
        if term.operand.text:
            fold, lowered = _fold(term)
            return lambda row: bool(text := fold(row)) and words(text, lowered)
        return lambda row: bool(text := get(row)) and words(text, value)

    return build


_GREATER = _compare(lambda a, b: a > b, lambda a, b: a > b)
_AT_LEAST = _compare(lambda a, b: a >= b, lambda a, b: a >= b)
_LESS = _compare(lambda a, b: a < b, lambda a, b: a < b)
_AT_MOST = _compare(lambda a, b: a <= b, lambda a, b: a <= b)


def _within(term: Term, low: str, high: str) -> Test | None:
    above = _AT_LEAST(Term(term.operand, low, term.caller, term.other))
    below = _AT_MOST(Term(term.operand, high, term.caller, term.other))
    if above is None or below is None:
        return None
    return lambda row: above(row) and below(row)


def _between(term: Term) -> Test | None:
    low, mark, high = term.value.partition("@")
    return _within(term, low, high) if mark else None


def _on(term: Term) -> Test | None:
    """`ONToday@<start>@<end>` as the list editor writes it, or `ON2026-03-01` for a day of the user's zone."""
    parts = term.value.split("@")
    if len(parts) == 3:
        return _within(term, parts[1], parts[2])
    day = parse(parts[0])
    if day is None:
        return None
    start = day.replace(tzinfo=term.caller.midnight().tzinfo)
    return _within(term, stamp(start), stamp(start + timedelta(days=1, seconds=-1)))


_UNITS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "dayofweek": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=30),
    "year": timedelta(days=365),
}


def _relative(compare: Operator) -> Operator:
    """`@minute@ago@15`; months and years are counted as 30 and 365 days."""

    def build(term: Term) -> Test | None:
        parts = term.value.lstrip("@").split("@")
        if len(parts) != 3 or parts[0] not in _UNITS or not parts[2].isdigit():
            return None
        span = _UNITS[parts[0]] * int(parts[2])
        moment = term.caller.now - span if parts[1] == "ago" else term.caller.now + span
        return compare(Term(term.operand, stamp(moment), term.caller, term.other))

    return build


def _same_as(term: Term) -> Test | None:
    other = term.other(term.value)
    if other is None:
        return None
    one, two = term.operand.get, other.get
    return lambda row: one(row) == two(row)


def _unlike_field(term: Term) -> Test | None:
    same = _same_as(term)
    return None if same is None else (lambda row: not same(row))


def _dates_only(operator: Operator) -> Operator:
    return lambda term: operator(term) if term.operand.column.kind in DATE_TYPES else None


OPERATORS: dict[str, Operator] = {
    "=": _equal,
    "!=": _not(_equal),
    ">": _GREATER,
    ">=": _AT_LEAST,
    "<": _LESS,
    "<=": _AT_MOST,
    "IN": _one_of,
    "NOT IN": _not(_one_of),
    "LIKE": _contains,
    "CONTAINS": _contains,
    "*": _contains,
    "NOT LIKE": _not(_contains),
    "!*": _not(_contains),
    "STARTSWITH": _starts,
    "ENDSWITH": _ends,
    "%": _ends,
    "ISEMPTY": _empty,
    "EMPTYSTRING": _empty,
    "ISNOTEMPTY": _not(_empty),
    "ANYTHING": _anything,
    "BETWEEN": _between,
    "SAMEAS": _same_as,
    "NSAMEAS": _unlike_field,
    "ON": _dates_only(_on),
    "RELATIVEGT": _dates_only(_relative(_GREATER)),
    "RELATIVEGE": _dates_only(_relative(_AT_LEAST)),
    "RELATIVELT": _dates_only(_relative(_LESS)),
    "RELATIVELE": _dates_only(_relative(_AT_MOST)),
}

# Longest first, so that `>=` is not read as `>` with the value `=...`, nor `NOT IN` as an unknown word.
BY_LENGTH: tuple[str, ...] = tuple(sorted(OPERATORS, key=len, reverse=True))
