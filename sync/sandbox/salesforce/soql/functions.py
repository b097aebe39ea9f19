"""The functions of SOQL: aggregates over the rows of a group, and parts of a date.

Source: SOQL reference, "Aggregate Functions" and "Date Functions": an aggregate passes over nulls, the parts of
a date-time are those of its UTC form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.schema import Field
from sync.sandbox.salesforce.store import Stored

_NUMBERS = frozenset({"int", "double"})
_SUMS = frozenset({"SUM", "AVG"})
_COUNTS = frozenset({"COUNT", "COUNT_DISTINCT"})


def _sum(values: Sequence[Any]) -> Stored:
    return float(sum(values)) if values else None


def _average(values: Sequence[Any]) -> Stored:
    return sum(values) / len(values) if values else None


def _fold(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _distinct(values: Sequence[Any]) -> Stored:
    return len({_fold(value) for value in values})


AGGREGATES: dict[str, Callable[[Sequence[Any]], Stored]] = {
    "COUNT": len,
    "COUNT_DISTINCT": _distinct,
    "SUM": _sum,
    "AVG": _average,
    "MIN": lambda values: min(values, key=_fold, default=None),
    "MAX": lambda values: max(values, key=_fold, default=None),
}
DATE_PARTS: dict[str, Callable[[datetime], Stored]] = {
    "CALENDAR_YEAR": lambda at: at.year,
    "CALENDAR_QUARTER": lambda at: (at.month + 2) // 3,
    "CALENDAR_MONTH": lambda at: at.month,
    "DAY_IN_MONTH": lambda at: at.day,
    "DAY_IN_WEEK": lambda at: at.isoweekday() % 7 + 1,  # 1 is Sunday
    "DAY_IN_YEAR": lambda at: at.timetuple().tm_yday,
    "DAY_ONLY": lambda at: at.date().isoformat(),
    "HOUR_IN_DAY": lambda at: at.hour,
    "WEEK_IN_YEAR": lambda at: (at.timetuple().tm_yday - 1) // 7 + 1,  # week 1 begins with January 1
}


def aggregated(function: str, field: Field) -> Field:
    """Return the field that an aggregate of `field` looks like. Raises Refusal (MALFORMED_QUERY)."""
    sums_wrongly = function in _SUMS and field.type not in _NUMBERS
    if sums_wrongly or not field.aggregatable:
        raise Refusal("MALFORMED_QUERY", f"field {field.name} does not support aggregate operator {function}")
    if function in _COUNTS:
        return Field(field.name, field.label, "int")
    return Field(field.name, field.label, "double") if function in _SUMS else field


def date_part(function: str, field: Field) -> Field:
    """Return the field that a part of `field` looks like. Raises Refusal (MALFORMED_QUERY)."""
    if field.type not in ("date", "datetime"):
        raise Refusal("MALFORMED_QUERY", f"field {field.name} does not support date function {function}")
    return Field(field.name, field.label, "date" if function == "DAY_ONLY" else "int")


def part_of(function: str, value: Stored) -> Stored:
    """Return a part of a stored date or date-time."""
    if value is None:
        return None
    if isinstance(value, str):
        day = date.fromisoformat(value)
        return DATE_PARTS[function](datetime(day.year, day.month, day.day, tzinfo=UTC))
    return DATE_PARTS[function](datetime.fromtimestamp(int(value), UTC))
