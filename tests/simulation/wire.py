"""The real connectors, on a transport that ends in the platforms: no socket, no thread, no time but the clock's."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests

from sync.connectors.auth import InMemoryTokenStore
from sync.connectors.base import Connector, Observer, Profile
from sync.connectors.http import Dialect, Transport
from sync.connectors.retry import Retry
from sync.connectors.salesforce.connector import SalesforceConnector
from sync.connectors.salesforce.dialect import SalesforceDialect
from sync.connectors.servicenow.connector import ServiceNowConnector
from sync.connectors.servicenow.dialect import ServiceNowDialect
from sync.connectors.streaming import Outgoing
from sync.core.records import Side
from sync.errors import TransientError
from sync.sandbox.gate import ConnectionCutError, GaveUpError
from sync.sandbox.inprocess import Door
from tests.simulation.platforms import Platforms

TIMEOUT = 60.0
LATENCY = 0.01  # seconds that every call takes


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it leaves. `writes`: it may change records."""

    side: Side
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def writes(self) -> bool:
        if self.side is Side.SERVICENOW:
            return self.method != "GET"
        return self.method == "PATCH" or self.target.endswith(
            ("/composite", "/composite/sobjects", "/sobjects/ContentVersion")
        )

    @property
    def of(self) -> str:
        """What it is about, where that is no record: a file, an entry."""
        if (
            "/attachment" in self.target
            or "ContentVersion" in self.target
            or "ContentDocument" in self.target
        ):
            return "a file"
        told = self.target if self.method == "GET" else self.body.decode("utf-8", "replace")
        return "an entry" if any(name in told for name in _ENTRIES) else ""

    def first_cell(self) -> tuple[str, str]:
        """Id and column of the first value that an update would write; empty texts for other calls."""
        if self.side is Side.SERVICENOW and self.method == "PATCH":
            return self.target.partition("?")[0].rpartition("/")[2], next(iter(json.loads(self.body)))
        if self.side is Side.SALESFORCE and self.target.endswith("/composite"):
            part = json.loads(self.body)["compositeRequest"][0]
            return part["url"].rpartition("/")[2], next(iter(part["body"]))
        return "", ""


_ENTRIES = ("sys_journal_field", "CaseComment", "FeedItem", '"comments":', '"work_notes":')
# Around each call: `before` may switch to somebody else or end the worker, `after` sees the answer (None: lost).
Watch = Callable[[Call, bytes | None], None]


def nobody(call: Call, answer: bytes | None) -> None:
    """Watches nothing."""


@dataclass(slots=True)
class _Outgoing:
    """As much of a prepared request as the transport looks at."""

    method: str
    url: str
    path_url: str
    headers: Mapping[str, str]
    body: bytes | Outgoing


class _Body:
    """The bytes of an answer, as urllib3 hands them out."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def read1(self, most: int, **_: Any) -> bytes:
        return self._content.read(most)


class _Download:
    """As much of an answer as is looked at while a file is read from it."""

    def __init__(self, status: int, headers: Mapping[str, str], url: str, content: bytes) -> None:
        self.status_code, self.headers, self.url, self.raw = status, headers, url, _Body(content)

    def close(self) -> None:
        """Nothing is held open."""

    def __enter__(self) -> _Download:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held open."""


