"""One connection's transport: a bounded, observed, cookie-less `requests.Session` behind an adaptive limit.

It answers one question more than requests does: did the request leave? What fails before is raised as a
TransientError or ConfigurationError (addresses.py sorts it); what fails after is an OutcomeUnknownError for a
write, and a TransientError for a read, which may be repeated.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit

import requests
import urllib3

from sync import jsons
from sync.connectors.addresses import AddressPolicy, GuardedAdapter, checked_origin, tls_context
from sync.connectors.base import Call, Observer, Profile, Usage
from sync.connectors.parallel import Lengthening, Limit
from sync.connectors.streaming import TAKES_WITHIN, Incoming, Outgoing
from sync.core.records import Side
from sync.errors import (
    AuthenticationError,
    BudgetSpentError,
    ConfigurationError,
    OutcomeUnknownError,
    RateLimitError,
    SyncError,
    TransientError,
)

MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_LOGGED_BYTES = 64 * 1024
CLIENT_NAME = "integration-console"
_CHUNK = 256 * 1024
# A file is wanted as its digest was taken: not packed on the way.
_AS_IT_IS = {"Accept": "*/*", "Accept-Encoding": "identity"}


class Purpose(Enum):
    """What a request is for: whether it may be repeated, and whether its bodies may be shown."""

    READ = "read"
    WRITE = "write"
    TOKEN = "token"  # noqa: S105  (a purpose, not a password)


class TokenRejected(AuthenticationError):
    """A data call was answered 401: nothing was done; a fresh token may pass."""

    code = "token_rejected"


@dataclass(slots=True)
class Answer:
    """A whole answer, its JSON parsed once. Shaped like requests.Response as far as simple-salesforce looks."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    url: str
    seconds: float  # from sending to the last byte
    data: Any = None  # parsed JSON; None if the body is empty
    at: datetime | None = None  # Date header

    def json(self, **_: Any) -> Any:
        return self.data

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    @property
    def request_id(self) -> str:
        return next((self.headers[name] for name in _REQUEST_ID_HEADERS if name in self.headers), "")

    @property
    def read_at(self) -> datetime:
        """Server time not later than the moment the platform began to look rows up."""
        return (self.at or datetime.now(UTC)) - timedelta(seconds=self.seconds)


_OVERLOADED = (429, 503)
_REQUEST_ID_HEADERS = ("X-Request-Id", "X-SFDC-Request-Id", "Transaction-ID", "X-Transaction-ID")


class Dialect(Protocol):
    """What a platform's answers mean."""

    system: Side

    def fault(self, answer: Answer, purpose: Purpose) -> SyncError | None:
        """The error that an answer with parsed JSON stands for, or None if the call was served."""
        ...

    def usage(self, headers: Mapping[str, str]) -> Usage | None: ...


@dataclass(slots=True)
class _Exchange:
    """One request on its way: what the observer is told in the end."""

    method: str
    path: str
    purpose: Purpose
    body: bytes  # as far as it may be shown
    size: int = 0  # of all that is sent
    started: float = 0.0  # by the transport's monotonic clock, once it passed the gate
    era: int = 0  # of the limit, when it passed the gate
    answer: Answer | None = None


@dataclass(slots=True)
class _ServerClock:
    """The last Date header, and when it came by our monotonic clock."""

    at: datetime | None = None
    seen: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def saw(self, at: datetime, moment: float) -> None:
        with self.lock:
            self.at, self.seen = at, moment

    def now(self, moment: float) -> datetime | None:
        with self.lock:
            return self.at and self.at + timedelta(seconds=moment - self.seen)


