"""Conditions compiled to closures over a row's values.

Comparison follows the platform: text ignores case, ids do not; `!=` and NOT IN include nulls, `<` and `>`
never match one; a date literal is a span of days in the user's time zone.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync.sandbox.salesforce.ids import suffix, to18
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.schema import TEXT_TYPES, Field
from sync.sandbox.salesforce.soql.columns import Column, Getter, Resolver
from sync.sandbox.salesforce.soql.periods import days, midnight
from sync.sandbox.salesforce.soql.syntax import (
    And,
    Boolean,
    Comparison,
    Condition,
    Day,
    Join,
    Literal,
    Moment,
    Not,
    Null,
    Number,
    Period,
    Text,
)
from sync.sandbox.salesforce.soql.tokens import characters
from sync.sandbox.salesforce.store import Stored, Values

Predicate = Callable[[Values], bool]
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_REFERENCES = frozenset({"id", "reference"})


@dataclass(frozen=True, slots=True)
class Span:
    """A date literal as stored values: from `start` up to, not including, `end`."""

    start: Any
    end: Any


class Conditions:
    """Compiles the conditions of one statement; `now` is the org's time in the asking user's zone."""

    def __init__(self, columns: Resolver, now: datetime) -> None:
        self._columns = columns
        self._now = now

    def compile(self, condition: Condition) -> Predicate:
        """Raises Refusal (INVALID_FIELD, INVALID_QUERY_FILTER_OPERATOR)."""
        if isinstance(condition, Comparison):
            return self._comparison(condition)
        if isinstance(condition, Join):  # those of a statement's own conditions were asked before
            raise Refusal("MALFORMED_QUERY", "A joined query is not allowed in this part of a query")
        if isinstance(condition, Not):
            child = self.compile(condition.child)
            return lambda values: not child(values)
        children = [self.compile(each) for each in condition.children]
        return _all(children) if isinstance(condition, And) else _any(children)

    def _comparison(self, comparison: Comparison) -> Predicate:
        column = self._columns.resolve(comparison.path)
        field, sign = column.field, comparison.operator
        if field.long:
            raise Refusal("INVALID_FIELD", f"field '{field.name}' can not be filtered in a query call")
        if sign in ("INCLUDES", "EXCLUDES"):
            raise _wrong_operator(field)
        if sign == "LIKE":
            return _like(column, comparison.values[0])
        values = [self.value(field, literal) for literal in comparison.values]
        get = _folded(column) if field.type in TEXT_TYPES else column.get
        if sign in ("IN", "NOT IN"):
            return _membership(get, values, sign == "NOT IN")
        wanted = values[0]
        if isinstance(wanted, Span):
            return _in_span(get, sign, wanted)
        if sign == "=":
            return lambda row: get(row) == wanted
        if sign == "!=":
            return lambda row: get(row) != wanted
        if field.type == "boolean" or wanted is None:
            raise _wrong_operator(field)
        return _ordering(get, _ORDERED[sign], wanted)

    def value(self, field: Field, literal: Literal) -> Stored | Span:
        """Return a literal as the field stores it, text in lower case. Raises Refusal (INVALID_FIELD)."""
        if isinstance(literal, Null):
            return None
        if isinstance(literal, Period) and field.type in ("date", "datetime"):
            return self._span(field, literal)
        for types, kind, convert in _CONVERSIONS:
            if field.type in types:
                if not isinstance(literal, kind):
                    raise _wrong_type(field, literal)
                return convert(field, literal)
        raise _wrong_type(field, literal)

    def _span(self, field: Field, literal: Period) -> Span:
        try:
            first, after = days(literal.name, literal.count, self._now.date())
        except (OverflowError, ValueError) as error:
            raise Refusal("MALFORMED_QUERY", f"{literal.name}:{literal.count} is out of range") from error
        if field.type == "date":
            return Span(first.isoformat(), after.isoformat())
        zone = self._now.tzinfo
        assert zone is not None
        return Span(midnight(first, zone), midnight(after, zone))


def _all(children: list[Predicate]) -> Predicate:
    if len(children) == 2:
        first, second = children
        return lambda values: first(values) and second(values)
    return lambda values: all(child(values) for child in children)


def _any(children: list[Predicate]) -> Predicate:
    if len(children) == 2:
        first, second = children
        return lambda values: first(values) or second(values)
    return lambda values: any(child(values) for child in children)


def _folded(column: Column) -> Getter:
    get = column.get

    def folded(values: Values) -> Stored:
        value = get(values)
        return value.lower() if isinstance(value, str) else value

    return folded


def _ordering(get: Getter, compare: Callable[[Any, Any], bool], wanted: Stored) -> Predicate:
    def ordered(values: Values) -> bool:
        value = get(values)
        return value is not None and compare(value, wanted)

    return ordered


def _membership(get: Getter, wanted: list[Any], negated: bool) -> Predicate:
    spans = [each for each in wanted if isinstance(each, Span)]
    members = frozenset(each for each in wanted if not isinstance(each, Span))

    def contained(value: Any) -> bool:
        return value in members or any(value is not None and s.start <= value < s.end for s in spans)

    if negated:
        return lambda values: not contained(get(values))
    return lambda values: contained(get(values))


def _in_span(get: Getter, sign: str, span: Span) -> Predicate:
    inside: dict[str, Callable[[Any], bool]] = {
        "=": lambda value: span.start <= value < span.end,
        "!=": lambda value: not span.start <= value < span.end,
        "<": lambda value: value < span.start,
        "<=": lambda value: value < span.end,
        ">": lambda value: value >= span.end,
        ">=": lambda value: value >= span.start,
    }
    test, of_null = inside[sign], sign == "!="

    def matches(values: Values) -> bool:
        value = get(values)
        return of_null if value is None else test(value)

    return matches


def _like(column: Column, literal: Literal) -> Predicate:
    field, get = column.field, column.get
    if field.type not in TEXT_TYPES:
        raise _wrong_operator(field)
    if not isinstance(literal, Text):
        raise _wrong_type(field, literal)
    pattern = "".join(
        {"%": ".*", "_": "."}[char] if char in "%_" and not escaped else re.escape(char)
        for char, escaped in characters(literal.raw)
    )
    matches = re.compile(pattern, re.IGNORECASE | re.DOTALL).fullmatch

    def like(values: Values) -> bool:
        value = get(values)
        return value is not None and matches(str(value)) is not None

    return like


def _record_id(field: Field, literal: Text) -> str:
    if literal.value == "":
        return ""
    full = to18(literal.value)
    if full is None and len(literal.value) == 18 and literal.value.isalnum():
        full = literal.value[:15] + suffix(literal.value[:15])  # filters do not mind a wrong suffix
    if full is None:
        raise Refusal("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {literal.value}")
    return full


# Field types, the literal each must be compared with, and how that becomes a stored value.
_CONVERSIONS: tuple[tuple[frozenset[str], type, Callable[[Field, Any], Stored]], ...] = (
    (TEXT_TYPES, Text, lambda field, literal: literal.value.lower()),
    (_REFERENCES, Text, _record_id),
    (frozenset({"boolean"}), Boolean, lambda field, literal: literal.value),
    (frozenset({"datetime"}), Moment, lambda field, literal: literal.value),
    (frozenset({"date"}), Day, lambda field, literal: literal.value),
    (frozenset({"int", "double"}), Number, lambda field, literal: literal.value),
)


def _wrong_type(field: Field, literal: Literal) -> Refusal:
    kind = {"datetime": "dateTime", "id": "string", "reference": "string"}.get(field.type, field.type)
    kind = "string" if field.type in TEXT_TYPES else kind
    quotes = "should be enclosed in quotes" if kind == "string" else "should not be enclosed in quotes"
    return Refusal(
        "INVALID_FIELD",
        f"value of filter criterion for field '{field.name}' must be of type {kind} and {quotes}",
    )


def _wrong_operator(field: Field) -> Refusal:
    return Refusal("INVALID_QUERY_FILTER_OPERATOR", f"invalid operator on {field.type} field: {field.name}")
