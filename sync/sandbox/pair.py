"""The two platforms together: built, served, filled, and closed again.

Used in process by tests (`with start_pair(PairConfig()) as pair`) and by the command.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from sync.sandbox import salesforce, servicenow
from sync.sandbox.arrivals import Arrivals
from sync.sandbox.authority import make_authority
from sync.sandbox.clock import Clock, OffsetClock, SystemClock
from sync.sandbox.control import controls
from sync.sandbox.counters import Counts
from sync.sandbox.credentials import Credentials
from sync.sandbox.faults import Fault, FaultKind
from sync.sandbox.platform import Platform, PlatformContext, Row
from sync.sandbox.replay import Replay
from sync.sandbox.server import SandboxServer
from sync.sandbox.tickets import fill

P = TypeVar("P", bound=Platform)


@dataclass(frozen=True, slots=True)
class PairConfig:
    """`incidents`: made from the seed at start. `speed`: replayed changes a second, 0 is all at once.

    `delay`: seconds added to each data call. `arrivals`: new incidents a minute, with an edit of an older one each.
    `directory`: where the CA file goes; a temporary one that ends with the pair unless given.
    """

    seed: int = 1
    incidents: int = 0
    data_file: Path | None = None
    speed: float = 0.0
    servicenow_port: int = 0
    salesforce_port: int = 0
    delay: float = 0.0
    arrivals: float = 0.0
    directory: Path | None = None
    clock: Clock = field(default_factory=SystemClock)
    credentials: Credentials = field(default_factory=Credentials)


@dataclass(frozen=True, slots=True)
class Side(Generic[P]):
    """One system as a test sees it; `by` is the user name of a person, "" an administrator."""

    platform: P
    server: SandboxServer

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def counters(self) -> Counts:
        return self.platform.counters.snapshot()

    def reset_counters(self) -> None:
        self.platform.counters.reset()

    def rows(self, name: str, /, **equals: str) -> list[Row]:
        """Rows of a table or object whose columns have the given values."""
        rows = self.platform.rows(name)
        return [row for row in rows if all(row.get(key) == value for key, value in equals.items())]

    def add(self, name: str, /, *, by: str = "", **fields: Any) -> Row:
        return self.platform.add(name, fields, by=by)

    def edit(self, name: str, row_id: str, /, *, by: str = "", **fields: Any) -> Row:
        return self.platform.edit(name, row_id, fields, by=by)

    def delete(self, name: str, row_id: str, *, by: str = "") -> None:
        self.platform.delete(name, row_id, by=by)

    def fault(self, kind: FaultKind | str, **rule: Any) -> None:
        """Order a fault; see `Fault` for the rule's keys."""
        self.server.faults.add(Fault(FaultKind(kind), **rule))

    def clear_faults(self) -> None:
        self.server.faults.clear()

    def slow_down(self, seconds: float) -> None:
        """Add so much to every data call from now on."""
        self.server.delay = seconds

    def skew_clock(self, offset: timedelta) -> None:
        self.platform.clock.offset = offset

    def expire_tokens(self) -> int:
        return self.platform.expire_tokens()

    def spend_budget(self, **order: Any) -> None:
        self.platform.spend_budget(order)


@dataclass(frozen=True, slots=True)
class Pair:
    servicenow: Side[servicenow.ServiceNowPlatform]
    salesforce: Side[salesforce.SalesforcePlatform]
    ca_file: Path
    credentials: Credentials

    @property
    def control_token(self) -> str:
        return self.credentials.control_token


@contextmanager
def start_pair(config: PairConfig | None = None) -> Iterator[Pair]:
    """Serve both platforms until the block ends. The data is in place before anyone can connect."""
    config = config or PairConfig()
    with ExitStack() as stack:
        folder = config.directory or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        authority = make_authority()
        tls = authority.server_context()
        left = _bind(stack, SandboxServer(tls, config.servicenow_port), config)
        right = _bind(stack, SandboxServer(tls, config.salesforce_port), config)
        instance = servicenow.build(_context(config, left.url))
        org = salesforce.build(_context(config, right.url))
        pair = Pair(Side(instance, left), Side(org, right), authority.write_ca(folder), config.credentials)
        background = _data(config, instance)
        token = config.credentials.control_token
        left.start(instance, controls(instance, left, token), instance.sessions.admit)
        right.start(org, controls(org, right, token))
        for work in background:
            _run_beside(stack, work)
        yield pair


def _bind(stack: ExitStack, server: SandboxServer, config: PairConfig) -> SandboxServer:
    stack.callback(server.close)
    server.delay = config.delay
    return server


def _context(config: PairConfig, url: str) -> PlatformContext:
    return PlatformContext(url, OffsetClock(config.clock), config.credentials, config.seed)


Work = Callable[[threading.Event], None]


def _data(config: PairConfig, instance: servicenow.ServiceNowPlatform) -> list[Work]:
    """Put the data in place; what trickles in later comes back as work for a thread."""
    work: list[Work] = []
    if config.incidents:
        fill(instance, config.incidents, config.seed)
    if config.data_file:
        replay = Replay(instance, config.data_file)
        if config.speed:
            work.append(partial(replay.run, speed=config.speed))
        else:
            replay.all()
    if config.arrivals:
        work.append(partial(Arrivals(instance, config.seed).run, per_minute=config.arrivals))
    return work


def _run_beside(stack: ExitStack, work: Work) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,), daemon=True)
    thread.start()
    stack.callback(thread.join, 5)
    stack.callback(stop.set)
