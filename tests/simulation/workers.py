"""Workers of one thread: each a greenlet that stops before and after every transaction and every request.

Whoever drives them decides at each stop who goes on, who dies, and what happens meanwhile. A dead worker does nothing
more: whatever it would still do, its next stop ends it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

from sync.connectors.retry import Retry
from sync.core.records import Side
from sync.core.window import Poll
from sync.engine import lease as leases
from sync.engine.connect import CallLog
from sync.engine.context import Context
from sync.engine.items import Batch
from sync.engine.paging import SliceEnded
from sync.engine.runner import Runner
from sync.engine.store import Store
from sync.errors import SyncError
from sync.models import LaneLease, RecordLink, Run
from sync.models.base import Lane
from sync.models.run import ACTIVE, RunKind, RunStatus
from tests.simulation.ledger import Ledger
from tests.simulation.platforms import Platforms
from tests.simulation.wire import Call, Wires

T = TypeVar("T")


class Killed(BaseException):
    """The process ends here and now."""


class OneThread(Executor):
    """Does what is submitted at once, or when its result is asked for, as chance decides."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        work = _Work(lambda: fn(*args, **kwargs))
        if self._rng.random() < 0.5:
            work.do()
        return work

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """What nobody has asked for is not done."""


class _Work(Future[T]):
    def __init__(self, deed: Callable[[], T]) -> None:
        super().__init__()
        self._deed = deed

    def do(self) -> None:
        try:
            self.set_result(self._deed())
        except Exception as error:  # noqa: BLE001 - as a thread would keep it
            self.set_exception(error)

    def result(self, timeout: float | None = None) -> T:
        if not self.done():
            self.do()
        return super().result(timeout)


@dataclass(kw_only=True)
class SteppingStore(Store):
    """The real store, with a stop before and after each transaction."""

    stop: Callable[[str], None]
    ledger: Ledger
    worker: str

    def intend(self, batch: Batch) -> None:
        self.stop("before intend")
        self.ledger.intends(self.worker, batch)
        super().intend(batch)
        self.stop("after intend")

    def record(self, batch: Batch, poll: Poll | None) -> None:
        self.stop("before record")
        super().record(batch, poll)
        self.stop("after record")

    def begin_poll(self, side: Side, poll: Poll) -> None:
        self.stop("before begin")
        super().begin_poll(side, poll)

    def finish_poll(self, side: Side, poll: Poll, watermark: datetime | None) -> None:
        self.stop("before finish")
        super().finish_poll(side, poll, watermark)
        self.stop("after finish")

    def save_numbers(self, side: Side, links: Sequence[RecordLink], found: Any) -> None:
        self.stop("before numbers")
        super().save_numbers(side, links, found)

    def lost(self, side: Side, ids: Sequence[str], run: Run) -> None:
        self.stop("before lost")
        super().lost(side, ids, run)


@dataclass
class Parts:
    """What a run is made of; a test that takes a protection away puts another class in."""

    store: type[SteppingStore] = SteppingStore
    runner: type[Runner] = Runner
    prepare: Callable[[Runner], None] = lambda runner: None
    connector: Callable[[Any], Any] = lambda connector: connector
    lease: Callable[[leases.Lease], Any] = lambda lease: lease


@dataclass
class Setting:
    """All that workers of one schedule share."""

    platforms: Platforms
    wires: Wires
    context: Context
    ledger: Ledger
    page_size: int
    history: bool
    rng: random.Random
    parts: Parts = field(default_factory=Parts)
    unexpected: list[BaseException] = field(default_factory=list)

    def now(self) -> datetime:
        return self.platforms.clock.now()


