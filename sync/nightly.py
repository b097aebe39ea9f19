"""When flows reconcile by themselves: their `reconcile` setting, a cron in the flow's time zone, nightly by default.

And when what platforms say of their tables and objects is read again: each night.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db.models import Q

from sync import inspecting, services
from sync.cron import CronError, next_tick
from sync.models import Connection, Flow, Question, Run

logger = logging.getLogger(__name__)

# Clocks of two workers differ by less: what one of them has started is not started again by the other.
SKEW = timedelta(minutes=5)
SCHEMAS_AT = "30 1 * * *"  # UTC: before most reconciliations


def tick(now: datetime) -> list[Run]:
    """Queue a reconciliation of each flow that is due. Nights missed while no worker ran count as one."""
    flows = Flow.objects.filter(enabled=True, paused_reason="", revision__isnull=False).exclude(reconcile="")
    found = (tick_one(flow, now) for flow in flows.only("name", "reconcile", "reconcile_at", "time_zone"))
    return [run for run in found if run is not None]


def tick_schemas(now: datetime) -> list[Question]:
    """Have the schemas read of each connection that is due and that an enabled flow uses. One new here waits for its night."""
    due = Connection.objects.filter(Q(schemas_due_at__isnull=True) | Q(schemas_due_at__lte=now))
    asked = []
    for connection in due.only("name", "schemas_due_at"):
        upcoming = next_tick(SCHEMAS_AT, "UTC", now)
        claimed = Connection.objects.filter(pk=connection.pk, schemas_due_at=connection.schemas_due_at)
        if claimed.update(schemas_due_at=upcoming) and connection.schemas_due_at and _is_used(connection):
            asked.append(inspecting.read_schemas(connection=connection, by=None))
    return asked


def _is_used(connection: Connection) -> bool:
    on = Q(servicenow_connection=connection) | Q(salesforce_connection=connection)
    return Flow.objects.filter(on, enabled=True, paused_reason="").exists()


def tick_one(flow: Flow, now: datetime) -> Run | None:
    """Queue it if the flow is due and still as it was read; otherwise another worker has it."""
    try:
        upcoming = next_tick(flow.reconcile, flow.time_zone, now)
    except CronError as error:
        logger.debug("%s never reconciles: %s", flow, error)  # forms and files refuse it beforehand
        return None
    due = flow.reconcile_at is not None and flow.reconcile_at <= now
    if not due and not _is_stale(flow.reconcile_at, upcoming, now):
        return None
    claimed = Flow.objects.filter(pk=flow.pk, reconcile_at=flow.reconcile_at).update(reconcile_at=upcoming)
    return _start(flow) if claimed and due else None


def _is_stale(stored: datetime | None, upcoming: datetime, now: datetime) -> bool:
    """Whether what is stored was computed from an earlier cron or time zone, and not by a clock that is ahead."""
    if stored is None:
        return True
    return stored != upcoming and not (stored > upcoming and upcoming - now < SKEW)


def _start(flow: Flow) -> Run | None:
    try:
        return services.reconcile(flow=Flow.objects.get(pk=flow.pk), by=None)
    except services.Refused as refused:
        logger.info("%s does not reconcile now: %s", flow, refused)  # its first load still works
        return None
