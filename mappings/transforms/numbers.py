"""Functions of numbers and of true and false. Pure."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from mappings.registry import Number, Truth, Value, function
from mappings.text import spelled
from mappings.transforms.settings import Digits
from mappings.values import as_number, as_text, is_empty


def _spelled_number(value: Any) -> str:
    return "" if is_empty(value) else spelled(as_number(value))


@function("number", inverse=_spelled_number, carries=True)
def number(value: Value) -> Number:
    """A number: ServiceNow text to a JSON number and back to digits, without a trailing .0; empty stays empty.

    >>> number("1,250.50")
    1250.5
    >>> number("5.0")
    5
    """
    return None if is_empty(value) else as_number(value)


_EXACT = Context(prec=400)  # digits enough for any number of JSON; by itself Decimal refuses more than 28


@function("rounded number", name="round")
def rounded(number: Number, *, digits: Digits = 0) -> Number:
    """The number with at most so many digits behind the point; a half goes away from zero.

    >>> round(1250.505, 2)
    1250.51
    >>> round("2.5")
    3
    """
    if number is None:
        return None
    found = Decimal(repr(number)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _EXACT)
    return int(found) if found == found.to_integral_value() else float(found)


def _carried_truth(value: Any) -> bool:
    return as_text(value).strip().lower() in ("true", "1")


@function("boolean", inverse=lambda value: spelled(_carried_truth(value)), carries=True)
def boolean(value: Value) -> Truth:
    """True or false; empty is false, because a Salesforce checkbox is never empty.

    >>> boolean("1")
    true
    >>> boolean("")
    false
    """
    return _carried_truth(value)
