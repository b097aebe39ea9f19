"""The demo's own configuration, both ways, over the sandbox pair: what its text tells people to try does happen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sync.configuration.apply import apply, known_names
from sync.configuration.export import export
from sync.configuration.live import check_live
from sync.configuration.parse import parse
from sync.management.commands.demo import FILE, FLOW
from sync.models import Conflict, DeadLetter, Flow, RecordLink, Run
from sync.sandbox.pair import Pair, PairConfig, start_pair
from sync.sandbox.planned_changes import PlannedChanges
from tests.engine.conftest import run_now

TELLING = ("change-notifications", "progress-notices")
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair(PairConfig(incidents=40)) as running:
        yield running


@pytest.fixture
def flow(pair: Pair) -> Flow:
    return configured(pair)


def configured(pair: Pair) -> Flow:
    """As `manage.py demo` configures it; nothing of it is stored for later."""
    held = pair.credentials
    environ = {
        "SERVICENOW_URL": pair.servicenow.url, "SERVICENOW_CLIENT_ID": held.servicenow.client_id,
        "SERVICENOW_CLIENT_SECRET": held.servicenow.client_secret, "SALESFORCE_URL": pair.salesforce.url,
        "SALESFORCE_CLIENT_ID": held.salesforce.client_id, "SALESFORCE_CLIENT_SECRET": held.salesforce.client_secret,
        "SANDBOX_CA_BUNDLE": str(pair.ca_file),
    }  # fmt: skip
    parsed = parse(FILE.read_text(), file=FILE.name, known=known_names(), environ=environ)
    assert check_live(parsed, environ) == []
    assert apply(parsed, environ=environ, reason="A test wants it").notices == []
    return Flow.objects.get(name=FLOW)


def quiet(flow: Flow, pair: Pair) -> Run:
    pair.servicenow.reset_counters()
    pair.salesforce.reset_counters()
    run = run_now(flow)
    assert (pair.servicenow.counters.writes, pair.salesforce.counters.writes) == (0, 0)
    return run


def row(pair: Pair, table: str, id: str) -> dict[str, Any]:
    key, platform = ("Id", pair.salesforce) if table == "Case" else ("sys_id", pair.servicenow)
    (found,) = platform.rows(table, **{key: id})
    return dict(found)


def test_the_demo_settles_in_one_run_and_then_is_silent(flow: Flow, pair: Pair) -> None:
    run = run_now(flow)

    open_ones = sum(incident["active"] == "true" for incident in pair.servicenow.rows("incident"))
    assert (run.status, run.created, run.failed, run.conflicts) == ("succeeded", open_ones, 0, 0)
    assert quiet(flow, pair).status == "succeeded"


def test_a_case_edited_on_salesforces_page_changes_its_incident(flow: Flow, pair: Pair) -> None:
    run_now(flow)
    link = RecordLink.objects.order_by("servicenow_number").first()
    assert link is not None
    pair.salesforce.edit(
        "Case", link.salesforce_id, by="abel.tuter", Status="Resolved", Priority="Critical", Description="Mended.",
        OwnerId=pair.salesforce.rows("User", Username="fred.luddy@acme.example")[0]["Id"],
    )  # fmt: skip

    run = run_now(flow)

    incident = row(pair, "incident", link.servicenow_id)
    assert run.directions["to_servicenow"]["updated"] == 1
    assert (incident["state"], incident["impact"], incident["urgency"], incident["priority"]) == (
        "6",
        "1",
        "1",
        "1",
    )
    assert incident["close_notes"]
    assert incident["description"] == "Mended."
    (owner,) = pair.servicenow.rows("sys_user", sys_id=incident["assigned_to"])
    assert owner["user_name"] == "fred.luddy"
    quiet(flow, pair)


def test_an_escalated_case_becomes_an_incident(flow: Flow, pair: Pair) -> None:
    run_now(flow)
    case = pair.salesforce.add(
        "Case", by="abel.tuter", Subject="The whole site is offline", Priority="Critical", IsEscalated=True
    )

    run = run_now(flow)

    assert run.status == "succeeded"
    incident = row(pair, "incident", RecordLink.objects.get(salesforce_id=case["Id"]).servicenow_id)
    assert (incident["short_description"], incident["priority"]) == ("The whole site is offline", "1")
    assert row(pair, "Case", case["Id"])["ServiceNow_Number__c"] == incident["number"]
    quiet(flow, pair)


def test_a_subject_changed_on_both_sides_waits_for_a_person(flow: Flow, pair: Pair) -> None:
    run_now(flow)
    link = RecordLink.objects.order_by("servicenow_number").first()
    assert link is not None
    pair.salesforce.edit("Case", link.salesforce_id, by="abel.tuter", Subject="Theirs")
    pair.servicenow.edit("incident", link.servicenow_id, by="fred.luddy", short_description="Ours")

    run_now(flow)

    assert [(conflict.field, conflict.state) for conflict in Conflict.objects.all()] == [("Subject", "open")]


def test_what_people_say_on_either_page_stands_on_the_other(flow: Flow, pair: Pair) -> None:
    run_now(flow)
    link = RecordLink.objects.order_by("servicenow_number").first()
    assert link is not None
    pair.servicenow.edit("incident", link.servicenow_id, by="fred.luddy", comments="Is it better now?")
    pair.servicenow.edit("incident", link.servicenow_id, by="fred.luddy", work_notes="Swapped the fuser")
    pair.salesforce.add(
        "CaseComment", by="abel.tuter", ParentId=link.salesforce_id, CommentBody="It is", IsPublished=True
    )

    run = run_now(flow)

    assert run.entries["to_servicenow"] == {"comments": 1}
    said = {
        row["CommentBody"].rpartition("\n")[2]: row["IsPublished"]
        for row in pair.salesforce.rows("CaseComment", ParentId=link.salesforce_id)
    }
    assert said == {"It is": True, "Is it better now?": True, "Swapped the fuser": False}
    heard = [row["value"] for row in pair.servicenow.rows("sys_journal_field", element_id=link.servicenow_id)]
    assert [text.rpartition("\n")[2] for text in heard] == ["Is it better now?", "Swapped the fuser", "It is"]
    quiet(flow, pair)


def test_the_demos_file_comes_out_of_an_export_as_it_went_in(flow: Flow, pair: Pair) -> None:
    text = export()
    assert "close_notes: Closed by the customer desk in Salesforce." in text
    assert "servicenow: true" in text

    parsed = parse(text, file="export.yaml", known=known_names(), environ={})

    assert [str(change) for change in apply(parsed, environ={}, reason="A test wants it").changes] == []
    assert export() == text


def test_the_demos_articles_for_customers_appear_in_salesforce_with_their_picture() -> None:
    with start_pair(PairConfig(customers=True)) as pair:
        configured(pair)
        articles = Flow.objects.get(name="articles")
        run = run_now(articles)

        (base,) = pair.servicenow.rows("kb_knowledge_base", title="Customer Knowledge")
        wanted = {"workflow_state": "published", "kb_knowledge_base": base["sys_id"]}
        published = {row["article_id"] for row in pair.servicenow.rows("kb_knowledge", **wanted)}
        online = pair.salesforce.rows("Knowledge__kav", PublishStatus="Online")
        assert published
        assert (run.status, run.created, run.failed) == ("succeeded", len(published), 0)
        assert {row["UrlName"] for row in online} == published
        (picture,) = pair.salesforce.rows("ContentVersion")
        assert any(picture["Id"] in row["Article_Body__c"] for row in online)
        quiet(articles, pair)


def test_the_demos_won_account_is_taken_on_and_its_ordered_machines_stand_under_it() -> None:
    """The other new customer wants what is not sold any more: that waits for a person."""
    with start_pair(PairConfig(customers=True)) as pair:
        configured(pair)
        (wants_fax,) = pair.salesforce.rows("Account", Name="GenePoint")
        pair.salesforce.edit("Account", wants_fax["Id"], by="sam.sorokin", Type="Customer")
        for _ in range(2):
            for name in ("won", "customers", "contacts", "hardware", "items"):
                run_now(Flow.objects.get(name=name))

        (taken_on,) = pair.salesforce.rows("Account", Name="Burlington Textiles")
        assert taken_on["ServiceNow_Onboarding__c"].startswith(
            "Done: Burlington Textiles is in ServiceNow, ordered: "
        )
        machines = {row["AccountId"] for row in pair.salesforce.rows("Asset", Status="Purchased")}
        assert taken_on["Id"] in machines
        assert (
            len(pair.salesforce.rows("Asset")) == len(pair.servicenow.rows("alm_hardware")) + 1
        )  # a virtual one
        assert not pair.salesforce.rows("Contact", ServiceNow_Sys_Id__c=None)
        letter = DeadLetter.objects.get(state="open")
        assert (letter.flow.name, letter.code) == ("customers", "FOUND_NONE")


def test_the_demos_changes_and_incidents_tell_people() -> None:
    with start_pair(PairConfig(customers=True, incidents=20)) as pair:
        settled, changes = configured(pair), PlannedChanges(pair.servicenow.platform)
        for flow in Flow.objects.filter(name__in=("incidents-to-cases", *TELLING)).order_by("name"):
            run_now(flow)
        for _ in range(3):
            changes.step()
            assert run_now(Flow.objects.get(name="change-notifications")).failed == 0
        link = RecordLink.objects.filter(flow=settled).order_by("servicenow_number").last()
        assert link is not None
        pair.servicenow.edit("incident", link.servicenow_id, by="fred.luddy", state="2")
        pair.servicenow.edit("incident", link.servicenow_id, by="fred.luddy", state="3", hold_reason="1")
        run_now(Flow.objects.get(name="progress-notices"))

        told = {row["Subject"].split(":")[0] for row in pair.salesforce.rows("Task", IsClosed=False)}
        assert {
            f"Change CHG0030001 {occasion}" for occasion in ("approved", "rescheduled", "cancelled")
        } <= told
        assert "Change CHG0030002 approved" in told  # as it was before
        (post,) = pair.salesforce.rows("FeedItem", ParentId=link.salesforce_id)
        assert "is on hold" in post["Body"]


def test_the_demos_cases_show_what_belongs_to_their_incidents_and_the_article_that_answers_them() -> None:
    with start_pair(PairConfig(customers=True)) as pair:
        settled = configured(pair)
        (item, *_) = pair.servicenow.rows("cmdb_ci_server")
        on_vpn = pair.servicenow.add(
            "incident", short_description="VPN drops every few minutes", cmdb_ci=item["sys_id"]
        )
        for name in (settled.name, "articles", "enrichment"):
            run_now(Flow.objects.get(name=name))

        (case,) = pair.salesforce.rows("Case", ServiceNow_Sys_Id__c=on_vpn["sys_id"])
        (attached,) = pair.salesforce.rows("CaseArticle", CaseId=case["Id"])
        (article,) = pair.salesforce.rows("Knowledge__kav", Title="VPN drops every hour")
        assert attached["KnowledgeArticleId"] == article["KnowledgeArticleId"]
        assert f"Configuration item: {item['name']}" in case["ServiceNow_Context__c"]
        assert f"Articles: {article['ServiceNow_Number__c']} 0." in case["ServiceNow_Context__c"]
        quiet(settled, pair)  # what was written there concerns no other flow
