"""HTTP's conditional headers: times, which compare whole seconds and so cannot tell two edits within one apart, and tags.

Only accounts have a tag, and no deletion asks for either. Source: REST, "Conditional Request Headers" and "sObject Rows".
"""

from __future__ import annotations

import re
from base64 import b64encode
from email.utils import parsedate_to_datetime
from hashlib import sha256

from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.store import Row
from sync.sandbox.wire import Request

_TAGGED = frozenset({"Account"})
_TAGS = re.compile(r'\s*(?:\*|"[^"]*"(?:\s*,\s*"[^"]*")*)\s*')
_TAG = re.compile(r'"[^"]*"|\*')


def header_time(request: Request, name: str) -> int | None:
    """Return a header's time in seconds since 1970 UTC, or None without one.

    Raises Refusal for an unparsable date on anything but a GET, where the platform ignores it.
    """
    text = request.headers.get(name)
    if not text:
        return None
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except ValueError:
        if request.method == "GET":
            return None
        raise Refusal("INVALID_HEADER", f"The {name} header is not a date: {text}") from None


def tag_headers(sobject: str, row: Row) -> dict[str, str]:
    """Return the header ETag of a row, or nothing for an object whose rows have no tags."""
    return {"ETag": _tag(row)} if sobject in _TAGGED else {}


def header_matches(request: Request, name: str, sobject: str, row: Row) -> bool | None:
    """Whether the row's tag is one of a header's, or None where the header is not there or has no effect.

    Raises Refusal like `header_time`.
    """
    text = request.headers.get(name)
    if not text or sobject not in _TAGGED:
        return None
    if _TAGS.fullmatch(text):
        return bool({_tag(row), "*"}.intersection(_TAG.findall(text)))
    if request.method == "GET":
        return None
    raise Refusal("INVALID_HEADER", f"The {name} header is no list of tags: {text}")


def _tag(row: Row) -> str:
    """What the row holds as a hash, so that each change of a value makes another tag."""
    return f'"{b64encode(sha256(repr(row.values).encode()).digest()).decode()}"'
