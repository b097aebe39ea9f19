"""What each connection has used of its calls, in its own window, and when it touches what is kept in reserve."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.urls import reverse

from integration_console.theme import present


def budgets(connections: Sequence[Any], now: datetime) -> list[dict[str, Any]]:
    """A line for each connection: its narrowest limit, by counts of hours alone, in one query for all."""
    from sync.engine.budget import standings

    found = standings(connections, now)
    return [_line(connection, found[connection.pk], now) for connection in connections]


def _line(connection: Any, standing: Any, now: datetime) -> dict[str, Any]:
    from sync.core.budget import HOUR, reserve_reached

    kept = connection.reserve_percent
    windows = sorted(standing.windows, key=lambda window: (window.room(kept), -window.used))
    window = windows[0] if windows else None
    reached = window and reserve_reached(window, hourly=standing.hourly, reserve_percent=kept, now=now)
    return {
        "connection": connection,
        "url": reverse("admin:sync_connection_change", args=[connection.pk]),
        "window": window,
        "percent": present.percent(window.used, window.allowed) if window else 0,
        "reserve": 100 - kept,
        "span": "this hour" if window and window.span == HOUR else "last 24 h",
        "hourly": round(standing.hourly),
        "reached": reached,
        "touched": reached is not None and reached <= now,
        "blocked": connection.blocked_until if (connection.blocked_until or now) > now else None,
    }
