"""The two platforms together: built, served, filled, and closed again.

Used in process by tests (`with start_pair(PairConfig()) as pair`) and by the command.
"""

from __future__ import annotations

import errno
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from sync.sandbox import salesforce, servicenow
from sync.sandbox.arrivals import Arrivals
from sync.sandbox.authority import Authority, make_authority
from sync.sandbox.clock import Clock, OffsetClock, SystemClock
from sync.sandbox.commits import LateCommit
from sync.sandbox.control import controls
from sync.sandbox.counters import Counts
from sync.sandbox.credentials import Credentials
from sync.sandbox.dialects import refuse_unknown, switches, turned
from sync.sandbox.faults import Fault, FaultKind
from sync.sandbox.gate import Front
from sync.sandbox.jwt_keys import JwtKey, jwt_key
from sync.sandbox.pages import Pages, make_pages
from sync.sandbox.planned_changes import PlannedChanges
from sync.sandbox.platform import Platform, PlatformContext, Row
from sync.sandbox.replay import Replay
from sync.sandbox.salesforce.clients import settle as settle_org
from sync.sandbox.scenario_file import Scenario, read_scenario
from sync.sandbox.server import SandboxServer
from sync.sandbox.servicenow.estate import settle as settle_instance
from sync.sandbox.tickets import fill

P = TypeVar("P", bound=Platform)


@dataclass(frozen=True, slots=True)
class PairConfig:
    """`incidents`: made from the seed at start. `speed`: replayed changes a second, 0 is all at once.

    `customers`: the demo customers with their services, machines and articles; without them there is none but an
    Account. `delay`: seconds added to each data call, and up to `jitter` more. `arrivals`: new incidents a minute, with an edit
    of an older one each, and half as many steps of customers' changes. A port that is taken is replaced by a free one, or is an error if `strict_ports`.
    `scenario`: what goes wrong, as a file. `jwt_keys`: where keys for the JWT bearer grant go, if they are wanted.
    `switches`: open questions by name and the reading of each, as text.
    `directory`: where the CA file goes; a temporary one that ends with the pair unless given.
    """

    seed: int = 1
    incidents: int = 0
    customers: bool = False
    data_file: Path | None = None
    speed: float = 0.0
    servicenow_port: int = 0
    salesforce_port: int = 0
    delay: float = 0.0
    jitter: float = 0.0
    arrivals: float = 0.0
    directory: Path | None = None
    strict_ports: bool = False
    scenario: Path | None = None
    jwt_keys: Path | None = None
    switches: Mapping[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=SystemClock)
    credentials: Credentials = field(default_factory=Credentials)


@dataclass(frozen=True, slots=True)
class Side(Generic[P]):
    """One system as a test sees it; `by` is the user name of a person, "" an administrator."""

    platform: P
    server: Front
    pages: Pages

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

    def undelete(self, name: str, row_id: str, *, by: str = "") -> Row:
        return self.platform.undelete(name, row_id, by=by)

    def merge(self, name: str, row_id: str, *losers: str, by: str = "") -> Row:
        return self.platform.merge(name, row_id, losers, by=by)

    def empty_recycle_bin(self, name: str) -> int:
        return self.platform.empty_recycle_bin(name)

    def set_up(self, **settings: Any) -> None:
        """Change settings of the connected app and the org, or system properties, by name."""
        self.platform.set_up(settings)

    def fault(self, kind: FaultKind | str, **rule: Any) -> None:
        """Order a fault; see `Fault` for the rule's keys."""
        self.server.gate.order(Fault(FaultKind(kind), **rule))

    def clear_faults(self) -> None:
        self.server.gate.faults.clear()

    def slow_down(self, seconds: float, *, jitter: float = 0.0, seed: int = 0) -> None:
        """Add so much to every data call from now on, and up to `jitter` seconds more."""
        self.server.gate.slow_down(seconds, jitter, seed)

    def skew_clock(self, offset: timedelta, *, after: float = 0.0) -> None:
        """Be wrong by so much, from now on or in so many seconds."""
        self.platform.clock.step(offset, after)

    def commit_late(self, table: str, seconds: float, **rule: Any) -> None:
        """Let readers see writes to a table so many seconds late; see `LateCommit` for the rule's keys."""
        self.platform.commits.order(LateCommit(table, seconds, **rule))

    def turn(self, **readings: object) -> None:
        """Set switches of the dialect. Raises BadSwitch."""
        self.platform.dialect = turned(self.platform.dialect, readings)

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
    jwt_keys: Mapping[str, JwtKey] = field(default_factory=dict)  # by system, if they were wanted
    remarks: tuple[str, ...] = ()  # what a person should know of how the pair started

    @property
    def control_token(self) -> str:
        return self.credentials.control_token


