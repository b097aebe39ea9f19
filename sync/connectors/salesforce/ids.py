"""The two lengths of a Salesforce id."""

from __future__ import annotations

_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def to_18(id: str) -> str:
    """The 18-character form of an id; other text comes back as it is.

    Each of the three suffix characters says which letters of a group of five are capital, first letter lowest bit.
    """
    if len(id) != 15 or not id.isalnum():
        return id
    groups = (id[start : start + 5] for start in (0, 5, 10))
    return id + "".join(
        _SUFFIX[sum(char.isupper() << bit for bit, char in enumerate(group))] for group in groups
    )


def spelled_18(id: str) -> str:
    """The 18-character form in its own letter case; other text comes back as it is.

    The suffix of an Id says which of its letters are capital: one that was copied in another case is still that record's.
    """
    body, suffix = id[:15], id[15:].upper()
    if len(id) != 18 or not (body.isalnum() and id.isascii()) or any(char not in _SUFFIX for char in suffix):
        return to_18(id)
    capitals = [_SUFFIX.index(suffix[place // 5]) >> place % 5 & 1 for place in range(15)]
    mended = "".join(
        char.upper() if capital else char.lower() for char, capital in zip(body, capitals, strict=True)
    )
    return to_18(mended) if to_18(mended)[15:] == suffix else id
