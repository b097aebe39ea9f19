"""Record ids: 15 case-sensitive characters, or 18 with three that say which of them are upper case.

Source: Salesforce help, "18-character record ids"; checked against the example ids of the REST guide.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from functools import lru_cache

_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_UPPER = frozenset(string.ascii_uppercase)
_ALNUM = frozenset(_DIGITS)
_POD = "Hn0"  # instance and reserved characters, which every id of one org shares


def _check_character(group: str) -> str:
    return _CHECK[sum(1 << position for position, char in enumerate(group) if char in _UPPER)]


_cached_check_character = lru_cache(maxsize=65536)(_check_character)


def suffix(id15: str) -> str:
    """Return the three check characters of a 15-character id."""
    return "".join(_cached_check_character(id15[start : start + 5]) for start in (0, 5, 10))


def to18(value: object) -> str | None:
    """Return the 18-character form of an id of either length, or None if it is not an id.

    The suffix repairs the case of the first fifteen, as the platform does for ids a spreadsheet mangled.
    """
    if not isinstance(value, str) or len(value) not in (15, 18) or not _ALNUM.issuperset(value):
        return None
    if len(value) == 15:
        return value + suffix(value)
    if suffix(value[:15]) == value[15:]:
        return value
    return _repaired(value)


def _repaired(value: str) -> str | None:
    masks = [_CHECK.find(char) for char in value[15:].upper()]
    if min(masks) < 0:
        return None
    letters = (
        char.upper() if masks[index // 5] >> index % 5 & 1 else char.lower()
        for index, char in enumerate(value[:15])
    )
    id15 = "".join(letters)
    return id15 + value[15:].upper() if suffix(id15) == value[15:].upper() else None


def to15(id18: str) -> str:
    """Return the short form, which the platform prints in its error texts."""
    return id18[:15]


def series(prefix: str) -> Iterator[str]:
    """Yield ids of one object in ascending order, for ever."""
    head = prefix + _POD
    number = 0
    while True:
        number += 1
        id15 = head + _base62(number)
        yield id15 + suffix(id15)


def organization_id(number: int) -> str:
    id15 = "00D" + _POD + _base62(number)
    return id15 + suffix(id15)


def _base62(number: int) -> str:
    digits = []
    while number:
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits)).rjust(9, "0")