@contextmanager
def start_pair(config: PairConfig | None = None) -> Iterator[Pair]:
    """Serve both platforms until the block ends. The data is in place before anyone can connect."""
    config = config or PairConfig()
    with ExitStack() as stack:
        folder = config.directory or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        authority, tls = _authority()
        remarks: list[str] = []
        left = _bind(stack, tls, config.servicenow_port, config, remarks)
        right = _bind(stack, tls, config.salesforce_port, config, remarks)
        instance = servicenow.build(_context(config, left.url))
        org = salesforce.build(_context(config, right.url))
        _turn(config.switches, instance, org)
        pages_left = make_pages(instance, left.url, config.credentials.servicenow.admin_username)
        pages_right = make_pages(org, right.url)
        sides = Side(instance, left, pages_left), Side(org, right, pages_right)
        keys = _trust_keys(config, instance, org) if config.jwt_keys else {}
        pair = Pair(*sides, authority.write_ca(folder), config.credentials, keys, tuple(remarks))
        background = _data(config, instance)
        if config.customers:
            settle_instance(instance)
            settle_org(org)
        token = config.credentials.control_token
        left.start(instance, controls(instance, left, token, pages_left), instance.admit)
        right.start(org, controls(org, right, token, pages_right))
        if config.scenario:
            play(read_scenario(config.scenario), *sides)
        for work in background:
            _run_beside(stack, work)
        yield pair


@cache
def _authority() -> tuple[Authority, ssl.SSLContext]:
    """One for all pairs of this process, which start in half the time for it."""
    authority = make_authority()
    return authority, authority.server_context()


def _turn(wanted: Mapping[str, str], *platforms: Platform) -> None:
    """Set each switch on the platform that has it. Raises BadSwitch."""
    known = [switches(platform.dialect) for platform in platforms]
    refuse_unknown(wanted, [name for names in known for name in names])
    for platform, names in zip(platforms, known, strict=True):
        if mine := {name: value for name, value in wanted.items() if name in names}:
            platform.dialect = turned(platform.dialect, mine)


def play(scenario: Scenario, *sides: Side[Any]) -> None:
    """Give each system its orders; those with `after` count from now. Raises BadScenario."""
    for side in sides:
        scenario.play(side.platform.name, side)


def _bind(
    stack: ExitStack, tls: ssl.SSLContext, port: int, config: PairConfig, remarks: list[str]
) -> SandboxServer:
    try:
        server = SandboxServer(tls, port)
    except OSError as error:
        if config.strict_ports or not port or error.errno != errno.EADDRINUSE:
            raise
        server = SandboxServer(tls)
        remarks.append(f"Port {port} is taken; {server.port} is used instead.")
    stack.callback(server.close)
    server.gate.slow_down(config.delay, config.jitter, config.seed)
    return server


def _trust_keys(
    config: PairConfig, instance: servicenow.ServiceNowPlatform, org: salesforce.SalesforcePlatform
) -> dict[str, JwtKey]:
    """Make a key for each system and register it there, for the demo's client on either."""
    folder = config.jwt_keys or Path()
    keys = {platform.name: jwt_key(folder, platform.name) for platform in (instance, org)}
    instance.tokens.assertions.trust(config.credentials.servicenow.client_id, keys["servicenow"].public_key)
    org.set_up({"public_key": keys["salesforce"].public_key})
    return keys


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
    if config.arrivals and config.customers:
        work.append(partial(PlannedChanges(instance).run, per_minute=config.arrivals / 2))
    return work


def _run_beside(stack: ExitStack, work: Work) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,), daemon=True)
    thread.start()
    stack.callback(thread.join, 5)
    stack.callback(stop.set)
