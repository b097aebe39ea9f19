"""Actions over the sandbox pair: what follows a create, an update or a transition, each once, whatever is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sync.models import ActionRun, Flow
from sync.sandbox.pair import Pair
from tests.engine.acts import notice_flow, redeclare, statuses
from tests.engine.conftest import run_now

TASK = {
    "name": "problem", "do": "create", "in": "servicenow", "table": "problem",
    "values": {"short_description": "Seen behind {servicenow.number}"},
}  # fmt: skip
RESOLVED = {"changed": {"servicenow": "state", "to": ["6"]}}


@pytest.fixture
def acting(transactional_db: None, pair: Pair) -> Callable[..., Flow]:
    return lambda *actions, **changes: notice_flow(pair, *actions, **changes)


def action(*steps: dict[str, Any], on: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"name": "follow-up", "on": on or {"entered": "servicenow"}, "steps": list(steps), **more}


def test_a_record_that_enters_is_acted_upon_once(acting, pair: Pair) -> None:
    flow = acting(action(TASK, when='servicenow.state == "2"'))
    mine = pair.servicenow.add("incident", short_description="Printer on fire", state="2")
    pair.servicenow.add("incident", short_description="Not yet begun", state="1")

    runs = [run_now(flow), run_now(flow)]

    (problem,) = pair.servicenow.rows("problem")
    assert problem["short_description"] == f"Seen behind {mine['number']}"
    assert [run.actions for run in runs] == [{"follow-up": 1}, {}]
    assert statuses(flow) == ["done"]


def test_a_record_enters_when_it_comes_to_meet_the_condition(acting, pair: Pair) -> None:
    flow = acting(action(TASK, when='servicenow.state == "2"'))
    mine = pair.servicenow.add("incident", short_description="Printer on fire", state="1")
    run_now(flow)
    assert not pair.servicenow.rows("problem")

    pair.servicenow.edit("incident", mine["sys_id"], state="2")
    run_now(flow)

    assert len(pair.servicenow.rows("problem")) == 1


def test_a_transition_between_two_looks_is_followed_each_time_it_happens(acting, pair: Pair) -> None:
    flow = acting(action(TASK, on={"changed": {"servicenow": "state", "from": ["2"], "to": ["3"]}}))
    mine = pair.servicenow.add("incident", short_description="Printer on fire", state="1")
    seen = []
    for state in "2", "3", "3", "2", "3":
        pair.servicenow.edit("incident", mine["sys_id"], state=state)
        run_now(flow)
        seen.append(len(pair.servicenow.rows("problem")))

    assert seen == [0, 1, 1, 1, 2]


def test_what_an_action_is_to_follow_once_it_follows_once(acting, pair: Pair) -> None:
    flow = acting(
        action(TASK, on={"changed": {"servicenow": "state", "to": ["3"]}}, once="{servicenow.number} on hold")
    )
    mine = pair.servicenow.add("incident", short_description="Printer on fire", state="2")
    for state in "2", "3", "2", "3":
        pair.servicenow.edit("incident", mine["sys_id"], state=state)
        run_now(flow)

    assert len(pair.servicenow.rows("problem")) == 1


def test_a_flow_that_begins_now_sets_nothing_off_for_what_was_so_before(acting, pair: Pair) -> None:
    old = pair.servicenow.add("incident", short_description="Old, and begun long ago", state="2")
    waiting = pair.servicenow.add("incident", short_description="Old, and not begun", state="1")
    flow = acting(action(TASK, when='servicenow.state == "2"'), start="now")
    run_now(flow)
    pair.servicenow.edit("incident", old["sys_id"], urgency="1")
    pair.servicenow.edit("incident", waiting["sys_id"], state="2")

    run_now(flow)

    (problem,) = pair.servicenow.rows("problem")
    assert problem["short_description"] == f"Seen behind {waiting['number']}"


def test_actions_that_a_flow_is_given_later_follow_what_changes_from_then_on(acting, pair: Pair) -> None:
    mine = pair.servicenow.add("incident", short_description="Printer on fire", state="2")
    flow = acting(action(TASK, when='servicenow.state == "9"'))
    run_now(flow)
    redeclare(flow, action(TASK, on={"changed": {"servicenow": "state", "to": ["3"]}}))
    pair.servicenow.edit("incident", mine["sys_id"], state="3")
    run_now(flow)
    assert not pair.servicenow.rows("problem")  # it was so at the first look

    pair.servicenow.edit("incident", mine["sys_id"], state="2")
    run_now(flow)
    pair.servicenow.edit("incident", mine["sys_id"], state="3")
    run_now(flow)

    assert len(pair.servicenow.rows("problem")) == 1


def test_a_dry_run_tells_what_would_be_done_and_does_nothing(acting, pair: Pair) -> None:
    flow = acting(action(TASK))
    pair.servicenow.add("incident", short_description="Printer on fire", state="2")

    run = run_now(flow, mode="dry")

    assert run.actions == {"follow-up": 1}
    assert not pair.servicenow.rows("problem")
    assert not ActionRun.objects.exists()
    run_now(flow)
    assert len(pair.servicenow.rows("problem")) == 1