class Wire(Transport):
    """A transport without a session: what leaves it goes to the door of one platform."""

    def __init__(
        self,
        profile: Profile,
        dialect: Dialect,
        door: Door,
        observe: Observer,
        before: Callable[[Call], None],
        after: Watch,
    ) -> None:
        self._door, self._before, self._after = door, before, after
        self._began = door.clock.now()
        super().__init__(profile, dialect, observe, lambda: (door.clock.now() - self._began).total_seconds())

    def _open_session(self) -> Any:
        return None

    def close(self) -> None:
        """Nothing is held open."""

    def _prepared(self, method: str, url: str, headers: Any, params: Any, data: Any) -> Any:
        if params:
            url = f"{url}{'&' if '?' in url else '?'}{urlencode(params)}"
        if isinstance(data, Mapping):
            data, headers = urlencode(data).encode(), {**headers, "Content-Type": FORM}
        body = data.encode() if isinstance(data, str) else data
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return _Outgoing(method, url, path, headers, b"" if body is None else body)

    def _opened(self, prepared: Any, exchange: Any) -> Any:
        exchange.started = self.monotonic()
        try:
            status, headers, body = self._carry(prepared)
        except requests.RequestException as error:
            raise TransientError("The answer was lost.", code="no_answer") from error
        return _Download(status, headers, prepared.url, body)

    def _carry(self, prepared: Any) -> tuple[int, Mapping[str, str], bytes]:
        # A file that does not come whole is never executed: what keeps it from coming is raised here.
        body = b"".join(prepared.body) if isinstance(prepared.body, Outgoing) else prepared.body
        call = Call(self.profile.system, prepared.method, prepared.path_url, prepared.headers, body)
        self._before(call)
        self._door.clock.advance(seconds=LATENCY)
        try:
            answer = self._door.call(
                call.method, call.target, headers=call.headers, body=call.body, timeout=TIMEOUT
            )
        except GaveUpError as error:
            self._after(call, None)
            raise requests.ReadTimeout("read timed out") from error
        except ConnectionCutError as error:
            self._after(call, None)
            raise requests.ConnectionError("connection reset") from error
        self._after(call, answer.body)
        return answer.status, answer.headers, answer.body


FORM = "application/x-www-form-urlencoded"
_DIALECTS = {Side.SERVICENOW: ServiceNowDialect(), Side.SALESFORCE: SalesforceDialect()}


class _ServiceNowWithoutHistory(ServiceNowConnector):
    def history(self, *_: Any, **__: Any) -> None:
        """The user may not read sys_audit."""


class _SalesforceWithoutHistory(SalesforceConnector):
    def history(self, *_: Any, **__: Any) -> None:
        """No field is tracked."""


_CONNECTORS: dict[tuple[Side, bool], Any] = {
    (Side.SERVICENOW, True): ServiceNowConnector,
    (Side.SERVICENOW, False): _ServiceNowWithoutHistory,
    (Side.SALESFORCE, True): SalesforceConnector,
    (Side.SALESFORCE, False): _SalesforceWithoutHistory,
}


class Wires:
    """Makes connectors; a new process has new ones. Tokens are kept, as the database keeps them."""

    def __init__(self, platforms: Platforms) -> None:
        self.platforms = platforms
        self._tokens = {side: InMemoryTokenStore() for side in Side}
        self._profiles = {side: self._profile(side) for side in Side}

    def _profile(self, side: Side) -> Profile:
        held, url = self.platforms.world.credentials, self.platforms.sides[side].url
        host = urlsplit(url).netloc
        if side is Side.SERVICENOW:
            secrets = {"password": held.servicenow.password}
            return Profile(
                "acme", side, url, "basic", held.servicenow.username, secrets, concurrency=1, allowed_hosts=(host,)
            )  # fmt: skip
        secrets = {"client_id": held.salesforce.client_id, "client_secret": held.salesforce.client_secret}
        return Profile(
            "acme", side, url, "oauth_client_credentials", "", secrets, concurrency=1, allowed_hosts=(host,)
        )

    def connector(
        self,
        side: Side,
        *,
        observe: Observer = lambda call: None,
        before: Callable[[Call], None] = lambda call: None,
        after: Watch = nobody,
        retry: Retry | None = None,
        history: bool = True,
    ) -> Connector:
        profile, door = self._profiles[side], self.platforms.doors[side]
        wire = Wire(profile, _DIALECTS[side], door, observe, before, after)
        return _CONNECTORS[side, history](profile, self._tokens[side], observe, retry, wire)
