"""One page of records: decided, intended, sent, recorded.

Decide (pure but for look-ups) -> transaction 1 (claims, links, intents) -> send -> transaction 2 (links, bases, events,
totals, checkpoint). A page is decided while the one before it is sent.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sync.connectors.base import Connector
from sync.core.planner import values_of
from sync.core.records import Operation, Outcome, Record, Reply, Side, Write
from sync.core.window import Poll
from sync.engine import tombstones
from sync.engine.answers import Applying
from sync.engine.bearing import TRANSFORM, carry
from sync.engine.context import DEFAULT_PAGE, Context
from sync.engine.deciding import Deciding
from sync.engine.grounds import SEND_WITHIN, Look
from sync.engine.items import Answers, Batch, Item, NewIntent
from sync.engine.store import Store
from sync.errors import RunAborted, SyncError, TransientError
from sync.models import Run


class SliceEnded(Exception):
    """The time of this slice is used up; the run goes on where its checkpoint stands."""


@dataclass
class Paging:
    """What a run is made of, and how it brings one page of records to rest."""

    context: Context
    run: Run
    store: Store
    servicenow: Connector
    salesforce: Connector
    deadline: float | None = None  # monotonic seconds
    progress: Callable[[Run], None] = lambda run: None
    sleep: Callable[[float], None] = time.sleep
    page_size: int = DEFAULT_PAGE
    stopping: Callable[[], bool] = lambda: (
        False
    )  # asked from any thread: whether the process was told to stop
    background: Executor | None = None  # where pages are read ahead and writes are sent; threads unless given
    _flying: deque[Batch] = field(default_factory=deque)
    _poll: Poll | None = None
    _recorded: int = 0  # pages of this slice

    def __post_init__(self) -> None:
        self._connectors = {Side.SERVICENOW: self.servicenow, Side.SALESFORCE: self.salesforce}
        self._deciding = Deciding(self.context, self.store, self._connectors)
        self._applying = Applying(self.context, self.store, self._connectors)
        self._background = self.background or ThreadPoolExecutor(3, thread_name_prefix="run")

    def _begin(
        self,
        side: Side,
        records: Sequence[Record],
        look: Look,
        *,
        entered: bool,
        look_up: bool,
        asked: Sequence[str] = (),
    ) -> Batch:
        """Decide, commit the intents, and start sending."""
        started, began = time.monotonic(), self.store.now()
        if self.context.only_acts:
            items = [Item(record, side, side.other, outcome=Outcome.UNCHANGED) for record in records]
        else:
            items = self._decided(side, records, look, entered=entered, look_up=look_up, asked=asked)
        self._guard_deletions()
        self._carry_pictures(items)
        at = self.store.now()
        batch = Batch(side, items, at, began=began, seen=records if self.context.actions else ())
        if self.store.dry:
            for item in items:
                if not item.at_rest:
                    item.rest(Outcome.CREATED if item.operation is Operation.CREATE else Outcome.UPDATED)
            self._spent("map", started)
            return batch
        for item in items:
            if not item.at_rest and item.intent is None:
                item.intent = NewIntent(self.run, at, self.store.lease.token)
        self._spent("map", started)
        started = time.monotonic()
        self.store.intend(batch)
        sending = batch.sending
        if sending:
            writes = {to: [self._write_of(item) for item in sending if item.to is to] for to in Side}
            batch.answers = self._background.submit(self._sender(batch, writes), writes, at)
        self._spent("record", started)
        return batch

    def _decided(self, side: Side, records: Sequence[Record], look: Look, **how: Any) -> list[Item]:
        return self._deciding.decide(side, records, look, **how)

    def _carry_pictures(self, items: Sequence[Item]) -> None:
        rows = [row.id for row in self.context.rows if TRANSFORM in row.spec.transform]
        if rows and self.context.pictures is not None and not self.store.dry:
            carry(items, rows, self.context.pictures, self._connectors, self.store)

    def _guard_deletions(self) -> None:
        """Too many pairs of the page have lost a record: no policy acts until a person has looked."""
        for side, count in self._deciding.withheld.items():
            if not self.store.dry and not self.context.flow.deletions_paused:
                tombstones.pause(self.store, side, count, self._deciding.burial_limit)

    def _write_of(self, item: Item) -> Write:
        values = values_of(item.writes)
        back = self.context.mapping.servicenow_fields if item.to is Side.SERVICENOW else ()
        if item.operation is Operation.CREATE:
            values = {name: value for name, value in values.items() if value not in (None, "")} | item.extra
            return Write(item.record.id, Operation.CREATE, values, returning=back)
        if item.operation is Operation.DELETE:
            return Write(item.record.id, Operation.DELETE, {}, item.id_on(item.to))
        expected = item.target.version if item.conditional and item.target else None
        id = item.id_on(item.to)
        return Write(item.record.id, Operation.UPDATE, {**item.extra, **values}, id, expected, back)

    def _sender(self, batch: Batch, writes: dict[Side, list[Write]]) -> Callable[..., Answers]:
        """How a page's writes are sent, from a thread of its own; called before, in ours."""
        return self._send

    def _send(self, writes: dict[Side, list[Write]], at: datetime) -> Answers:
        """What came of these writes. What could not leave in time after its intent is not sent at all."""
        answers = Answers({}, {})
        for side, planned in writes.items():
            if planned:
                self._send_to(side, planned, at, answers)
        return answers

    def _send_to(self, side: Side, writes: list[Write], at: datetime, answers: Answers) -> None:
        def in_time() -> Iterator[Write]:
            for write in writes:
                if self.stopping():
                    answers.cut = True
                if answers.cut or self.store.now() > at + SEND_WITHIN:
                    return
                yield write

        results = {r.ref: r for r in self._connectors[side].write(self.context.name(side), in_time())}
        answers.results.update(results)
        born = [result.id for result in results.values() if result.created and result.reply is Reply.DONE]
        answers.numbers.update(self._numbers_of(side, born))

    def _finish(self, batch: Batch) -> None:
        """Await the answers, record the page, and stop if one of them says that the flow cannot go on."""
        started = time.monotonic()
        answers = batch.answers.result() if batch.answers else Answers({}, {})
        self._spent("write", started)
        started = time.monotonic()
        self._applying(batch, answers)
        if batch.advances and self._poll is not None:
            self._poll = _advanced(self._poll, batch)
        self.store.record(batch, self._poll if batch.advances else None)
        self._recorded += 1
        self._spent("record", started)
        self.progress(self.run)
        if batch.fault is not None:
            raise batch.fault

    # Numbers that only the platform knows

    def _numbers_of(self, side: Side, ids: list[str]) -> dict[str, str]:
        """Creates answer with ids alone, so the numbers are read in one call more; if that fails, the next run asks."""
        number = self.context.number_field(side)
        if not ids or not number:
            return {}
        try:
            found = self._connectors[side].read(self.context.name(side), ids, (), number)
        except SyncError:
            return {}
        return {id: record.number for id, record in found.items()}

    def _number_leftovers(self) -> None:
        for side in Side:
            if self.store.dry or not self.context.writes(side) or not self.context.number_field(side):
                continue
            if links := self.store.unnumbered(side, self.page_size):
                numbers = self._numbers_of(side, [link.end(side) for link in links])
                self.store.save_numbers(side, links, numbers)

    # Steps

    def _drain(self) -> None:
        while self._flying:
            self._finish(self._flying.popleft())

    def _safe_point(self) -> None:
        """Between pages: end if a person cancelled or paused, if the process was told to stop, if the slice is over,
        or if calls for another page must not be made now.

        A slice lasts for a page at least, or a run whose beginning takes longer than a slice would never end.
        """
        if self.store.cancelled():
            raise RunAborted("Cancelled by a person.", code="cancelled")
        late = self.deadline is not None and time.monotonic() > self.deadline
        if self.stopping() or (late and self._recorded) or self.store.idle():
            raise SliceEnded
        try:
            self.store.calls.ask()
        except TransientError:
            self._drain()  # what was begun is paid for: the checkpoint moves behind it
            raise

    def _step(self, name: str) -> None:
        self.run.step = name
        self.store.save_run("step")
        self.progress(self.run)

    def _spent(self, phase: str, started: float) -> None:
        self.run.phases[phase] = round(self.run.phases.get(phase, 0) + time.monotonic() - started, 3)


def _advanced(poll: Poll, batch: Batch) -> Poll:
    """The checkpoint after a page: its cursor, and the highest stamp seen."""
    cursor = batch.cursor or poll.cursor
    top = batch.cursor.at if batch.cursor else poll.top
    return Poll(poll.started, cursor, max(top, poll.top) if top and poll.top else top or poll.top)
