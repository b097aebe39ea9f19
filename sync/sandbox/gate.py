"""What stands between a caller and a platform: faults, delays, counting. With a socket or without one.

Over a socket, waiting is real. In process it moves the virtual clock, and a caller with less patience than the
platform is slow gives up while the platform goes on, as on a real network.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Protocol

from sync.sandbox.faults import Fault, FaultKind, Faults, Strike
from sync.sandbox.platform import ControlError, Platform
from sync.sandbox.wire import Request, Response

CONTROL_PREFIX = "/__sandbox__/"
LONGEST_HANG = 600.0  # seconds, of a fault that names no bound
_DATA_PREFIXES = ("/api/", "/services/data/", "/services/async/", "/services/Soap/")
_HTML = "<!DOCTYPE html><html><head><title>Please wait</title></head><body><h1>Please wait</h1></body></html>"
WHOLE_BUDGET = {"remaining": 0, "limit": 1, "used": 1}  # Salesforce reads the first, ServiceNow the others

Admission = Callable[[Request], AbstractContextManager["Response | None"]]
Handler = Callable[[Request], Response]


class ConnectionCutError(Exception):
    """The connection ends without an answer."""


class GaveUpError(ConnectionCutError):
    """The caller's patience ended first; the platform would have gone on for `left` more seconds."""

    def __init__(self, left: float) -> None:
        super().__init__(f"the caller gave up {left} seconds too early")
        self.left = left


class Line(Protocol):
    """The connection a call came on, as far as waiting goes."""

    def wait(self, seconds: float) -> None:
        """Let so much time pass. Raises GaveUpError."""
        ...

    def hold(self, seconds: float) -> None:
        """Let so much time pass, or less if the caller leaves. Raises GaveUpError."""
        ...


