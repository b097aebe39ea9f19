"""Actions that follow what the flow itself has written: each write is followed, once, whatever becomes of its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sync.models import Flow
from sync.sandbox.pair import Pair
from tests.engine.conftest import run_now
from tests.engine.killing import let_time_pass
from tests.engine.test_reconcile import later, reconcile

TELL = {
    "name": "tell", "on": {"updated": "salesforce"},
    "steps": [{
        "name": "problem", "do": "create", "in": "servicenow", "table": "problem",
        "values": {"short_description": "Told of {servicenow.short_description}"},
    }],
}  # fmt: skip
WRITES = {"method": "(POST|PATCH)", "path": "composite/sobjects$"}


@pytest.fixture
def told(make_flow: Callable[..., Flow], pair: Pair) -> Callable[[], list[str]]:
    """A Case was made of an incident; what each run has told since."""
    flow = make_flow(direction="to_salesforce", drift="restore", options={"actions": [TELL]})
    pair.servicenow.add("incident", short_description="Printer on fire")
    run_now(flow)

    def after_a_run() -> list[str]:
        run_now(flow)
        return [row["short_description"] for row in pair.servicenow.rows("problem")]

    assert after_a_run() == []
    return after_a_run


def edited(pair: Pair, text: str) -> None:
    (incident,) = pair.servicenow.rows("incident")
    pair.servicenow.edit("incident", incident["sys_id"], short_description=text)


def test_each_write_is_followed_also_one_that_restores_what_a_person_changed(told, pair: Pair) -> None:
    edited(pair, "Printer is hot")
    assert told() == ["Told of Printer is hot"]

    for hours in 2, 4:
        later(Flow.objects.get(), pair, hours - 1)  # Salesforce's stamps tell seconds apart, not less
        (case,) = pair.salesforce.rows("Case")
        pair.salesforce.edit("Case", case["Id"], by="abel.tuter", Subject="Mine")
        later(Flow.objects.get(), pair, hours)
        reconcile(Flow.objects.get(), heal=True)
        seen: Any = told()

    assert pair.salesforce.rows("Case")[0]["Subject"] == "Printer is hot"
    assert seen == ["Told of Printer is hot"] * 3
    assert told() == seen


@pytest.mark.parametrize("fault", ["reset_after", "reset_before"])
def test_a_write_whose_answer_was_lost_is_followed_once(told, pair: Pair, fault: str) -> None:
    pair.salesforce.fault(fault, **WRITES)
    edited(pair, "Printer is hot")
    told()
    let_time_pass()
    told()

    assert told() == ["Told of Printer is hot"]
    assert pair.salesforce.rows("Case")[0]["Subject"] == "Printer is hot"
