"""Files between linked records, each once and both ways, in the live lane after its records.

    settle what is in doubt -> judge anew what other rules left behind -> find what is new -> carry -> settle again

Found: with each new link all files of its record; after that by the files' own stamps, because a file need not move
its record's. Carried: one at a time, in one pass, from the answer that brings it into the request that takes it.

No platform takes a key of ours with a file. So the intent is committed before the request leaves, and both digests
before its last bytes do: a request that was not sealed was never whole, and one that was is looked for by digest on
the record, and repeated only once the platform can execute it no more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import groupby
from uuid import UUID

from sync.connectors.base import Connector
from sync.core.files import Digests, File, FileRules, NewFile, Passing, safe_name, same_name
from sync.core.records import Side
from sync.core.retry import backoff
from sync.core.window import Poll, next_watermark
from sync.engine.context import Context
from sync.engine.filing import Filing, by_parent
from sync.engine.grounds import EXECUTES_WITHIN, SEND_WITHIN
from sync.engine.store import Store
from sync.errors import (
    BudgetSpentError,
    CircuitOpenError,
    OutcomeUnknownError,
    RefusedError,
    SyncError,
    TransientError,
)
from sync.models import Attachment, RecordLink
from sync.models.base import Lane
from sync.models.run import RunKind

LINKS, FILES = 500, 50  # whose files are asked for at once; that are taken up at once
# Seconds that one file may take: with a slice's own, below the time after which the queue ends a task.
TAKES_AT_MOST = 120.0
TURN = (
    30.0  # seconds after which a scheduled run leaves the rest to the next one: records do not wait for files
)
BEAT = 20.0  # seconds between two renewals of the lease within a transfer
ACCEPTED_AND_DROPPED = "dropped"  # ServiceNow's 202, after which a write is looked up before it is repeated
FAULTS = 3  # in a row, after which the platform itself is taken to be in trouble


class _ThereAlready(SyncError):
    """The record on the other side shows this very file: nothing is to be sent."""

    code = "there_already"


class _Interrupted(TransientError):
    """The process was told to stop."""

    code = "interrupted"


@dataclass
class Carrying:
    context: Context
    store: Store
    connectors: Mapping[Side, Connector]
    stopping: Callable[[], bool]
    turn: float = TURN
    filing: Filing = field(init=False)

    def __post_init__(self) -> None:
        self.filing = Filing(self.store)

    def __call__(self) -> Iterator[None]:
        """Do all there is to do; wherever this yields, the run may end and a later one goes on."""
        rules = FileRules.of(self.context.settings)
        if rules is None or self.store.dry:
            return
        if self.store.run.lane != Lane.LIVE:
            if self.store.run.kind == RunKind.RESYNC and not self.store.run.params:
                self.filing.read_anew()
            return
        self.store.run.step = "carrying attachments"
        self.store.save_run("step")
        yield from self._settle()
        yield from self._judge_again(rules)
        for side in rules.sources:
            yield from self._for_a_turn(self._find(side, rules))
        yield from self._for_a_turn(self._carry_all(rules))
        yield from self._settle()
        self.filing.count_doubts()

    def _for_a_turn(self, steps: Iterator[None]) -> Iterator[None]:
        """What a person has asked for is done to its end."""
        until = time.monotonic() + self.turn
        for _ in steps:
            yield
            if self.store.run.kind in (RunKind.POLL, RunKind.EVENT) and time.monotonic() > until:
                return

    # What is in doubt

    def _settle(self) -> Iterator[None]:
        """Look for what was sent without an answer; what is not there can be repeated only when it is too late for it."""
        for side in Side:
            rows = self.filing.unsettled(side)
            for row in rows:
                if row.sealed_at is None:
                    self.filing.planned_again(row)
            sealed = [row for row in rows if row.sealed_at is not None]
            for start in range(0, len(sealed), FILES):
                self._look_for(side, sealed[start : start + FILES])
                yield

    def _look_for(self, side: Side, rows: Sequence[Attachment]) -> None:
        asked_at = self.store.now()
        there = self._unknown_there(side, rows)
        for row in rows:
            found = next((file for file in there[row.link_id] if self._is_copy(file, row)), None)
            if found is not None:
                there[row.link_id].remove(found)
                self.filing.carried(row, found.id)
        for row in rows:
            if row.target_id:
                continue
            assert row.sealed_at is not None
            if asked_at > row.sealed_at + SEND_WITHIN + EXECUTES_WITHIN:
                never = OutcomeUnknownError("No answer came, and it never arrived.")
                self._try_later(row, never, at_once=True)
            else:
                self.filing.in_doubt(row)

    def _is_copy(self, file: File, row: Attachment) -> bool:
        """Whether it may be what we sent: people put the same bytes on a record under other names."""
        return file.has_content_of(row.sha256, row.md5) and self._is_named(file, self._new(row).name)

    def _unknown_there(
        self, side: Side, rows: Sequence[Attachment], *, paired: bool = False
    ) -> dict[UUID, list[File]]:
        """What the records on the other side show that is neither a copy of ours nor known to come from there, or,
        with `paired`, that has no copy here yet."""
        links = list({row.link_id: row.link for row in rows}.values())
        files = (
            self.connectors[side.other].files.on([link.end(side.other) for link in links]) if links else []
        )
        known = self.filing.ids_of(side.other, [link.pk for link in links], paired=paired)
        shown = by_parent(files)
        return {
            link.pk: [
                file for file in shown.get(link.end(side.other), ()) if file.id not in known.get(link.pk, ())
            ]
            for link in links
        }

    # What was left behind

    def _judge_again(self, rules: FileRules) -> Iterator[None]:
        while rows := self.filing.left_by_other_rules(rules, LINKS):
            self.filing.judge_again(rows, rules)
            yield

    # What is new

    def _find(self, side: Side, rules: FileRules) -> Iterator[None]:
        began = self.connectors[side].server_now()
        since = self.filing.followed_from(side, began)
        last = self.filing.read_whole_up_to(side)
        while links := self.filing.links_after(last, LINKS):
            last = links[-1].pk
            files = self.connectors[side].files.on([link.end(side) for link in links])
            self._take(side, files, links, rules, last)
            yield
        top = None
        for files in self.connectors[side].files.since(self.context.name(side), since):
            links = self.filing.links_at(side, [file.parent for file in files])
            self._take(side, files, links, rules)
            stamps = [file.added_at for file in files if file.added_at is not None]
            top = max(stamps if top is None else [top, *stamps], default=None)
            yield
        watermark = next_watermark(Poll(began, None, top), since, self.context.overlap)
        assert watermark is not None
        self.filing.follow_from(side, watermark)

    def _take(
        self,
        side: Side,
        files: Sequence[File],
        links: Sequence[RecordLink],
        rules: FileRules,
        read_whole: UUID | None = None,
    ) -> None:
        """What we sent without an answer may have arrived just now: it is no file of `side`."""
        ends = {link.end(side): link.pk for link in links}
        ours = [row for row in self.filing.unsettled(side.other) if row.link_id in ends.values()]
        arrived = {
            file.id
            for file in files
            for row in ours
            if row.link_id == ends.get(file.parent) and self._is_copy(file, row)
        }
        self.filing.take(side, [file for file in files if file.id not in arrived], links, rules, read_whole)

    # Carrying

    def _carry_all(self, rules: FileRules) -> Iterator[None]:
        faults = 0
        while rows := self.filing.planned(rules.sources, FILES):
            for side, group in groupby(
                sorted(rows, key=lambda row: row.side), key=lambda row: Side(row.side)
            ):
                mine = list(group)
                there = self._unknown_there(side, mine, paired=True)
                for row in mine:
                    fault = self._carry(row, there[row.link_id])
                    faults = faults + 1 if fault is not None else 0
                    if fault is not None and faults >= FAULTS:
                        raise fault
                    yield

    def _carry(self, row: Attachment, there: list[File]) -> TransientError | OutcomeUnknownError | None:
        """Carry one file and write down what came of it; returns what may pass by itself."""
        side, new = Side(row.side), self._new(row)
        twins = [file for file in there if file.size == row.size and self._is_named(file, new.name)]
        if not self.filing.intend(row):
            return None
        opened = partial(self._opened, row, twins, time.monotonic() + TAKES_AT_MOST)
        try:
            stored = self.connectors[side.other].files.add(
                self.context.name(side.other), row.link.end(side.other), new, opened
            )
        except _ThereAlready as found:
            there[:] = [file for file in there if file.id != found.message]
            self.filing.carried(row, found.message, was_there=True)
        except RefusedError as error:
            self._refused(row, error)
        except (BudgetSpentError, CircuitOpenError):
            raise  # of the run's own: the row tells how far this came
        except (TransientError, OutcomeUnknownError) as error:
            unsure = isinstance(error, OutcomeUnknownError) or error.code == ACCEPTED_AND_DROPPED
            if unsure and row.sealed_at is not None:
                self.filing.in_doubt(row)
            else:
                self._try_later(row, error)
            return None if isinstance(error, _Interrupted) else error
        else:
            self.filing.carried(row, stored.id)
        return None

    def _refused(self, row: Attachment, error: RefusedError) -> None:
        if error.code == "FILE_GONE":
            self.filing.left_behind(row, "It was deleted before it could be carried.")
        else:
            self.filing.refused(row, error.code, error.message)

    def _try_later(
        self, row: Attachment, error: TransientError | OutcomeUnknownError, *, at_once: bool = False
    ) -> None:
        """Nothing was executed: again in a while, until the flow's patience ends."""
        if self.store.now() - row.since > self.context.patience:
            waited = f"Tried since {row.since:%Y-%m-%d %H:%M} UTC: {error.message}"
            self.filing.refused(row, "PATIENCE_ENDED", waited)
        elif at_once or isinstance(error, _Interrupted):
            self.filing.planned_again(row)
        else:
            asked = error.retry_after if isinstance(error, TransientError) else None
            delay = backoff(row.attempts, self.store.rng, retry_after=asked)
            self.filing.planned_again(row, max(delay, timedelta(seconds=1)))

    def _new(self, row: Attachment) -> NewFile:
        longest = self.connectors[Side(row.side).other].files.longest_name
        return NewFile(safe_name(row.told["name"], characters=longest), row.told["type"], row.size)

    def _is_named(self, file: File, name: str) -> bool:
        """Whether a name and what was made of it on its way are the same, whichever is the original."""
        shortest = min(connector.files.longest_name for connector in self.connectors.values())
        return same_name(*(safe_name(each, characters=shortest) for each in (file.name, name)))

    def _opened(self, row: Attachment, twins: Sequence[File], until: float) -> Passing:
        source = self.connectors[Side(row.side)].files.open(row.source_id)
        try:
            return Passing(source, row.size, partial(self._seal, row, twins), _Heart(self, until))
        except BaseException:
            source.close()
            raise

    def _seal(self, row: Attachment, twins: Sequence[File], digests: Digests) -> None:
        """All but the last bytes have been sent: these are let go only if they are what the source says, and wanted."""
        told = {Side.SERVICENOW: (row.sha256, digests.sha256), Side.SALESFORCE: (row.md5, digests.md5)}
        said, seen = told[Side(row.side)]
        if said and said.lower() != seen:
            raise TransientError("The file came with other bytes than its digest says.", code="file_torn")
        for twin in twins:
            if twin.has_content_of(digests.sha256, digests.md5):
                raise _ThereAlready(twin.id)
        self.filing.seal(row, digests)


@dataclass
class _Heart:
    """Called before each piece of a file: may it go on?"""

    carrying: Carrying
    until: float  # monotonic seconds
    _next: float = field(default_factory=lambda: time.monotonic() + BEAT)

    def __call__(self) -> None:
        now = time.monotonic()
        if self.carrying.stopping():
            raise _Interrupted("The process was told to stop.")
        if now > self.until:
            raise TransientError(
                f"The file did not pass within {TAKES_AT_MOST:.0f} seconds.", code="file_too_slow"
            )
        if now > self._next:
            self._next = now + BEAT
            self.carrying.filing.beat()
