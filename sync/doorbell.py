"""Work that waits although nobody works on it is rung for again: rings get lost, rows do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django_q.tasks import async_task

from sync import services
from sync.engine.execute import resume_deferred, unattended
from sync.models import Flow, Question, Run, Waiting
from sync.models.base import Lane
from sync.models.question import QuestionState
from sync.models.run import RunKind

LOST_AFTER = timedelta(seconds=10)  # a ring is answered within a second by an idle worker
AGAIN_AFTER = timedelta(seconds=30)  # a busy queue is not filled with rings for the same work
SOON = timedelta(seconds=60)  # a scheduled poll within this takes the waiting records along

Ring = Callable[..., object]


class Doorbell:
    """Remembers when it rang for what, so that each piece of work is rung for twice a minute at most."""

    def __init__(self, ring: Ring = async_task) -> None:
        self._ring = ring
        self._rung: dict[tuple[str, int], datetime] = {}

    def answer_lost(self, now: datetime) -> list[tuple[str, int]]:
        """Ring for everything that waits unattended; returns (task, id) of each ring."""
        resume_deferred(now)
        rung = [work for work in _waiting_work(now) if self._due(work, now)]
        for task, number in rung:
            self._rung[task, number] = now
            self._ring(task, number)
        self._rung = {work: at for work, at in self._rung.items() if now - at < AGAIN_AFTER}
        self._retry_waiting(now)
        return rung

    def _due(self, work: tuple[str, int], now: datetime) -> bool:
        last = self._rung.get(work)
        return last is None or now - last >= AGAIN_AFTER

    def _retry_waiting(self, now: datetime) -> None:
        for flow in _flows_with_due_records(now):
            if not self._due(("retry", flow.pk), now):
                continue
            self._rung["retry", flow.pk] = now
            try:
                services.request_run(flow=flow, by=None, kind=RunKind.RETRY)
            except services.Refused:
                continue  # the active run takes them along


def _waiting_work(now: datetime) -> Iterator[tuple[str, int]]:
    """Runs without a living lease, be it a lost ring or a worker that died; questions nobody answered."""
    alone = unattended(now)
    for run in Run.objects.active().filter(pk__in=alone):
        # A free part is rung for although others get on: that is how a new worker joins.
        if run.parts or now - (run.progress_at or run.created_at) > LOST_AFTER:
            yield "sync.tasks.execute_run", run.pk
    asked = Question.objects.filter(state=QuestionState.ASKED, asked_at__lt=now - LOST_AFTER)
    for number in asked.order_by("pk").values_list("pk", flat=True)[:100]:
        yield "sync.tasks.answer_question", number


def _flows_with_due_records(now: datetime) -> Iterator[Flow]:
    due = Waiting.objects.filter(due_at__lte=now).values("flow")
    flows = Flow.objects.filter(pk__in=due, enabled=True, paused_reason="", revision__isnull=False)
    polled_soon = flows.filter(schedule__enabled=True, schedule__next_at__lt=now + SOON).exclude(
        schedule__cron=""
    )
    taken_along = Run.objects.deferred().filter(lane=Lane.LIVE, resume_at__gt=now).values("flow")
    flows = flows.exclude(pk__in=polled_soon.values("pk")).exclude(pk__in=taken_along)
    yield from flows.select_related("revision")
