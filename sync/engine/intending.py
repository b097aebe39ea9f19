"""Transaction 1 of a page: claims, new links, settled bases, intents. What is about to be sent is committed before it leaves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q

from sync.core.records import Operation, Outcome, Side
from sync.engine import bulk, rows
from sync.engine import lease as leases
from sync.engine.bulk import chunks
from sync.engine.connect import CallLog
from sync.engine.items import Batch, Item, Later, NewIntent
from sync.engine.known import Known, ends_of
from sync.engine.lease import Lease
from sync.models import Intent, RecordLink, Run
from sync.models.attention import WaitingReason
from sync.models.link import END
from sync.models.run import RunMode

CLAIM = timedelta(seconds=180)


@dataclass(kw_only=True)
class Intending(Known):
    """What a run commits before it sends, under its lease."""

    run: Run
    lease: Lease
    calls: CallLog

    @property
    def dry(self) -> bool:
        return self.run.mode == RunMode.DRY

    def intend(self, batch: Batch) -> None:
        """Commit what is about to be sent. Items that another lane holds are put off and lose their intent."""
        touched = [
            item
            for item in batch.items
            if item.intent or item.found or item.other or item.base_moved or item.fields_moved or item.ending
        ]
        if self.dry or not touched:
            return
        with transaction.atomic():
            leases.renew(self.lease, self.now())
            self._claim([item for item in touched if item.link is not None and not item.new_link])
            self._leave_to_makers([item for item in batch.items if item.new_link])
            self._insert_links([item for item in batch.items if item.new_link])
            self._settle(batch.items)
            self._insert_intents(batch.sending)
            self._give_up_paired(batch.side, [item for item in batch.sending if item.link is None])
            self._tell_at_stake([item for item in batch.sending if item.operation is Operation.DELETE])
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

    def _give_up_paired(self, side: Side, items: Sequence[Item]) -> None:
        """Another lane may have paired a record since it was decided to create one.

        Asked after the intents stand: from then on no other lane creates for these records.
        """
        paired: set[str] = set()
        for part in chunks([item.record.id for item in items]):
            paired |= set(
                self._links().filter(**{f"{END[side]}__in": part}).values_list(END[side], flat=True)
            )
        given_up = [item for item in items if item.record.id in paired]
        bulk.delete(Intent, [item.intent.pk for item in given_up if isinstance(item.intent, NewIntent)])
        self._put_off(given_up)

    def _leave_to_makers(self, items: Sequence[Item]) -> None:
        """A counterpart that another lane is making is that lane's to link, whose answer tells what it wrote."""
        others = leases.living_tokens(None, self.now()) - {self.lease.token} if items else set()
        if not others:
            return
        making = Intent.objects.open().filter(flow=self.context.flow, link=None, lease_token__in=others)
        theirs = {
            id
            for part in chunks(ends_of(items))
            for id in making.filter(source_id__in=part).values_list("source_id", flat=True)
        }
        held = [item for item in items if theirs.intersection(ends_of([item]))]
        for item in held:
            put_off(item)
            item.link, item.new_link = None, False

    def _insert_links(self, items: Sequence[Item]) -> None:
        """Pairs found by their key become links before anything is sent for them; the unique rows decide who was first."""
        for item in items:
            assert item.link is not None
            item.link.base = {row: list(pair) for row, pair in item.known_base().items()}
            item.link.claim_token, item.link.claim_until = self.lease.token, self.now() + CLAIM
            item.link.synced_at = self.now()
            try:
                with transaction.atomic():
                    rows.insert_links([item.link], self.now())
                item.new_link = False
                item.base_moved = False
            except IntegrityError:
                put_off(item)
                item.link, item.new_link = None, False

    def _settle(self, items: Sequence[Item]) -> None:
        """What reading taught of earlier requests is committed before anything new is sent."""
        moved = [item for item in items if item.base_moved and item.link is not None and item.found]
        rows.update_bases(moved, self.now())
        for item in moved:
            item.base_moved = False
        untold = {intent.pk for item in items for intent in untold_creates(item)}
        settled = [intent.pk for item in items for intent in item.found if intent.settled_at is not None]
        bulk.delete(Intent, [pk for pk in settled if pk not in untold])
        # The pair stands now, its birth is told and counted with the page: by whoever goes on, if this worker dies before.
        for part in chunks(list(untold)):
            Intent.objects.filter(pk__in=part).update(settled_at=self.now(), lease_token=self.lease.token)
        # No later look finds it out again: it is told now, or a worker that dies before its answers takes it along.
        rows.tell_settled([item for item in items if _is_taught(item)], self.context, self.run, self.now())
        self._follow_executed(items)

    def _follow_executed(self, items: Sequence[Item]) -> None:
        """Inside the transaction that settles them: what is set off by earlier updates that are found executed."""

    def _tell_at_stake(self, items: Sequence[Item]) -> None:
        """Edits that go with a record that is about to be deleted: once it is gone, only this tells of them."""
        for item in items:
            item.overwrote += item.at_stake
        rows.record_overwritten(items, self.run, self.now())
        for item in items:
            item.overwrote, item.at_stake = [], []

    def _insert_intents(self, items: Sequence[Item]) -> None:
        self._leave_under_way([item for item in items if isinstance(item.intent, Intent)])
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
            held = self.open_intents([item.source_id for item in fresh])
            self._put_off([item for item in fresh if _is_held(item, held.get(item.source_id, ()))])
            self._insert_fresh(fresh)

    def _leave_under_way(self, items: Sequence[Item]) -> None:
        """A request of a living lane is not repeated beside it: that lane records what comes of it."""
        others = leases.living_tokens(None, self.now()) - {self.lease.token} if items else set()
        theirs = {
            pk
            for part in chunks(
                [item.intent.pk for item in items if item.intent is not None] if others else []
            )
            for pk in Intent.objects.filter(pk__in=part, lease_token__in=others).values_list("pk", flat=True)
        }
        self._put_off([item for item in items if item.intent is not None and item.intent.pk in theirs])

    def _insert_fresh(self, items: Sequence[Item]) -> None:
        rows.insert_intents(items, self.context)


