"""The life of a run: take the lane, do a slice, say how it ended. Called by the queue and by the command line."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from sync.connectors.base import Connector
from sync.constraints import breaks
from sync.core.records import Side
from sync.engine import lease as leases
from sync.engine import parts
from sync.engine.connect import CallLog, open_connector
from sync.engine.context import DEFAULT_PAGE, Context, build
from sync.engine.garbage import seldom_collected
from sync.engine.paging import SliceEnded
from sync.engine.parts import Cut, Load, PartRunner, PartStore
from sync.engine.plans import Applier, PlanningStore
from sync.engine.reconcile import Reconciler
from sync.engine.renewal import Renewal
from sync.engine.runner import LOAD_FROM, Runner
from sync.engine.schemas import forget_schema
from sync.engine.store import Store
from sync.errors import (
    AuthenticationError,
    BudgetSpentError,
    CircuitOpenError,
    ConfigurationError,
    LeaseLostError,
    OutcomeUnknownError,
    RunAborted,
    SchemaError,
    SyncError,
    TransientError,
)
from sync.models import Connection, Flow, Run
from sync.models.base import Lane
from sync.models.connection import ConnectionHealth
from sync.models.flow import FlowHealth
from sync.models.run import (
    FROM_CHECKPOINT,
    ONE_ACTIVE,
    RECONCILING,
    RunKind,
    RunMode,
    RunQuerySet,
    RunStatus,
)

logger = logging.getLogger(__name__)

SLICE = 120.0  # seconds; the queue's own timeout is 300
BUDGET_PAUSE = timedelta(minutes=15)
STUMBLE = timedelta(minutes=1)  # after a fault that may pass, before a first load goes on

Progress = Callable[[Run], None]
# Asked at each safe point, and before each write: whether the process was told to stop.
Stopping = Callable[[], bool]
# Told that a run was cut into parts, for other workers to join.
Ring = Callable[[Run], None]
# Begins a first load of the run's flow in the backfill lane, of all records or of those since a moment; whether it could.
FirstLoad = Callable[[Run, str], bool]
NEXT_SLICE = "waiting for its next slice"


@dataclass(frozen=True, slots=True)
class Slice:
    """How long to work on a run at a stretch (`seconds`; None: to its end), and in pages of how many records."""

    progress: Progress
    seconds: float | None
    stopping: Stopping
    page_size: int
    load_from: int
    ring: Ring
    first_load: FirstLoad | None


def never() -> bool:
    return False


def nobody(run: Run) -> None:
    """Call no other worker."""


def execute(
    run_id: int,
    progress: Progress | None = None,
    *,
    slice_seconds: float | None = None,
    stopping: Stopping = never,
    page_size: int = DEFAULT_PAGE,
    load_from: int = LOAD_FROM,
    ring: Ring = nobody,
    first_load: FirstLoad | None = None,
) -> Run:
    """Work on the run until it ends, or until the slice is over (the run then stays running, without a lease).

    A slice is over after `slice_seconds`, or at the next safe point once `stopping` says so.
    Delivered twice, the second call finds the lane held or the run ended, and does nothing. A large resync is cut into
    parts, of which each call takes one after the other until none is free: any number of workers share them. A flow's
    first poll of a large table is left to such a run, if `first_load` can begin one.
    """
    asked = Slice(
        progress or (lambda run: None), slice_seconds, stopping, page_size, load_from, ring, first_load
    )
    run = Run.objects.select_related("flow__mapping_ptr", "revision").get(pk=run_id)
    if run.is_active and not run.parts:
        _work_in_lane(run, asked)
    if run.is_active and run.parts and _work_on_parts(run, asked):
        _work_in_lane(run, asked)
    return run


def _work_in_lane(run: Run, asked: Slice) -> None:
    lease = leases.take(run.flow, run.lane, timezone.now())
    if lease is None:
        return
    try:
        # Another worker may have cut it since it was read here: only when all parts are done is it brought to its end.
        if _start(run) and not _put_aside(run) and not (run.parts and parts.left(run)):
            _work(run, lease, asked)
    finally:
        leases.release(lease)


def _work_on_parts(run: Run, asked: Slice) -> bool:
    """Take one part after the other; whether all are done, so that the run can be brought to its end."""
    if not _start(run) or _put_aside(run):
        return False
    if not run.cancel_requested:
        try:
            _take_parts(run, asked)
        except LeaseLostError as error:
            logger.warning("%s: %s", run, error)
        except RunAborted:
            pass  # told below, once the last worker has noticed
        except SyncError as error:
            _hold_up(run, error)
        except Exception as error:
            logger.exception("%s failed", run)
            _end(run, RunStatus.FAILED, _unexpected(error))
            raise
    step = run.step
    run.refresh_from_db()
    if run.is_active and run.cancel_requested:
        if parts.nobody_works(run, timezone.now()):
            _end(run, RunStatus.CANCELLED, RunAborted("Cancelled by a person.", code="cancelled"))
        return False
    run.step = step if step == NEXT_SLICE else run.step  # of this worker alone
    return run.status == RunStatus.RUNNING and not parts.left(run)


def _take_parts(run: Run, asked: Slice) -> None:
    queued = asked.seconds is not None
    deadline = time.monotonic() + asked.seconds if asked.seconds is not None else None
    taken = parts.claim(run, timezone.now(), queued=queued)
    if taken is None:
        return
    lease = taken[1]
    try:
        log = _call_log(run)
        with _platforms(run, log) as (context, opened):
            while taken is not None:
                part, lease = taken
                store = PartStore(
                    context=context, now=timezone.now, run=parts.share_of(run, part), lease=lease, calls=log, part=part
                )  # fmt: skip
                with seldom_collected():
                    PartRunner(
                        context, store.run, store, opened[Side.SERVICENOW], opened[Side.SALESFORCE], deadline,
                        lambda share: asked.progress(Run.objects.select_related("flow").get(pk=share.pk)),
                        page_size=asked.page_size, stopping=asked.stopping, part=part,
                    )()  # fmt: skip
                leases.release(lease)
                if asked.stopping() or (deadline is not None and time.monotonic() > deadline):
                    raise SliceEnded
                taken = parts.claim(run, timezone.now(), queued=queued)
    except SliceEnded:
        run.step = NEXT_SLICE
    finally:
        leases.release(lease)


def _start(run: Run) -> bool:
    """Mark the run as running; False if it ended meanwhile."""
    now = timezone.now()
    started = Run.objects.filter(Q(status=RunStatus.QUEUED) | Q(status=RunStatus.RUNNING), pk=run.pk).update(
        status=RunStatus.RUNNING, started_at=run.started_at or now, progress_at=now, slices=run.slices + 1
    )
    run.refresh_from_db()
    return started == 1


def _put_aside(run: Run) -> bool:
    """A flow that is paused or disabled begins no run and goes on with none: whether this one waits for that."""
    flow = run.flow
    if flow.enabled and not flow.paused_reason:
        return False
    why = f"{flow.name} is paused: {flow.paused_reason}" if flow.enabled else f"{flow.name} is disabled."
    run.resume_at = timezone.now()
    _end(
        run,
        RunStatus.DEFERRED,
        SyncError(why, code="flow_idle", advice="It goes on by itself once the flow is in use again."),
    )
    return True


def _work(run: Run, lease: leases.Lease, asked: Slice) -> None:
    try:
        _run_slice(run, lease, asked)
    except Cut:
        asked.ring(run)
        return
    except SliceEnded:
        run.step = NEXT_SLICE
        run.save(update_fields=["step", "phases"])
    except LeaseLostError as error:
        logger.warning("%s: %s", run, error)
    except RunAborted as error:
        _end(run, RunStatus.CANCELLED, error)
    except SyncError as error:
        _fail(run, error)
    except Exception as error:
        logger.exception("%s failed", run)
        _end(run, RunStatus.FAILED, _unexpected(error))
        raise
    else:
        _succeed(run)
    asked.progress(run)


def _unexpected(error: Exception) -> SyncError:
    return SyncError(
        f"{type(error).__name__}: {error}"[:900], code="unexpected",
        advice="This is a fault of the console. Its log has the details; the next run starts at the checkpoint.",
    )  # fmt: skip


def _call_log(run: Run) -> CallLog:
    flow = run.flow
    connections = {Side.SERVICENOW: flow.servicenow_connection, Side.SALESFORCE: flow.salesforce_connection}
    return CallLog(run, connections, background=run.lane == Lane.BACKFILL)


def _run_slice(run: Run, lease: leases.Lease, asked: Slice) -> None:
    log = _call_log(run)
    log.counts[Side.SERVICENOW], log.counts[Side.SALESFORCE] = run.calls_servicenow, run.calls_salesforce
    try:
        with _platforms(run, log) as (context, opened):
            keeps = run.mode == RunMode.DRY or run.kind == RunKind.APPLY
            store = (PlanningStore if keeps else Store)(
                context=context, now=timezone.now, run=run, lease=lease, calls=log
            )
            deadline = time.monotonic() + asked.seconds if asked.seconds is not None else None
            work, more = _work_of(run, asked)
            runner = work(
                context, run, store, opened[Side.SERVICENOW], opened[Side.SALESFORCE], deadline, asked.progress,
                page_size=asked.page_size, stopping=asked.stopping, **more,
            )  # fmt: skip
            with seldom_collected():
                runner()
    finally:
        run.calls_servicenow, run.calls_salesforce = (
            log.counts[Side.SERVICENOW],
            log.counts[Side.SALESFORCE],
        )


def _work_of(run: Run, asked: Slice) -> tuple[type[Applier | Reconciler | Runner], dict[str, Any]]:
    """What kind of work the run is, with what it is given beside."""
    if run.kind in RECONCILING:
        return Reconciler, {}
    if run.kind == RunKind.APPLY:
        return Applier, {}
    if run.kind == RunKind.RESYNC and not (run.params.get("ids") or run.params.get("renew")):
        return Load, {"load_from": asked.load_from}
    return Runner, {"load_from": asked.load_from, "first_load": asked.first_load}


@contextmanager
def _platforms(run: Run, log: CallLog) -> Iterator[tuple[Context, Mapping[Side, Connector]]]:
    """Both platforms, and the flow made ready to run between them; what calls told of them is saved at the end."""
    log.ask()
    assert run.revision is not None
    with ExitStack() as stack:
        opened: dict[Side, Connector] = {}
        for side, connection in log.connections.items():
            opened[side] = stack.enter_context(closing(open_connector(connection, log)))
        try:
            for side in log.circuit.trying:
                opened[side].server_now()  # one cheap call tells whether the platform is back
            here, there = opened[Side.SERVICENOW], opened[Side.SALESFORCE]
            context = build(run.flow, run.revision, here, there, judging=run.mode == RunMode.DRY)
            if renew := run.params.get("renew"):
                found = Renewal.of(
                    run.flow, run.revision, renew["earlier"], context.mapping, context.environment
                )
                context = replace(context, renewal=found)
            yield context, opened
        except (TransientError, OutcomeUnknownError) as error:
            log.circuit.save()
            if circuit_open := log.circuit.is_open(error.system):
                raise circuit_open from error
            raise
        finally:
            log.save()


def _succeed(run: Run) -> None:
    stale = run.kind == RunKind.APPLY and run.error_code  # what it left of its plan, and why
    troubled = run.failed or run.conflicts or run.in_doubt or run.waiting or run.deferred or stale
    _end(run, RunStatus.PARTIAL if troubled else RunStatus.SUCCEEDED, None)
    Flow.objects.filter(pk=run.flow_id, paused_reason="").exclude(health=FlowHealth.HEALTHY).update(
        health=FlowHealth.HEALTHY, health_message=""
    )
    ends = (run.flow.servicenow_connection_id, run.flow.salesforce_connection_id)
    sound = Connection.objects.filter(pk__in=ends, circuit_open_until=None)
    sound.exclude(health=ConnectionHealth.OK, circuit_openings=0).update(
        health=ConnectionHealth.OK, health_message="", health_at=timezone.now(), circuit_openings=0
    )


def _fail(run: Run, error: SyncError) -> None:
    """Sort the failure: a spent budget or an open circuit defers, a broken flow pauses with what to fix, the rest is
    tried by the next run."""
    if isinstance(error, BudgetSpentError) and error.code != BudgetSpentError.code:
        _block(run, error)
    if isinstance(error, BudgetSpentError | CircuitOpenError):
        _defer(run, error)
        return
    _end(run, RunStatus.FAILED, error)
    _tell_flow(run, error)


def _hold_up(run: Run, error: SyncError) -> None:
    """A first load is hours of work: whatever stops it, it goes on where its parts stand once that is mended."""
    if isinstance(error, BudgetSpentError | CircuitOpenError):
        _fail(run, error)
        return
    broken = isinstance(error, ConfigurationError)
    run.resume_at = timezone.now() + (timedelta() if broken else STUMBLE)
    _end(run, RunStatus.DEFERRED, error)
    _tell_flow(run, error)


def _tell_flow(run: Run, error: SyncError) -> None:
    changes = {"health": FlowHealth.FAILING, "health_message": error.told[:500]}
    if isinstance(error, ConfigurationError):
        # Trying again by itself would only repeat it, and a refused login repeated locks the user.
        changes |= {"health": FlowHealth.PAUSED, "paused_reason": error.told[:500]}
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
    """The platform itself said so: send it nothing until it says, or for a while where it does not."""
    error.retry_after = error.retry_after or BUDGET_PAUSE.total_seconds()
    until = timezone.now() + timedelta(seconds=error.retry_after)
    spent = _connection_at(run, error.system)
    longer = Q(blocked_until=None) | Q(blocked_until__lt=until)
    Connection.objects.filter(longer, pk=spent.pk).update(blocked_until=until)


def _connection_at(run: Run, system: str) -> Connection:
    flow = run.flow
    return flow.salesforce_connection if system == Side.SALESFORCE else flow.servicenow_connection


def _defer(run: Run, error: TransientError) -> None:
    """End the run where its checkpoint stands; it goes on by itself when it may."""
    run.resume_at = timezone.now() + timedelta(seconds=error.retry_after or BUDGET_PAUSE.total_seconds())
    _end(run, RunStatus.DEFERRED, error)
    if run.lane == Lane.LIVE:
        health = FlowHealth.FAILING if isinstance(error, CircuitOpenError) else FlowHealth.BEHIND
        Flow.objects.filter(pk=run.flow_id, paused_reason="").update(
            health=health, health_message=str(error)[:500]
        )


def _end(run: Run, status: str, error: SyncError | None) -> None:
    run.status = status
    run.finished_at = run.progress_at = timezone.now()
    run.step = ""
    if error is not None:
        run.error_code, run.error, run.advice = error.code[:80], str(error)[:1000], error.advice[:500]
    names = ["status", "finished_at", "progress_at", "step", "error_code", "error", "advice", "resume_at"]
    if not run.parts or status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL):
        names += ["phases", "calls_servicenow", "calls_salesforce"]  # else others count them too
    run.save(update_fields=names)
    logger.info("%s of %s ended: %s", run, run.flow, status)


def unattended(now: datetime) -> list[int]:
    """Runs that are active although no worker holds their lane: a lost task, a dead worker, or the next slice.

    Of those in parts, where a part is free, or all are done.
    """
    return [
        run.pk
        for run in Run.objects.active().order_by("pk")
        if not leases.held(run.flow_id, run.lane, now) and not (run.parts and parts.is_attended(run, now))
    ]


def resume_deferred(now: datetime) -> list[int]:
    """Queue the deferred runs again whose time has come. One that a later run made needless stays ended."""
    resumed = []
    for run in Run.objects.deferred().filter(resume_at__lte=now).order_by("pk").select_related("flow"):
        deferred = Run.objects.deferred().filter(pk=run.pk)
        if _is_needless(run):
            deferred.update(resume_at=None)
        elif run.flow.enabled and not run.flow.paused_reason and _queue_again(deferred):
            if run.parts:  # it may have stopped at what a newer revision has mended
                Run.objects.filter(pk=run.pk).update(revision=run.flow.revision_id)
            resumed.append(run.pk)
    return resumed


def _is_needless(run: Run) -> bool:
    """Whether a later run reads all that this one would have read."""
    if run.params:
        return False
    kinds = FROM_CHECKPOINT if run.kind in FROM_CHECKPOINT else (run.kind,)
    later = Run.objects.filter(flow_id=run.flow_id, pk__gt=run.pk, mode=run.mode, kind__in=kinds, params={})
    return later.exclude(status__in=(RunStatus.CANCELLED, RunStatus.FAILED)).exists()


def _queue_again(deferred: RunQuerySet) -> bool:
    """False if the lane's active run must end first, or another worker was quicker."""
    try:
        with transaction.atomic():
            return bool(
                deferred.update(
                    status=RunStatus.QUEUED,
                    resume_at=None,
                    finished_at=None,
                    error_code="",
                    error="",
                    advice="",
                )
            )
    except IntegrityError as error:
        if not breaks(error, Run, ONE_ACTIVE):
            raise
        return False
