"""One run, step by step. Reading, planning, sending and recording overlap; the checkpoint moves in order.

    resume what is due or in doubt -> poll the source page by page -> what became due meanwhile

A page: decide (pure but for look-ups) -> transaction 1 (claims, links, intents) -> send -> transaction 2 (links,
bases, events, totals, checkpoint). The next page is read while this one is decided, and decided while this one is sent.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mappings.apply import canonical
from sync.connectors.base import Connector
from sync.core.planner import unchanged, values_of
from sync.core.records import (
    ChangeQuery,
    Cursor,
    Operation,
    Outcome,
    Page,
    Record,
    Reply,
    Side,
    Write,
    WriteResult,
)
from sync.core.window import Poll, next_watermark
from sync.engine.context import DEFAULT_PAGE, Context
from sync.engine.deciding import SEND_WITHIN, Deciding
from sync.engine.items import Answers, Batch, Failure, Item, Later, NewIntent
from sync.engine.rows import jittered, new_link
from sync.engine.store import Store
from sync.errors import RunAborted, SchemaError, SyncError, TransientError
from sync.models import Checkpoint, Run
from sync.models.link import LinkState
from sync.models.run import RunKind

NUMBER_FIELD = "number"  # of every task table
BATCHES_IN_FLIGHT = 2
REDO_PATIENCE = 3.0  # seconds a run waits at its end for records that will be due
# Refusals that say something of the whole flow, not of the record.
FLOW_FAULTS = frozenset(
    {"INVALID_FIELD", "INVALID_TYPE", "INVALID_FIELD_FOR_INSERT_UPDATE", "INSUFFICIENT_ACCESS"}
)
DELETED = frozenset({"ENTITY_IS_DELETED"})


class SliceEnded(Exception):
    """The time of this slice is used up; the run goes on where its checkpoint stands."""


@dataclass
class Runner:
    context: Context
    run: Run
    store: Store
    servicenow: Connector
    salesforce: Connector
    deadline: float | None = None  # monotonic seconds
    progress: Callable[[Run], None] = lambda run: None
    sleep: Callable[[float], None] = time.sleep
    page_size: int = DEFAULT_PAGE
    _flying: deque[Batch] = field(default_factory=deque)
    _poll: Poll | None = None

    def __post_init__(self) -> None:
        self._deciding = Deciding(self.context, self.store, self.servicenow, self.salesforce)
        self._background = ThreadPoolExecutor(3, thread_name_prefix="run")

    def __call__(self) -> None:
        """Do all there is to do. Raises SyncError for what stops a run, SliceEnded when the time is up."""
        try:
            self._number_leftovers()
            self._redo_all("resuming")
            if self.run.kind != RunKind.RETRY:
                self._read_side()
            self._redo_all("settling")
        except BaseException:
            self._abandon()
            raise
        finally:
            self._background.shutdown(wait=True, cancel_futures=True)

    def _abandon(self) -> None:
        """After a fault: what was sent is still recorded if its answer comes, but the checkpoint stays before the fault."""
        self._poll = None
        with suppress(SyncError):
            self._drain()

    # Reading

    def _read_side(self) -> None:
        """Read the source from its checkpoint to its end, page by page."""
        self._step("reading ServiceNow")
        checkpoint = self.store.checkpoint()
        if self.run.params.get("ids"):
            self._read_ids(self.run.params["ids"])
            return
        resumed = checkpoint.poll_started is not None and (
            self.run.kind != RunKind.RESYNC or checkpoint.poll_run_id == self.run.pk
        )
        if resumed and checkpoint.poll_started is not None:
            cursor = Cursor(checkpoint.poll_at, checkpoint.poll_id) if checkpoint.poll_at else None
            self._poll = Poll(checkpoint.poll_started, cursor, checkpoint.poll_top)
        else:
            start = None if self.run.kind == RunKind.RESYNC else checkpoint.watermark
            cursor = Cursor(start) if start else None
        # A flow without links has nothing to follow: only records that enter are read.
        entered = not self.store.has_links()
        for page in self._prefetched(self.servicenow.changes(self._query(cursor, entered))):
            # Server time not later than the first look, free of charge with its answer.
            self._poll = self._poll or Poll(page.read_at, cursor, None)
            self._expect(page)
            self._take(page, entered=entered)
        self._drain()
        self._finish_poll(checkpoint)

    def _finish_poll(self, checkpoint: Checkpoint) -> None:
        backfill = self.run.kind == RunKind.RESYNC
        if self._poll is not None and not self.store.dry:
            watermark = (
                None if backfill else next_watermark(self._poll, checkpoint.watermark, self.context.overlap)
            )
            self.store.finish_poll(self._poll, watermark)
        self._poll = None

    def _query(self, cursor: Cursor | None, entered: bool) -> ChangeQuery:
        settings = self.context.settings
        return ChangeQuery(
            name=self.context.table,
            fields=self.context.mapping.servicenow_fields,
            number_field=NUMBER_FIELD,
            scope=settings["servicenow_scope"],
            enter=settings["servicenow_enter"] if entered else "",
            cursor=cursor,
            since=_moment(self.run.params.get("since")),
            until=_moment(self.run.params.get("until")),
            page_size=self.page_size,
        )

    def _prefetched(self, pages: Iterator[Page]) -> Iterator[Page]:
        """Read the next page while the present one is worked on."""
        ahead = self._background.submit(next, pages, None)
        while (page := ahead.result()) is not None:
            ahead = self._background.submit(next, pages, None)
            yield page

    def _expect(self, page: Page) -> None:
        if page.total is not None and not self.run.read:
            self.run.expected = page.total
            self.store.save_run("expected")

    def _take(self, page: Page, *, entered: bool) -> None:
        self._safe_point()
        batch = self._begin(list(page.records), entered=entered, look_up=False)
        batch.cursor, batch.last, batch.advances = page.cursor, page.last, True
        self._flying.append(batch)
        if len(self._flying) >= BATCHES_IN_FLIGHT:
            self._finish(self._flying.popleft())

    def _read_ids(self, ids: list[str]) -> None:
        for start in range(0, len(ids), self.page_size):
            self._by_id(ids[start : start + self.page_size], entered=False)

    def _by_id(self, ids: list[str], *, entered: bool) -> None:
        """Read these records afresh and bring them to rest."""
        self._safe_point()
        found = self.servicenow.read(
            self.context.table, ids, self.context.mapping.servicenow_fields, NUMBER_FIELD
        )
        self.store.lost([id for id in ids if id not in found], self.run)
        self._flying.append(self._begin(list(found.values()), entered=entered, look_up=True))
        self._drain()

    def _redo_all(self, step: str) -> None:
        """Read and plan again what is due, each record once; at the end wait a moment for what will be due soon."""
        if self.store.dry:
            return
        done: set[str] = set()
        waited = step == "resuming"
        while True:
            ids = [id for id in self.store.due(self.page_size) if waited is False or id not in done]
            if ids:
                self._step(step)
                # They entered when they were first taken; `enter` may not hold for them any more.
                self._by_id(ids, entered=True)
                done.update(ids)
            elif waited or not self._wait_for_due():
                return
            else:
                waited = True

    def _wait_for_due(self) -> bool:
        due = self.store.next_due()
        seconds = (due - self.store.now()).total_seconds() if due else REDO_PATIENCE + 1
        if seconds > REDO_PATIENCE:
            return False
        self.sleep(max(0.0, seconds))
        return True

    # A page

    def _begin(self, records: list[Record], *, entered: bool, look_up: bool) -> Batch:
        """Decide, commit the intents, and start sending."""
        started = time.monotonic()
        items = self._deciding.decide(records, entered=entered, look_up=look_up)
        batch = Batch(items, self.store.now())
        at = self.store.now()
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
            writes = [_write_of(item) for item in sending]
            batch.answers = self._background.submit(self._send, writes, at)
        self._spent("record", started)
        return batch

    def _send(self, writes: list[Write], at: datetime) -> Answers:
        """What came of these writes. What could not leave in time after its intent is not sent at all."""

        def in_time() -> Iterator[Write]:
            for write in writes:
                if self.store.now() > at + SEND_WITHIN:
                    return
                yield write

        results = {result.ref: result for result in self.salesforce.write(self.context.object, in_time())}
        born = [result.id for result in results.values() if result.created and result.reply is Reply.DONE]
        return Answers(results, self._numbers_of(born))

    def _finish(self, batch: Batch) -> None:
        """Await the answers, record the page, and stop if one of them says that the flow cannot go on."""
        started = time.monotonic()
        answers = batch.answers.result() if batch.answers else Answers()
        self._spent("write", started)
        started = time.monotonic()
        for item in batch.sending:
            self._apply(item, answers.results.get(item.record.id), batch)
            if item.outcome is Outcome.CREATED and item.link is not None:
                item.link.salesforce_number = answers.numbers.get(item.link.salesforce_id, "")
        if batch.advances and self._poll is not None:
            self._poll = _advanced(self._poll, batch)
        self.store.record(batch, self._poll if batch.advances else None)
        self._spent("record", started)
        self.progress(self.run)
        if batch.fault is not None:
            raise batch.fault

    def _apply(self, item: Item, result: WriteResult | None, batch: Batch) -> None:
        """What the answer for one record means."""
        if result is None:
            result = WriteResult(item.record.id, Reply.UNSENT, message="It did not leave in time.")
        if result.reply is Reply.DONE:
            self._done(item, result, batch.read_at)
        elif result.reply is Reply.UNKNOWN:
            item.wait(Later("in_doubt", result.message or "No answer came."), Outcome.IN_DOUBT)
        elif result.reply is Reply.UNSENT:
            batch.fault = batch.fault or result.fault or TransientError(result.message)
            item.wait(Later("unsent", result.message, timedelta(seconds=1)), Outcome.DEFERRED)
        else:
            self._refused(item, result, batch)

    def _done(self, item: Item, result: WriteResult, read_at: datetime) -> None:
        for write in item.writes:
            item.set_base(write.row, (write.source, write.sent))
        item.written = True
        if item.link is None:
            item.link = new_link(item, self.context, read_at, target_id=result.id, born_in=Side.SERVICENOW)
            item.link.base = {row: list(pair) for row, pair in item.known_base().items()}
            item.link.synced_at = read_at
            item.rest(Outcome.CREATED)
            if item.found is not None and not unchanged(
                self.context.rows, item.record.values, item.known_base(), canonical
            ):
                # A create in doubt was repeated with the values of its time; those of now were read and follow.
                item.later = Later("in_doubt", "The record changed while its create was in doubt.")
        elif item.failure is not None:
            item.rest(
                Outcome.FAILED, code=item.failure.code
            )  # the other fields went over; this one needs a person
        elif item.plan is not None and item.plan.clashes:
            item.rest(Outcome.CONFLICT)
        else:
            item.rest(Outcome.ADOPTED if item.operation is Operation.ADOPT else Outcome.UPDATED)

    def _refused(self, item: Item, result: WriteResult, batch: Batch) -> None:
        refusal = result.refusal
        code = refusal.code if refusal else "REFUSED"
        message = refusal.message if refusal else result.message
        if refusal is not None and refusal.retry:
            item.wait(Later("locked", message, jittered(1.0)), Outcome.WAITING)
        elif code == "DUPLICATE_VALUE" and item.operation is Operation.CREATE:
            # A record with this key exists: pair by the key, then merge.
            item.wait(Later("reference", "A record with this key exists already."), Outcome.WAITING)
        elif code in DELETED:
            item.tombstone = LinkState.DELETED_IN_SALESFORCE
            item.notes.append(
                "Salesforce answers that its record was deleted; the pair is kept as a tombstone."
            )
            item.rest(Outcome.DELETED, code=code)
        elif code in FLOW_FAULTS:
            batch.fault = batch.fault or SchemaError(
                f"Salesforce refuses the flow's writes: {message}", code=code,
                advice="Correct the mapping, or give the integration user access to the field, then run again.",
            )  # fmt: skip
            item.wait(Later("unsent", message, timedelta(seconds=1)), Outcome.DEFERRED)
        else:
            name = refusal.fields[0] if refusal and refusal.fields else ""
            value = next((str(write.sent) for write in item.writes if write.field == name), "")
            item.fail(Failure(code, message, name, value))

    # Numbers that only the platform knows

    def _numbers_of(self, ids: list[str]) -> dict[str, str]:
        """Creates answer with ids alone, so the Case numbers are read in one call more; if that fails, the next run asks."""
        if not ids or not self.context.salesforce_number:
            return {}
        try:
            found = self.salesforce.read(self.context.object, ids, (), self.context.salesforce_number)
        except SyncError:
            return {}
        return {id: record.number for id, record in found.items()}

    def _number_leftovers(self) -> None:
        if self.store.dry or not self.context.salesforce_number:
            return
        links = self.store.unnumbered(self.page_size)
        if links:
            self.store.save_numbers(links, self._numbers_of([link.salesforce_id for link in links]))

    # Steps

    def _drain(self) -> None:
        while self._flying:
            self._finish(self._flying.popleft())

    def _safe_point(self) -> None:
        """Between pages: end if a person cancelled, if the slice is over, or if the process was told to stop."""
        if self.store.cancelled():
            raise RunAborted("Cancelled by a person.", code="cancelled")
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise SliceEnded

    def _step(self, name: str) -> None:
        self.run.step = name
        self.store.save_run("step")
        self.progress(self.run)

    def _spent(self, phase: str, started: float) -> None:
        self.run.phases[phase] = round(self.run.phases.get(phase, 0) + time.monotonic() - started, 3)


def _write_of(item: Item) -> Write:
    values = values_of(item.writes)
    if item.operation is Operation.CREATE:
        values = {name: value for name, value in values.items() if value is not None} | item.extra
        return Write(item.record.id, Operation.CREATE, values)
    assert item.link is not None
    return Write(item.record.id, Operation.UPDATE, values, id=item.link.salesforce_id)


def _advanced(poll: Poll, batch: Batch) -> Poll:
    """The checkpoint after a page: its cursor, and the highest stamp seen."""
    cursor = batch.cursor or poll.cursor
    top = batch.cursor.at if batch.cursor else poll.top
    return Poll(poll.started, cursor, max(top, poll.top) if top and poll.top else top or poll.top)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
