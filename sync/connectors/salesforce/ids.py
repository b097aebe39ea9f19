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
