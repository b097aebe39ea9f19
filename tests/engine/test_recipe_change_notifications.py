"""Change notifications: whoever looks after a customer that a change touches is told, once for each occasion."""

from __future__ import annotations

import re
from dataclasses import replace
from textwrap import indent
from typing import Any

import pytest

from sync import services
from sync.configuration.actions import parsed
from sync.engine.execute import execute
from sync.models import Flow, Run
from sync.recipes import shipped
from sync.recipes.use import use_recipe
from sync.sandbox.pair import Pair
from tests.engine.acts import only_letter, redeclare, statuses
from tests.engine.conftest import run_now, salesforce, servicenow
from tests.engine.customers import change, customer, offering
from tests.engine.test_recipes import DOCS, found

pytestmark = pytest.mark.django_db(transaction=True)
RECIPE = "change-notifications"


@pytest.fixture
def flow(pair: Pair) -> Flow:
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


def told(pair: Pair) -> list[tuple[str, str, str]]:
    """Who was told on which Account, by the occasion."""
    names = {row["Id"]: row["Username"].partition("@")[0] for row in pair.salesforce.rows("User")}
    accounts = {row["Id"]: row["Name"] for row in pair.salesforce.rows("Account")}
    return sorted(
        (names[row["OwnerId"]], accounts[row["WhatId"]], row["Subject"].split(":")[0].split()[-1])
        for row in pair.salesforce.rows("Task")
    )


def test_an_approved_change_tells_the_team_of_each_customer_that_it_touches_once(
    flow: Flow, pair: Pair
) -> None:
    acme, edge, grand = (customer(pair, name, owner="joe.employee") for name in ("Acme Ltd", "Edge", "Grand"))
    customer(pair, "Untouched", owner="joe.employee")
    acme.member("beth.anglin"), acme.member("don.goodliffe"), edge.member("beth.anglin")
    network = offering(pair, "Managed Network Gold")
    grand.subscribes(network)
    switch = change(pair, "Replace the core switch", company=acme.key)
    for machine in acme.machine("acme-gw-1"), edge.machine("edge-switch-1"), edge.machine("edge-switch-2"):
        switch.touches(machine)
    switch.touches(offering=network)
    run_now(flow)
    assert told(pair) == []

    switch.approve()
    for _ in range(2):
        run_now(flow)

    assert told(pair) == [
        ("beth.anglin", "Acme Ltd", "approved"),
        ("beth.anglin", "Edge", "approved"),
        ("don.goodliffe", "Acme Ltd", "approved"),
        ("joe.employee", "Grand", "approved"),  # nobody is in its team: its owner
    ]
    (text,) = {row["Description"].split("\n[sync:")[0] for row in pair.salesforce.rows("Task")}
    assert text.startswith(
        f"{switch.number} was approved: Replace the core switch\nPlanned for 2026-12-07 20:00"
    )
    assert statuses(flow) == ["done"]


def test_a_change_is_told_again_when_it_moves_or_is_cancelled_but_only_once_it_was_approved(
    flow: Flow, pair: Pair
) -> None:
    acme = customer(pair, "Acme Ltd", owner="joe.employee")
    acme.member("beth.anglin")
    switch, other = (change(pair, subject, company=acme.key) for subject in ("Core switch", "Never approved"))
    run_now(flow)
    for each in switch, other:
        each.edit(start_date="2026-12-08 20:00:00", end_date="2026-12-08 23:00:00")
    other.edit(state="4")
    run_now(flow)
    assert told(pair) == []

    switch.approve()
    run_now(flow)
    switch.edit(start_date="2026-12-09 20:00:00", end_date="2026-12-09 23:00:00")
    run_now(flow)
    switch.edit(description="Bring a torch")
    run_now(flow)
    switch.edit(state="4")
    run_now(flow)

    assert [occasion for _, _, occasion in told(pair)] == ["approved", "cancelled", "rescheduled"]
    (moved,) = (row for row in pair.salesforce.rows("Task") if "rescheduled" in row["Subject"])
    assert "planned for 2026-12-08 20:00:00" in moved["Description"]
    assert "Now it is planned for 2026-12-09 20:00:00" in moved["Description"]


def test_a_change_whose_customer_has_no_account_is_told_to_nobody_and_one_without_an_active_team_to_the_owner(
    flow: Flow, pair: Pair
) -> None:
    company = pair.servicenow.add("customer_account", by="admin", name="No Account")["sys_id"]
    acme = customer(pair, "Acme Ltd", owner="joe.employee")
    acme.member("luke.wilson")  # has left
    for key in (company, acme.key):
        change(pair, "Core switch", company=key).approve()

    run_now(flow)

    assert told(pair) == [("joe.employee", "Acme Ltd", "approved")]
    assert set(statuses(flow)) == {"done"}