def _is_held(item: Item, intents: Iterable[Intent]) -> bool:
    """Whether another lane's open request stands in the way of this one."""
    return not item.conditional and any(
        intent.side == item.to and not intent.conditional for intent in intents
    )


def untold_creates(item: Item) -> list[Intent]:
    """Earlier creates that were found executed, of which no event tells yet."""
    if item.outcome is not Outcome.CREATED:
        return []
    return [intent for intent in item.found if intent.operation == Operation.CREATE and intent.settled_at]


def is_repeated_later(item: Item) -> bool:
    """Whether a create in doubt was to be repeated, and the repetition was not executed: the first attempt still may be."""
    unsent = item.outcome in (Outcome.DEFERRED, Outcome.WAITING)
    return unsent and item.link is None and isinstance(item.intent, Intent)


def _is_taught(item: Item) -> bool:
    settled = any(intent.settled_at is not None for intent in item.found)
    return settled and item.link is not None and not item.new_link and bool(item.overwrote or item.learnt)


def put_off(item: Item) -> None:
    """Another lane holds this record, or has changed what is known of it: nothing is sent or learnt for it now."""
    item.intent = item.other = item.plan = item.base = item.fields = item.failure = None
    item.found, item.writes, item.extra, item.overwrote, item.notes, item.learnt = (), [], {}, [], [], []
    item.base_moved = item.fields_moved = item.conditional = item.unfinished = item.revived = False
    item.ending = item.tombstone = ""
    item.wait(
        Later(WaitingReason.CLAIMED, "Another run held the record.", timedelta(seconds=1)), Outcome.WAITING
    )
