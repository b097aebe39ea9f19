"""Which records a reconciliation need not read again: those of spans whose marks have not moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sync.connectors.base import Connector
from sync.core.reconciling import BUCKET, Bucket, Span, Tally, cut, is_settled, spans_to_read
from sync.core.records import Side
from sync.engine.book import Book, kept_span, span_of
from sync.engine.context import Context
from sync.errors import AuthenticationError, ConfigurationError
from sync.models import Reconciliation

FULL_EVERY = timedelta(days=7)  # marks are believed for so long


@dataclass(frozen=True)
class Spans:
    context: Context
    book: Book
    connectors: Mapping[Side, Connector]
    page_size: int
    bucket: int = BUCKET

    def choose(self, *, full: bool) -> None:
        """Skip what has not moved since the last reconciliation, unless it is time to read all."""
        before = None if full else self._trusted()
        skipped = {
            side: [bucket.span for bucket in self._known(before, side) if self._stands(side, bucket)]
            for side in Side
        }
        row = self.book.row
        row.full = not any(skipped.values())
        row.full_at = row.as_of if row.full or before is None else before.full_at
        self.book.position["skipped"] = {
            side: [kept_span(span) for span in spans] for side, spans in skipped.items()
        }
        if before is not None and not row.full:
            self.book.position["before"] = before.pk
            self.book.inherit(before)
        self.book.save("full", "full_at", "position")

    def _trusted(self) -> Reconciliation | None:
        before = self.book.last()
        if before is None or before.revision_id != self.context.revision.pk or before.full_at is None:
            return None
        return before if self.book.row.as_of - before.full_at <= FULL_EVERY else None

    @staticmethod
    def _known(before: Reconciliation | None, side: Side) -> list[Bucket]:
        kept = (before.buckets or {}).get(side, []) if before is not None else []
        return [bucket_of(each) for each in kept]

    def _stands(self, side: Side, bucket: Bucket) -> bool:
        """Whether the platform's marks are as they were, and no link of the span was lost here."""
        if self.book.count_born(side, bucket.span) < bucket.links:
            return False
        return self._tally(side, bucket.span) == bucket.tally

    def _tally(self, side: Side, span: Span) -> Tally | None:
        """None where the platform does not give the marks to our user: then the span is read."""
        scope = self.context.setting(side, "scope")
        try:
            return self.connectors[side].tally(self.context.name(side), scope, span.start, span.end)
        except AuthenticationError:
            raise
        except ConfigurationError:
            return None

    def skipped(self, side: Side) -> list[Span]:
        return [span_of(kept) for kept in self.book.position["skipped"][side]]

    def left(self, side: Side) -> list[Span]:
        """What is to be read."""
        return spans_to_read(self.skipped(side))

    def buckets(self, side: Side) -> list[Bucket]:
        """Spans of many records that may be skipped next time: those that had come to rest before this began."""
        skipped = self.skipped(side)
        found = [bucket for bucket in self._known(self.book.before(), side) if bucket.span in skipped]
        for span in spans_to_read(skipped):
            parts = list(cut(span, self.book.births(side, span, self.bucket)))
            for part in parts:
                links = self.book.count_born(side, part)
                # A call for the marks must save more than the page that it may spare.
                if links > 2 * self.page_size and (tally := self._tally(side, part)) is not None:
                    found += [Bucket(part, tally, links)] if self._has_settled(side, tally) else []
        return found

    def _has_settled(self, side: Side, tally: Tally) -> bool:
        try:
            latest = moment(tally.latest)
        except ValueError:
            return False  # a stamp in words of its own proves nothing
        return latest is not None and is_settled(latest, self.book.began(side))


def moment(text: object) -> datetime | None:
    """`2026-11-23 17:36:44` or `2026-11-23T17:36:44.000+0000`, UTC on either side."""
    return datetime.fromisoformat(str(text)[:19]).replace(tzinfo=UTC) if text else None


def kept(bucket: Bucket) -> list[object]:
    tally = bucket.tally
    return [*kept_span(bucket.span), tally.count, tally.latest, tally.changes, bucket.links]


def bucket_of(kept: Sequence[object]) -> Bucket:
    start, end, count, latest, changes, links = kept
    tally = Tally(count, latest, changes)  # type: ignore[arg-type]
    return Bucket(span_of((start, end)), tally, links)  # type: ignore[arg-type]
