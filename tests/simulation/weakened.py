"""The engine with one protection taken out, each by putting another class in its place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sync.core.notes import Entry
from sync.core.records import Operation, Outcome, Record, Side, Write, WriteResult
from sync.core.window import Poll
from sync.engine.answers import Applying
from sync.engine.attachments import Carrying
from sync.engine.deciding import Deciding
from sync.engine.grounds import Look
from sync.engine.items import Batch, Item
from sync.engine.lease import Lease
from sync.engine.notes import Notes
from sync.engine.runner import Runner
from sync.models import Attachment, Intent, JournalEntry, LaneLease
from sync.models.entry import EntryStatus
from tests.simulation.workers import Parts, SteppingStore


class WithoutIntents(SteppingStore):
    """Nothing is noted before a request leaves."""

    def intend(self, batch: Batch) -> None:
        super().intend(batch)
        Intent.objects.filter(lease_token=self.lease.token).delete()


class WatermarkAtTheBeginning(SteppingStore):
    """The next poll starts where this one began: nothing is read again."""

    def finish_poll(self, side: Side, poll: Poll, watermark: datetime | None) -> None:
        super().finish_poll(side, poll, watermark and poll.started)


class WithoutClaims(SteppingStore):
    """A link is nobody's while its record is written, and who makes a counterpart is not asked."""

    def _claim(self, items: Any) -> None:
        """Nothing is claimed."""

    def _leave_to_makers(self, items: Any) -> None:
        """Nobody is asked."""


class _Wrapped:
    """A connector of which one thing is different."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, name: str, batch: Iterable[Write]) -> Iterator[WriteResult]:
        return map(self.answer, self._inner.write(name, map(self.sent, batch)))

    def sent(self, write: Write) -> Write:
        return write

    def answer(self, result: WriteResult) -> WriteResult:
        return result


class WithoutKey(_Wrapped):
    """Creates carry no key, so nothing refuses the second one."""

    def sent(self, write: Write) -> Write:
        if write.operation is not Operation.CREATE:
            return write
        keys = ("sys_id", "ServiceNow_Sys_Id__c")
        return replace(
            write, values={name: value for name, value in write.values.items() if name not in keys}
        )


class WithoutCondition(_Wrapped):
    """Salesforce is updated whatever has happened since the look."""

    def sent(self, write: Write) -> Write:
        return replace(write, expected=None)


class WithoutCount(_Wrapped):
    """Nobody looks at how often the incident was updated."""

    def answer(self, result: WriteResult) -> WriteResult:
        return replace(result, version=None)


class Unfenced:
    """A lease that is whoever's the lane is now."""

    def __init__(self, lease: Lease) -> None:
        self.flow_id, self.lane, self._mine = lease.flow_id, lease.lane, lease.token

    @property
    def token(self) -> str:
        row = LaneLease.objects.filter(flow_id=self.flow_id, lane=self.lane).exclude(token="").first()
        return row.token if row else self._mine


class Hasty(Deciding):
    """Merges without having learnt what became of earlier requests."""

    def _settle(self, item: Item, looks: Mapping[Side, Look], *_: Any) -> bool:
        for intent in item.found:
            intent.settled_at = looks[Side(intent.side)].at
        return True


class WithoutQuarantine(Deciding):
    """Takes a create for dead as soon as a look-up shows nothing."""

    def _nothing_found(self, item: Item, look: Look) -> None:
        if item.found and not self.context.repeats_are_harmless(item.to):
            item.found[0].settled_at = look.at
        else:
            super()._nothing_found(item, look)


class TrustingStamps(Deciding):
    """Skips a record whose stamp was seen before."""

    def _rest_quiet(self, items: Any, *, look_up: bool) -> None:
        for item in items:
            seen = item.link.salesforce_changed_at if item.link is not None else None
            if item.side is Side.SALESFORCE and not item.found and seen == item.record.version.changed_at:
                item.rest(Outcome.UNCHANGED)
        super()._rest_quiet([item for item in items if not item.at_rest], look_up=look_up)


