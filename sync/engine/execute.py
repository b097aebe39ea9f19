"""The life of a run: take the lane, do a slice, say how it ended. Called by the queue and by the command line."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from sync.connectors.base import Connector
from sync.core.records import Side
from sync.engine import lease as leases
from sync.engine.connect import CallLog, open_connector
from sync.engine.context import build, forget_schema
from sync.engine.garbage import seldom_collected
from sync.engine.runner import Runner, SliceEnded
from sync.engine.store import Store
from sync.errors import (
    AuthenticationError,
    BudgetSpentError,
    ConfigurationError,
    LeaseLostError,
    RunAborted,
    SchemaError,
    SyncError,
)
from sync.models import Connection, Flow, Run
from sync.models.connection import ConnectionHealth
from sync.models.flow import FlowHealth
from sync.models.run import RunStatus

logger = logging.getLogger(__name__)

SLICE = 120.0  # seconds; the queue's own timeout is 300
BUDGET_PAUSE = timedelta(minutes=15)

Progress = Callable[[Run], None]
# Asked at each safe point: whether the process was told to stop.
Stopping = Callable[[], bool]


def execute(run_id: int, progress: Progress | None = None, *, slice_seconds: float | None = None) -> Run:
    """Work on the run until it ends, or until the slice is over (the run then stays running, without a lease).

    Delivered twice, the second call finds the lane held or the run ended, and does nothing.
    """
    run = Run.objects.select_related("flow__mapping_ptr", "revision").get(pk=run_id)
    if not run.is_active:
        return run
    lease = leases.take(run.flow, run.lane, timezone.now())
    if lease is None:
        return run
    try:
        if _start(run):
            _work(run, lease, progress or (lambda run: None), slice_seconds)
    finally:
        leases.release(lease)
    return run


def _start(run: Run) -> bool:
    """Mark the run as running; False if it ended meanwhile."""
    now = timezone.now()
    started = Run.objects.filter(Q(status=RunStatus.QUEUED) | Q(status=RunStatus.RUNNING), pk=run.pk).update(
        status=RunStatus.RUNNING, started_at=run.started_at or now, progress_at=now, slices=run.slices + 1
    )
    run.refresh_from_db()
    return started == 1


def _work(run: Run, lease: leases.Lease, progress: Progress, slice_seconds: float | None) -> None:
    try:
        _run_slice(run, lease, progress, slice_seconds)
    except SliceEnded:
        run.step = "waiting for its next slice"
        run.save(update_fields=["step", "phases"])
    except LeaseLostError as error:
        logger.warning("%s: %s", run, error)
    except RunAborted as error:
        _end(run, RunStatus.CANCELLED, error)
    except SyncError as error:
        _fail(run, error)
    except Exception as error:
        logger.exception("%s failed", run)
        unexpected = SyncError(
            f"{type(error).__name__}: {error}"[:900], code="unexpected",
            advice="This is a fault of the console. Its log has the details; the next run starts at the checkpoint.",
        )  # fmt: skip
        _end(run, RunStatus.FAILED, unexpected)
        raise
    else:
        _succeed(run)
    progress(run)


def _run_slice(run: Run, lease: leases.Lease, progress: Progress, slice_seconds: float | None) -> None:
    flow = run.flow
    connections = {Side.SERVICENOW: flow.servicenow_connection, Side.SALESFORCE: flow.salesforce_connection}
    _refuse_blocked(connections.values())
    log = CallLog(run, connections)
    log.counts[Side.SERVICENOW], log.counts[Side.SALESFORCE] = run.calls_servicenow, run.calls_salesforce
    with ExitStack() as stack:
        opened: dict[Side, Connector] = {}
        for side, connection in connections.items():
            opened[side] = stack.enter_context(closing(open_connector(connection, log)))
        assert run.revision is not None
        try:
            context = build(flow, run.revision, opened[Side.SERVICENOW], opened[Side.SALESFORCE])
            store = Store(context=context, now=timezone.now, run=run, lease=lease, calls=log)
            deadline = time.monotonic() + slice_seconds if slice_seconds else None
            runner = Runner(
                context, run, store, opened[Side.SERVICENOW], opened[Side.SALESFORCE], deadline, progress
            )
            with seldom_collected():
                runner()
        finally:
            run.calls_servicenow, run.calls_salesforce = (
                log.counts[Side.SERVICENOW],
                log.counts[Side.SALESFORCE],
            )
            log.save()


def _refuse_blocked(connections: object) -> None:
    for connection in connections:  # type: ignore[attr-defined]
        if connection.blocked_until and connection.blocked_until > timezone.now():
            raise BudgetSpentError(
                f"The calls of {connection.name} are used up until {connection.blocked_until:%H:%M} UTC.",
                advice="The run goes on when the platform's window frees calls.",
            )


def _succeed(run: Run) -> None:
    troubled = run.failed or run.conflicts or run.in_doubt or run.waiting or run.deferred
    _end(run, RunStatus.PARTIAL if troubled else RunStatus.SUCCEEDED, None)
    Flow.objects.filter(pk=run.flow_id, paused_reason="").exclude(health=FlowHealth.HEALTHY).update(
        health=FlowHealth.HEALTHY, health_message=""
    )
    ends = (run.flow.servicenow_connection_id, run.flow.salesforce_connection_id)
    Connection.objects.filter(pk__in=ends).exclude(health=ConnectionHealth.OK).update(
        health=ConnectionHealth.OK, health_message="", health_at=timezone.now()
    )


def _fail(run: Run, error: SyncError) -> None:
    """Sort the failure: spent budget defers, a broken flow pauses with what to fix, the rest is tried by the next run."""
    if isinstance(error, BudgetSpentError):
        _block(run, error)
        _end(run, RunStatus.DEFERRED, error)
        return
    _end(run, RunStatus.FAILED, error)
    changes = {"health": FlowHealth.FAILING, "health_message": f"{error} {error.advice}"[:500]}
    if isinstance(error, ConfigurationError):
        # Trying again by itself would only repeat it, and a refused login repeated locks the user.
        changes |= {"health": FlowHealth.PAUSED, "paused_reason": f"{error} {error.advice}"[:500]}
    if isinstance(error, SchemaError):
        forget_schema(run.flow.salesforce_connection)
        forget_schema(run.flow.servicenow_connection)
    if isinstance(error, AuthenticationError):
        _mark_connection(run, error)
    Flow.objects.filter(pk=run.flow_id).update(**changes)


def _mark_connection(run: Run, error: SyncError) -> None:
    """The connection that was refused is the one the message names; both where it names neither."""
    name = (
        "ServiceNow"
        if "ServiceNow" in error.message
        else "Salesforce"
        if "Salesforce" in error.message
        else ""
    )
    ends = {
        "ServiceNow": [run.flow.servicenow_connection_id],
        "Salesforce": [run.flow.salesforce_connection_id],
    }
    Connection.objects.filter(pk__in=ends.get(name, [*ends["ServiceNow"], *ends["Salesforce"]])).update(
        health=ConnectionHealth.FAILING, health_message=str(error)[:500], health_at=timezone.now()
    )


def _block(run: Run, error: BudgetSpentError) -> None:
    """Send nothing to the platform until it says, or for a while where it does not."""
    wait = timedelta(seconds=error.retry_after) if error.retry_after else BUDGET_PAUSE
    spent = (
        run.flow.salesforce_connection if "Salesforce" in error.message else run.flow.servicenow_connection
    )
    if spent.blocked_until is None or spent.blocked_until < timezone.now():
        Connection.objects.filter(pk=spent.pk).update(blocked_until=timezone.now() + wait)


def _end(run: Run, status: str, error: SyncError | None) -> None:
    run.status = status
    run.finished_at = run.progress_at = timezone.now()
    run.step = ""
    if error is not None:
        run.error_code, run.error, run.advice = error.code[:80], str(error)[:1000], error.advice[:500]
    run.save(
        update_fields=[
            "status", "finished_at", "progress_at", "step", "error_code", "error", "advice", "phases",
            "calls_servicenow", "calls_salesforce",
        ]
    )  # fmt: skip
    logger.info("%s of %s ended: %s", run, run.flow, status)


def unattended(now: datetime) -> list[int]:
    """Runs that are active although no worker holds their lane: a lost task, a dead worker, or the next slice."""
    return [
        run.pk for run in Run.objects.active().order_by("pk") if not leases.held(run.flow_id, run.lane, now)
    ]