class Front(Protocol):
    """Where a platform is reached, over a socket or without one."""

    @property
    def url(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def gate(self) -> Gate: ...


def everybody(request: Request) -> AbstractContextManager[Response | None]:
    return contextlib.nullcontext()


class Gate:
    """One platform's. It exists before its platform does, whose address must be known first."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._delay = self._jitter = 0.0
        self._random = random.Random(0)  # noqa: S311 - reproducible, not secret

    def open(self, platform: Platform, control: Handler, admit: Admission = everybody) -> None:
        """`admit` is entered around every call, delays included; what it yields, if anything, is the answer."""
        self._platform = platform
        self._admit = admit
        self._control = control

    @property
    def delay(self) -> float:
        return self._delay

    @property
    def jitter(self) -> float:
        return self._jitter

    def slow_down(self, seconds: float, jitter: float = 0.0, seed: int = 0) -> None:
        """Add so many seconds to every data call from now on, and up to `jitter` more. Raises ControlError."""
        self.check_delay(seconds, jitter)
        self._delay, self._jitter = seconds, jitter
        self._random = random.Random(seed)  # noqa: S311

    def check_delay(self, seconds: float, jitter: float) -> None:
        if not (0 <= seconds <= 60 and 0 <= jitter <= 60):
            raise ControlError("seconds and jitter must be between 0 and 60.")

    def order(self, fault: Fault) -> None:
        """Add a fault. Raises ControlError for one that this platform cannot have."""
        self.check(fault)
        self.faults.add(fault)

    def check(self, fault: Fault) -> None:
        if fault.kind is FaultKind.LOCKS and self._platform.name != "salesforce":
            raise ControlError(f"{self._platform.name} has no row locks that a caller meets.")

    def answer(self, request: Request, target: str, line: Line) -> Response:
        """Answer one request; `target` is its raw path with the query. Raises ConnectionCutError."""
        if request.path.startswith(CONTROL_PREFIX):
            return self._dated(self._control(request))
        counters = self._platform.counters
        with self._admit(request) as refusal, counters.in_flight():
            response = refusal if refusal is not None else self._meet(request, target, line)
        counters.carried(received=len(request.body), sent=len(response.body))
        return self._dated(response)

    def _dated(self, response: Response) -> Response:
        if "Date" not in response.headers:
            response.headers["Date"] = format_datetime(self._platform.clock.now(), usegmt=True)
        return response

    def _meet(self, request: Request, target: str, line: Line) -> Response:
        strike = self.faults.next_for(request.method, target)
        if strike is not None:
            self._platform.counters.fault()  # counted as it strikes: whoever waits for it waits for its beginning
        wait = strike.wait if strike else 0.0
        if self._delay or self._jitter:
            wait += self._slowness(request)
        if wait:
            self._wait(wait, strike, request, line)
        if strike is None:
            return self._platform.handle(request)
        return self._misbehave(strike, request, line)

    def _slowness(self, request: Request) -> float:
        if not request.path.startswith(_DATA_PREFIXES):
            return 0.0
        return self._delay + (self._random.uniform(0.0, self._jitter) if self._jitter else 0.0)

    def _wait(self, seconds: float, strike: Strike | None, request: Request, line: Line) -> None:
        try:
            line.wait(seconds)
        except GaveUpError as gave_up:
            # The caller is gone, the request is not: it comes to its turn all the same.
            def turn() -> None:
                if strike is None or strike.fault.kind not in _UNSEEN:
                    self._platform.handle(request)

            self._platform.clock.call_in(gave_up.left, turn)
            raise

    def _misbehave(self, strike: Strike, request: Request, line: Line) -> Response:
        fault, platform = strike.fault, self._platform
        if fault.kind in _UNSEEN:
            # The platform never hears of the call, but the caller made it.
            platform.counters.call(request.method, platform.template(request.path))
            if fault.kind is FaultKind.HANG:
                line.hold(fault.seconds or LONGEST_HANG)
            return _UNSEEN[fault.kind](fault)
        if fault.kind is FaultKind.EXECUTE_LATE:
            return self._execute_late(fault, request, line)
        if fault.kind in _FIRST:
            _FIRST[fault.kind](platform, fault)
        if strike.trouble is not None:
            request = replace(request, trouble=strike.trouble)
        return _spoilt(fault, platform.handle(request))

    def _execute_late(self, fault: Fault, request: Request, line: Line) -> Response:
        """The request is still queued when the caller hears that it failed."""
        self._platform.clock.call_in(fault.seconds, lambda: self._platform.handle(request))
        if fault.hold:
            line.hold(fault.hold)
        return _ordered_status(fault) if fault.status else _cut(fault)


def _spoilt(fault: Fault, response: Response) -> Response:
    """An answer as far as it comes through."""
    if fault.kind is FaultKind.RESET_AFTER:
        return _cut(fault)
    if fault.kind is FaultKind.EMPTY:
        return replace(response, body=b"")
    if fault.kind is FaultKind.TRUNCATED:
        return replace(response, body=response.body[: len(response.body) // 2] + fault.body.encode())
    return response


def _ordered_status(fault: Fault) -> Response:
    kind = "application/json;charset=UTF-8" if fault.body.lstrip()[:1] in ("{", "[") else "text/html"
    return Response(fault.status, fault.body.encode(), {"Content-Type": kind, **fault.headers})


def _page(fault: Fault) -> Response:
    response = Response.text(fault.body or _HTML, fault.status or 200, "text/html;charset=UTF-8")
    response.headers.update(fault.headers)
    return response


def _cut(fault: Fault) -> Response:
    raise ConnectionCutError(fault.kind)


_UNSEEN: dict[FaultKind, Callable[[Fault], Response]] = {
    FaultKind.STATUS: _ordered_status,
    FaultKind.HTML: _page,
    FaultKind.RESET_BEFORE: _cut,
    FaultKind.HANG: _cut,
}


def _set_clock(platform: Platform, fault: Fault) -> None:
    platform.clock.offset = timedelta(seconds=fault.seconds)


# What happens to the platform before it handles the call, which then meets it.
_FIRST: dict[FaultKind, Callable[[Platform, Fault], object]] = {
    FaultKind.SPEND_BUDGET: lambda platform, fault: platform.spend_budget(fault.order or WHOLE_BUDGET),
    FaultKind.EXPIRE_TOKENS: lambda platform, fault: platform.expire_tokens(),
    FaultKind.CLOCK: _set_clock,
}
