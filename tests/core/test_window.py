"""Where the next poll starts: nothing that becomes visible within the overlap is missed, and quiet polls read nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from sync.core.records import Cursor
from sync.core.window import Poll, next_watermark

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(seconds: int) -> datetime:
    return NOON + timedelta(seconds=seconds)


@dataclass(frozen=True)
class Change:
    """A row of the source: stamped at one second, visible from another on, both by the source's clock."""

    stamp: int
    visible: int
    id: str


@dataclass
class Source:
    """Answers keyset pages as of the second in which they are asked for."""

    changes: list[Change]

    def page(self, cursor: Cursor | None, size: int, now: int) -> list[Change]:
        seen = sorted((at(row.stamp), row.id) for row in self.changes if row.visible <= now)
        after = [row for row in seen if cursor is None or row > (cursor.at, cursor.id)]
        ids = {id for _, id in after[:size]}
        return sorted((row for row in self.changes if row.id in ids), key=lambda row: (row.stamp, row.id))


@dataclass
class Reader:
    """Polls as a run does: page after page to the end, then a new watermark."""

    source: Source
    overlap: int
    size: int
    watermark: datetime | None = None
    seen: set[Change] = field(default_factory=set)

    def poll(self, begins: int, pauses: Iterator[int]) -> tuple[int, int]:
        """How many rows were read, and the second in which the poll ended. `pauses`: seconds between pages."""
        now, count = begins, 0
        poll = Poll(at(begins), Cursor(self.watermark) if self.watermark else None, None)
        while rows := self.source.page(poll.cursor, self.size, now):
            self.seen |= set(rows)
            last = at(rows[-1].stamp)
            poll = Poll(poll.started, Cursor(last, rows[-1].id), max(last, poll.top or last))
            count += len(rows)
            now += next(pauses)
        self.watermark = next_watermark(poll, self.watermark, timedelta(seconds=self.overlap))
        return count, now


overlaps = st.integers(0, 10)


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, list[Change]]:
    """An overlap, and changes that become visible up to the overlap after their stamp."""
    overlap = draw(overlaps)
    made = draw(st.lists(st.tuples(st.integers(0, 40), st.integers(0, overlap)), max_size=12))
    return overlap, [Change(stamp, stamp + late, f"{number:02}") for number, (stamp, late) in enumerate(made)]


pauses = st.lists(st.integers(0, 6), min_size=1, max_size=5)
waits = st.lists(st.integers(0, 15), min_size=1, max_size=8)


def cycle(values: list[int]) -> Iterator[int]:
    while True:
        yield from values


@given(histories(), st.integers(1, 4), waits, pauses)
def test_nothing_that_becomes_visible_within_the_overlap_is_missed(
    history: tuple[int, list[Change]], size: int, waits: list[int], pauses: list[int]
) -> None:
    overlap, changes = history
    reader, now, between = Reader(Source(changes), overlap, size), 0, cycle(pauses)
    for wait in [*waits, 60]:
        now = reader.poll(now + wait, between)[1]

    assert reader.seen == set(changes)


@given(histories(), st.integers(1, 4), waits, pauses)
def test_the_watermark_never_falls(
    history: tuple[int, list[Change]], size: int, waits: list[int], pauses: list[int]
) -> None:
    overlap, changes = history
    reader, now, between = Reader(Source(changes), overlap, size), 0, cycle(pauses)
    marks = [NOON - timedelta(days=1)]
    for wait in waits:
        now = reader.poll(now + wait, between)[1]
        marks.append(reader.watermark or marks[-1])

    assert marks == sorted(marks)


@given(histories(), st.integers(1, 4), waits)
def test_a_poll_reads_nothing_once_the_overlap_has_passed_without_a_change(
    history: tuple[int, list[Change]], size: int, waits: list[int]
) -> None:
    overlap, changes = history
    reader, now, no_pause = Reader(Source(changes), overlap, size), 0, cycle([0])
    for wait in waits:
        now = reader.poll(now + wait, no_pause)[1]
    quiet = max([row.visible for row in changes], default=0) + overlap + 1

    reader.poll(max(now, quiet), no_pause)

    assert reader.poll(max(now, quiet), no_pause)[0] == 0


@given(histories(), st.integers(1, 4), st.integers(0, 20), st.integers(0, 5))
def test_a_poll_that_died_goes_on_where_it_stood_with_its_first_start(
    history: tuple[int, list[Change]], size: int, begins: int, pages: int
) -> None:
    """Started anew with a later start, it would leave behind what was committed behind its cursor."""
    overlap, changes = history
    source = Source(changes)
    poll = Poll(at(begins), None, None)
    seen: set[Change] = set()
    for number in range(60):
        now = begins + (0 if number < pages else 40)  # died for forty seconds after some pages
        rows = source.page(poll.cursor, size, now)
        seen |= set(rows)
        if rows:
            last = at(rows[-1].stamp)
            poll = Poll(poll.started, Cursor(last, rows[-1].id), max(last, poll.top or last))
    mark = next_watermark(poll, None, timedelta(seconds=overlap))

    assert all(at(row.stamp) >= mark for row in set(changes) - seen)


@given(st.integers(0, 100), st.none() | st.integers(0, 200), st.none() | st.integers(0, 200), overlaps)
def test_the_next_poll_never_starts_later_than_an_overlap_before_this_one_began(
    started: int, top: int | None, previous: int | None, overlap: int
) -> None:
    assume(previous is None or previous <= started - overlap)
    poll = Poll(at(started), None, at(top) if top is not None else None)

    mark = next_watermark(poll, at(previous) if previous is not None else None, timedelta(seconds=overlap))

    assert mark <= at(started - overlap)


def test_a_clock_set_back_moves_no_watermark() -> None:
    assert next_watermark(Poll(at(0), None, None), at(3600), timedelta(minutes=5)) == at(3600)


def test_a_long_poll_that_chases_the_tail_starts_again_before_it_began() -> None:
    mark = next_watermark(Poll(at(0), Cursor(at(900)), at(900)), None, timedelta(seconds=300))

    assert mark == at(-300)
