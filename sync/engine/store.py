"""The engine's only door to the database: what is known of records, and the two transactions of a page."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from sync.core.records import Cursor, Outcome, Side
from sync.core.retry import backoff
from sync.core.window import Poll
from sync.engine import bulk, rows
from sync.engine import lease as leases
from sync.engine.bulk import chunks
from sync.engine.handing import close_hand_overs
from sync.engine.intending import Intending, is_repeated_later, untold_creates
from sync.engine.items import Batch, Failure, Item
from sync.engine.known import ends_of
from sync.engine.placing import record_placements
from sync.models import (
    BulkJob,
    Checkpoint,
    DeadLetter,
    Flow,
    HourlyTotal,
    Intent,
    RecordLink,
    Run,
    Waiting,
)
from sync.models.attention import DeadLetterState, WaitingReason
from sync.models.link import LinkState

COLUMN_OF = {outcome: outcome.value for outcome in Outcome} | {Outcome.CONFLICT: "conflicts"}


@dataclass(kw_only=True)
class Store(Intending):
    """What a run writes, under its lease."""

    rng: random.Random = field(default_factory=random.SystemRandom)  # spreads what is tried again
    # Counted by this run, to be counted anew when they rest: by record, where and as what.
    unsettled: dict[str, tuple[Side, Outcome]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for record, (to, outcome) in (self.run.position or {}).get("unsettled", {}).items():
            self.unsettled[record] = Side(to), Outcome(outcome)

    @property
    def settles(self) -> int:
        return self.run.pk

    def _follow_executed(self, items: Sequence[Item]) -> None:
        from sync.engine.triggering import follow_executed  # which needs what is written here

        follow_executed(self, items)

    def save_numbers(self, side: Side, links: Sequence[RecordLink], found: Mapping[str, str]) -> None:
        numbered = [link for link in links if link.end(side) in found]
        for link in numbered:
            setattr(link, f"{side}_number", found[link.end(side)])
        with transaction.atomic():
            leases.renew(self.lease, self.now())
            bulk.update(numbered, (f"{side}_number",))

    def lost(self, side: Side, ids: Sequence[str], run: Run) -> None:
        """Records in doubt or waiting that `side` does not show any more wait until patience ends, then need a person."""
        if not ids:
            return
        now = self.now()
        keys = [(side, id) for id in ids]
        with transaction.atomic():
            leases.renew(self.lease, now)
            waiting = self.waiting_since(keys)
            left = self.open_intents([id for id in ids if (side, id) not in waiting])
            Waiting.objects.bulk_create([
                Waiting(
                    flow=self.context.flow, side=side, record_id=id,
                    record_number=intents[0].source_number, reason=WaitingReason.IN_DOUBT, since=now, due_at=now,
                    message="A write is in doubt, and its source is not shown any more.",
                )
                for id, intents in left.items()
            ], ignore_conflicts=True)  # fmt: skip
            for row in self.waiting_since(keys).values():
                if now - row.since > self.context.patience:
                    rows.letter_of_waiting(self.context, run, row, now)
                    row.delete()
                    Intent.objects.filter(flow=self.context.flow, source_id=row.record_id).delete()
                else:
                    row.attempts += 1
                    row.due_at = now + backoff(row.attempts, self.rng)
                    row.save(update_fields=["attempts", "due_at"])

    # The checkpoint

    def checkpoint(self, side: Side, stream: str = "") -> Checkpoint:
        """The side's checkpoint; a dry run goes on with one of its own, which is not stored as a row."""
        row = Checkpoint.objects.get_or_create(
            flow=self.context.flow, lane=self.run.lane, side=side, stream=stream
        )[0]
        if not stream and self.dry and side in self._position("sides"):
            for name, value in poll_columns(_poll_of(self._position("sides")[side]), self.run).items():
                setattr(row, name, value)
        return row

    def save_poll(self, side: Side, poll: Poll | None, **more: object) -> None:
        """Inside the caller's transaction. None: the side was read to its end by this run. `more`: columns beside it."""
        if self.dry:
            self._position("sides")[side] = _poll_kept(poll)
        else:
            changes = poll_columns(poll, self.run) | more
            flow = self.context.flow.pk
            bulk.change(Checkpoint, changes, flow_id=flow, lane=self.run.lane, side=side, stream="")

    def begin_poll(self, side: Side, poll: Poll) -> None:
        with transaction.atomic():
            leases.renew(self.lease, self.now())
            self.save_poll(side, poll)

    def finish_poll(self, side: Side, poll: Poll, watermark: datetime | None) -> None:
        """The side was read to its end by this run. A backfill leaves no watermark behind, a dry run nothing."""
        with transaction.atomic():
            leases.renew(self.lease, self.now())
            moved = {"watermark": watermark, "completed_at": poll.started} if watermark is not None else {}
            self.save_poll(side, None, **moved)

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
                self._record_desks(batch)
                rows.record_conflicts(self.context, self.run, batch.items, self.now())
                rows.forget_conflicts([item for item in batch.items if item.tombstone], self.now())
                self._tell(batch)
                self._record_attention(batch)
                self._record_totals(batch)
            if self.context.actions:
                self.set_off(batch)
            if poll is not None and batch.fault is None:
                self.save_poll(batch.side, poll)
            BulkJob.objects.filter(pk__in=[job.pk for job in batch.jobs]).update(closed_at=self.now())
            self.calls.save()
            self._record_run(batch)

    def set_off(self, batch: Batch) -> None:
        """Inside the page's transaction: what its records set off."""
        from sync.engine.triggering import plan  # which needs what is written here

        plan(self, batch)

    # What outlives a slice beside the checkpoint

    def _position(self, part: str) -> dict[str, Any]:
        if self.run.position is None:
            self.run.position = {}
        kept: dict[str, Any] = self.run.position.setdefault(part, {})
        return kept

    def left_to_read(self) -> dict[str, list[str]] | None:
        """Of the records named by a person, those still to be read, by side; None before they were looked up."""
        return self._position("left") or None

    def leave_to_read(self, ids: Mapping[Side, list[str]]) -> dict[str, list[str]]:
        left = self._position("left")
        left.update({str(side): found for side, found in ids.items()})
        self.save_run("position")
        return left

    def renewed_until(self) -> str | None:
        """The last link that this run has looked at to renew it; None before the first."""
        return self._position("renewed").get("last")

    def renew_from(self, last: str) -> None:
        self._position("renewed")["last"] = last
        self.save_run("position")

    def keep_unsettled(self) -> None:
        """A later slice counts anew what comes to rest in it."""
        with transaction.atomic():
            leases.renew(self.lease, self.now())
            self._note_unsettled()
            self.save_run("position")

    def _note_unsettled(self) -> None:
        kept = self._position("unsettled")
        kept.clear()
        kept.update(self.unsettled)

    def miss(self, names: Sequence[str]) -> None:
        """Records that a person named and that no side shows count as failed."""
        if not names:
            return
        self.run.failed += len(names)
        shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        self.run.error_code = "not_found"
        self.run.error = f"{self.run.error} Not found: {shown}.".strip()[:1000]
        self.run.advice = (
            "Check the numbers and ids, and whether the integration user may read these records."
        )
        self.save_run("failed", "error_code", "error", "advice")

    def cancelled(self) -> bool:
        return bulk.holds(Run, id=self.run.pk, cancel_requested=True)

    def idle(self) -> bool:
        """Whether the flow was paused or disabled since this slice began."""
        return not bulk.holds(Flow, mapping_ptr_id=self.context.flow.pk, enabled=True, paused_reason="")

    def _record_links(self, batch: Batch) -> None:
        linked = [item for item in batch.items if item.link is not None]
        held = [item for item in linked if item.link is not None and not item.link._state.adding]
        fresh = [item.link for item in linked if item.link is not None and item.link._state.adding]
        rows.insert_links(fresh, self.now())
        rows.update_bases([item for item in held if item.base_moved or item.fields_moved], self.now())
        ours = [item for item in held if item.later is None or item.later.reason != WaitingReason.CLAIMED]
        done = [
            item for item in ours if item.intent or item.found or item.other or item.tombstone or item.ending
        ]
        rows.release_links(done)
        gone = [
            item.intent.pk
            for item in batch.items
            if item.intent is not None
            and item.outcome is not Outcome.IN_DOUBT
            and not is_repeated_later(item)
        ] + [intent.pk for item in batch.items for intent in untold_creates(item)]
        bulk.delete(Intent, gone)

    def _record_desks(self, batch: Batch) -> None:
        routing, flow = self.context.routing, self.context.flow.pk
        if routing is not None:
            record_placements(routing, flow, batch.items, self.now())
            if ordered := [item for item in batch.items if item.order is not None]:
                close_hand_overs(self.context, self.run, ordered, self.now())

    def _tell(self, batch: Batch) -> None:
        told = [item for item in batch.items if has_story(item)]
        rows.insert_events(told, self.context, self.run, self.now())

    def _record_attention(self, batch: Batch) -> None:
        """Open, update and close dead letters, conflicts and waits of the records that came to rest."""
        touched = [item for item in batch.items if item.outcome is not None and self._is_whole(item)]
        if not touched:
            return
        now, asked = self.now(), set[str]()
        if bulk.holds(Waiting, flow_id=self.context.flow.pk):
            asked = self._asked_since(batch)
            self._close_waiting(touched, asked)
        waiting = [item for item in touched if item.later and asked.isdisjoint(ends_of([item]))]
        rows.upsert_waiting(self.context.flow, waiting, now, self.rng)
        at_rest = [item for item in touched if item.failure is None and item.later is None and not item.known]
        self._close_letters(ends_of(at_rest))
        failed = [item for item in touched if item.failure is not None and not item.known]
        rows.upsert_letters(self.context, self.run, failed, now)

    def _asked_since(self, batch: Batch) -> set[str]:
        """Records that a person has asked to be looked at again since this page's look: it does not answer that."""
        asked = Waiting.objects.filter(flow=self.context.flow, reason=WaitingReason.RETRY)
        return set(asked.filter(since__gte=batch.began or batch.read_at).values_list("record_id", flat=True))

    def _is_whole(self, item: Item) -> bool:
        """Whether all that matters was seen: one end of a two-way pair at rest says nothing of what waits for the other."""
        if item.link is None or item.other is not None or item.later is not None or item.written:
            return True
        return item.link.state != LinkState.ACTIVE or len(self.context.reads) == 1 or item.failure is not None

    def _end_patience(self, batch: Batch) -> None:
        """A record that has waited longer than the flow's patience needs a person."""
        moving = (Outcome.IN_DOUBT, Outcome.CREATED, Outcome.UPDATED)
        waiting = [item for item in batch.items if item.later is not None and item.outcome not in moving]
        if not waiting:
            return
        since = self.waiting_since([item.key for item in waiting])
        for item in waiting:
            row = since.get(item.key)
            if row is None or self.now() - row.since <= self.context.patience:
                continue
            assert item.later is not None
            message, item.later = item.later.message, None
            item.fail(Failure("PATIENCE_ENDED", f"It waited since {row.since:%Y-%m-%d %H:%M} UTC: {message}"))

    def _close_waiting(self, items: Sequence[Item], asked: Collection[str]) -> None:
        waits = Waiting.objects.filter(flow=self.context.flow)
        ended = ends_of(item for item in items if item.later is None)
        for part in chunks([end for end in ended if end not in asked]):
            waits.filter(record_id__in=part).delete()
        # A pair waits under one of its ends; what the other waited for as an unlinked record is over.
        waiting = [item for item in items if item.later is not None and item.link is not None]
        left = {end for item in waiting for end in ends_of([item]) if end != item.key[1]}
        for part in chunks(list(left.difference(asked))):
            waits.filter(record_id__in=part).delete()

    def wake_children(self) -> None:
        """Records between the same two systems that wait for a counterpart of another may have it now."""
        flow = self.context.flow
        Waiting.objects.filter(
            reason=WaitingReason.REFERENCE, flow__servicenow_connection=flow.servicenow_connection_id,
            flow__salesforce_connection=flow.salesforce_connection_id,
        ).update(due_at=self.now())  # fmt: skip

    def _close_letters(self, ids: Sequence[str]) -> None:
        if not bulk.holds(DeadLetter, flow_id=self.context.flow.pk, state=DeadLetterState.OPEN):
            return
        open_ones = DeadLetter.objects.filter(flow=self.context.flow, state=DeadLetterState.OPEN)
        for part in chunks(ids):
            open_ones.filter(record_id__in=part).update(state=DeadLetterState.CLOSED, closed_at=self.now())

    def _record_totals(self, batch: Batch) -> None:
        hour = self.now().replace(minute=0, second=0, microsecond=0)
        counts = Counter((item.to, item.outcome) for item in batch.items if item.outcome is not None)
        rows = [(self.context.flow.pk, hour, to, outcome, count) for (to, outcome), count in counts.items()]
        # In one order, or two workers wait for each other.
        bulk.add(HourlyTotal, ("flow_id", "hour", "side", "outcome"), "count", sorted(rows))

    def _record_run(self, batch: Batch) -> None:
        """Add the page to the run's counts; the row is the progress that pages and bars show."""
        plain: Counter[tuple[Side, Outcome]] = Counter()
        for item in batch.items:
            if item.outcome is None:
                continue
            if item.later is None and not self.unsettled:
                plain[item.to, item.outcome] += 1
                continue
            # A pair that is met again at its other end, or before it became one, is the same record.
            ends = ends_of([item]) if self._is_whole(item) else []
            before = next((self.unsettled.pop(end) for end in ends if end in self.unsettled), None)
            if before is None:
                self._count(item.to, "read", 1)
            else:
                self._count(before[0], COLUMN_OF[before[1]], -1)
                if before[0] is not item.to:
                    self._count(before[0], "read", -1)
                    self._count(item.to, "read", 1)
            self._count(item.to, COLUMN_OF[item.outcome], 1)
            if item.later is not None and item.outcome is not Outcome.CREATED:
                self.unsettled[ends[0]] = (item.to, item.outcome)
        for (to, outcome), count in plain.items():
            self._count(to, "read", count)
            self._count(to, COLUMN_OF[outcome], count)
        self.run.calls_servicenow = self.calls.counts[Side.SERVICENOW]
        self.run.calls_salesforce = self.calls.counts[Side.SALESFORCE]
        self.run.progress_at = self.now()
        kept = ("position",) if self.dry else ()
        if (self.run.position or {}).get("unsettled"):
            # What an earlier slice left is counted anew only once, also if this process dies.
            self._note_unsettled()
            kept = ("position",)
        self.save_run(*Run.COUNTS, "calls_servicenow", "calls_salesforce", "directions", "progress_at", *kept)

    def _count(self, to: Side, name: str, by: int) -> None:
        self.run.directions.setdefault(f"to_{to}", dict.fromkeys(Run.COUNTS, 0))[name] += by
        setattr(self.run, name, getattr(self.run, name) + by)

    def save_run(self, *names: str) -> None:
        bulk.update([self.run], names)


