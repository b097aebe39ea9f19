"""HTTP's conditional headers, which compare whole seconds and so cannot tell two edits within one apart."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.wire import Request


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
