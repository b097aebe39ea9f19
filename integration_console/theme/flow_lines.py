"""A flow as a line of the Overview: how it is, how far behind each side, what it did, and whether it is too quiet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Min, Q
from django.urls import reverse

from integration_console.theme import present
from integration_console.theme.chart import Spark

# A flow is silent when so many of its ticks, and so long a time, have passed since its last poll began.
SILENT_TICKS = 3
SILENT_AT_LEAST = timedelta(minutes=10)


def flows() -> list[Any]:
    """All flows, with their last run and when the last finished poll of each side began."""
    from sync.admin.flows import for_list
    from sync.models import Flow

    found = for_list(Flow.objects.select_related("schedule", "revision", "lint").defer("revision__snapshot"))
    return list(found.annotate(servicenow_at=_read("servicenow"), salesforce_at=_read("salesforce")))


def _read(side: str) -> Min:
    own = Q(checkpoints__lane="live", checkpoints__stream="", checkpoints__side=side)
    return Min("checkpoints__completed_at", filter=own)


def read_at(flow: Any) -> datetime | None:
    """Of the sides that are read, the one that was read longest ago."""
    return min((at for at in (flow.servicenow_at, flow.salesforce_at) if at), default=None)


def held_up(flow: Any) -> bool:
    """A person has paused it, or has to look before its deletions go on."""
    return bool(flow.paused_reason or flow.deletions_paused)


def silent_since(flow: Any, now: datetime) -> datetime | None:
    """Since when a flow says nothing although its schedule asks it to; None where that is as usual.

    A first poll is awaited from the day its revision was published. One at work is not silent.
    """
    from sync.cron import CronError, next_tick

    schedule = getattr(flow, "schedule", None)
    if schedule is None or not (schedule.enabled and schedule.cron and flow.revision_id):
        return None
    if not flow.enabled or flow.paused_reason or flow.last_status == "running":
        return None
    heard = read_at(flow) or flow.revision.created_at
    if now - heard < SILENT_AT_LEAST:
        return None
    try:
        tick = heard
        for _ in range(SILENT_TICKS):
            tick = next_tick(schedule.cron, flow.time_zone, tick)
    except CronError:
        return heard  # a schedule that never comes is silence as well
    return heard if tick < now else None


def line(flow: Any, counts: Mapping[str, int], spark: Spark | None, now: datetime) -> dict[str, Any]:
    from sync.admin.flows import ends, health, next_run

    return {
        "flow": flow,
        "url": reverse("admin:sync_flow_change", args=[flow.pk]),
        "ends": ends(flow),
        "health": health(flow),
        "silent": silent_since(flow, now),
        "behind": [
            (side, present.span((now - at).total_seconds()) if at else "–", at)
            for side, at in (("servicenow", flow.servicenow_at), ("salesforce", flow.salesforce_at))
        ],
        "run_url": reverse("admin:sync_run_change", args=[flow.last_run_id]) if flow.last_run_id else "",
        "new": counts.get("created", 0),
        "updated": counts.get("updated", 0) + counts.get("adopted", 0),
        "failed": counts.get("failed", 0),
        "conflicts": counts.get("conflict", 0),
        "spark": spark,
        "next": next_run(flow),
    }