class Worker:
    """One process that works on the active run of a lane, or on a new one."""

    def __init__(self, name: str, setting: Setting, lane: str = Lane.LIVE) -> None:
        self.name, self.lane, self._setting = name, lane, setting
        self.at = "not started"
        self.error: BaseException | None = None
        self.worked = False  # it held the lane
        self.call: Call | None = None  # the last one that it was about to make
        self.told_to_stop = False  # its slice is over: it ends at the next safe point
        self._dead = False
        self._token = ""
        self._greenlet = greenlet(self._live)

    @property
    def ended(self) -> bool:
        return bool(self._greenlet.dead) or (self._dead and not self._greenlet)

    def go(self, stops: int = 0) -> None:
        """Go on for so many stops; 0: to the end."""
        left = stops
        while not self.ended:
            self._greenlet.switch()
            left -= 1
            if left == 0:
                return

    def die(self, *, noticed: bool) -> None:
        """The process is killed. `noticed`: another one on its host can tell, and need not wait for its lease."""
        self._dead = True
        if self._greenlet:  # it has begun and not ended
            self._greenlet.switch()
        if noticed and self._token:
            LaneLease.objects.filter(token=self._token).update(until=self._setting.now())

    def stop(self, where: str) -> None:
        self.at = where
        assert getcurrent() is self._greenlet
        if not self._dead:
            self._greenlet.parent.switch()
        if self._dead:
            raise Killed

    def _live(self) -> None:
        try:
            self._work()
        except Killed:
            pass
        except Exception as error:  # noqa: BLE001 - told by whoever drives the schedule
            self._setting.unexpected.append(error)
            self.error = error

    def _work(self) -> None:
        setting = self._setting
        flow = setting.context.flow
        run = self._run()
        lease = leases.take(flow, self.lane, setting.now())
        if lease is None:
            return
        self.worked, self._token = True, lease.token
        Run.objects.filter(pk=run.pk).update(status=RunStatus.RUNNING)
        status: str = RunStatus.SUCCEEDED
        try:
            self._runner(run, setting.parts.lease(lease))()
        except SliceEnded:
            status = RunStatus.RUNNING
        except SyncError as error:
            self.error, status = error, RunStatus.FAILED
            if error.code == "lease_lost":
                status = RunStatus.RUNNING  # whoever has the lane now goes on with it
        if status != RunStatus.RUNNING:
            Run.objects.filter(pk=run.pk).update(status=status)
        leases.release(lease)

    def _run(self) -> Run:
        flow, setting = self._setting.context.flow, self._setting
        active = Run.objects.filter(flow=flow, lane=self.lane, status__in=ACTIVE).first()
        kind = RunKind.POLL if self.lane == Lane.LIVE else RunKind.RESYNC
        return active or Run.objects.create(
            flow=flow, lane=self.lane, kind=kind, revision=setting.context.revision
        )

    def _runner(self, run: Run, lease: leases.Lease) -> Runner:
        setting, parts = self._setting, self._setting.parts
        flow = setting.context.flow
        log = CallLog(
            run, {Side.SERVICENOW: flow.servicenow_connection, Side.SALESFORCE: flow.salesforce_connection}
        )
        retry = Retry(attempts=2, sleep=self._sleep, draw=setting.rng.random)
        ends = {
            side: parts.connector(
                setting.wires.connector(
                    side,
                    observe=log,
                    before=self._before,
                    after=self._after,
                    retry=retry,
                    history=setting.history,
                )
            )
            for side in Side
        }
        store = parts.store(
            context=setting.context, now=setting.now, run=run, lease=lease, calls=log, rng=setting.rng,
            stop=self.stop, ledger=setting.ledger, worker=self.name,
        )  # fmt: skip
        runner = parts.runner(
            setting.context, run, store, ends[Side.SERVICENOW], ends[Side.SALESFORCE],
            sleep=self._sleep, page_size=setting.page_size, background=OneThread(setting.rng),
            stopping=lambda: self.told_to_stop,
        )  # fmt: skip
        parts.prepare(runner)
        return runner

    def _sleep(self, seconds: float) -> None:
        until = self._setting.now().timestamp() + seconds
        self.stop("asleep")
        left = until - self._setting.now().timestamp()
        if left > 0:
            self._setting.platforms.clock.advance(seconds=left)
            self._setting.ledger.look_around()

    def _before(self, call: Call) -> None:
        self.call = call
        self.stop(_moment("before", call))
        if call.writes:
            self._setting.ledger.sends(self.name, call)

    def _after(self, call: Call, answer: bytes | None) -> None:
        self._setting.ledger.answered(self.name, call, answer)
        self.stop(_moment("after", call))


def _moment(when: str, call: Call) -> str:
    """The name of a stop: before PATCH servicenow write of an entry."""
    return f"{when} {call.method} {call.side}{' write' if call.writes else ''}{f' of {call.of}' if call.of else ''}"
