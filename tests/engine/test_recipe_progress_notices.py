"""Progress notices: whoever looks after an incident's Case is told of its transitions, each once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest

from sync import services
from sync.configuration.actions import parsed
from sync.engine.execute import execute
from sync.models import ActionStep, Flow, Run
from sync.recipes import shipped
from sync.recipes.use import use_recipe
from sync.sandbox.pair import Pair
from tests.engine.acts import notes, only_letter, posts, redeclare, statuses
from tests.engine.conftest import run_now, salesforce, servicenow
from tests.engine.customers import user_of
from tests.engine.killing import let_time_pass
from tests.engine.test_recipes import DOCS

pytestmark = pytest.mark.django_db(transaction=True)
RECIPE = "progress-notices"


@dataclass(frozen=True, slots=True)
class Twins:
    """An incident and its Case, which Beth owns."""

    pair: Pair
    incident: str
    number: str
    case: str

    def edit(self, **fields: Any) -> None:
        self.pair.servicenow.edit("incident", self.incident, by="fred.luddy", **fields)


@pytest.fixture
def twins(pair: Pair) -> Twins:
    row = pair.servicenow.add("incident", short_description="Mail is down", state="1")
    case = pair.salesforce.add(
        "Case",
        Subject="Mail is down",
        ServiceNow_Sys_Id__c=row["sys_id"],
        OwnerId=user_of(pair, "beth.anglin"),
    )
    return Twins(pair, str(row["sys_id"]), str(row["number"]), str(case["Id"]))


@pytest.fixture
def flow(transactional_db: None, pair: Pair, twins: Twins) -> Flow:
    """As its user has it after Use: enabled, and begun."""
    (made,) = use_recipe(
        recipe=shipped()[RECIPE],
        name=RECIPE,
        servicenow=servicenow(pair),
        salesforce=salesforce(pair),
        by=None,
    )
    Flow.objects.filter(pk=made.pk).update(enabled=True)
    services.publish_flow(flow=made, by=None)
    run_now(made)
    return made


def test_each_transition_tells_whoever_it_concerns_once(flow: Flow, pair: Pair, twins: Twins) -> None:
    (fred,) = pair.servicenow.rows("sys_user", user_name="fred.luddy")
    for fields in (
        {"state": "2", "assigned_to": fred["sys_id"]},
        {"state": "3", "hold_reason": "1"},
        {"state": "6", "close_code": "Solution provided", "close_notes": "Disk emptied"},
        {"state": "2"},
    ):
        twins.edit(**fields)
        for _ in range(2):
            run_now(flow)

    number = twins.number
    assert posts(pair, twins.case) == [
        f"{number} is being worked on by Fred Luddy.",
        f"{number} is on hold. It waits for an answer of its caller.",
        f"{number} was resolved (Solution provided).\nDisk emptied",
        f"{number} was resolved and is being worked on again.",
    ]
    (task,) = pair.salesforce.rows("Task")
    assert (task["OwnerId"], task["WhatId"]) == (user_of(pair, "beth.anglin"), twins.case)
    assert [row["Recipients"] for row in pair.salesforce.rows("SentEmail")] == ["beth.anglin@acme.example"]
    (note,) = notes(pair, twins.incident)
    assert note.endswith("Beth Anglin was told that this was resolved.")
    assert {row["Visibility"] for row in pair.salesforce.rows("FeedItem")} == {"InternalUsers"}
    assert set(statuses(flow)) == {"done"}


def test_an_escalated_case_is_noted_on_its_incident_and_an_incident_without_a_case_is_told_to_nobody(
    flow: Flow, pair: Pair, twins: Twins
) -> None:
    lonely = pair.servicenow.add("incident", short_description="Nobody's", state="1")["sys_id"]
    run_now(flow)
    pair.salesforce.edit("Case", twins.case, by="beth.anglin", IsEscalated=True)
    pair.servicenow.edit("incident", lonely, state="2")

    for _ in range(2):
        run_now(flow)

    (note,) = notes(pair, twins.incident)
    assert note.endswith("was escalated: Mail is down")
    assert not pair.salesforce.rows("FeedItem")


@pytest.mark.parametrize(
    ("decide", "posted"),
    [(services.do_action_again, 1), (services.say_action_happened, 0)],
    ids=["Do it again", "Happened"],
)
def test_a_post_that_never_arrived_is_in_doubt_until_a_person_says_so_and_what_follows_it_waits(
    flow: Flow, pair: Pair, twins: Twins, decide: Any, posted: int
) -> None:
    pair.salesforce.fault("reset_before", method="POST", path="composite/sobjects$", times=1)
    twins.edit(state="6", close_code="Solution provided", close_notes="Disk emptied")
    run_now(flow)
    let_time_pass()
    run_now(flow)
    assert (posts(pair, twins.case), notes(pair, twins.incident)) == ([], [])
    assert statuses(flow) == ["in_doubt"]

    decide(step=ActionStep.objects.get(status="in_doubt"), by=None)
    execute(Run.objects.active().get(flow=flow).pk)

    assert (len(posts(pair, twins.case)), len(notes(pair, twins.incident))) == (posted, 1)
    assert statuses(flow) == ["done"]


def test_a_post_whose_answer_was_lost_is_found_and_what_follows_it_is_done(
    flow: Flow, pair: Pair, twins: Twins
) -> None:
    pair.salesforce.fault("reset_after", method="POST", path="composite/sobjects$", times=1)
    twins.edit(state="6", close_code="Solution provided", close_notes="Disk emptied")

    for _ in range(2):
        run_now(flow)

    assert len(posts(pair, twins.case)) == len(notes(pair, twins.incident)) == 1
    assert statuses(flow) == ["done"]


def test_two_cases_under_one_key_are_a_dead_letter_and_its_retry_tells_the_one_that_stays(
    flow: Flow, pair: Pair, twins: Twins
) -> None:
    many = {"name": "case", "do": "look_up", "in": "salesforce", "table": "Case", "query": "Subject = '{servicenow.short_description}'"}  # fmt: skip
    post = {"name": "post", "do": "post", "to": "chatter", "on": "{steps.case.Id}", "text": "On it"}
    redeclare(flow, {"name": "in-progress", "on": {"changed": {"servicenow": "state", "to": "2"}}, "steps": [many, post]})  # fmt: skip
    double = pair.salesforce.add("Case", Subject="Mail is down")
    run_now(flow)
    twins.edit(state="2")
    run_now(flow)
    letter = only_letter()
    assert (letter.code, letter.field) == ("FOUND_MANY", "action in-progress, step case")

    pair.salesforce.edit("Case", double["Id"], Subject="Another matter")
    services.retry_dead_letters(letters=[letter], by=None)
    execute(Run.objects.active().get(flow=flow).pk)

    assert posts(pair, twins.case) == ["On it"]
    assert statuses(flow) == ["done"]


def test_what_its_page_says_of_any_flow_can_be_read(pair: Pair) -> None:
    (block,) = re.findall(r"```yaml\n(actions:.*?)```", (DOCS / f"{RECIPE}.md").read_text(), re.DOTALL)

    said, problems = parsed(block, ("servicenow",))

    assert ([act["name"] for act in said], problems) == (["urgent"], [])
