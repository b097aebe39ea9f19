"""Text in the one form in which both sides are compared."""

from __future__ import annotations

import re

# What XML 1.0 cannot carry, which is what Salesforce refuses or drops; tab and newline stay. Lone surrogates
# cannot be encoded as UTF-8 at all.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
ELLIPSIS = "…"


def clean(text: str) -> str:
    """Newlines as \\n, no control characters, no white space at the end."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _FORBIDDEN.sub("", text).rstrip()


def length(text: str) -> int:
    """Characters as platforms that run on the JVM count them: UTF-16 units, so an emoji is two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, limit: int) -> tuple[str, str]:
    """Return text of at most `limit` characters (0: any) and a note that says what was cut, or ""."""
    if not limit or length(text) <= limit:
        return text, ""
    end = limit - 1
    while length(text[:end]) > limit - 1:
        end -= 1
    return text[:end].rstrip() + ELLIPSIS, f"cut from {length(text):,} to {limit:,} characters"
