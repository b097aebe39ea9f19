"""The worker: keeps a task queue running, ticks the schedules, rings for lost work, and restarts a queue that is stuck.

The queue is a child on a leash: when this process dies, by whatever signal, the queue and all its processes die too.
A queue deadlocks when one of its idle processes is killed (django-q2 issues 23 and 339); nothing inside can see
that, so a canary task is sent through it, and one that does not come back in time ends the whole group.
"""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone
from django_q.tasks import async_task

from integration_console.processes import Child, manage
from sync import schedules
from sync.doorbell import Doorbell
from sync.engine import lease as leases
from sync.models import Worker

logger = logging.getLogger(__name__)

TICK = 1.0  # seconds, as all below
SWEEP = 5.0
HEARTBEAT = 5.0
CANARY = 10.0
FORGET = timedelta(days=1)
SHORT, LONG = 0.5, 30.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the queue may be silent (seconds) before it counts as stuck, and how long it may take to end.

    `busy`: every process may be in a slice of a run, and those end within the queue's own timeout.
    """

    idle: float = 45.0
    busy: float = 360.0
    stop: float = 150.0  # an orderly end awaits the answers under way
    stuck: float = 3.0


@dataclass(slots=True)
class Every:
    """A duty and how often it falls due."""

    seconds: float
    duty: Callable[[], None]
    due: float = field(default=0.0)

    def perform(self, now: float) -> None:
        if now >= self.due:
            self.due = now + self.seconds
            self.duty()


class Supervisor:
    """One worker process. `run` returns when `stop` is set."""

    def __init__(
        self,
        *,
        command: Sequence[str] | None = None,
        patience: Patience | None = None,
        canary_every: float = CANARY,
        clock: Callable[[], datetime] = timezone.now,
    ) -> None:
        self.stop = threading.Event()
        self.name = f"{platform.node()}:{os.getpid()}"
        self.patience = patience or Patience()
        # Without Django's checks: they are about pages as well, and a queue has none.
        self._command = list(command or manage("qcluster", "--skip-checks"))
        self._clock = clock
        self._doorbell = Doorbell()
        self._cluster: Child | None = None
        self._pause = SHORT  # seconds before a queue that ended is started again
        self._silent_since = self._started_at = clock()  # start of the queue, or the last canary's return
        self._canary = Every(canary_every, self._send_canary)
        self._duties = (
            Every(TICK, self._tick),
            Every(SWEEP, self._sweep),
            Every(HEARTBEAT, self._report),
            self._canary,
            Every(TICK, self._watch),
        )

    def run(self) -> None:
        now = self._clock()
        Worker.objects.filter(seen_at__lt=now - FORGET).delete()
        Worker.objects.update_or_create(
            name=self.name, defaults={"started_at": now, "seen_at": now, "canary_at": None}
        )
        self._start()
        try:
            while not self.stop.wait(0.2):
                self._round()
        finally:
            self._end()

    def _round(self) -> None:
        for every in self._duties:
            try:
                every.perform(time.monotonic())
            except Exception:
                logger.exception("the worker's %s failed and is tried again", every.duty.__name__.strip("_"))
        close_old_connections()

    def _tick(self) -> None:
        for run in schedules.tick(self._clock()):
            logger.info("%s of %s queued by its schedule", run, run.flow)

    def _sweep(self) -> None:
        for task, number in self._doorbell.answer_lost(self._clock()):
            logger.info("rang again for %s %d", task, number)

    def _report(self) -> None:
        Worker.objects.filter(name=self.name).update(seen_at=self._clock())

    def _send_canary(self) -> None:
        """Not before the last one is back, or a stuck queue would fill with them; one that is lost is sent again."""
        if not 2 * CANARY <= self._silence() <= 3 * CANARY:
            async_task("sync.tasks.canary", self.name)

    def _watch(self) -> None:
        assert self._cluster is not None
        if self._cluster.ended():
            logger.error("the task queue ended with status %s and is started again", self._cluster.status)
            self._pause_before_restart()
            self._restart()
            return
        silent = self._silence()
        bound = self.patience.idle if self._idle_capable() else self.patience.busy
        if silent > bound:
            logger.error("no task came through the queue for %.0f s: it is stuck and started again", silent)
            self._restart()

    def _pause_before_restart(self) -> None:
        """Wait twice as long each time it ends at once: what it lacks does not come back by hurry."""
        lived = (self._clock() - self._started_at).total_seconds()
        self._pause = SHORT if lived > LONG else min(self._pause * 2, LONG)
        self.stop.wait(self._pause)

    def _silence(self) -> float:
        """Seconds since a task last came through the queue, or since it was started."""
        canary_at = Worker.objects.filter(name=self.name).values_list("canary_at", flat=True).first()
        if canary_at and canary_at > self._silent_since:
            self._silent_since = canary_at
        return (self._clock() - self._silent_since).total_seconds()

    def _idle_capable(self) -> bool:
        """Whether fewer lanes and parts are worked in than the queue has processes, so that a canary finds one free."""
        return leases.at_work(self._clock()) < int(settings.Q_CLUSTER["workers"])

    def _start(self) -> None:
        self._silent_since = self._started_at = self._clock()
        self._cluster = Child("queue", self._command)

    def _restart(self) -> None:
        assert self._cluster is not None
        self._cluster.stop(grace=self.patience.stuck)
        row = Worker.objects.filter(name=self.name)
        row.update(restarts=(row.values_list("restarts", flat=True).first() or 0) + 1)
        self._start()
        self._canary.due = 0.0  # whether the new queue works is known as soon as it does

    def _end(self) -> None:
        if self._cluster is not None and not self._cluster.stop(grace=self.patience.stop):
            logger.warning(
                "the task queue did not end in time and was killed; its runs go on from their checkpoints"
            )
        Worker.objects.filter(name=self.name).delete()
