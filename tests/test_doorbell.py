"""Rings get lost, rows do not: what waits unattended is rung for again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from sync import services
from sync.doorbell import AGAIN_AFTER, LOST_AFTER, Doorbell
from sync.engine import lease
from sync.models import LaneLease, Question, Run, Schedule, Waiting

LATER = LOST_AFTER + timedelta(seconds=1)


@pytest.fixture
def rings() -> list[tuple[str, int]]:
    return []


@pytest.fixture
def doorbell(rings) -> Doorbell:
    return Doorbell(ring=lambda task, number: rings.append((task, number)))


@pytest.fixture
def lost_run(incidents_flow) -> Run:
    return services.request_run(flow=incidents_flow, by=None, enqueue=False)


def test_a_run_that_nobody_took_is_rung_for(doorbell, rings, lost_run):
    doorbell.answer_lost(timezone.now() + LATER)

    assert rings == [("sync.tasks.execute_run", lost_run.pk)]


def test_a_fresh_run_is_given_time(doorbell, rings, lost_run):
    doorbell.answer_lost(timezone.now())

    assert rings == []


def test_a_run_that_is_worked_on_is_left_alone(doorbell, rings, lost_run):
    lease.take(lost_run.flow, lost_run.lane, timezone.now())

    doorbell.answer_lost(timezone.now() + LATER)

    assert rings == []


def test_a_run_whose_worker_died_is_rung_for(doorbell, rings, lost_run):
    Run.objects.update(status="running", progress_at=timezone.now())
    lease.take(lost_run.flow, lost_run.lane, timezone.now())
    LaneLease.objects.update(until=timezone.now())

    doorbell.answer_lost(timezone.now() + LATER)

    assert rings == [("sync.tasks.execute_run", lost_run.pk)]


def test_the_same_work_is_not_rung_for_every_second(doorbell, rings, lost_run):
    start = timezone.now() + LATER
    for second in range(int(AGAIN_AFTER.total_seconds())):
        doorbell.answer_lost(start + timedelta(seconds=second))
    assert len(rings) == 1

    doorbell.answer_lost(start + AGAIN_AFTER)

    assert len(rings) == 2


def test_a_question_nobody_answered_is_rung_for(doorbell, rings, incidents_flow):
    question = services.test_connection(
        connection=incidents_flow.servicenow_connection, by=None, enqueue=False
    )

    doorbell.answer_lost(timezone.now() + LATER)
    Question.objects.update(state="answered")
    doorbell.answer_lost(timezone.now() + LATER + AGAIN_AFTER)

    assert rings == [("sync.tasks.answer_question", question.pk)]


@pytest.fixture
def waiting(incidents_flow) -> Waiting:
    now = timezone.now()
    return Waiting.objects.create(
        flow=incidents_flow, side="servicenow", record_id="a" * 32, reason="locked", since=now, due_at=now
    )


def test_records_that_wait_get_a_run_of_their_own(doorbell, waiting):
    doorbell.answer_lost(timezone.now())

    assert [run.kind for run in Run.objects.all()] == ["retry"]


def test_records_that_wait_go_along_with_a_poll_that_comes_soon(doorbell, waiting, incidents_flow):
    soon = timezone.now() + timedelta(seconds=20)
    Schedule.objects.create(flow=incidents_flow, cron="* * * * *", next_at=soon)

    doorbell.answer_lost(timezone.now())

    assert not Run.objects.exists()


def test_records_that_are_not_due_wait_on(doorbell, waiting):
    doorbell.answer_lost(timezone.now() - timedelta(minutes=1))

    assert not Run.objects.exists()
