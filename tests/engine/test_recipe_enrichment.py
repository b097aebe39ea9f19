"""Enrichment: a Case gets what belongs to its incident, and the articles that answer it, none of them twice."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sync import services
from sync.engine.execute import execute
from sync.models import Flow, Run
from sync.recipes import shipped
from sync.recipes.use import use_recipe
from sync.sandbox.pair import Pair
from tests.engine.acts import only_letter, statuses
from tests.engine.articles import attached
from tests.engine.conftest import run_now, salesforce, servicenow
from tests.engine.killing import let_time_pass

pytestmark = pytest.mark.django_db(transaction=True)
CREATE = {"method": "POST", "path": "composite/sobjects$"}


def used(pair: Pair, name: str) -> Flow:
    (made,) = use_recipe(
        recipe=shipped()[name], name=name, servicenow=servicenow(pair), salesforce=salesforce(pair), by=None
    )
    Flow.objects.filter(pk=made.pk).update(enabled=True)
    services.publish_flow(flow=made, by=None)
    return Flow.objects.get(pk=made.pk)


def article(pair: Pair, title: str, text: str, **fields: Any) -> dict[str, Any]:
    values = {"short_description": title, "text": text, "workflow_state": "published"} | fields
    return pair.servicenow.add("kb_knowledge", **values)


@pytest.fixture
def shelf(transactional_db: None, pair: Pair) -> dict[str, dict[str, Any]]:
    """Three articles that are shared, and two that are not: one came late, one is for some readers only."""
    found = {
        "renew": article(pair, "Renew the certificate of the VPN", "<p>Open the client, choose <b>Renew</b>.</p>"),
        "connect": article(pair, "Connect to the VPN", "<p>Start the client. An expired certificate must be renewed.</p>"),
        "paper": article(pair, "Clear a paper jam", "<p>Open the printer.</p>"),
    }  # fmt: skip
    run_now(used(pair, "knowledge"))
    article(pair, "VPN certificate expired: for the desk", "<p>VPN</p>", can_read_user_criteria="a" * 32)
    return found


@pytest.fixture
def flow(pair: Pair, shelf: dict[str, dict[str, Any]]) -> Flow:
    made = used(pair, "enrichment")
    run_now(made)
    return made


def incident(pair: Pair, **fields: Any) -> dict[str, Any]:
    values = {"short_description": "VPN: certificate expired", "description": "Cannot connect to VPN."}
    return pair.servicenow.add("incident", **values | fields)


def case_of(pair: Pair, row: dict[str, Any]) -> str:
    made = pair.salesforce.add("Case", Subject=row["short_description"], ServiceNow_Sys_Id__c=row["sys_id"])
    return str(made["Id"])


def shown(pair: Pair, case: str) -> dict[str, Any]:
    (row,) = pair.salesforce.rows("Case", Id=case)
    return dict(row)


def ids(shelf: dict[str, dict[str, Any]], *names: str) -> list[str]:
    return [shelf[name]["article_id"] for name in names]


def test_a_case_shows_what_belongs_to_its_incident_and_the_articles_that_answer_it(flow, pair, shelf):
    (abel,) = pair.servicenow.rows("sys_user", user_name="abel.tuter")
    item = pair.servicenow.add("cmdb_ci", name="vpn-gw-1")["sys_id"]
    problem = pair.servicenow.add(
        "problem", short_description="Certificates expire unseen", workaround="<p>Renew <b>by hand</b>.</p>"
    )
    change = pair.servicenow.add("change_request", short_description="New gateway", cmdb_ci=item)
    row = incident(pair, caller_id=abel["sys_id"], cmdb_ci=item, problem_id=problem["sys_id"])
    case = case_of(pair, row)

    run = run_now(flow)

    assert (run.status, statuses(flow)) == ("succeeded", ["done"])
    context = shown(pair, case)["ServiceNow_Context__c"].split("\n")
    assert context[:5] == [
        "Caller: Abel Tuter",
        "Configuration item: vpn-gw-1",
        f"Its changes of the last 30 days: {change['number']}",
        f"Problem: {problem['number']} Certificates expire unseen",
        "Workaround: Renew by hand.",
    ]
    assert re.fullmatch(r"Articles: (KB\d+ 0\.\d\d), (KB\d+ 0\.\d\d)", context[5])
    assert 0.15 <= shown(pair, case)["ServiceNow_Score__c"] < 1
    assert attached(pair, case) == ids(shelf, "connect", "renew")


def test_what_changes_is_brought_up_to_date_and_no_article_is_attached_twice(flow, pair, shelf):
    row = incident(pair)
    case = case_of(pair, row)
    for _ in range(2):
        run_now(flow)
    before = pair.salesforce.rows("CaseArticle", CaseId=case)
    item = pair.servicenow.add("cmdb_ci", name="vpn-gw-1")["sys_id"]
    pair.servicenow.edit("incident", row["sys_id"], cmdb_ci=item)

    for _ in range(2):
        run_now(flow)

    assert "Configuration item: vpn-gw-1" in shown(pair, case)["ServiceNow_Context__c"]
    assert pair.salesforce.rows("CaseArticle", CaseId=case) == before
    assert statuses(flow) == ["done", "done"]


def test_an_incident_without_a_case_is_left_alone_until_there_is_one(flow, pair, shelf):
    row = incident(pair)
    run_now(flow)
    pair.servicenow.edit("incident", row["sys_id"], description="Cannot connect to VPN at all.")
    run_now(flow)
    assert set(statuses(flow)) <= {"done", "skipped"}

    case = case_of(pair, row)
    run_now(flow)

    assert attached(pair, case) == ids(shelf, "connect", "renew")


def test_what_nothing_answers_gets_no_article_and_no_score(flow, pair, shelf):
    row = incident(pair, short_description="Coffee is cold", description="")
    case = case_of(pair, row)

    run_now(flow)

    assert (statuses(flow), attached(pair, case), shown(pair, case)["ServiceNow_Score__c"]) == (
        ["done"],
        [],
        None,
    )
    assert shown(pair, case)["ServiceNow_Context__c"].endswith("Articles: none")


def test_an_article_that_is_not_shared_yet_is_left_out_and_the_others_are_attached(flow, pair, shelf):
    article(pair, "VPN certificate expired", "<p>Call us.</p>")
    case = case_of(pair, incident(pair))

    run_now(flow)

    assert (statuses(flow), attached(pair, case)) == (["done"], ids(shelf, "connect", "renew"))


def test_an_article_that_salesforce_refuses_keeps_no_other_waiting_and_its_retry_attaches_it(
    flow, pair, shelf
):
    pair.salesforce.fault("records", **CREATE, share=1.0, code="INSUFFICIENT_ACCESS_OR_READONLY", times=1)
    case = case_of(pair, incident(pair))
    run_now(flow)
    letter = only_letter()
    assert (letter.field, len(attached(pair, case))) == ("action enrich, step attach", 1)

    services.retry_dead_letters(letters=[letter], by=None)
    execute(Run.objects.active().get(flow=flow).pk)

    assert sorted(attached(pair, case)) == sorted(ids(shelf, "connect", "renew"))
    assert statuses(flow) == ["done"]


@pytest.mark.parametrize("lost", ["reset_before", "reset_after"])
def test_a_lost_answer_is_asked_for_again_and_attaches_once(flow, pair, shelf, lost):
    pair.salesforce.fault(lost, **CREATE, times=1)
    case = case_of(pair, incident(pair))

    run_now(flow)
    let_time_pass()
    run_now(flow)

    assert statuses(flow) == ["done"]
    assert attached(pair, case).count(shelf["connect"]["article_id"]) == 1
    assert sorted(attached(pair, case)) == sorted(ids(shelf, "connect", "renew"))
