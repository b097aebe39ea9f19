"""Both platforms without a socket, under a virtual clock: what a simulation of many hours stands on.

    world = in_process(seed=7)
    session.mount("https://", world.adapter())                  # any requests.Session
    world.servicenow.fault("execute_late", method="POST", seconds=90)
    world.clock.advance(seconds=300)

The same faults as over a socket. Time is the clock's: a delay moves it, a caller's timeout moves it that far and then
raises, and a request whose caller gave up takes effect when its time comes. Nothing else moves it, no call takes
time of its own, and one caller with one seed gets the same answers every time, tokens apart. Cookies are not kept.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

from sync.sandbox import salesforce, servicenow
from sync.sandbox.clock import ManualClock, OffsetClock
from sync.sandbox.control import controls
from sync.sandbox.credentials import Credentials
from sync.sandbox.gate import ConnectionCutError, Gate, GaveUpError
from sync.sandbox.pages import make_pages
from sync.sandbox.pair import Side, play
from sync.sandbox.platform import PlatformContext
from sync.sandbox.scenario_file import Scenario
from sync.sandbox.tickets import fill
from sync.sandbox.wire import Request, Response

SERVICENOW_URL = "https://acme.servicenow.example"
SALESFORCE_URL = "https://acme.salesforce.example"
PATIENCE = float("inf")  # seconds, of a caller who names no timeout


@dataclass(slots=True)
class VirtualLine:
    """Waiting of one call, by the clock; the caller leaves after `patience` seconds in all."""

    clock: ManualClock
    patience: float = PATIENCE

    def wait(self, seconds: float) -> None:
        spent = min(seconds, self.patience)
        self.clock.advance(seconds=spent)
        if seconds > self.patience:
            raise GaveUpError(seconds - self.patience)
        self.patience -= spent

    def hold(self, seconds: float) -> None:
        self.wait(seconds)


@dataclass(frozen=True, slots=True)
class Door:
    """One platform's way in; stands where a SandboxServer does."""

    url: str
    clock: ManualClock
    gate: Gate = field(default_factory=Gate)

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 443

    def call(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: float | None = None,
    ) -> Response:
        """Answer one request; `target` is a path with its query.

        Raises ConnectionCutError where the platform cuts the connection, GaveUpError (one of them) where `timeout`
        seconds of the clock pass first.
        """
        request = Request.build(method, target, headers=headers, body=body)
        line = VirtualLine(self.clock, PATIENCE if timeout is None else timeout)
        return self.gate.answer(request, target, line)


@dataclass(frozen=True, slots=True)
class World:
    """The pair and its clock; either side takes the same orders as on sockets."""

    servicenow: Side[servicenow.ServiceNowPlatform]
    salesforce: Side[salesforce.SalesforcePlatform]
    clock: ManualClock
    credentials: Credentials

    @property
    def doors(self) -> dict[str, Door]:
        """By the address they answer under."""
        sides = (self.servicenow.server, self.salesforce.server)
        return {door.url: door for door in sides if isinstance(door, Door)}

    def adapter(self) -> PlatformAdapter:
        return PlatformAdapter(self.doors)


class PlatformAdapter(BaseAdapter):
    """A transport of `requests` that ends in the platforms: no socket, no thread, no TLS.

    Raises what a real one raises: ConnectionError for a cut connection, ReadTimeout for lost patience, both with the
    request attached. An address that is none of theirs is a ConnectionError.
    """

    def __init__(self, doors: Mapping[str, Door]) -> None:
        super().__init__()
        self._doors = dict(doors)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        door, target = self._find(request)
        method = request.method or "GET"
        try:
            answer = door.call(
                method, target, headers=request.headers, body=_bytes(request.body), timeout=_seconds(timeout)
            )
        except GaveUpError as error:
            raise requests.ReadTimeout(f"{door.url}: read timed out", request=request) from error
        except ConnectionCutError as error:
            raise requests.ConnectionError(f"{door.url}: connection reset", request=request) from error
        return _response(request, answer, head_only=method == "HEAD")

    def close(self) -> None:
        """Nothing is held open."""

    def _find(self, request: requests.PreparedRequest) -> tuple[Door, str]:
        url = request.url or ""
        for base, door in self._doors.items():
            if url.startswith(base) and url[len(base) : len(base) + 1] in ("", "/", "?"):
                return door, url[len(base) :].partition("#")[0] or "/"
        raise requests.ConnectionError(f"nobody answers at {urlsplit(url).netloc}", request=request)


def _bytes(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes):
        return body
    if hasattr(body, "read"):
        return bytes(body.read())
    return b"".join(body)  # a generator, which a socket would send in chunks


def _seconds(timeout: Any) -> float | None:
    """The patience for an answer, of a number, of a pair (connect, read), or none."""
    read = timeout[1] if isinstance(timeout, tuple) else timeout
    return None if read is None else float(read)


def _response(
    request: requests.PreparedRequest, answer: Response, *, head_only: bool = False
) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response.headers = CaseInsensitiveDict(answer.headers)
    body = b"" if head_only else answer.body
    response.raw = HTTPResponse(
        io.BytesIO(body), headers=answer.headers, status=answer.status, preload_content=False
    )
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.url = request.url or ""
    response.request = request
    return response


def in_process(
    *,
    seed: int = 1,
    incidents: int = 0,
    scenario: Scenario | None = None,
    clock: ManualClock | None = None,
    credentials: Credentials | None = None,
) -> World:
    """Build both platforms. `incidents` are made from the seed; the credentials are made up unless given."""
    clock, credentials = clock or ManualClock(), credentials or Credentials()

    def context(url: str) -> PlatformContext:
        return PlatformContext(url, OffsetClock(clock), credentials, seed)

    instance = servicenow.build(context(SERVICENOW_URL))
    org = salesforce.build(context(SALESFORCE_URL))
    if incidents:
        fill(instance, incidents, seed)
    left, right = Door(SERVICENOW_URL, clock), Door(SALESFORCE_URL, clock)
    token = credentials.control_token
    pages = make_pages(instance, left.url, credentials.servicenow.admin_username), make_pages(org, right.url)
    left.gate.open(instance, controls(instance, left, token, pages[0]), instance.admit)
    right.gate.open(org, controls(org, right, token, pages[1]))
    world = World(Side(instance, left, pages[0]), Side(org, right, pages[1]), clock, credentials)
    if scenario is not None:
        play(scenario, world.servicenow, world.salesforce)
    return world
