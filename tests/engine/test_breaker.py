"""A platform that does not answer is left in peace for a growing time; one run tries it again, and an answer is enough."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from sync import questions, services
from sync.engine.breaker import FAILURES, FIRST, LONGEST, pause
from sync.engine.execute import execute, resume_deferred
from sync.models import Connection, DeadLetter, Flow, Run
from sync.sandbox.pair import Pair
from sync.sandbox.salesforce.dialect import ValidationRule
from tests.engine.conftest import run_now

SECOND = timedelta(seconds=1)


def servicenow() -> Connection:
    return Connection.objects.get(system="servicenow")


def break_down(pair: Pair) -> None:
    """ServiceNow is down until it is mended, and asks for so much patience that no call is repeated."""
    pair.servicenow.fault("status", status=503, headers={"Retry-After": "60"}, times=0)


def failures_so_far(count: int) -> None:
    Connection.objects.update(circuit_failures=count)


def run_until_open(flow: Flow) -> Run:
    """The last of the failures in a row."""
    failures_so_far(FAILURES - 1)
    return run_now(flow)


@pytest.fixture
def flow(make_flow: Callable[..., Flow]) -> Flow:
    """A flow that has run well before."""
    made = make_flow()
    assert run_now(made).status == "succeeded"
    return made


def let_time_pass() -> None:
    """The circuit has been open for as long as it was to be."""
    Connection.objects.update(circuit_open_until=timezone.now() - SECOND)


def test_after_failures_in_a_row_nothing_is_sent_and_runs_are_deferred(flow: Flow, pair: Pair) -> None:
    break_down(pair)
    for _ in range(FAILURES - 1):
        assert run_now(flow).status == "failed"

    run = run_now(flow)

    connection = servicenow()
    assert (run.status, run.error_code) == ("deferred", "circuit_open")
    assert f"acme-servicenow did not answer {FAILURES} calls in a row" in run.error
    assert connection.circuit_open_until is not None
    assert run.resume_at is not None
    assert abs(run.resume_at - connection.circuit_open_until) < SECOND
    assert connection.health == "failing"
    flow.refresh_from_db()
    assert (flow.health, flow.paused_reason) == ("failing", "")
    again = run_now(flow)
    assert (again.status, again.calls_servicenow, again.calls_salesforce) == ("deferred", 0, 0)
    assert Connection.objects.get(system="salesforce").circuit_failures == 0


@pytest.mark.parametrize("kind", ["reset_before", "empty", "html"])
def test_lost_and_useless_answers_count(flow: Flow, pair: Pair, kind: str) -> None:
    failures_so_far(FAILURES - 1)
    pair.servicenow.fault(kind, times=0)

    assert run_now(flow).error_code == "circuit_open"


def test_a_run_that_finds_the_platform_back_closes_the_circuit_and_does_its_work(
    flow: Flow, pair: Pair
) -> None:
    pair.servicenow.add("incident", short_description="Printer on fire")
    break_down(pair)
    run = run_until_open(flow)
    pair.servicenow.clear_faults()
    let_time_pass()

    assert resume_deferred(run.resume_at or timezone.now()) == [run.pk]
    run = execute(run.pk)

    connection = servicenow()
    assert (run.status, run.created) == ("succeeded", 1)
    assert (connection.circuit_open_until, connection.circuit_failures, connection.circuit_openings) == (
        None, 0, 0,
    )  # fmt: skip
    assert (connection.health, connection.health_message) == ("ok", "")
    flow.refresh_from_db()
    assert flow.health == "healthy"


def test_a_run_that_finds_it_still_down_opens_it_for_longer(flow: Flow, pair: Pair) -> None:
    break_down(pair)
    run_until_open(flow)
    let_time_pass()

    run = run_now(flow)

    connection = servicenow()
    assert (run.status, run.calls_servicenow) == ("deferred", 1)
    assert connection.circuit_openings == 2
    assert connection.circuit_open_until is not None
    assert connection.circuit_open_until - timezone.now() > timedelta(seconds=2 * FIRST - 5)


def test_while_one_run_tries_the_others_wait(flow: Flow, pair: Pair) -> None:
    break_down(pair)
    run_until_open(flow)
    pair.servicenow.clear_faults()
    let_time_pass()
    Connection.objects.filter(system="servicenow").update(
        circuit_tried_until=timezone.now() + timedelta(minutes=1)
    )

    waiting = run_now(flow)
    Connection.objects.update(circuit_tried_until=timezone.now() - SECOND)  # the one that tried has died
    tries = run_now(flow)

    assert (waiting.status, waiting.calls_servicenow) == ("deferred", 0)
    assert (tries.status, servicenow().circuit_open_until) == ("succeeded", None)


def test_an_answer_in_between_begins_the_count_anew(flow: Flow, pair: Pair) -> None:
    failures_so_far(FAILURES - 2)
    for before in (FAILURES - 2, 0):
        break_down(pair)
        assert run_now(flow).status == "failed"
        assert servicenow().circuit_failures == before + 1
        pair.servicenow.clear_faults()
        assert run_now(flow).status == "succeeded"
        assert servicenow().circuit_failures == 0


def test_salesforce_that_fails_in_mid_run_is_left_in_peace_too(flow: Flow, pair: Pair) -> None:
    pair.servicenow.add("incident", short_description="First")
    run_now(flow)
    pair.servicenow.add("incident", short_description="Second")
    failures_so_far(FAILURES - 1)
    pair.salesforce.fault("status", status=503, times=0)

    run = run_now(flow)

    assert (run.status, run.error_code) == ("deferred", "circuit_open")
    assert servicenow().circuit_open_until is None
    pair.salesforce.clear_faults()
    let_time_pass()
    assert run_now(flow).status == "succeeded"
    assert sorted(case["Subject"] for case in pair.salesforce.rows("Case")) == ["First", "Second"]


def test_testing_the_connection_closes_the_circuit_when_the_platform_answers(flow: Flow, pair: Pair) -> None:
    break_down(pair)
    run_until_open(flow)
    pair.servicenow.clear_faults()

    asked = services.test_connection(connection=servicenow(), by=None, enqueue=False)
    questions.answer(asked.pk)

    assert servicenow().circuit_open_until is None
    assert run_now(flow).status == "succeeded"


def test_a_refused_record_a_refused_login_and_a_refused_call_never_open_it(flow: Flow, pair: Pair) -> None:
    rule = ValidationRule("Case", "Subject", "Forbidden", "No.")
    pair.salesforce.platform.dialect = replace(pair.salesforce.platform.dialect, validation_rules=(rule,))
    for _ in range(2 * FAILURES):
        pair.servicenow.add("incident", short_description="Forbidden")
    run_now(flow)
    assert DeadLetter.objects.count() == 2 * FAILURES
    for _ in range(FAILURES + 1):
        pair.servicenow.fault("status", status=429, headers={"Retry-After": "60"})
        assert run_now(flow).error_code == "HTTP_429"
        Connection.objects.update(blocked_until=None)
    services.set_secrets(connection=servicenow(), secrets={"client_secret": "wrong"}, by=None)
    for _ in range(FAILURES + 1):
        assert run_now(Flow.objects.get(pk=flow.pk)).error_code != "circuit_open"
        Flow.objects.update(paused_reason="")

    states = Connection.objects.values_list("circuit_failures", "circuit_openings", "circuit_open_until")
    assert list(states) == [(0, 0, None)] * 2


@given(st.integers(1, 10_000), st.integers())
def test_a_circuit_is_open_for_a_growing_time_with_bounds(openings: int, seed: int) -> None:
    drawn = pause(openings, random.Random(seed)).total_seconds()

    assert min(FIRST * 2 ** min(openings - 1, 10), LONGEST) <= drawn <= LONGEST
    assert drawn <= FIRST * 2.0 ** min(openings - 1, 16) * 1.25
