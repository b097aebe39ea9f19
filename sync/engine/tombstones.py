"""What the database keeps of deletions: how far they were followed, the guard, and pairs of which nothing is left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from sync.core.records import Side
from sync.engine import lease as leases
from sync.engine.bulk import chunks
from sync.engine.deleting import TOMBSTONE
from sync.engine.failures import NAMES
from sync.engine.store import Store
from sync.models import Checkpoint, Conflict, DeadLetter, Flow, RecordLink
from sync.models.attention import ConflictState, DeadLetterState
from sync.models.link import LinkState

STREAM = "deletions"  # has a checkpoint of its own on each side
RETURNS = "returns"  # so have looks for restored records
BETWEEN_LOOKS = timedelta(minutes=10)
MOST_LOOKED_AT = 500  # at a time: a few calls; of more, each has its turn


def followed_until(store: Store, side: Side) -> datetime | None:
    return store.checkpoint(side, STREAM).watermark


def follow_from(store: Store, side: Side, watermark: datetime) -> None:
    """All deletions up to here have been carried over; what a person had allowed is used up with that."""
    with transaction.atomic():
        leases.renew(store.lease, store.now())
        kept = store.checkpoint(side, STREAM)
        Checkpoint.objects.filter(pk=kept.pk).update(watermark=watermark, completed_at=store.now())
        Flow.objects.filter(pk=store.context.flow.pk, deletions_allowance__gt=0).update(deletions_allowance=0)


def may_be_back(store: Store, side: Side) -> Sequence[RecordLink] | None:
    """Tombstones whose turn it is to be looked for among the living of `side`; None until a look is due."""
    kept = store.checkpoint(side, RETURNS)
    if kept.completed_at is not None and store.now() < kept.completed_at + BETWEEN_LOOKS:
        return None
    after = UUID(hex=kept.poll_id) if kept.poll_id else UUID(int=0)
    mine = RecordLink.objects.filter(flow=store.context.flow, state=TOMBSTONE[side], pk__gt=after)
    return list(mine.order_by("pk")[:MOST_LOOKED_AT])


def looked_for(store: Store, side: Side, links: Sequence[RecordLink]) -> None:
    """Whoever of these is back has been read. The next look goes on behind them, or begins anew."""
    last = links[-1].pk.hex if len(links) == MOST_LOOKED_AT else ""
    with transaction.atomic():
        leases.renew(store.lease, store.now())
        kept = store.checkpoint(side, RETURNS)
        Checkpoint.objects.filter(pk=kept.pk).update(poll_id=last, completed_at=store.now())


def pause(store: Store, side: Side, count: int, limit: int) -> None:
    """Let no policy act until a person has looked at so many disappearances."""
    reason = f"{count:,} records disappeared from {NAMES[side]} at once; a run carries over {limit:,} at most unasked."
    Flow.objects.filter(pk=store.context.flow.pk).update(deletions_paused=reason)
    store.context.flow.deletions_paused = reason


def living(store: Store) -> int:
    """Pairs of the flow of which both records are there, as far as we know."""
    return RecordLink.objects.filter(flow=store.context.flow, state=LinkState.ACTIVE).count()


def entomb(store: Store, links: Sequence[RecordLink], state: str) -> None:
    """Both records are gone: nothing is left to be written, and nothing to be decided or mended."""
    if not links:
        return
    now, ends = store.now(), [link.end(side) for link in links for side in Side]
    with transaction.atomic():
        leases.renew(store.lease, now)
        for part in chunks([link.pk for link in links]):
            RecordLink.objects.filter(pk__in=part).update(state=state)
            undecided = Conflict.objects.filter(link__in=part, state=ConflictState.OPEN)
            undecided.update(state=ConflictState.GONE, resolved_at=now)
        letters = DeadLetter.objects.filter(flow=store.context.flow, state=DeadLetterState.OPEN)
        for ids in chunks(ends):
            letters.filter(record_id__in=ids).update(state=DeadLetterState.CLOSED, closed_at=now)