class TrustingAuthors(Deciding):
    """Skips a record that we were the last to change."""

    def _rest_quiet(self, items: Any, *, look_up: bool) -> None:
        for item in items:
            if item.link is not None and item.record.version.by == self.context.own_user(item.side):
                item.rest(Outcome.UNCHANGED)
        super()._rest_quiet([item for item in items if not item.at_rest], look_up=look_up)


class AnySecond(Deciding):
    """Trusts a condition on a stamp of the running second."""

    @staticmethod
    def _too_fresh(item: Item, look: Look) -> timedelta | None:
        return None


@dataclass
class ReadingBack(Applying):
    """Takes the whole record as it stands after the write for the base."""

    read: Any = None

    def _done(self, item: Item, result: WriteResult, batch: Batch) -> None:
        super()._done(item, result, batch)
        if item.link is None or item.operation is not Operation.UPDATE:
            return
        now: Record | None = self.read(item.to, item.link.end(item.to))
        other = item.source
        if now is None or other is None:
            return
        here, there = (now, other) if item.to is Side.SERVICENOW else (other, now)
        for row in self.context.rows:
            item.set_base(row.id, (row.read(here.values), there.values.get(row.target)))


def _deciding(kind: type[Deciding]) -> Parts:
    def prepare(runner: Runner) -> None:
        runner._deciding = kind(runner.context, runner.store, runner._connectors)

    return Parts(prepare=prepare)


def _reads_back(runner: Runner) -> None:
    context = runner.context

    def read(side: Side, id: str) -> Record | None:
        name, fields = context.name(side), context.fields(side)
        return runner._connectors[side].read(name, [id], fields, "").get(id)

    before = runner._applying
    applying = ReadingBack(**{name: getattr(before, name) for name in before.__dataclass_fields__})
    applying.read = read
    runner._applying = applying


class _MarksUnread(Notes):
    def _ours(self, side: Side, entries: Sequence[Entry]) -> dict[str, JournalEntry | None]:
        return {}


class WithoutMarks(Runner):
    """Entries of ours are not known by their marks."""

    def _carry_entries(self, notes: type[Notes] = Notes) -> None:
        super()._carry_entries(_MarksUnread)


class _SentAgain(Notes):
    def _look_up(self, stream: str, rows: Sequence[JournalEntry]) -> None:
        self.book.repeat([row for row in rows if row.status != EntryStatus.PLANNED])


class WithoutLookingForEntries(Runner):
    """An entry whose answer was lost is sent again, unseen."""

    def _carry_entries(self, notes: type[Notes] = Notes) -> None:
        super()._carry_entries(_SentAgain)


class _CarriedAgain(Carrying):
    def _look_for(self, side: Side, rows: Sequence[Attachment]) -> None:
        for row in rows:
            self.filing.planned_again(row)

    def _unknown_there(self, *_: Any, **__: Any) -> Any:
        return defaultdict(list)


class WithoutLookingForFiles(Runner):
    """A file whose answer was lost is sent again, unseen."""

    def _carry_files(self, carrying: Carrying) -> None:
        super()._carry_files(_CarriedAgain(self.context, self.store, self._connectors, self.stopping))


WEAKENED: dict[str, Parts] = {
    "no intent before the request": Parts(store=WithoutIntents),
    "no key on creates": Parts(connector=WithoutKey),
    "no condition on updates of Salesforce": Parts(connector=WithoutCondition),
    "no look at the count of updates": Parts(connector=WithoutCount),
    "no fence": Parts(lease=Unfenced),
    "no claims": Parts(store=WithoutClaims),
    "no overlap": Parts(store=WatermarkAtTheBeginning),
    "no settling before the merge": _deciding(Hasty),
    "no wait for a create in doubt": _deciding(WithoutQuarantine),
    "records skipped by stamp": _deciding(TrustingStamps),
    "records skipped by author": _deciding(TrustingAuthors),
    "conditions on the running second": _deciding(AnySecond),
    "the base read back": Parts(prepare=_reads_back),
    "no marks read": Parts(runner=WithoutMarks),
    "no look for an entry in doubt": Parts(runner=WithoutLookingForEntries),
    "no look for a file in doubt": Parts(runner=WithoutLookingForFiles),
}