def test_a_task_whose_answer_was_lost_is_found_by_its_mark_and_the_next_member_is_told(
    flow: Flow, pair: Pair
) -> None:
    acme = customer(pair, "Acme Ltd", owner="joe.employee")
    acme.member("beth.anglin"), acme.member("don.goodliffe")
    pair.salesforce.fault("reset_after", method="POST", path="composite/sobjects$", times=1)
    change(pair, "Core switch", company=acme.key).approve()

    for _ in range(2):
        run_now(flow)

    assert [who for who, _, _ in told(pair)] == ["beth.anglin", "don.goodliffe"]
    assert statuses(flow) == ["done"]


def test_a_text_that_names_a_field_the_org_has_not_is_a_dead_letter_and_its_retry_tells_whoever_was_not_told(
    flow: Flow, pair: Pair
) -> None:
    acme = customer(pair, "Acme Ltd", owner="joe.employee")
    acme.member("beth.anglin")
    good = flow.options["actions"]
    redeclare(flow, *with_values(good, Impact__c="{servicenow.risk}"))
    run_now(flow)
    change(pair, "Core switch", company=acme.key).approve()
    run_now(flow)
    letter = only_letter()
    assert (letter.code, letter.field) == ("INVALID_FIELD", "action approved, step tell_team")
    assert "Impact__c" in letter.content["message"]

    redeclare(flow, *good)
    services.retry_dead_letters(letters=[letter], by=None)
    execute(Run.objects.active().get(flow=flow).pk)

    assert told(pair) == [("beth.anglin", "Acme Ltd", "approved")]
    assert statuses(flow) == ["done"]


def with_values(actions: list[dict[str, Any]], **values: str) -> list[dict[str, Any]]:
    """The actions, their Tasks with another field."""
    return [
        {**act, "steps": [{**s, "values": values} if s["name"] == "tell_team" else s for s in act["steps"]]}
        for act in actions
    ]


@pytest.mark.parametrize("kind", ["chatter", "email"])
def test_the_steps_that_its_page_shows_for_chatter_and_email_do_what_it_says(
    flow: Flow, pair: Pair, kind: str
) -> None:
    acme = customer(pair, "Acme Ltd", owner="joe.employee")
    acme.member("beth.anglin")
    approved = flow.options["actions"][0]
    kept = [step for step in approved["steps"] if step["name"] in ("machines", "offerings", "subscribers")]
    redeclare(flow, {**approved, "steps": [*kept, *on_its_page()[kind]]})
    run_now(flow)
    switch = change(pair, "Core switch", company=acme.key)
    switch.approve()

    for _ in range(2):
        run_now(flow)

    posts = [row["ParentId"] for row in pair.salesforce.rows("FeedItem")]
    mails = [(row["Recipients"], row["Subject"]) for row in pair.salesforce.rows("SentEmail")]
    assert (posts, mails) == {
        "chatter": ([acme.account], []),
        "email": ([], [("beth.anglin@acme.example", f"{switch.number} approved, for Acme Ltd")]),
    }[kind]


def on_its_page() -> dict[str, list[dict[str, Any]]]:
    """The ready steps of the documentation: the blocks of YAML that are lists of steps."""
    blocks = re.findall(r"```yaml\n(- name.*?)```", (DOCS / f"{RECIPE}.md").read_text(), re.DOTALL)
    chatter, email = (parsed(f"- name: x\n  on: {{entered: servicenow}}\n  steps:\n{indent(block, '    ')}", ("servicenow",)) for block in blocks)  # fmt: skip
    return {"chatter": chatter[0][0]["steps"], "email": email[0][0]["steps"]}


def test_its_checks_name_what_is_missing(transactional_db: None, pair: Pair) -> None:
    pair.salesforce.platform.dialect = replace(
        pair.salesforce.platform.dialect,
        hidden_fields=frozenset({"Account.ServiceNow_Sys_Id__c", "Task.Description"}),
    )

    checked = found(RECIPE, pair)

    lacking = [each["text"] for each in checked["error"]]
    assert any("No such column" in text and "Account.ServiceNow_Sys_Id__c" in text for text in lacking)
    assert "Task has no Description, or the user cannot see it." in lacking
    # Hidden or empty, which nobody can tell from outside:
    hidden = [each["text"].split()[3] for each in checked["warning"] if each["code"] == "actions"]
    assert hidden == ["service_subscribe_company", "task_ci", "task_service_offering"]


def test_a_text_that_names_a_column_the_instance_has_not_stops_the_flow_and_loses_nothing(
    flow: Flow, pair: Pair
) -> None:
    acme = customer(pair, "Acme Ltd", owner="joe.employee")
    good = flow.options["actions"]
    redeclare(flow, *with_values(good, Description="{servicenow.u_impact}"))
    change(pair, "Core switch", company=acme.key).approve()
    run = run_now(flow)
    flow.refresh_from_db()
    assert (run.status, told(pair)) == ("failed", [])
    assert "change_request came without u_impact" in flow.paused_reason

    redeclare(flow, *good)
    services.resume_flow(flow=flow, by=None)
    run_now(flow)

    assert told(pair) == [("joe.employee", "Acme Ltd", "approved")]
