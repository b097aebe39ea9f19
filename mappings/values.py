"""Raw values and what becomes of one: a projected value, or the reason why there is none. Pure.

ServiceNow raws are strings ("" for empty), lists of strings for rows with several columns; Salesforce raws are JSON
scalars (None for empty).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from mappings.text import shown, spelled

NOT_YET = "NO_COUNTERPART_YET"  # code of what may have a counterpart later
MAX_TEXT = 400_000  # characters that a formula may make of a value; the longest text field of either side holds fewer


class Unmapped(ValueError):
    """The value has no counterpart; `message` says which, `advice` what to do."""

    def __init__(self, message: str, *, code: str = "UNMAPPED_VALUE", advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.advice = advice


class Projected(NamedTuple):
    """`value` is what to send; `note` says what was lost on the way ("" = nothing)."""

    value: Any
    note: str = ""


Step = Callable[[Any], Projected]
EMPTY = Projected(None)


class _Leave:
    """Stands for a column that a row leaves as it is. Never sent, never stored."""

    def __repr__(self) -> str:
        return "LEAVE"


LEAVE = _Leave()


class Steps(NamedTuple):
    forward: Step
    backward: Step | None  # None: it has no inverse


def as_text(raw: Any) -> str:
    """A raw value as text: "" for nothing, JSON's spelling of booleans and numbers. Raises Unmapped for lists and objects."""
    if raw is None or isinstance(raw, str):
        return raw or ""
    if isinstance(raw, bool | int | float):
        try:
            return spelled(raw)
        except ValueError:  # Python spells no number of more than 4,300 digits
            raise Unmapped("A number has too many digits.", code="NOT_A_NUMBER") from None
    raise Unmapped(
        f"{shown(raw)} is not one value but several.",
        code="NOT_ONE_VALUE",
        advice="Map one of its parts, or leave the field out.",
    )


# Digits with or without commas between thousands. A comma anywhere else may be a decimal point, and is not guessed.
_NUMBER = re.compile(
    r"[+-]?(?:\d{1,3}(?:,\d{3}){1,9}|\d{1,30})?(?:\.\d{0,30})?(?:[eE][+-]?\d{1,2})?", re.ASCII
)


def as_number(raw: Any) -> int | float:
    """Whole numbers as int, whatever their size: none loses a digit. Raises Unmapped."""
    text = as_text(raw).strip()
    if text.isascii() and text.isdigit() and len(text) <= 30:  # most numbers
        return int(text)
    try:
        number = Decimal(text.replace(",", "")) if _NUMBER.fullmatch(text) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise Unmapped(f"{shown(raw)} is not a number.", code="NOT_A_NUMBER")
    return int(number) if number == number.to_integral_value() else float(number)


def is_empty(raw: Any) -> bool:
    return raw is None or raw == "" or raw == []


def is_true(raw: Any) -> bool:
    """Whether a condition holds: whatever is not empty, false or 0. ServiceNow says "true" and "0" in text."""
    if isinstance(raw, str):
        return raw.strip().lower() not in ("", "false", "0")
    return bool(raw)


def bounded(text: str) -> str:
    """The text. Raises Unmapped if it has grown beyond what any field holds."""
    check_size(len(text))
    return text


def check_size(length: int) -> None:
    """Raises Unmapped for a text of so many characters that no field holds them."""
    if length > MAX_TEXT:
        raise Unmapped(
            f"The formula makes a text of {length:,} characters; {MAX_TEXT:,} are allowed.",
            code="TOO_LONG",
            advice="Cut the parts with truncate before they are put together.",
        )
