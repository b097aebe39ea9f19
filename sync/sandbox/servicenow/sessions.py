"""The cookie trap: a client that sends its session cookie back has its calls run one after another.

When more than ten wait, further ones get 202 with an empty body and are never executed.
Source: the vendor's community on "HTTP 202 from an inbound web service call".
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from sync.sandbox.wire import Request, Response

MAX_WAITING = 10
_COOKIE = re.compile(r"JSESSIONID=([0-9A-F]{32})")


@dataclass(slots=True)
class _Session:
    turn: Lock = field(default_factory=Lock)
    queued: int = 0  # waiting or running


class Sessions:
    def __init__(self) -> None:
        self._lock = Lock()
        self._sessions: dict[str, _Session] = {}

    @contextmanager
    def admit(self, request: Request) -> Iterator[Response | None]:
        """Wait for the session's turn; yields the refusal instead when too many wait already."""
        match = _COOKIE.search(request.headers.get("cookie", ""))
        if match is None:
            yield None
            return
        with self._lock:
            session = self._sessions.setdefault(match[1], _Session())
            dropped = session.queued > MAX_WAITING
            session.queued += not dropped
        if dropped:
            yield Response.empty(202)
            return
        try:
            with session.turn:
                yield None
        finally:
            with self._lock:
                session.queued -= 1

    def queued(self, request: Request) -> int:
        """How many calls of the request's session wait or run at this moment."""
        match = _COOKIE.search(request.headers.get("cookie", ""))
        with self._lock:
            session = self._sessions.get(match[1]) if match else None
            return session.queued if session else 0

    def cookie(self) -> str:
        return f"JSESSIONID={secrets.token_hex(16).upper()}; Path=/; HttpOnly; SameSite=None; Secure"