class Transport:
    """All calls of one connection go through here. Safe for threads; `request` is all that simple-salesforce uses."""

    def __init__(
        self,
        profile: Profile,
        dialect: Dialect,
        observe: Observer,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.profile = profile
        self.monotonic = monotonic  # seconds that never go back
        self.origin = checked_origin(profile.url)
        self.policy = AddressPolicy.of(profile.allowed_hosts)
        self.proxies: dict[str, str] = {}  # read by simple-salesforce; we use none
        self._dialect = dialect
        self._observe = observe
        self.limit = Limit(profile.concurrency)
        self._lengthening = Lengthening()
        self._clock = _ServerClock()
        self._session = self._open_session()

    def _open_session(self) -> requests.Session:
        return _session(self.policy, self.profile)

    def request(
        self,
        method: str,
        url: str,
        *,
        purpose: Purpose = Purpose.READ,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        data: bytes | Mapping[str, str] | None = None,
        judge: Callable[[Answer], SyncError | None] | None = None,
    ) -> Answer:
        """Send once and return a served answer; whatever else happens is raised as a SyncError.

        What the profile's `admit` raises keeps the request from leaving, and nobody is told of it.
        `judge` says in place of the dialect what an answer stands for that is no JSON.
        """
        prepared = self._prepared(method, url, dict(headers or {}), dict(params or {}), data)
        body = prepared.body or b""
        known = body if isinstance(body, bytes) else body.encode()
        return self._sent(
            prepared, _Exchange(method, prepared.path_url, purpose, known, len(known)), judge=judge
        )

    def upload(
        self, url: str, *, headers: Mapping[str, str], body: Outgoing | bytes, shown: str = ""
    ) -> Answer:
        """Post a file while it comes in; like a write otherwise. `shown`: told in place of a path that names the file."""
        prepared = self._prepared("POST", url, dict(headers), {}, body)
        exchange = _Exchange("POST", shown or prepared.path_url, Purpose.WRITE, b"", len(body))
        return self._sent(prepared, exchange, upload=body)

    def _sent(
        self,
        prepared: requests.PreparedRequest,
        exchange: _Exchange,
        *,
        judge: Callable[[Answer], SyncError | None] | None = None,
        upload: Outgoing | bytes = b"",
    ) -> Answer:
        self.profile.admit()
        try:
            with self.limit.slot() as exchange.era:
                answer = exchange.answer = self._receive(prepared, exchange)
            if judge is None:
                _parse(answer, exchange.purpose)
            if fault := judge(answer) if judge else self._dialect.fault(answer, exchange.purpose):
                raise fault
        except SyncError as error:
            if isinstance(upload, Outgoing) and error is upload.fault:
                # What kept the file from coming says nothing of this platform.
                self._tell(exchange, error, ours=True)
                raise
            error.system = self._dialect.system
            self._adapt(exchange, error)
            self._tell(exchange, error)
            raise
        self._adapt(exchange, None)
        self._tell(exchange, None)
        return answer

    def download(self, url: str, *, headers: Mapping[str, str]) -> Incoming:
        """Ask for a file. Its bytes are read from what is returned, which must be closed; nothing of them is kept.

        Raises as `request` does where the platform answers with anything but a file.
        """
        prepared = self._prepared("GET", url, {**headers, **_AS_IT_IS}, {}, None)
        exchange = _Exchange("GET", prepared.path_url, Purpose.READ, b"")
        self.profile.admit()
        try:
            with self.limit.slot() as exchange.era:
                response = self._opened(prepared, exchange)
                if response.status_code == 200:
                    answer = exchange.answer = self._answered(response, b"", exchange)
                    where = urlsplit(answer.url).netloc
                    return Incoming(response, where, lambda fault: self._close(exchange, fault))
                with response:
                    content = _bounded_body(response, deadline=time.monotonic() + self.profile.timeout[1])
                answer = exchange.answer = self._answered(response, content, exchange)
            _parse(answer, Purpose.READ)
            raise self._dialect.fault(answer, Purpose.READ) or _no_file(answer)
        except SyncError as error:
            self._close(exchange, error)
            raise

    def _opened(self, prepared: requests.PreparedRequest, exchange: _Exchange) -> requests.Response:
        exchange.started = self.monotonic()
        try:
            return self._session.send(
                prepared, stream=True, timeout=self.profile.timeout, allow_redirects=False, verify=True
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _lost(Purpose.READ, urlsplit(prepared.url or "").netloc, error) from error

    def _close(self, exchange: _Exchange, error: SyncError | None) -> None:
        if error is not None:
            error.system = self._dialect.system
        self._adapt(exchange, error)
        self._tell(exchange, error)

    def _adapt(self, exchange: _Exchange, error: SyncError | None) -> None:
        """Send fewer calls at once where the platform turns them away, loses them or takes ever longer; else more."""
        answer = exchange.answer
        if answer is None or answer.status_code in _OVERLOADED or isinstance(error, RateLimitError):
            if not isinstance(error, BudgetSpentError | ConfigurationError):
                self.limit.troubled(exchange.era)
            return
        moved = exchange.size + len(answer.content)
        what = f"{exchange.method} {exchange.purpose}"
        if error is None and self._lengthening.noticed(what, moved, answer.seconds):
            self.limit.troubled(exchange.era)
        elif answer.status_code < 500:
            self.limit.served()

    def _prepared(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        params: dict[str, str],
        data: bytes | Mapping[str, str] | Outgoing | None,
    ) -> requests.PreparedRequest:
        try:
            request = requests.Request(method, url, headers=headers, params=params, data=data)
            return self._session.prepare_request(request)
        except (requests.RequestException, ValueError) as error:
            # Never the text of the error: it may repeat a header with a credential in it.
            raise ConfigurationError(
                f"No request can be made for {urlsplit(url).netloc}: {type(error).__name__}.",
                code="bad_request",
                advice="Check the connection's address and credentials for stray characters.",
            ) from None

    def server_now(self) -> datetime | None:
        """Platform time not later than now, or None before the first answer."""
        return self._clock.now(self.monotonic())

    def close(self) -> None:
        self._session.close()

    def _receive(self, prepared: requests.PreparedRequest, exchange: _Exchange) -> Answer:
        where = urlsplit(prepared.url or "").netloc
        exchange.started = self.monotonic()
        try:
            status, headers, content = self._carry(prepared)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _lost(exchange.purpose, where, error) from error
        return self._dated(Answer(status, headers, content, prepared.url or "", 0.0), exchange)

    def _answered(self, response: requests.Response, content: bytes, exchange: _Exchange) -> Answer:
        headers = response.headers
        return self._dated(Answer(response.status_code, headers, content, response.url, 0.0), exchange)

    def _dated(self, answer: Answer, exchange: _Exchange) -> Answer:
        """How long it took and when, by the platform's clock."""
        moment = self.monotonic()
        answer.seconds, answer.at = moment - exchange.started, _date(answer.headers)
        if answer.at:
            self._clock.saw(answer.at, moment)
        return answer

    def _carry(self, prepared: requests.PreparedRequest) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request and read its whole answer: status, headers, body. Raises what requests and urllib3 raise."""
        connect, read = self.profile.timeout
        if isinstance(prepared.body, Outgoing):
            connect = max(connect, TAKES_WITHIN)
        response = self._session.send(
            prepared, stream=True, timeout=(connect, read), allow_redirects=False, verify=True
        )
        with response:
            content = _bounded_body(response, deadline=time.monotonic() + read)
        return response.status_code, response.headers, content

    def _tell(self, exchange: _Exchange, error: SyncError | None, *, ours: bool = False) -> None:
        """`ours`: the call was cut off by us, for a reason that lies elsewhere."""
        answer = exchange.answer
        shown = error is not None and exchange.purpose is not Purpose.TOKEN
        self._observe(
            Call(
                system=self._dialect.system,
                method=exchange.method,
                path=exchange.path,
                status=answer.status_code if answer else 0,
                milliseconds=round((self.monotonic() - exchange.started) * 1000),
                write=exchange.purpose is Purpose.WRITE,
                request_id=answer.request_id if answer else "",
                error=error.code if error else "",
                failed=not ours and _is_outage(error, answer),
                request_body=_cut(exchange.body) if shown else "",
                response_body=_cut(answer.content) if shown and answer else "",
                usage=self._dialect.usage(answer.headers) if answer else None,
                at=answer.at if answer else None,
            )
        )


def _no_file(answer: Answer) -> TransientError:
    return TransientError(
        f"{urlsplit(answer.url).netloc} answered {answer.status_code} instead of a file.",
        code="bad_answer",
        request_id=answer.request_id,
    )


def _is_outage(error: SyncError | None, answer: Answer | None) -> bool:
    """Whether the platform as a whole seems to be in trouble: no answer, a server's fault, a page in its place."""
    if not isinstance(error, TransientError | OutcomeUnknownError) or isinstance(error, BudgetSpentError):
        return False
    return answer is None or answer.status_code >= 500 or error.code == "bad_answer"


def _session(policy: AddressPolicy, profile: Profile) -> requests.Session:
    session = requests.Session()
    # No proxy, netrc or CA path from the environment: credentials go where the connection says, nowhere else.
    session.trust_env = False
    # A cookie would make ServiceNow serve our calls one after another, and drop those beyond ten (202).
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": CLIENT_NAME, "Accept": "application/json"})
    session.adapters.clear()
    session.mount(
        "https://", GuardedAdapter(policy, tls_context(profile.ca_bundle), pool=profile.concurrency)
    )
    return session


def _bounded_body(response: requests.Response, *, deadline: float) -> bytes:
    """Read the body up to a size and a time: a server that drips one byte a second never meets a read timeout.

    `read1` returns what has come; requests' own reading would wait for a whole chunk, and so for the dripping.
    """
    parts: list[bytes] = []
    size = 0
    while part := response.raw.read1(_CHUNK, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise requests.exceptions.ContentDecodingError("the answer is larger than 64 MiB")
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout("the answer took too long")
    return b"".join(parts)


def _lost(purpose: Purpose, where: str, error: Exception) -> SyncError:
    """The connection stood and no whole answer came."""
    timed_out = isinstance(error, requests.Timeout | TimeoutError) or "timed out" in str(error)
    happened = "did not answer in time" if timed_out else "broke the connection off"
    if purpose is Purpose.WRITE:
        return OutcomeUnknownError(f"{where} {happened} after the request was sent.", code="no_answer")
    return TransientError(f"{where} {happened}.", code="no_answer")


def _parse(answer: Answer, purpose: Purpose) -> None:
    """Parse the JSON of an answer. A 2xx without it says nothing; a failure without it is told by its status."""
    served = 200 <= answer.status_code < 300
    try:
        answer.data = jsons.loads(answer.content) if answer.content else None
    except (ValueError, RecursionError):
        if served:
            unusable(answer, purpose, _kind_of_body(answer))
    if served and answer.status_code not in (202, 204) and not isinstance(answer.data, dict | list):
        unusable(answer, purpose, "JSON of no known form" if answer.content else "an empty body")


def unusable(answer: Answer, purpose: Purpose, what: str) -> NoReturn:
    """Raise for a 2xx whose body does not say what became of the call."""
    where = urlsplit(answer.url).netloc
    advice = "Look at the platform: a maintenance page, a login page or a proxy answers in its place."
    if purpose is Purpose.WRITE:
        raise OutcomeUnknownError(
            f"{where} answered {what}.", code="bad_answer", advice=advice, request_id=answer.request_id
        )
    raise TransientError(
        f"{where} answered {what}.", code="bad_answer", advice=advice, request_id=answer.request_id
    )


def _kind_of_body(answer: Answer) -> str:
    if answer.content.lstrip()[:1] == b"<" or "html" in answer.headers.get("Content-Type", ""):
        return "an HTML page instead of JSON"
    return "JSON that is cut off or malformed"


def redirected(answer: Answer) -> ConfigurationError:
    target = urlsplit(answer.headers.get("Location", ""))
    return ConfigurationError(
        f"{urlsplit(answer.url).netloc} redirects to {target.netloc or 'another page'}; redirects are not followed.",
        code="redirect",
        advice="Put the address of the platform itself into the connection.",
        request_id=answer.request_id,
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks us to wait; a date is counted from the answer's own clock."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isdigit():
        return float(text)
    try:
        until, at = parsedate_to_datetime(text), _date(headers) or datetime.now(UTC)
        return max(0.0, (until - at).total_seconds())
    except (TypeError, ValueError):
        return None


def _date(headers: Mapping[str, str]) -> datetime | None:
    try:
        return parsedate_to_datetime(headers["Date"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return None


def _cut(body: bytes) -> str:
    return body[:MAX_LOGGED_BYTES].decode("utf-8", "replace")
