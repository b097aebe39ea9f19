"""Whether both sides agree: what is found of a pair or a lone record, and which parts need not be read again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

# What was stamped so long before a reading began had been committed by then: no transaction lasts an hour.
SETTLED = timedelta(hours=1)
# Records whose marks are asked for in one call instead of ten pages.
BUCKET = 20_000
_EVER = datetime.min.replace(tzinfo=UTC)


class Finding(StrEnum):
    """`MISSING` to `TWIN` are differences that nobody accounts for; the others are accounted for elsewhere."""

    MISSING = "missing"  # should have a counterpart and has none
    ORPHANED = (
        "orphaned"  # an end of a link is not shown any more, or a record carries our key and has no link
    )
    UNEQUAL = "unequal"
    TWIN = "twin"  # another record claims the same counterpart
    CONFLICT = "conflict"  # open, waits for a person
    FAILED = "failed"  # has a dead letter, or is parked
    IN_FLIGHT = "in_flight"  # younger than what the live lane has read, or on its way


DIFFERENCES = (Finding.MISSING, Finding.ORPHANED, Finding.UNEQUAL, Finding.TWIN)


@dataclass(frozen=True, slots=True)
class Span:
    """Records born in [start, end); None: from the very first, or for ever. UTC, whole seconds."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """Marks of the records of a span that any change moves: how many, the latest stamp, the sum of their updates.

    `changes`: sum of sys_mod_count; None on Salesforce, which counts no updates.
    """

    count: int
    latest: str
    changes: int | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """A span that was read, with its marks then, and how many links had their end in it."""

    span: Span
    tally: Tally
    links: int


def is_settled(latest: datetime, began: datetime) -> bool:
    """Whether the marks of a span speak for what was read of it.

    A span that shows a younger stamp may have changed while it was read, or hide a row that is not committed yet
    and will show an earlier stamp than the latest seen.
    """
    return latest <= began - SETTLED


def spans_to_read(skipped: Iterable[Span]) -> list[Span]:
    """All time but the skipped spans, in order."""
    left: list[Span] = []
    start: datetime | None = None
    for span in sorted(skipped, key=lambda span: span.start or _EVER):
        if span.start is not None and span.start != start:
            left.append(Span(start, span.start))
        if span.end is None:
            return left
        start = span.end
    return [*left, Span(start, None)]


def cut(span: Span, bounds: Sequence[datetime]) -> Iterator[Span]:
    """The span in parts, at those of the bounds that lie within it."""
    inner = [
        at
        for at in sorted(set(bounds))
        if (span.start is None or at > span.start) and (span.end is None or at < span.end)
    ]
    return (Span(start, end) for start, end in pairwise([span.start, *inner, span.end]))


@dataclass(frozen=True, slots=True)
class Counts:
    """What a statement counts. A pair counts once; `in_scope`: pairs, and lone records that should have a counterpart."""

    in_scope: int = 0
    paired: int = 0
    missing: int = 0
    orphaned: int = 0
    unequal: int = 0
    twins: int = 0
    conflicts: int = 0
    failed: int = 0
    in_flight: int = 0
    healed: int = 0

    @property
    def differences(self) -> int:
        return self.missing + self.orphaned + self.unequal + self.twins

    @property
    def agree(self) -> bool:
        """Nothing differs but what is on its way."""
        return not (self.differences or self.conflicts or self.failed)


# (count, words, told even if zero)
_TOLD = (
    ("in_scope", "in scope", True),
    ("paired", "paired", True),
    ("missing", "missing", False),
    ("orphaned", "orphaned", False),
    ("unequal", "unequal", True),
    ("twins", "twins", False),
    ("conflicts", "in conflict", True),
    ("failed", "failed", False),
    ("in_flight", "in flight", False),
    ("healed", "healed", False),
)


def sentence(counts: Counts, as_of: datetime) -> str:
    """`48,112 in scope, 48,112 paired, 0 unequal, 3 in conflict, as of 06:00 UTC`."""
    parts = [
        f"{value:,} {words}" for name, words, always in _TOLD if (value := getattr(counts, name)) or always
    ]
    return f"{', '.join(parts)}, as of {as_of:%H:%M} UTC"
