"""The engine's only door to the database: what is known of records, and the two transactions of a page."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet

from sync.core.records import Outcome, Side
from sync.core.retry import backoff
from sync.core.window import Poll
from sync.engine import bulk, rows
from sync.engine import lease as leases
from sync.engine.connect import CallLog
from sync.engine.items import Batch, Failure, Item, Later, NewIntent
from sync.engine.known import Known, chunks
from sync.engine.lease import Lease
from sync.models import Checkpoint, DeadLetter, HourlyTotal, Intent, RecordLink, Run, Waiting
from sync.models.attention import DeadLetterState, WaitingReason
from sync.models.run import RunMode

_rng = random.SystemRandom()

CLAIM = timedelta(seconds=180)
COLUMN_OF = {outcome: outcome.value for outcome in Outcome} | {Outcome.CONFLICT: "conflicts"}


@dataclass(kw_only=True)
class Store(Known):
    """What a run writes, under its lease."""

    run: Run
    lease: Lease
    calls: CallLog
    unsettled: dict[str, Outcome] = field(
        default_factory=dict
    )  # counted by this run, to be counted anew when they rest

    @property
    def dry(self) -> bool:
        return self.run.mode == RunMode.DRY

    def save_numbers(self, links: Sequence[RecordLink], found: Mapping[str, str]) -> None:
        numbered = [link for link in links if link.salesforce_id in found]
        for link in numbered:
            link.salesforce_number = found[link.salesforce_id]
        with transaction.atomic():
            leases.renew(self.lease, self.now())
            bulk.update(numbered, ("salesforce_number",))

    def lost(self, ids: Sequence[str], run: Run) -> None:
        """Records in doubt or waiting that the source does not show any more wait until patience ends, then need a person."""
        if not ids:
            return
        now = self.now()
        with transaction.atomic():
            leases.renew(self.lease, now)
            waiting = self.waiting_since(ids)
            left = self.open_intents([id for id in ids if id not in waiting])
            Waiting.objects.bulk_create([
                Waiting(
                    flow=self.context.flow, side=self.source, record_id=intent.source_id,
                    record_number=intent.source_number, reason=WaitingReason.IN_DOUBT, since=now, due_at=now,
                    message="A write is in doubt, and its source is not shown any more.",
                )
                for intent in left.values()
            ])  # fmt: skip
            for row in self.waiting_since(ids).values():
                if now - row.since > self.context.patience:
                    rows.letter_of_waiting(self.context, run, self.target, row, now)
                    row.delete()
                    Intent.objects.open().filter(
                        flow=self.context.flow, side=self.target, source_id=row.record_id
                    ).delete()
                else:
                    row.attempts += 1
                    row.due_at = now + backoff(row.attempts, _rng)
                    row.save(update_fields=["attempts", "due_at"])

    # The checkpoint

    def checkpoint(self) -> Checkpoint:
        return Checkpoint.objects.get_or_create(flow=self.context.flow, lane=self.run.lane, side=self.source)[
            0
        ]

    def save_poll(self, poll: Poll) -> None:
        self._checkpoints().update(**poll_columns(poll, self.run))

    def finish_poll(self, poll: Poll, watermark: datetime | None) -> None:
        """The side was read to its end. A backfill leaves no watermark behind."""
        columns: dict[str, object] = {
            "poll_run": None,
            "poll_started": None,
            "poll_at": None,
            "poll_id": "",
            "poll_top": None,
        }
        if watermark is not None:
            columns |= {"watermark": watermark, "completed_at": poll.started}
        with transaction.atomic():
            leases.renew(self.lease, self.now())
            self._checkpoints().update(**columns)

    def _checkpoints(self) -> QuerySet[Checkpoint]:
        return Checkpoint.objects.filter(flow=self.context.flow, lane=self.run.lane, side=self.source)

    # Transaction 1: claims, new links, settled bases, intents

    def intend(self, batch: Batch) -> None:
        """Commit what is about to be sent. Items that another lane holds are put off and lose their intent."""
        touched = [
            item for item in batch.items if item.intent or item.found or item.target or item.base_moved
        ]
        if self.dry or not touched:
            return
        with transaction.atomic():
            leases.renew(self.lease, self.now())
            self._claim([item for item in touched if item.link is not None and not item.new_link])
            self._insert_links([item for item in batch.items if item.new_link])
            self._settle(batch.items)
            self._insert_intents(batch.sending)
            self._give_up_paired([item for item in batch.sending if item.link is None])
            self.calls.save()

    def _claim(self, items: Sequence[Item]) -> None:
        """Take the links by one conditional update; who was not granted waits for the other lane to finish.

        A link whose base moved since it was read was planned on what another lane has replaced: it waits too.
        """
        wanted = {item.link.pk: item for item in items if item.link is not None}
        if self._take(list(wanted), Q(claim_until=None) | Q(claim_until__lt=self.now())) < len(wanted):
            # What a dead worker had sent is told by its intents; its claims protect nothing.
            self._take(list(wanted), ~Q(claim_token__in=leases.living_tokens(None, self.now())))
        mine: dict[UUID, datetime | None] = {}
        for part in chunks(list(wanted)):
            held = RecordLink.objects.filter(pk__in=part, claim_token=self.lease.token)
            mine.update(held.values_list("pk", "synced_at"))
        self._put_off([
            item for pk, item in wanted.items()
            if pk not in mine or (item.link is not None and mine[pk] != item.link.synced_at)
        ])  # fmt: skip

    def _take(self, keys: Sequence[UUID], free: Q) -> int:
        """Claim those of the links that are free, or ours already; returns how many."""
        open_to_us = RecordLink.objects.filter(free | Q(claim_token=self.lease.token))
        until = self.now() + CLAIM
        return sum(
            open_to_us.filter(pk__in=part).update(claim_token=self.lease.token, claim_until=until)
            for part in chunks(keys)
        )

    def _put_off(self, items: Sequence[Item]) -> None:
        """Leave these records to the next look; what we hold of them is given back."""
        for part in chunks([item.link.pk for item in items if item.link is not None]):
            RecordLink.objects.filter(pk__in=part, claim_token=self.lease.token).update(
                claim_token="", claim_until=None
            )
        for item in items:
            put_off(item)

    def _give_up_paired(self, items: Sequence[Item]) -> None:
        """Another lane may have paired a record since it was decided to create one.

        Asked after the intents stand: from then on no other lane creates for these records.
        """
        paired: set[str] = set()
        for part in chunks([item.record.id for item in items]):
            paired |= set(
                self._links().filter(servicenow_id__in=part).values_list("servicenow_id", flat=True)
            )
        given_up = [item for item in items if item.record.id in paired]
        bulk.delete(Intent, [item.intent.pk for item in given_up if isinstance(item.intent, NewIntent)])
        self._put_off(given_up)

    def _insert_links(self, items: Sequence[Item]) -> None:
        """Pairs found by their key become links before anything is sent for them; the unique rows decide who was first."""
        for item in items:
            assert item.link is not None
            item.link.base = {row: list(pair) for row, pair in item.known_base().items()}
            item.link.claim_token, item.link.claim_until = self.lease.token, self.now() + CLAIM
            try:
                with transaction.atomic():
                    item.link.save(force_insert=True)
                item.new_link = False
                item.base_moved = False
            except IntegrityError:
                put_off(item)
                item.link, item.new_link = None, False

    def _settle(self, items: Sequence[Item]) -> None:
        """What reading taught of earlier requests is committed before anything new is sent."""
        moved = [
            item for item in items if item.base_moved and item.link is not None and item.found is not None
        ]
        rows.update_bases(moved, self.now())
        for item in moved:
            item.base_moved = False
        closed = [
            item.found.pk for item in items if item.found is not None and item.found.settled_at is not None
        ]
        bulk.delete(Intent, closed)

    def _insert_intents(self, items: Sequence[Item]) -> None:
        again = [item.intent.pk for item in items if isinstance(item.intent, Intent)]
        for part in chunks(again):  # the same request once more: it is ours now
            Intent.objects.filter(pk__in=part).update(
                lease_token=self.lease.token, at=self.now(), run=self.run
            )
        fresh = [item for item in items if isinstance(item.intent, NewIntent)]
        try:
            with transaction.atomic():
                self._insert_fresh(fresh)
        except IntegrityError:
            held = self.open_intents([item.record.id for item in fresh])
            self._put_off([item for item in fresh if item.record.id in held])
            self._insert_fresh(fresh)

    def _insert_fresh(self, items: Sequence[Item]) -> None:
        rows.insert_intents(items, self.context, self.target)

    # Transaction 2: links, bases, events, totals, checkpoint

    def record(self, batch: Batch, poll: Poll | None) -> None:
        """Commit what came of a page, all at once; `poll` is the checkpoint to make durable with it."""
        with transaction.atomic():
            leases.renew(self.lease, self.now())
            if self.dry:
                self._tell(batch)
            else:
                self._end_patience(batch)
                self._record_links(batch)
                rows.record_conflicts(self.run, batch.items, self.now())
                self._tell(batch)
                self._record_attention(batch)
                self._record_totals(batch)
                if poll is not None and batch.fault is None:
                    self.save_poll(poll)
            self.calls.save()
            self._record_run(batch)

    def cancelled(self) -> bool:
        return Run.objects.filter(pk=self.run.pk, cancel_requested=True).exists()

    def _record_links(self, batch: Batch) -> None:
        linked = [item for item in batch.items if item.link is not None]
        held = [item for item in linked if item.link is not None and not item.link._state.adding]
        rows.insert_links([item.link for item in linked if item.link is not None and item.link._state.adding])
        rows.update_bases([item for item in held if item.base_moved], self.now())
        ours = [item for item in held if item.later is None or item.later.reason != WaitingReason.CLAIMED]
        done = [item for item in ours if item.intent or item.found or item.target or item.tombstone]
        rows.release_links(done)
        gone = [
            item.intent.pk
            for item in batch.items
            if item.intent is not None and item.outcome is not Outcome.IN_DOUBT
        ]
        bulk.delete(Intent, gone)

    def _tell(self, batch: Batch) -> None:
        told = [item for item in batch.items if has_story(item)]
        rows.insert_events(told, self.context, self.run, self.target, self.now())

    def _record_attention(self, batch: Batch) -> None:
        """Open, update and close dead letters, conflicts and waits of the records that came to rest."""
        touched = [item for item in batch.items if item.outcome is not None]
        now = self.now()
        self._close_waiting(touched)
        rows.upsert_waiting(self.context.flow, self.source, [item for item in touched if item.later], now)
        at_rest = [item for item in touched if item.failure is None and item.later is None and not item.known]
        self._close_letters([item.record.id for item in at_rest])
        rows.upsert_letters(
            self.context, self.run, self.target, [item for item in touched if item.failure], now
        )

    def _end_patience(self, batch: Batch) -> None:
        """A record that has waited longer than the flow's patience needs a person."""
        moving = (Outcome.IN_DOUBT, Outcome.CREATED)
        waiting = [item for item in batch.items if item.later is not None and item.outcome not in moving]
        if not waiting:
            return
        since = self.waiting_since([item.record.id for item in waiting])
        for item in waiting:
            row = since.get(item.record.id)
            if row is None or self.now() - row.since <= self.context.patience:
                continue
            assert item.later is not None
            message, item.later = item.later.message, None
            item.fail(Failure("PATIENCE_ENDED", f"It waited since {row.since:%Y-%m-%d %H:%M} UTC: {message}"))

    def _close_waiting(self, items: Sequence[Item]) -> None:
        if not Waiting.objects.filter(flow=self.context.flow, side=self.source).exists():
            return
        for part in chunks([item.record.id for item in items if item.later is None]):
            Waiting.objects.filter(flow=self.context.flow, side=self.source, record_id__in=part).delete()

    def _close_letters(self, ids: Sequence[str]) -> None:
        open_ones = DeadLetter.objects.filter(
            flow=self.context.flow, side=self.target, state=DeadLetterState.OPEN
        )
        if not open_ones.exists():
            return
        for part in chunks(ids):
            open_ones.filter(record_id__in=part).update(state=DeadLetterState.CLOSED, closed_at=self.now())

    def _record_totals(self, batch: Batch) -> None:
        hour = self.now().replace(minute=0, second=0, microsecond=0)
        counts = Counter(item.outcome for item in batch.items if item.outcome is not None)
        for outcome, count in counts.items():
            key = {"flow": self.context.flow, "hour": hour, "side": self.target, "outcome": outcome}
            if not HourlyTotal.objects.filter(**key).update(count=F("count") + count):
                HourlyTotal.objects.create(**key, count=count)

    def _record_run(self, batch: Batch) -> None:
        """Add the page to the run's counts; the row is the progress that pages and bars show."""
        side = self.run.directions.setdefault(f"to_{self.target}", dict.fromkeys(Run.COUNTS, 0))
        for item in batch.items:
            if item.outcome is None:
                continue
            before = self.unsettled.pop(item.record.id, None)
            if before is None:
                self._count(side, "read", 1)
            else:
                self._count(side, COLUMN_OF[before], -1)
            self._count(side, COLUMN_OF[item.outcome], 1)
            if item.later is not None and item.outcome is not Outcome.CREATED:
                self.unsettled[item.record.id] = item.outcome
        self.run.calls_servicenow = self.calls.counts[Side.SERVICENOW]
        self.run.calls_salesforce = self.calls.counts[Side.SALESFORCE]
        self.run.progress_at = self.now()
        self.save_run(*Run.COUNTS, "calls_servicenow", "calls_salesforce", "directions", "progress_at")

    def _count(self, side: dict[str, int], name: str, by: int) -> None:
        side[name] += by
        setattr(self.run, name, getattr(self.run, name) + by)

    def save_run(self, *names: str) -> None:
        self.run.save(update_fields=list(names))


def poll_columns(poll: Poll, run: Run) -> dict[str, object]:
    return {
        "poll_run": run,
        "poll_started": poll.started,
        "poll_at": poll.cursor.at if poll.cursor else None,
        "poll_id": poll.cursor.id if poll.cursor else "",
        "poll_top": poll.top,
    }


def has_story(item: Item) -> bool:
    """Unchanged records are counted, not stored; but what is lost or decided on the way is told."""
    if item.known or item.outcome is None:
        return False
    return item.outcome is not Outcome.UNCHANGED or bool(item.notes)


def put_off(item: Item) -> None:
    """Another lane holds this record, or has changed what is known of it: nothing is sent or learnt for it now."""
    item.intent = item.found = item.target = item.plan = item.base = item.failure = None
    item.base_moved, item.writes, item.overwrote, item.notes = False, [], [], []
    item.wait(
        Later(WaitingReason.CLAIMED, "Another run held the record.", timedelta(seconds=1)), Outcome.WAITING
    )
