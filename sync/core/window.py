"""Where the next poll of a side starts. Pure; all times are the platform's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sync.core.records import Cursor


@dataclass(frozen=True, slots=True)
class Poll:
    """A reading under way. `started`: server time not later than its first look; `top`: the highest stamp seen."""

    started: datetime
    cursor: Cursor | None
    top: datetime | None


def next_watermark(poll: Poll, previous: datetime | None, overlap: timedelta) -> datetime | None:
    """Return the stamp from which the next poll reads, once this one has read everything; None: from the very first row.

    Rows may appear late, stamped up to `overlap` before the moment they become visible. So everything stamped
    `overlap` or more before this poll began has been visible to it, and what may still appear is later than that.
    While the newest rows are younger than the overlap, the next poll starts an overlap before the newest seen,
    which is earlier still: stamps of several application servers need not rise together.
    Never goes back. Where the platform's clock was set back, what it stamps until it has caught up is found by
    reconciling alone.
    """
    settled = poll.started - overlap
    if poll.top is None:
        return settled if previous is None else max(previous, settled)
    start = settled if settled > poll.top else min(poll.top, poll.started) - overlap
    return start if previous is None else max(previous, start)
