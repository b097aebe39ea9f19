"""What the database keeps of entries: how far they were read, which were carried, and what came of each."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from sync.connectors.advice import rule_and_advice
from sync.core.notes import Mark
from sync.core.records import Operation, Outcome, Side
from sync.core.retry import backoff
from sync.engine import lease as leases
from sync.engine import marks
from sync.engine.bulk import chunks
from sync.engine.store import Store
from sync.models import Checkpoint, DeadLetter, Event, JournalEntry, RecordLink, Revision, Run
from sync.models.attention import DeadLetterState
from sync.models.base import Lane, least_key
from sync.models.entry import PAIR_ENDED, SETTLED_BY_LOOKING, EntryStatus
from sync.models.link import LinkState

HISTORY = "entries of new links"  # has a checkpoint of its own, in ServiceNow's name
FORGETTING = timedelta(
    minutes=2
)  # without a poll; then what is new is looked for on the other side before it is sent
WORDS = {"comments": "Comment", "work_notes": "Work note"}


@dataclass
class Notebook:
    """Everything that the carrying of entries reads from and writes to the database, under the run's lease."""

    store: Store

    @property
    def _mine(self) -> Any:
        return JournalEntry.objects.filter(flow=self.store.context.flow)

    @contextmanager
    def _commit(self) -> Iterator[None]:
        with transaction.atomic():
            leases.renew(self.store.lease, self.store.now())
            yield
            self.store.calls.save()

    # How far entries were read

    def watermark(self, side: Side, stream: str, ahead: timedelta) -> datetime:
        """Where the next poll begins; the first one where the present setting came into force.

        `ahead`: by how much the platform's clock is ahead of ours.
        """
        return self.store.checkpoint(side, stream).watermark or self._since(same=True) + ahead

    def save_watermark(self, side: Side, stream: str, watermark: datetime | None) -> None:
        if self.store.dry or watermark is None:
            return
        with self._commit():
            kept = self.store.checkpoint(side, stream)
            Checkpoint.objects.filter(pk=kept.pk).update(watermark=watermark, completed_at=self.store.now())

    def may_have_forgotten(self, side: Side, stream: str) -> bool:
        """Whether more was read once than this says: it was restored from a backup, or is the first of its kind."""
        mark = self.store.checkpoint(side, stream).completed_at
        return mark is None or self.store.now() - mark > FORGETTING

    def in_force_since(self) -> datetime:
        """When a person began to have comments or work notes carried; what was said before is not carried by itself."""
        return self._since(same=False)

    def _since(self, *, same: bool) -> datetime:
        """When the first of the latest revisions was published that all say the same (or anything) of comments."""
        present = self.store.context.revision
        wanted = present.snapshot["options"].get("comments")
        found = present.created_at
        earlier = Revision.objects.filter(flow=present.flow_id, number__lt=present.number).order_by("-number")
        for created_at, said in earlier.values_list("created_at", "snapshot__options__comments"):
            if (said != wanted) if same else not said:
                break
            found = created_at
        return found

    def new_links(self, limit: int) -> list[RecordLink]:
        """Active links of the flow whose entries were not read since they were made, oldest first."""
        mine = RecordLink.objects.filter(flow=self.store.context.flow, state=LinkState.ACTIVE)
        after = self.store.checkpoint(Side.SERVICENOW, HISTORY).poll_id
        return list((mine.filter(pk__gt=uuid.UUID(after)) if after else mine).order_by("pk")[:limit])

    def read_links_to(self, link: RecordLink) -> None:
        self._save_links(link.pk)

    def look_back(self) -> None:
        """A backfill commits links later than their keys were made: those of the last minutes are looked at again."""
        kept = self.store.checkpoint(Side.SERVICENOW, HISTORY)
        long_ago = self.store.now() - timedelta(minutes=10)
        backfills = Run.objects.filter(flow=self.store.context.flow, lane=Lane.BACKFILL)
        if (
            not kept.poll_id
            or not backfills.filter(Q(finished_at=None) | Q(finished_at__gt=long_ago)).exists()
        ):
            return
        overlapping = least_key(self.store.now() - max(self.store.context.overlap, leases.DURATION))
        if overlapping < uuid.UUID(kept.poll_id):
            self._save_links(overlapping)

    def _save_links(self, key: uuid.UUID) -> None:
        with self._commit():
            kept = self.store.checkpoint(Side.SERVICENOW, HISTORY)
            Checkpoint.objects.filter(pk=kept.pk).update(poll_id=key.hex)

    # What is known of entries

    def known(self, side: Side, ids: Sequence[str]) -> dict[tuple[str, int], JournalEntry]:
        """Rows of entries of `side`, by their ids and parts."""
        return {
            (row.source_id, row.part): row
            for part in chunks(ids)
            for row in self._mine.filter(side=side, source_id__in=part)
        }

    def ours(self, side: Side, ids: Sequence[str]) -> set[str]:
        """Which of these entries of `side` we have made."""
        made = self._mine.filter(side=side.other)
        return {
            id
            for part in chunks(ids)
            for id in made.filter(target_id__in=part).values_list("target_id", flat=True)
        }

    def sign(self, mark: Mark, source: Side) -> str:
        return marks.sign(self.store.context.flow, mark, source)

    def verify(self, mark: Mark, source: Side) -> bool:
        """Whether we made the mark, under whichever of our keys, of an entry of this flow's `source`."""
        return marks.verify(self.store.context.flow, mark, source)

    # Planning

    def plan(self, rows: Sequence[JournalEntry], claims: Mapping[JournalEntry, str]) -> None:
        """Commit what is to be sent, and which entries turned out to be those that we have made."""
        if self.store.dry or not (rows or claims):
            return
        with self._commit():
            JournalEntry.objects.bulk_create(rows)
            for row, target_id in claims.items():
                self.settle(row, target_id)

    def settle(self, row: JournalEntry, target_id: str) -> None:
        """Inside the caller's transaction. The entry was found on the other side."""
        came_late = row.status != EntryStatus.DONE
        row.target_id, row.status, row.text, row.code = target_id, EntryStatus.DONE, None, ""
        row.save(update_fields=["target_id", "status", "text_sealed", "code", "updated_at"])
        if came_late:
            self.tally([row])
            self._tell(
                [(row, Outcome.CREATED, "Found on the other side: the answer to its request was lost.")]
            )
            self._close_letters([row], were_refused=True)

    def keep_texts(self, rows: Sequence[JournalEntry], silent: Sequence[JournalEntry]) -> None:
        """Texts that were read once more; `silent`: those whose entry is gone."""
        if not rows:
            return
        for row in silent:
            row.status = EntryStatus.LEFT
            row.code = "ENTRY_GONE" if row.link.state == LinkState.ACTIVE else PAIR_ENDED
        with self._commit():
            JournalEntry.objects.bulk_update(rows, ["text_sealed", "status", "code"], batch_size=100)

    # Sending

    def planned(self, limit: int) -> list[JournalEntry]:
        due = Q(due_at=None) | Q(due_at__lte=self.store.now())
        rows = self._mine.filter(due, status=EntryStatus.PLANNED).select_related("link")
        return list(rows.order_by("written_at", "source_id", "part")[:limit])

    def born(self, row: JournalEntry) -> datetime:
        """When it was planned, as its key tells."""
        return datetime.fromtimestamp((row.pk.int >> 80) / 1000, UTC)

    def in_doubt(self) -> list[JournalEntry]:
        """What may have been executed: no answer came, or the worker that had sent it died.

        Also what an earlier run had planned: a database that was restored does not know that it was sent since.
        """
        earlier = Q(status=EntryStatus.PLANNED) & ~Q(run=self.store.run)
        rows = self._mine.filter(earlier | Q(status__in=SETTLED_BY_LOOKING))
        return list(rows.select_related("link").order_by("pk"))

    def intend(self, rows: Sequence[JournalEntry]) -> datetime:
        """Commit that these are about to be sent; returns when, by our clock."""
        now = self.store.now()
        for row in rows:
            row.status, row.intent_at, row.run = EntryStatus.SENT, now, self.store.run
            row.lease_token = self.store.lease.token
            row.attempts += 1
        with self._commit():
            JournalEntry.objects.bulk_update(
                rows,
                ["status", "intent_at", "run", "lease_token", "attempts", "target_place"],
                batch_size=100,
            )
        return now

    def repeat(self, rows: Sequence[JournalEntry]) -> None:
        """None of these arrived, and none can arrive any more."""
        with self._commit():
            for row in rows:
                row.status, row.due_at = EntryStatus.PLANNED, None
            JournalEntry.objects.bulk_update(rows, ["status", "due_at"], batch_size=100)

    def record(self, done: Sequence[tuple[JournalEntry, str]], others: Sequence[Came]) -> None:
        """Commit what came of entries that were sent, and of those that are not sent at all."""
        with self._commit():
            for row, target_id in done:
                row.status, row.target_id, row.text, row.code = EntryStatus.DONE, target_id, None, ""
            for each in others:
                each.row.status, each.row.code = each.status, each.code[:80]
                each.row.due_at = self._due(each)
                if each.status == EntryStatus.LEFT:
                    each.row.text = None
            rows = [row for row, _ in done] + [each.row for each in others]
            for row in rows:
                row.updated_at = self.store.now()
            JournalEntry.objects.bulk_update(
                rows, ["status", "target_id", "text_sealed", "code", "due_at", "updated_at"], batch_size=100
            )
            self._tell([(row, Outcome.CREATED, "") for row, _ in done])
            self._tell(
                [
                    (each.row, _OUTCOME[each.status], each.message)
                    for each in others
                    if each.status in _OUTCOME
                ]
            )
            self._close_letters([row for row, _ in done])
            for each in others:
                if each.status == EntryStatus.REFUSED:
                    self._letter(each)
            self._count(done, others)

    def _due(self, each: Came) -> datetime | None:
        if each.status != EntryStatus.PLANNED:
            return None
        return self.store.now() + backoff(each.row.attempts, self.store.rng, retry_after=each.retry_after)

    # Counts, events, letters

    def _count(self, done: Sequence[tuple[JournalEntry, str]], others: Sequence[Came]) -> None:
        self.tally([row for row, _ in done])
        self.store.run.failed += sum(each.status == EntryStatus.REFUSED for each in others)
        self.store.save_run("failed")

    def tally(self, rows: Iterable[JournalEntry]) -> None:
        """Count entries as carried (in a dry run: to be carried), whole ones, by direction and kind."""
        run = self.store.run
        for row in rows:
            if row.part == 1:
                ways = run.entries.setdefault(f"to_{Side(row.side).other}", {})
                ways[row.kind] = ways.get(row.kind, 0) + 1
        self.store.save_run("entries")

    def count_in_doubt(self) -> None:
        left = self._mine.filter(status__in=SETTLED_BY_LOOKING).count()
        if left:
            self.store.run.in_doubt += left
            self.store.save_run("in_doubt")

    def _tell(self, told: Collection[tuple[JournalEntry, Outcome, str]]) -> None:
        context, now = self.store.context, self.store.now()
        Event.objects.bulk_create([
            _event(row, outcome, message, flow=context.flow, run=self.store.run, revision=context.revision, at=now)
            for row, outcome, message in told
        ])  # fmt: skip

    def _letter(self, each: Came) -> None:
        row, link, now = each.row, each.row.link, self.store.now()
        to = Side(row.side).other
        known = rule_and_advice(each.code)
        letter = DeadLetter.objects.filter(
            flow=row.flow_id, side=to, record_id=row.source_id, state=DeadLetterState.OPEN
        ).first() or DeadLetter(
            flow_id=row.flow_id, side=to, record_id=row.source_id, first_at=now, attempts=0
        )
        letter.run, letter.revision, letter.link = self.store.run, self.store.context.revision, link
        letter.record_number = getattr(link, f"{row.side}_number")
        letter.operation, letter.code, letter.field = (
            Operation.CREATE,
            each.code[:80],
            WORDS[row.kind].lower(),
        )
        letter.rule = (each.rule or known.rule)[:500]
        letter.advice = (each.advice or known.advice)[:500]
        letter.attempts, letter.last_at = letter.attempts + 1, now
        letter.content = {
            "message": each.message,
            "value": row.text or "",
            "source": {},
            "target": {},
            "planned": {},
        }
        letter.save()

    def _close_letters(self, rows: Sequence[JournalEntry], *, were_refused: bool = False) -> None:
        """An entry's letter closes once no part of it is refused any more. What went at the first try has none."""
        for row in rows:
            parts = self._mine.filter(side=row.side, source_id=row.source_id, status=EntryStatus.REFUSED)
            if (row.attempts > 1 or were_refused) and not parts.exists():
                letters = DeadLetter.objects.filter(
                    flow=row.flow_id, side=Side(row.side).other, record_id=row.source_id
                )
                letters.filter(state=DeadLetterState.OPEN).update(
                    state=DeadLetterState.CLOSED, closed_at=self.store.now()
                )


@dataclass(frozen=True, slots=True)
class Came:
    """What came of an entry that did not simply arrive."""

    row: JournalEntry
    status: EntryStatus
    message: str = ""
    code: str = ""
    rule: str = ""
    advice: str = ""
    retry_after: float | None = None


_OUTCOME = {EntryStatus.REFUSED: Outcome.FAILED, EntryStatus.IN_DOUBT: Outcome.IN_DOUBT}


def _event(row: JournalEntry, outcome: Outcome, message: str, **whose: Any) -> Event:
    link = row.link
    event = Event(
        link=link, side=Side(row.side).other, operation=Operation.CREATE, outcome=outcome, code=row.code,
        servicenow_id=link.servicenow_id, servicenow_number=link.servicenow_number,
        salesforce_id=link.salesforce_id, salesforce_number=link.salesforce_number, field_names=title(row), **whose,
    )  # fmt: skip
    event.detail = {"fields": [], **({"notes": [message]} if message else {})}
    return event


def title(row: JournalEntry) -> str:
    return WORDS[row.kind] + (f", part {row.part} of {row.parts}" if row.parts > 1 else "")
