"""What a person says of an action while a run has it in hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from sync import services
from sync.models import ActionRun, ActionStep, Flow
from sync.sandbox.pair import Pair
from tests.engine.acts import statuses
from tests.engine.conftest import run_now
from tests.engine.test_action_steps import BACK, ITEM, ORDER, case_of
from tests.engine.test_action_steps import onboarding as onboarding
from tests.engine.test_action_steps import vpn as vpn

LOOKING = {"method": "GET", "path": "table/sc_request"}
SLOWLY = {"method": "GET", "path": "table/sc_cat_item"}


def meanwhile(flow: Flow, pair: Pair, call: dict[str, str], deed: Callable[[], Any]) -> None:
    """A run of which one call takes a while; `deed` happens before that is answered."""
    before = pair.servicenow.counters.faults
    pair.servicenow.fault("delay", seconds=0.7, **call)

    def work() -> None:
        run_now(flow)
        connections.close_all()

    run = threading.Thread(target=work)
    run.start()
    deadline = time.monotonic() + 15
    while pair.servicenow.counters.faults == before:
        assert time.monotonic() < deadline, "the delayed call never came"
        time.sleep(0.01)
    deed()
    run.join()


@pytest.fixture
def in_doubt(onboarding: Callable[..., Flow], pair: Pair, vpn: str) -> Flow:
    """An order that left, as far as anybody knows, and was not found."""
    case_of(pair)
    flow = onboarding(ITEM, ORDER, BACK)
    pair.servicenow.fault("reset_before", method="POST", path="order_now$")
    run_now(flow)
    assert statuses(flow) == ["in_doubt"]
    return flow


def test_what_is_said_to_have_happened_while_a_run_looks_for_it_is_not_done_again(
    in_doubt: Flow, pair: Pair
) -> None:
    step = ActionStep.objects.get(status="in_doubt")

    meanwhile(
        in_doubt, pair, LOOKING,
        lambda: services.say_action_happened(step=step, by=None, number="REQ0099999"),
    )  # fmt: skip
    run_now(in_doubt)

    assert not pair.servicenow.rows("sc_request")
    assert [case["ServiceNow_Number__c"] for case in pair.salesforce.rows("Case")] == ["REQ0099999"]
    assert statuses(in_doubt) == ["done"]


def test_what_is_to_be_done_again_is_done_although_a_run_looked_for_it_then(
    in_doubt: Flow, pair: Pair
) -> None:
    step = ActionStep.objects.get(status="in_doubt")

    meanwhile(in_doubt, pair, LOOKING, lambda: services.do_action_again(step=step, by=None))
    run_now(in_doubt)

    assert len(pair.servicenow.rows("sc_request")) == 1
    assert statuses(in_doubt) == ["done"]


def test_an_action_dropped_in_doubt_stays_dropped(in_doubt: Flow, pair: Pair) -> None:
    services.drop_action(action=ActionRun.objects.get(), by=None, reason="Alice ordered it herself")

    run_now(in_doubt)

    assert statuses(in_doubt) == ["dropped"]
    assert not pair.servicenow.rows("sc_request")


def test_an_action_dropped_while_a_run_has_it_in_hand_sends_nothing_more(
    onboarding: Callable[..., Flow], pair: Pair, vpn: str
) -> None:
    case_of(pair)
    flow = onboarding(ITEM, ORDER, BACK)

    meanwhile(
        flow, pair, SLOWLY,
        lambda: services.drop_action(action=ActionRun.objects.get(), by=None, reason="Alice ordered it herself"),
    )  # fmt: skip

    assert not pair.servicenow.rows("sc_request")
    assert statuses(flow) == ["dropped"]


def test_what_was_under_way_when_its_action_was_dropped_is_on_record(
    onboarding: Callable[..., Flow], pair: Pair, vpn: str
) -> None:
    case_of(pair)
    flow = onboarding(ITEM, ORDER, BACK)

    meanwhile(
        flow, pair, {"method": "POST", "path": "order_now$"},
        lambda: services.drop_action(action=ActionRun.objects.get(), by=None, reason="Alice ordered it herself"),
    )  # fmt: skip

    (request,) = pair.servicenow.rows("sc_request")
    step = ActionStep.objects.get(name="order")
    assert (step.status, step.target_number) == ("done", request["number"])
    assert statuses(flow) == ["dropped"]
    assert not pair.salesforce.rows("Case")[0].get("ServiceNow_Number__c")


def test_of_two_posts_found_late_neither_is_said_again(onboarding: Callable[..., Flow], pair: Pair) -> None:
    case_of(pair)
    for name in ("Anglin", "Tuter"):
        pair.salesforce.add("Contact", LastName=name)
    people = {
        "name": "people", "do": "look_up", "in": "salesforce", "table": "Contact", "query": "AccountId = null", "many": "each",
    }  # fmt: skip
    tell = {
        "name": "tell",
        "do": "post",
        "to": "chatter",
        "on": "{steps.people.id}",
        "text": "Hello",
    }
    flow = onboarding(people, tell, {**tell, "name": "then", "text": "And more"})
    pair.salesforce.fault("reset_after", method="POST", path="composite/sobjects$", times=2)
    pair.salesforce.fault("status", method="GET", path="query.*FeedItem", status=404, times=0)
    run_now(flow)
    assert statuses(flow) == ["in_doubt"]
    pair.salesforce.clear_faults()

    run_now(flow)

    assert statuses(flow) == ["done"]
    assert len(pair.salesforce.rows("FeedItem")) == 4