def poll_columns(poll: Poll | None, run: Run) -> dict[str, object]:
    """Columns of a checkpoint; None: nothing is under way, `run` has read the side to its end."""
    return {
        "poll_run_id": run.pk,
        "poll_started": poll.started if poll else None,
        "poll_at": poll.cursor.at if poll and poll.cursor else None,
        "poll_id": poll.cursor.id if poll and poll.cursor else "",
        "poll_top": poll.top if poll else None,
    }


def _poll_kept(poll: Poll | None) -> list[str] | None:
    if poll is None:
        return None
    cursor = [poll.cursor.at.isoformat(), poll.cursor.id] if poll.cursor else ["", ""]
    return [poll.started.isoformat(), *cursor, poll.top.isoformat() if poll.top else ""]


def _poll_of(kept: Sequence[str] | None) -> Poll | None:
    if kept is None:
        return None
    at, top = (datetime.fromisoformat(text) if text else None for text in (kept[1], kept[3]))
    return Poll(datetime.fromisoformat(kept[0]), Cursor(at, kept[2]) if at else None, top)


def has_story(item: Item) -> bool:
    """Unchanged records are counted, not stored; but what is lost or decided on the way is told."""
    if item.known or item.outcome is None:
        return False
    return item.outcome is not Outcome.UNCHANGED or bool(item.notes or item.learnt)
