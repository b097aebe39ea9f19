"""From a stored connection to a connector: its profile, its shared token, and what its calls leave behind."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection as database
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from sync.connectors.base import Call, Connector, Observer, Profile, Token
from sync.connectors.registry import open_connector as open_profile
from sync.core.records import Side
from sync.errors import ConfigurationError, TransientError
from sync.models import Connection, ConnectionToken, RemoteCall, Run

REFRESH_LEASE = timedelta(seconds=90)  # longer than a token request's own timeout
KEPT_BODY = 64 * 1024


def profile_of(connection: Connection) -> Profile:
    return Profile(
        name=connection.name,
        system=Side(connection.system),
        url=connection.url,
        auth=connection.auth,
        username=connection.username,
        secrets=connection.secrets or {},
        ca_bundle=connection.ca_bundle,
        concurrency=connection.concurrency,
        allowed_hosts=tuple(settings.CONNECTION_ALLOWED_HOSTS),
        api_version=connection.api_version,
    )


def open_connector(connection: Connection, observe: Observer | None = None) -> Connector:
    """A connector for the stored connection. Raises ConfigurationError for settings that cannot work."""
    return open_profile(profile_of(connection), StoredToken(connection), observe or (lambda call: None))


class StoredToken:
    """The connection's token in its encrypted row: one refresh for all threads and processes.

    Whoever wins the conditional update of `lease_until` fetches; the others wait until the generation rises.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.row_id = self._row(connection)
        self._thread = threading.get_ident()
        self._cached: Token | None = None

    @staticmethod
    def _row(connection: Connection) -> UUID:
        return ConnectionToken.objects.get_or_create(connection=connection)[0].pk

    def load(self) -> Token | None:
        if self._cached is None:
            with self._database():
                self._cached = self._read()
        return self._cached

    @contextmanager
    def _database(self) -> Iterator[None]:
        """The connector's threads end without telling Django: what they opened is closed here."""
        try:
            yield
        finally:
            if threading.get_ident() != self._thread:
                database.close()

    def refresh(self, stale: Token | None, fetch: Callable[[Token | None], Token]) -> Token:
        with self._database():
            return self._refresh(stale, fetch)

    def _refresh(self, stale: Token | None, fetch: Callable[[Token | None], Token]) -> Token:
        deadline = time.monotonic() + REFRESH_LEASE.total_seconds()
        while True:
            present = self._read()
            if present is not None and (stale is None or present.generation > stale.generation):
                self._cached = present
                return present
            if self._lease():
                return self._fetch(present or stale, fetch)
            if time.monotonic() > deadline:
                raise TransientError(
                    "Another process holds the login of this connection and does not finish."
                )
            time.sleep(0.05)

    def _fetch(self, stale: Token | None, fetch: Callable[[Token | None], Token]) -> Token:
        try:
            token = fetch(stale)
            check_org(self.connection, _org_of(token.identity))
        except BaseException:
            ConnectionToken.objects.filter(pk=self.row_id).update(lease_until=None)
            raise
        with transaction.atomic():
            row = ConnectionToken.objects.select_for_update().get(pk=self.row_id)
            row.generation += 1
            token = Token(
                token.access_token,
                token.instance_url,
                token.expires_at,
                row.generation,
                token.refresh_token,
                token.identity,
            )
            row.token = _to_json(token)
            row.lease_until = None
            row.save(update_fields=["token_sealed", "generation", "lease_until"])
        self._cached = token
        return token

    def _lease(self) -> bool:
        now = timezone.now()
        free = Q(lease_until=None) | Q(lease_until__lt=now)
        return (
            ConnectionToken.objects.filter(free, pk=self.row_id).update(lease_until=now + REFRESH_LEASE) == 1
        )

    def _read(self) -> Token | None:
        row = ConnectionToken.objects.get(pk=self.row_id)
        return _from_json(row.token) if row.token_sealed else None


def check_org(connection: Connection, org_id: str) -> None:
    """A connection keeps the org or instance it first met. Raises ConfigurationError for another one behind the same URL."""
    if not org_id:
        return
    known = Connection.objects.filter(pk=connection.pk).values_list("org_id", flat=True).first()
    if not known:
        Connection.objects.filter(pk=connection.pk, org_id="").update(org_id=org_id)
    elif known != org_id:
        raise ConfigurationError(
            f"{connection.name} now leads to {org_id}, but its records were linked to {known}.",
            code="org_changed",
            advice="If this is another system, give it a connection and a flow of its own; if the same data was moved, tell the console so.",
        )


def _org_of(identity: str) -> str:
    """The organisation in Salesforce's identity URL https://host/id/<organisation>/<user>; "" if it is none."""
    parts = identity.rstrip("/").split("/")
    return parts[-2] if len(parts) > 2 and parts[-2].startswith("00D") else ""


def _to_json(token: Token) -> dict[str, object]:
    return {
        "access_token": token.access_token,
        "instance_url": token.instance_url,
        "expires_at": token.expires_at.isoformat() if token.expires_at else None,
        "generation": token.generation,
        "refresh_token": token.refresh_token,
        "identity": token.identity,
    }


def _from_json(data: dict[str, object]) -> Token:
    expires = data["expires_at"]
    return Token(
        access_token=str(data["access_token"]),
        instance_url=str(data["instance_url"]),
        expires_at=datetime.fromisoformat(str(expires)) if expires else None,
        generation=int(str(data["generation"])),
        refresh_token=str(data["refresh_token"]),
        identity=str(data["identity"]),
    )


@dataclass
class CallLog:
    """What a run's calls leave behind, gathered from all threads and saved with the next commit."""

    run: Run | None
    connections: dict[Side, Connection]
    counts: dict[Side, int] = field(default_factory=lambda: {Side.SERVICENOW: 0, Side.SALESFORCE: 0})
    _kept: deque[Call] = field(default_factory=deque)
    _usage: dict[Side, tuple[int, int]] = field(default_factory=dict)

    def __call__(self, call: Call) -> None:
        self.counts[call.system] += 1
        if call.write or call.error or call.status == 0 or call.status >= 400:
            self._kept.append(call)
        if call.usage:
            self._usage[call.system] = call.usage

    def save(self) -> None:
        """Write the rows of calls that wrote or failed, and the budget the platforms told; inside the caller's transaction."""
        rows = [self._row(self._kept.popleft()) for _ in range(len(self._kept))]
        if rows:
            RemoteCall.objects.bulk_create(rows)
        for side, (used, allowed) in self._usage.items():
            Connection.objects.filter(pk=self.connections[side].pk).update(
                calls_used=used, calls_allowed=allowed, calls_seen_at=timezone.now()
            )
        self._usage.clear()

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
