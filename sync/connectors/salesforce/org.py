"""Calls to one Salesforce org, made by simple-salesforce over our transport and with our token."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from sync.connectors.auth import Authoriser
from sync.connectors.base import Token, TokenStore
from sync.connectors.http import CLIENT_NAME, Answer, Purpose, Transport
from sync.connectors.retry import Retry
from sync.connectors.salesforce.dialect import fault_of_plain
from sync.connectors.streaming import Incoming, Outgoing
from sync.core.files import Passing
from sync.core.records import Side
from sync.errors import TransientError

DEFAULT_API_VERSION = "64.0"
# Names our calls in event logs and in the origin of change events.
_CALL_OPTIONS = {"Sforce-Call-Options": f"client={CLIENT_NAME}"}


class Org:
    """Queries and REST calls. Every call renews a rejected token once.

    Reads are repeated on transient faults, writes for a moment if they were turned away.
    """

    def __init__(self, transport: Transport, tokens: TokenStore, retry: Retry) -> None:
        self.version = transport.profile.api_version or DEFAULT_API_VERSION
        self.transport = transport
        self.authoriser = Authoriser(self.transport, tokens)
        self._retry = retry
        self._lock = threading.Lock()
        self._made: tuple[Token, Any] | None = None

    def query(self, soql: str) -> Mapping[str, Any]:
        """The first page of a query's answer."""
        data = self._retry.run(lambda: self.authoriser.run(lambda token: self._client(token).query(soql)))
        if not isinstance(data, dict) or not isinstance(data.get("records"), list) or "totalSize" not in data:
            raise TransientError("Salesforce answered a query with something else.", code="bad_answer")
        return data

    def read(self, path: str, *, method: str = "GET", data: bytes | None = None) -> Any:
        """The parsed answer of a call that changes nothing; None if it is empty."""
        return self._retry.run(lambda: self._call(path, method, data, Purpose.READ, {}))

    def write(self, path: str, *, method: str, data: bytes | None, headers: Mapping[str, str]) -> Any:
        return self._retry.briefly(lambda: self._call(path, method, data, Purpose.WRITE, headers))

    def download(self, path: str) -> Incoming:
        """The bytes of a file as they come; to be closed."""
        return self._retry.run(
            lambda: self.authoriser.run(
                lambda token: self.transport.download(
                    self._url(token, path), headers={**_CALL_OPTIONS, **self.authoriser.headers(token)}
                )
            )
        )

    def upload(
        self, path: str, content: Callable[[], Passing], body: Callable[[Passing], Outgoing], kind: str
    ) -> Any:
        """Post a body made while it is sent; each attempt opens the content anew. `kind`: its content type."""

        def send(token: Token) -> Any:
            headers = {**_CALL_OPTIONS, "Content-Type": kind, **self.authoriser.headers(token)}
            with closing(content()) as opened:
                return self.transport.upload(self._url(token, path), headers=headers, body=body(opened)).data

        return self._retry.briefly(lambda: self.authoriser.run(send))

    def _url(self, token: Token, path: str) -> str:
        return f"{token.instance_url}/services/data/v{self.version}/{path}"

    def put(self, path: str, data: bytes, content_type: str) -> None:
        """A write whose body is no JSON."""
        headers = {"Content-Type": content_type, **_CALL_OPTIONS}
        self._retry.briefly(lambda: self._plain("PUT", path, data, Purpose.WRITE, headers))

    def fetch(self, path: str, accept: str) -> bytes:
        """The body of an answer that is no JSON."""
        headers = {"Accept": accept, **_CALL_OPTIONS}
        return self._retry.run(lambda: self._plain("GET", path, None, Purpose.READ, headers)).content

    def _plain(
        self, method: str, path: str, data: bytes | None, purpose: Purpose, headers: Mapping[str, str]
    ) -> Answer:
        def send(token: Token) -> Answer:
            return self.transport.request(
                method,
                self._url(token, path),
                purpose=purpose,
                headers={**self.authoriser.headers(token), **headers},
                data=data,
                judge=lambda answer: fault_of_plain(answer, purpose),
            )

        return self.authoriser.run(send)

    def get(self, path: str, *, token: Token | None = None) -> Any:
        """The parsed answer of a path outside the data API, with a token or without."""
        origin = token.instance_url if token else self.transport.origin
        headers = self.authoriser.headers(token) if token else {}
        return self._retry.run(lambda: self.transport.request("GET", origin + path, headers=headers).data)

    def _call(
        self, path: str, method: str, data: bytes | None, purpose: Purpose, headers: Mapping[str, str]
    ) -> Any:
        return self.authoriser.run(
            lambda token: self._client(token).restful(
                path, method=method, data=data, headers={**_CALL_OPTIONS, **headers}, purpose=purpose
            )
        )

    def _client(self, token: Token) -> Any:
        """simple-salesforce's client for a token. Shared by threads: once made, its calls only read it.

        (`api_usage` is the one attribute that a call assigns; we do not use it.)
        """
        with self._lock:
            if self._made is None or self._made[0] is not token:
                self._made = (token, self._new_client(token))
            return self._made[1]

    def _new_client(self, token: Token) -> Any:
        from simple_salesforce.api import (
            Salesforce,
        )  # costs a second and 30 MB: only who talks to an org pays

        client = Salesforce(
            instance_url=token.instance_url,
            session_id=token.access_token,
            version=self.version,
            session=self.transport,
            object_pairs_hook=None,
        )
        client.headers.pop(
            "X-PrettyPrint", None
        )  # nobody reads the answers, and indented ones are a third larger
        return client

    @property
    def side(self) -> Side:
        return Side.SALESFORCE
