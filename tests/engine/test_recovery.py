"""What the engine learnt the hard way: each test failed before its fix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from sync.models import Checkpoint, Flow
from sync.sandbox.clock import ManualClock
from sync.sandbox.pair import Pair, PairConfig, start_pair
from tests.engine.conftest import run_now

OVERLAP = 60


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def pair(clock: ManualClock) -> Iterator[Pair]:
    with start_pair(PairConfig(clock=clock)) as running:
        yield running


@pytest.fixture
def flow(make_flow: Callable[..., Flow]) -> Flow:
    return make_flow(overlap=OVERLAP)


def test_a_record_that_appears_late_in_the_second_where_the_window_begins_is_taken(
    flow: Flow, pair: Pair, clock: ManualClock
) -> None:
    pair.servicenow.add("incident", short_description="Printer on fire")
    run_now(flow)
    clock.advance(seconds=2 * OVERLAP)
    run_now(flow)
    watermark = Checkpoint.objects.get(stream="").watermark
    assert watermark.microsecond  # a server time less the seconds that the answer took
    late = watermark - timedelta(microseconds=watermark.microsecond)
    fields = {
        "number": "INC0020001",
        "short_description": "Slow commit",
        "state": "1",
        "priority": "3",
        "sys_updated_on": f"{late:%Y-%m-%d %H:%M:%S}",
    }
    table = pair.servicenow.platform.registry["incident"]
    with pair.servicenow.platform.lock:
        pair.servicenow.platform.records.raw(table, fields)

    run = run_now(flow)

    assert (run.status, run.error) == ("succeeded", "")
    assert sorted(case["Subject"] for case in pair.salesforce.rows("Case")) == [
        "Printer on fire",
        "Slow commit",
    ]
