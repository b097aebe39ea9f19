"""When flows run by themselves. Every worker ticks; whoever moves a due row's `next_at` first has it."""

from __future__ import annotations

import logging
from datetime import datetime

from sync import nightly, services
from sync.cron import CronError, next_tick
from sync.models import Run, Schedule
from sync.models.base import Lane
from sync.models.run import FROM_CHECKPOINT, RunKind, RunMode

logger = logging.getLogger(__name__)


def tick(now: datetime) -> list[Run]:
    """Queue a poll, and a reconciliation, of each flow that is due. Ticks missed while no worker ran count as one.

    Schemas that are due are asked for as well.
    """
    nightly.tick_schemas(now)
    runs = []
    rows = Schedule.objects.filter(enabled=True, flow__enabled=True, flow__paused_reason="").exclude(cron="")
    for schedule in rows.select_related("flow__revision", "flow__mapping_ptr"):
        try:
            run = tick_one(schedule, now)
        except CronError as error:
            # One bad schedule stops itself alone; next_at keeps it from being told every second.
            _tell_once(schedule, error)
            continue
        if run is not None:
            runs.append(run)
    return runs + nightly.tick(now)


def tick_one(schedule: Schedule, now: datetime) -> Run | None:
    """Queue the poll if the row is due and is still as it was read; otherwise another worker has it."""
    upcoming = next_tick(schedule.cron, schedule.flow.time_zone, now)
    if schedule.next_at is None or schedule.next_at > now:
        _correct(schedule, upcoming)
        return None
    claimed = Schedule.objects.filter(pk=schedule.pk, next_at=schedule.next_at).update(
        next_at=upcoming, last_at=now
    )
    return _poll(schedule, now) if claimed else None


def _correct(schedule: Schedule, upcoming: datetime) -> None:
    """Take a new cron or time zone to heart: what is stored was computed from the one before.

    A tick that another worker's clock has passed already is not put back, or it would run a second time.
    """
    if schedule.next_at == upcoming or (schedule.last_at is not None and schedule.last_at >= upcoming):
        return
    Schedule.objects.filter(pk=schedule.pk, next_at=schedule.next_at).update(next_at=upcoming)


def _poll(schedule: Schedule, now: datetime) -> Run | None:
    deferred = Run.objects.deferred().filter(flow=schedule.flow, lane=Lane.LIVE, mode=RunMode.WRITE)
    if deferred.filter(kind__in=FROM_CHECKPOINT, params={}, resume_at__gt=now).exists():
        return None  # it goes on by itself; a run for each tick until then would only say the same
    try:
        return services.request_run(flow=schedule.flow, by=None, kind=RunKind.POLL)
    except services.Refused as refused:
        logger.debug("tick of %s skipped: %s", schedule.flow, refused)  # its run before still works
        return None


_told: set[tuple[int, str]] = set()


def _tell_once(schedule: Schedule, error: CronError) -> None:
    if (schedule.pk, schedule.cron) not in _told:
        _told.add((schedule.pk, schedule.cron))
        logger.error("the schedule of %s never runs: %s", schedule.flow, error)
