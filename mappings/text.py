"""Text in the one form in which both sides are compared."""

from __future__ import annotations

import math
import re
from decimal import Decimal

# What XML 1.0 cannot carry, which is what Salesforce refuses or drops; tab and newline stay. Lone surrogates
# cannot be encoded as UTF-8 at all.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
ELLIPSIS = "…"


def clean(text: str) -> str:
    """Newlines as \\n, no control characters, no white space at the end."""
    if text.isascii() and text.isprintable():  # most texts
        return text.rstrip()
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _FORBIDDEN.sub("", text).rstrip()


def length(text: str) -> int:
    """Characters as platforms that run on the JVM count them: UTF-16 units, so an emoji is two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, limit: int, ending: str = ELLIPSIS) -> tuple[str, str]:
    """Return text of at most `limit` characters (0: any) and a note that says what was cut, or "".

    What was cut ends in `ending`, as far as there is room for it.
    """
    if not limit or length(text) <= limit:
        return text, ""
    # By units at once, not letter by letter: a description of 40,000 emoji is cut in every poll that sees it.
    ending = ending if length(ending) <= limit else ""
    units = text.encode("utf-16-le", "surrogatepass")[: 2 * (limit - length(ending))]
    kept = units.decode("utf-16-le", "ignore")  # half an emoji at the end is dropped
    return kept.rstrip() + ending, f"cut from {length(text):,} to {limit:,} characters"


def spelled(raw: bool | int | float) -> str:
    """A JSON boolean or number in digits and letters, one way for each value: true, 5 (also for 5.0), 0.0000001."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, int) or not math.isfinite(raw):
        return str(raw)
    return str(int(raw)) if raw.is_integer() else f"{Decimal(repr(raw)):f}"


def shown(raw: object) -> str:
    """A value as a message names it: quoted, and not longer than a line."""
    try:
        text = repr(raw)
    except (ValueError, RecursionError):  # a number of more than 4,300 digits, what is nested without end
        return "A value that is too large to show"
    return text if len(text) <= 80 else text[:79] + ELLIPSIS
