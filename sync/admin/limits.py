"""What a connection's page says of its budget and of its circuit breaker. Reads rows alone, asks no platform."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sync.core.budget import HOUR, Window
from sync.engine.budget import standing
from sync.models import Connection


def limits(connection: Connection, now: datetime) -> dict[str, Any]:
    """`budget`: a sentence for each limit that is known; `circuit`: what is held back and until when, "" if nothing."""
    return {"budget": list(_budget(connection, now)), "circuit": _circuit(connection, now)}


def _budget(connection: Connection, now: datetime) -> Iterator[str]:
    if connection.blocked_until and connection.blocked_until > now:
        yield f"The platform says that its calls are used up. Nothing is sent until {connection.blocked_until:%H:%M} UTC."
    for window in standing(connection, now):
        yield _line(window, connection.reserve_percent)


def _line(window: Window, reserve_percent: int) -> str:
    span = "this hour" if window.span == HOUR else "within 24 hours"
    who = "everybody's" if window.shared else "ours"
    kept = (
        f"; the last {window.reserve(reserve_percent):,} are kept for the live lane"
        if reserve_percent
        else ""
    )
    return f"{window.used:,} of {window.allowed:,} calls {span} ({who}){kept}."


def _circuit(connection: Connection, now: datetime) -> str:
    until = connection.circuit_open_until
    if until is None:
        return ""
    times = f"{connection.circuit_openings:,} times in a row" if connection.circuit_openings > 1 else "once"
    if until > now:
        return f"Opened {times}: nothing is sent until {until:%H:%M:%S} UTC, then one run tries whether it is back."
    return f"Opened {times}: the next run tries whether the platform is back. So does Test connection."
