"""Every shipped recipe over the sandbox pair: it is whole, its checks are true, and a flow made of it does what its page says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mappings.apply import compile_mapping
from mappings.models import UserTable, ValueMap
from mappings.spec import Environment
from sync import revisions, services
from sync.linting import lint_flow
from sync.models import Flow, RecordLink
from sync.questions import answer
from sync.recipes import Recipe, shipped
from sync.recipes.use import use_recipe
from sync.sandbox.pair import Pair, PairConfig, start_pair
from sync.schemas import read_both
from tests.engine.attaching import on_case, on_incident, put_on_case, put_on_incident
from tests.engine.conftest import run_now, salesforce, servicenow
from tests.engine.customers import grant

DOCS = Path(__file__).resolve().parents[2] / "docs" / "recipes"
NAMES = sorted(shipped())
# What the checks look at beside columns, where it is not what a flow without comments, files and actions has.
ASKED = {
    "incident-case": {"writable", "values", "enter", "journal", "files"},
    "change-notifications": {"scope", "actions"},
    "customer-onboarding": {"writable", "enter", "scope", "actions"},
    "enrichment": {"scope", "actions"},
    "progress-notices": {"scope", "actions"},
}


@pytest.fixture
def pair():
    with start_pair(PairConfig(customers=True)) as running:
        yield running


def made_of(recipe: Recipe, pair: Pair) -> Flow:
    return all_made_of(recipe, pair)[0]


def all_made_of(recipe: Recipe, pair: Pair) -> tuple[Flow, ...]:
    """Of each option that it has."""
    options = [option.name for option in recipe.choice.options] if recipe.choice else [""]
    return tuple(
        flow
        for option in options
        for flow in use_recipe(
            recipe=recipe, name=f"{recipe.name}{option}", servicenow=servicenow(pair),
            salesforce=salesforce(pair), option=option, by=None,
        )
    )  # fmt: skip


def found(recipe: str, pair: Pair) -> dict[str, list[dict[str, Any]]]:
    """What the checks say, by status."""
    asked = services.check_recipe(
        recipe=recipe, servicenow=servicenow(pair), salesforce=salesforce(pair), by=None, enqueue=False
    )
    findings = answer(asked.pk).answer["findings"]
    return {
        status: [each for each in findings if each["status"] == status]
        for status in ("ok", "warning", "error")
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_whole_compiles_has_its_page_and_passes_its_checks_and_the_linter(
    transactional_db, pair, name
):
    on_fire = pair.servicenow.add("incident", short_description="Printer on fire", severity="1")
    pair.servicenow.edit("incident", on_fire["sys_id"], by="abel.tuter", comments="Smoke everywhere")
    pair.servicenow.add("kb_knowledge", short_description="VPN", workflow_state="published")
    for table in ("customer_account", "alm_hardware", "cmdb_ci"):
        pair.servicenow.add(table)
    grant(pair, "user_admin")
    recipe = shipped()[name]
    for flow in all_made_of(recipe, pair):
        compile_mapping(revisions.mapping_spec(revisions.snapshot(flow)), Environment())
        read_both(flow)
        linted = lint_flow(flow)
        assert (linted.errors, linted.unread) == ([], [])
    page = (DOCS / f"{name}.md").read_text()
    needs = [need.name for side in ("servicenow", "salesforce") for need in recipe.needs.of(side)]
    assert [each for each in needs if each not in page] == []
    checked = found(name, pair)
    assert (checked["error"], checked["warning"]) == ([], [])
    asked = {"columns", "shown"} | ASKED.get(name, {"writable", "values", "enter"})
    assert asked <= {each["code"] for each in checked["ok"]}


def test_each_failing_check_says_what_to_mend_and_nothing_is_written(transactional_db, pair):
    pair.salesforce.platform.dialect = replace(
        pair.salesforce.platform.dialect, hidden_fields=frozenset({"Case.ServiceNow_URL__c"}),
        non_unique_fields=frozenset({"Case.ServiceNow_Sys_Id__c"}),
    )  # fmt: skip
    (closed,) = pair.servicenow.rows("sys_choice", name="incident", element="state", value="7")
    pair.servicenow.edit("sys_choice", closed["sys_id"], by="admin", inactive="true")
    pair.servicenow.add("sys_choice", name="incident", element="state", value="9", label="Parked")
    (column,) = pair.servicenow.rows("sys_dictionary", name="task", element="description")
    pair.servicenow.edit("sys_dictionary", column["sys_id"], by="admin", read_only="true")
    on_fire = pair.servicenow.add("incident", short_description="Printer on fire")
    pair.servicenow.edit("incident", on_fire["sys_id"], by="abel.tuter", comments="Smoke everywhere")
    pair.servicenow.platform.access.hidden_fields.add(("incident", "urgency"))
    pair.servicenow.platform.access.closed_tables.add("sys_journal_field")
    ValueMap.objects.create(name="incident-priority-case-priority")  # the user's own, and empty
    writes = pair.servicenow.counters.writes + pair.salesforce.counters.writes

    checked = found("incident-case", pair)

    told = [(each["side"], each["text"].split(":")[0], each["advice"][:24]) for each in checked["error"]]
    assert told == [
        ("servicenow", "incident.description cannot be written by the user.", "Grant the user edit acce"),
        ("servicenow", "incident came without urgency", "Let the user read it, or"),
        ("servicenow", "state does not offer '7'.", "Add it there, or change "),
        ("servicenow", "No row of sys_journal_field is shown (hidden)", "Let the integration user"),
        ("salesforce", "Case.ServiceNow_Sys_Id__c is not unique.", "Tick Unique: External ID"),
        (
            "salesforce",
            "Case has no ServiceNow_URL__c, or the user cannot see it.",
            "Add it: URL: the way fro",
        ),
    ]
    warned = [each["text"] for each in checked["warning"]]
    assert any("does not know these values of state: 9." in text for text in warned)
    assert any("these values of Priority: Critical, High, Low, Medium." in text for text in warned)
    assert pair.servicenow.counters.writes + pair.salesforce.counters.writes == writes


def test_incident_and_case_go_together_from_severity_or_escalation_on(transactional_db, pair):
    flow = made_of(shipped()["incident-case"], pair)
    with pytest.raises(services.Refused, match="disabled"):
        run_now(flow)
    table = UserTable.objects.get(name="incident-case-people")
    table.fallback_to_salesforce, table.fallback_to_servicenow = "Service_Desk", "Service Desk"
    table.save()
    table.entries.create(kind="user", servicenow="fred.luddy", salesforce="fred.luddy@acme.example")
    Flow.objects.filter(pk=flow.pk).update(enabled=True)
    services.publish_flow(flow=flow, by=None)
    fred = pair.servicenow.rows("sys_user", user_name="fred.luddy")[0]["sys_id"]
    severe = pair.servicenow.add(
        "incident", short_description="Mail is down", severity="1", impact="1", urgency="1", assigned_to=fred
    )["sys_id"]
    pair.servicenow.add("incident", short_description="Mouse is slow", severity="3")
    escalated = pair.salesforce.add("Case", by="abel.tuter", Subject="Site is offline", IsEscalated=True)[
        "Id"
    ]
    pair.salesforce.add("Case", by="abel.tuter", Subject="A question")

    run = run_now(flow)

    assert (run.status, run.created, run.failed) == ("succeeded", 2, 0)
    (case,) = pair.salesforce.rows("Case", ServiceNow_Sys_Id__c=severe)
    (owner,) = pair.salesforce.rows("User", Id=case["OwnerId"])
    assert (case["Subject"], case["Priority"], owner["Username"]) == ("Mail is down", "Critical", "fred.luddy@acme.example")  # fmt: skip
    twin = RecordLink.objects.get(salesforce_id=escalated).servicenow_id
    (incident,) = pair.servicenow.rows("incident", sys_id=twin)
    assert incident["short_description"] == "Site is offline"

    pair.servicenow.edit(
        "incident", severe, by="fred.luddy", comments="We are on it", work_notes="Disk is full"
    )
    pair.salesforce.add(
        "CaseComment", by="abel.tuter", ParentId=case["Id"], CommentBody="Thanks", IsPublished=True
    )
    pair.salesforce.edit("Case", case["Id"], by="abel.tuter", Status="Working", Priority="High")
    put_on_incident(pair, severe, "log.txt", b"full")
    put_on_case(pair, case["Id"], "photo.png", b"a photo")
    run_now(flow)

    said = {row["CommentBody"].splitlines()[1]: row["IsPublished"] for row in pair.salesforce.rows("CaseComment", ParentId=case["Id"]) if "\n" in row["CommentBody"]}  # fmt: skip
    assert said == {"We are on it": True, "Disk is full": False}
    assert any(
        "Thanks" in row["value"] for row in pair.servicenow.rows("sys_journal_field", element="comments")
    )
    (incident,) = pair.servicenow.rows("incident", sys_id=severe)
    assert (incident["state"], incident["impact"], incident["urgency"]) == ("2", "1", "2")
    assert on_incident(pair, severe) == [("log.txt", b"full"), ("photo.png", b"a photo")]
    assert on_case(pair, case["Id"]) == on_incident(pair, severe)

    before = pair.servicenow.counters.writes + pair.salesforce.counters.writes
    assert run_now(flow).status == "succeeded"
    assert pair.servicenow.counters.writes + pair.salesforce.counters.writes == before
