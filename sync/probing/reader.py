"""The only way a probe speaks to a platform: GETs of its data APIs. The guard refuses everything but those and the login."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import parse_qs, quote, urlsplit

from sync.connectors.auth import Authoriser
from sync.connectors.base import Call, Observer, Profile, Token, TokenStore
from sync.connectors.http import Answer, Dialect, Purpose, Transport
from sync.connectors.retry import Retry
from sync.connectors.salesforce.dialect import SalesforceDialect
from sync.connectors.servicenow.dialect import ServiceNowDialect
from sync.core.records import Side
from sync.errors import AuthenticationError, BudgetSpentError, ConfigurationError, SyncError

_DIALECTS: Mapping[Side, type[ServiceNowDialect] | type[SalesforceDialect]] = {
    Side.SERVICENOW: ServiceNowDialect,
    Side.SALESFORCE: SalesforceDialect,
}
# GETs of these change nothing; other paths of the platforms run pages and scripts.
_READABLE = ("/api/now/", "/services/data", "/services/oauth2/userinfo")
_METHOD_IN_DISGUISE = frozenset({"x-http-method-override", "x-http-method", "x-method-override"})


class NotARead(ConfigurationError):
    """A probe was about to send something that could write; nothing was sent."""

    code = "not_a_read"


class ReadOnlyTransport(Transport):
    """Sends GETs of data APIs and token requests, and raises NotARead for whatever else it is given."""

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
        if purpose is not Purpose.TOKEN:
            refuse_writes(method, url, params or {}, headers or {}, data)
        return super().request(
            method, url, purpose=purpose, headers=headers, params=params, data=data, judge=judge
        )

    def upload(self, url: str, *, headers: Mapping[str, str], body: object, shown: str = "") -> NoReturn:
        raise NotARead(f"A probe only reads: no file was sent to {urlsplit(url).path}.")


def refuse_writes(
    method: str, url: str, params: Mapping[str, str], headers: Mapping[str, str], data: object
) -> None:
    """Raises NotARead unless this is a GET, without a body, of a path that only reads."""
    parts = urlsplit(url)
    disguised = _METHOD_IN_DISGUISE & {name.lower() for name in headers}
    overridden = "_HttpMethod" in params or "_HttpMethod" in parse_qs(parts.query)
    reads = any(parts.path.startswith(path) for path in _READABLE)
    if method != "GET" or data or disguised or overridden or not reads:
        raise NotARead(f"A probe only reads: {method} {parts.path} was not sent.")


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer. `shown` is the request as the report may show it; `code` is that of an error, "" if it was served."""

    shown: str
    status: int  # 0: no answer came
    code: str = ""
    data: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def served(self) -> bool:
        return not self.code

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of a ServiceNow list or of a SOQL query; none where it was refused."""
        data = self.data if isinstance(self.data, dict) else {}
        rows = data.get("result", data.get("records"))
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    @property
    def total(self) -> int | None:
        """How many rows match: X-Total-Count of ServiceNow, totalSize of Salesforce."""
        data = self.data if isinstance(self.data, dict) else {}
        text = str(self.headers.get("X-Total-Count", data.get("totalSize", "")))
        return int(text) if text.isdigit() else None

    def told(self, what: str = "") -> str:
        """One sentence of evidence."""
        outcome = f"{self.status or 'no answer'}{f' {self.code}' if self.code else ''}"
        return f"GET {self.shown} -> {outcome}{f'; {what}' if what else ''}"


class Reader:
    """Reads as the connection's user. Refusals are answers too: they come back as Seen, and are not raised."""

    def __init__(
        self, profile: Profile, tokens: TokenStore, observe: Observer, retry: Retry | None = None
    ) -> None:
        self.profile = profile
        self.calls = 0
        self._last: Call | None = None
        self._observe = observe
        dialect: Dialect = _DIALECTS[profile.system]()
        self.transport = ReadOnlyTransport(profile, dialect, self._note)
        self._authoriser = Authoriser(self.transport, tokens)
        self._retry = retry or Retry(attempts=2)

    def token(self) -> Token:
        """Log in, if that has not been done. Raises AuthenticationError."""
        return self._authoriser.token()

    def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        shown: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Seen:
        """GET a path with parameters. `shown` stands for the request in the report where it holds values of records."""
        given = dict(params or {})
        plain = shown or _target(path, given)
        try:
            answer = self.fetch(path, given, headers)
        except (AuthenticationError, BudgetSpentError, NotARead):
            raise  # nothing that is asked after this would be answered
        except SyncError as error:
            return Seen(plain, self._last.status if self._last else 0, error.code)
        return Seen(plain, answer.status_code, "", answer.data, answer.headers)

    def fetch(
        self, path: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """GET a path; whatever is not served is raised as a SyncError."""
        target = _target(path, {name: quote(value, safe=",") for name, value in (params or {}).items()})
        return self._retry.run(
            lambda: self._authoriser.run(lambda token: self._send(token, target, headers or {}))
        )

    def close(self) -> None:
        self.transport.close()

    def _send(self, token: Token, target: str, headers: Mapping[str, str]) -> Answer:
        sent = {**headers, **self._authoriser.headers(token)}
        return self.transport.request("GET", token.instance_url + target, headers=sent)

    def _note(self, call: Call) -> None:
        self.calls += 1
        self._last = call
        self._observe(call)


def _target(path: str, params: Mapping[str, str]) -> str:
    query = "&".join(f"{name}={value}" for name, value in params.items())
    return f"{path}?{query}" if query else path
