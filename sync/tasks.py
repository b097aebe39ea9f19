"""What the queue calls, by dotted name. A task carries an id and claims its row; repeating one repeats nothing."""

from __future__ import annotations

from django.utils import timezone
from django_q.tasks import async_task

from integration_console.logs import run_id as logged_run
from integration_console.processes import told_to_stop
from sync import services
from sync.engine.execute import NEXT_SLICE, SLICE, execute
from sync.models import Run

MOST_HELPERS = 32


def execute_run(run_id: int) -> None:
    """Work a slice of the run; queue the next slice if it has not ended.

    When the worker is told to stop, the slice ends at the next safe point, and another worker goes on.
    """
    token = logged_run.set(run_id)
    try:
        run = execute(
            run_id,
            slice_seconds=SLICE,
            stopping=told_to_stop,
            ring=call_helpers,
            first_load=services.begin_first_load,
        )
        if run.is_active and run.step == NEXT_SLICE:
            async_task("sync.tasks.execute_run", run_id)
    finally:
        logged_run.reset(token)


def call_helpers(run: Run) -> None:
    """One ring for each part: who comes when none is free goes again."""
    for _ in range(min(run.parts, MOST_HELPERS)):
        async_task("sync.tasks.execute_run", run.pk)


def answer_question(question_id: int) -> None:
    from sync.questions import answer

    answer(question_id)


def canary(worker_name: str) -> None:
    """The queue moves: note it for the watchdog and the readiness probe."""
    from sync.models import Worker

    Worker.objects.filter(name=worker_name).update(canary_at=timezone.now())
