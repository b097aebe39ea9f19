"""From a stored connection to a connector: its profile, its shared token, and what its calls leave behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from threading import Lock

from django.conf import settings
from django.utils import timezone

from sync.connectors.base import Call, Connector, Observer, Profile, always
from sync.connectors.registry import open_connector as open_profile
from sync.core.records import Side
from sync.engine.breaker import Circuit
from sync.engine.budget import Ledger
from sync.engine.tokens import StoredToken, secrets_of
from sync.models import Connection, RemoteCall, Run

KEPT_BODY = 64 * 1024


# What a run reads again of its connections before each page.
STATE = (
    "limit_requests", "limit_per", "reserve_percent", "calls_used", "calls_allowed", "calls_seen_at", "blocked_until",
    "circuit_failures", "circuit_openings", "circuit_open_until", "circuit_tried_until", "health_message",
)  # fmt: skip


def profile_of(connection: Connection, admit: Callable[[], None] = always) -> Profile:
    return Profile(
        name=connection.name,
        system=Side(connection.system),
        url=connection.url,
        auth=connection.auth,
        username=connection.username,
        secrets=secrets_of(connection),
        ca_bundle=connection.ca_bundle,
        concurrency=connection.concurrency,
        allowed_hosts=tuple(settings.CONNECTION_ALLOWED_HOSTS),
        api_version=connection.api_version,
        audience=connection.audience,
        key_id=connection.key_id,
        admit=admit,
    )


def open_connector(connection: Connection, observe: Observer | None = None) -> Connector:
    """A connector for the stored connection; a call log as observer also says which calls may leave.

    Raises ConfigurationError for settings that cannot work.
    """
    side = Side(connection.system)
    admit = partial(observe.ledger.admit, side) if isinstance(observe, CallLog) else always
    return open_profile(
        profile_of(connection, admit), StoredToken(connection), observe or (lambda call: None)
    )


@dataclass
class CallLog:
    """What a run's calls leave behind, gathered from all threads and saved with the next commit.

    `background` work leaves the connections' reserve alone.
    """

    run: Run | None
    connections: dict[Side, Connection]
    counts: dict[Side, int] = field(default_factory=lambda: {Side.SERVICENOW: 0, Side.SALESFORCE: 0})
    background: bool = False
    clock: Callable[[], datetime] = timezone.now
    ledger: Ledger = field(init=False)
    circuit: Circuit = field(init=False)
    _kept: deque[Call] = field(default_factory=deque)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.connections, background=self.background, clock=self.clock)
        self.circuit = Circuit(self.connections, self.clock)

    def __call__(self, call: Call) -> None:
        with self._lock:
            self.counts[call.system] += 1
        if call.write or call.error or call.status == 0 or call.status >= 400:
            self._kept.append(call)
        self.ledger.count(call)
        self.circuit.count(call)

    def ask(self) -> None:
        """May another page begin? Raises BudgetSpentError or CircuitOpenError, which say how long to wait."""
        keys = {connection.pk: connection for connection in self.connections.values()}
        for row in Connection.objects.filter(pk__in=keys).values("pk", *STATE):
            for name in STATE:
                setattr(keys[row["pk"]], name, row[name])
        self.circuit.ask()
        self.ledger.ask()

    def save(self) -> None:
        """Write the rows of calls that wrote or failed, their number, and what they tell; inside the caller's transaction."""
        rows = [self._row(self._kept.popleft()) for _ in range(len(self._kept))]
        if rows:
            RemoteCall.objects.bulk_create(rows)
        self.ledger.save()
        self.circuit.save()

    def _row(self, call: Call) -> RemoteCall:
        row = RemoteCall(
            run=self.run, connection=self.connections[call.system], at=timezone.now(), method=call.method,
            path=call.path[:500], status=call.status, milliseconds=call.milliseconds,
            request_id=call.request_id[:120], error=call.error[:500],
        )  # fmt: skip
        if call.request_body or call.response_body:
            row.bodies = {
                "request": call.request_body[:KEPT_BODY],
                "response": call.response_body[:KEPT_BODY],
            }
        return row
