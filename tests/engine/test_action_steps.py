"""What each kind of step does when its answer is lost: once and only once, or in doubt until a person has said what happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sync import services
from sync.engine.execute import execute
from sync.models import ActionRun, ActionStep, Flow, Run
from sync.sandbox.pair import Pair
from tests.engine.acts import notice_flow, only_letter, redeclare, statuses
from tests.engine.conftest import run_now
from tests.engine.killing import let_time_pass

SALESFORCE = {"method": "POST", "path": "composite/sobjects$"}


def case_of(pair: Pair, **fields: Any) -> dict[str, Any]:
    return pair.salesforce.add("Case", Subject="Printer on fire", **fields)


@pytest.fixture
def onboarding(transactional_db: None, pair: Pair) -> Callable[..., Flow]:
    """A flow that acts for Cases which enter."""

    def make(*steps: dict[str, Any], **more: Any) -> Flow:
        act = {"name": "follow-up", "on": {"entered": "salesforce"}, "steps": list(steps), **more}
        return notice_flow(pair, act, direction="to_servicenow")

    return make


@pytest.fixture
def vpn(pair: Pair) -> str:
    item = pair.servicenow.add("sc_cat_item", name="Site-to-site VPN")
    pair.servicenow.add("item_option_new", cat_item=item["sys_id"], name="account", question_text="Account")
    return str(item["sys_id"])


ITEM = {
    "name": "item", "do": "look_up", "in": "servicenow", "table": "sc_cat_item", "query": "name=Site-to-site VPN^active=true",
    "take": ["name"],
}  # fmt: skip
ORDER = {
    "name": "order",
    "do": "order",
    "item": "{steps.item.sys_id}",
    "variables": {"account": "{salesforce.Subject}"},
}
BACK = {
    "name": "back", "do": "update", "in": "salesforce", "table": "Case", "id": "{salesforce.Id}",
    "values": {"ServiceNow_Number__c": "{steps.order.number}"},
}  # fmt: skip
POSTS = {
    "chatter": ({"name": "tell", "do": "post", "to": "chatter", "text": "Hello {salesforce.Subject}"}, "FeedItem", "Body"),
    "case_comment": ({"name": "tell", "do": "post", "to": "case_comment", "text": "Hello {salesforce.Subject}"}, "CaseComment", "CommentBody"),
    "task": ({"name": "tell", "do": "notify", "by": "task", "on": "{salesforce.Id}", "subject": "Call them", "text": "Hello {salesforce.Subject}"}, "Task", "Description"),
}  # fmt: skip


def test_an_order_carries_its_variables_and_its_number_is_written_back(
    onboarding, pair: Pair, vpn: str
) -> None:
    case = case_of(pair)
    flow = onboarding(ITEM, ORDER, BACK)

    run_now(flow)

    (request,) = pair.servicenow.rows("sc_request")
    assert [row["value"] for row in pair.servicenow.rows("sc_item_option")] == ["Printer on fire"]
    assert pair.salesforce.rows("Case", Id=case["Id"])[0]["ServiceNow_Number__c"] == request["number"]
    assert statuses(flow) == ["done"]


def test_an_order_whose_answer_was_lost_is_found_by_its_mark(onboarding, pair: Pair, vpn: str) -> None:
    case = case_of(pair)
    flow = onboarding(ITEM, ORDER, BACK)
    pair.servicenow.fault("reset_after", method="POST", path="order_now$")

    run_now(flow)
    run_now(flow)

    (request,) = pair.servicenow.rows("sc_request")
    assert pair.salesforce.rows("Case", Id=case["Id"])[0]["ServiceNow_Number__c"] == request["number"]
    assert statuses(flow) == ["done"]


def test_an_order_that_cannot_be_found_waits_for_a_person_who_has_it_done_again(
    onboarding, pair: Pair, vpn: str
) -> None:
    case_of(pair)
    flow = onboarding(ITEM, ORDER, BACK)
    pair.servicenow.fault("reset_before", method="POST", path="order_now$")
    runs = [run_now(flow)]
    let_time_pass()
    runs.append(run_now(flow))
    assert not pair.servicenow.rows("sc_request")
    assert statuses(flow) == ["in_doubt"]
    assert [run.in_doubt for run in runs] == [1, 1]

    services.do_action_again(step=ActionStep.objects.get(status="in_doubt"), by=None)
    finish(flow)

    assert len(pair.servicenow.rows("sc_request")) == 1
    assert statuses(flow) == ["done"]


def test_a_person_who_says_that_it_happened_lets_the_action_go_on(onboarding, pair: Pair, vpn: str) -> None:
    case = case_of(pair)
    flow = onboarding(ITEM, ORDER, BACK)
    pair.servicenow.fault("reset_before", method="POST", path="order_now$")
    run_now(flow)

    step = ActionStep.objects.get(status="in_doubt")
    services.say_action_happened(step=step, by=None, number="REQ0099999")
    finish(flow)

    assert not pair.servicenow.rows("sc_request")
    assert pair.salesforce.rows("Case", Id=case["Id"])[0]["ServiceNow_Number__c"] == "REQ0099999"
    assert statuses(flow) == ["done"]
    with pytest.raises(services.Refused, match="not in doubt any more"):
        services.do_action_again(step=step, by=None)


def finish(flow: Flow) -> Run:
    """The retry that a person's word has queued."""
    run = Run.objects.active().filter(flow=flow).get()
    return execute(run.pk)


@pytest.mark.parametrize("kind", POSTS)
def test_what_is_said_is_said_once_though_its_answer_was_lost(onboarding, pair: Pair, kind: str) -> None:
    step, name, field = POSTS[kind]
    case_of(pair)
    flow = onboarding(step)
    pair.salesforce.fault("reset_after", **SALESFORCE)

    run_now(flow)
    run_now(flow)

    (said,) = [row[field] for row in pair.salesforce.rows(name)]
    assert said.startswith("Hello Printer on fire\n[sync:")
    assert statuses(flow) == ["done"]


@pytest.mark.parametrize("kind", POSTS)
def test_what_was_never_said_waits_in_doubt_and_is_not_repeated_unasked(
    onboarding, pair: Pair, kind: str
) -> None:
    step, name, _ = POSTS[kind]
    case_of(pair)
    flow = onboarding(step)
    pair.salesforce.fault("reset_before", **SALESFORCE)

    run_now(flow)
    let_time_pass()
    run_now(flow)

    assert not pair.salesforce.rows(name)
    assert statuses(flow) == ["in_doubt"]


def test_a_work_note_is_looked_for_because_its_answer_tells_of_no_entry(
    transactional_db: None, pair: Pair
) -> None:
    note = {"name": "tell", "do": "post", "to": "work_note", "text": "Seen: {servicenow.short_description}"}
    act = {"name": "follow-up", "on": {"entered": "servicenow"}, "steps": [note]}
    flow = notice_flow(pair, act)
    pair.servicenow.add("incident", short_description="Printer on fire")
    pair.servicenow.fault("reset_after", method="PATCH", path="/table/incident/")

    run_now(flow)
    run_now(flow)

    (entry,) = pair.servicenow.rows("sys_journal_field", element="work_notes")
    assert entry["value"].startswith("Seen: Printer on fire\n[sync:")
    assert statuses(flow) == ["done"]


def test_an_email_of_the_org_whose_answer_was_lost_is_in_doubt(onboarding, pair: Pair) -> None:
    mail = {
        "name": "mail", "do": "notify", "by": "salesforce_email", "to": "beth.anglin@acme.example", "subject": "News",
        "text": "About {salesforce.Subject}",
    }  # fmt: skip
    case_of(pair)
    flow = onboarding(mail)
    pair.salesforce.fault("reset_after", method="POST", path="emailSimple$")

    run_now(flow)

    assert statuses(flow) == ["in_doubt"]
    services.say_action_happened(step=ActionStep.objects.get(), by=None)
    finish(flow)
    assert statuses(flow) == ["done"]


def test_an_email_goes_out_by_the_consoles_own_server(onboarding, pair: Pair, mailoutbox: list[Any]) -> None:
    case_of(pair)
    flow = onboarding({
        "name": "mail", "do": "notify", "by": "email", "to": "beth.anglin@acme.example; abel.tuter@acme.example",
        "subject": "About {salesforce.Subject}", "text": "Please look.",
    })  # fmt: skip

    run_now(flow)
    run_now(flow)

    (mail,) = mailoutbox
    assert mail.subject == "About Printer on fire"
    assert mail.to == ["beth.anglin@acme.example", "abel.tuter@acme.example"]


@pytest.mark.parametrize("fault", ["reset_after", "reset_before"])
def test_a_create_with_a_derived_sys_id_makes_one_record_whatever_is_lost(
    onboarding, pair: Pair, fault: str
) -> None:
    create = {
        "name": "problem", "do": "create", "in": "servicenow", "table": "problem",
        "values": {"short_description": "{salesforce.Subject}"},
    }  # fmt: skip
    back = {**BACK, "values": {"ServiceNow_Number__c": "{steps.problem.number}"}}
    case = case_of(pair)
    flow = onboarding(create, back)
    pair.servicenow.fault(fault, method="POST", path="/table/problem")

    run_now(flow)

    (problem,) = pair.servicenow.rows("problem")
    assert pair.salesforce.rows("Case", Id=case["Id"])[0]["ServiceNow_Number__c"] == problem["number"]
    assert statuses(flow) == ["done"]


@pytest.mark.parametrize("fault", ["reset_after", "reset_before"])
def test_a_create_with_an_external_id_makes_one_record_whatever_is_lost(
    onboarding, pair: Pair, fault: str
) -> None:
    child = {
        "name": "child", "do": "create", "in": "salesforce", "table": "Case", "key": "ServiceNow_Sys_Id__c",
        "values": {"Subject": "Child of {salesforce.Subject}", "ParentId": "{salesforce.Id}"},
    }  # fmt: skip
    case = case_of(pair)
    flow = onboarding(child, when='salesforce.Subject == "Printer on fire"')
    pair.salesforce.fault(fault, **SALESFORCE)

    run_now(flow)

    assert len(pair.salesforce.rows("Case", ParentId=case["Id"])) == 1
    assert statuses(flow) == ["done"]


def test_a_record_without_a_key_is_found_by_the_condition_that_the_step_names(onboarding, pair: Pair) -> None:
    contact = {
        "name": "contact", "do": "create", "in": "salesforce", "table": "Contact", "values": {"LastName": "Anglin"},
        "find": "LastName = 'Anglin'",
    }  # fmt: skip
    case_of(pair)
    flow = onboarding(contact)
    pair.salesforce.fault("reset_after", **SALESFORCE)

    run_now(flow)

    assert len(pair.salesforce.rows("Contact", LastName="Anglin")) == 1
    assert statuses(flow) == ["done"]


def test_a_refused_step_is_a_dead_letter_and_its_retry_goes_on_there(
    onboarding, pair: Pair, vpn: str
) -> None:
    case_of(pair)
    tell = {"name": "tell", "do": "post", "to": "case_comment", "text": "Ordered {steps.order.number}"}
    bad = {**BACK, "values": {"NoSuchField__c": "{steps.order.number}"}}
    flow = onboarding(ITEM, ORDER, bad, tell)
    run_now(flow)
    letter = only_letter()
    assert (letter.code, letter.field) == ("INVALID_FIELD", "action follow-up, step back")
    assert "NoSuchField__c" in letter.content["message"]
    assert statuses(flow) == ["failed"]

    act = flow.options["actions"][0]
    redeclare(flow, {**act, "steps": [ITEM, ORDER, BACK, tell]})
    services.retry_dead_letters(letters=[letter], by=None)
    finish(flow)

    (request,) = pair.servicenow.rows("sc_request")
    (comment,) = pair.salesforce.rows("CaseComment")
    assert comment["CommentBody"].startswith(f"Ordered {request['number']}\n")
    letter.refresh_from_db()
    assert (statuses(flow), letter.state) == (["done"], "retried")


def test_a_retired_catalog_item_is_a_dead_letter_with_advice(onboarding, pair: Pair, vpn: str) -> None:
    pair.servicenow.edit("sc_cat_item", vpn, active="false")
    case_of(pair)
    flow = onboarding({**ORDER, "item": vpn})

    run = run_now(flow)

    letter = only_letter()
    assert "catalog item" in letter.rule
    assert "active" in letter.advice
    assert (run.status, run.failed, statuses(flow)) == ("partial", 1, ["failed"])


def test_what_a_look_up_does_not_find_fails_is_waited_for_or_leaves_the_rest_undone(
    onboarding, pair: Pair, vpn: str
) -> None:
    case_of(pair)
    pair.servicenow.edit("sc_cat_item", vpn, active="false")
    flow = onboarding({**ITEM, "none": "wait"}, ORDER)
    run_now(flow)
    assert statuses(flow) == ["waiting"]

    pair.servicenow.edit("sc_cat_item", vpn, active="true")
    let_time_pass()
    run_now(flow)
    assert (statuses(flow), len(pair.servicenow.rows("sc_request"))) == (["done"], 1)

    pair.servicenow.edit("sc_cat_item", vpn, active="false")
    redeclare(
        flow,
        {
            **flow.options["actions"][0],
            "name": "quiet",
            "on": {"changed": {"salesforce": "Subject"}},
            "steps": [{**ITEM, "none": "skip"}, ORDER],
        },
    )
    run_now(flow)
    pair.salesforce.edit("Case", pair.salesforce.rows("Case")[0]["Id"], Subject="Printer is wet")
    run_now(flow)
    assert statuses(flow) == ["done", "done"]
    assert len(pair.servicenow.rows("sc_request")) == 1


def test_each_row_of_a_list_is_an_audience_and_one_that_is_refused_keeps_no_other_waiting(
    onboarding, pair: Pair
) -> None:
    people = {
        "name": "people", "do": "look_up", "in": "salesforce", "table": "Contact", "query": "AccountId = null",
        "take": ["Email", "LastName"], "many": "each", "none": "skip",
    }  # fmt: skip
    mail = {
        "name": "mail", "do": "notify", "by": "salesforce_email", "to": "{steps.people.Email}", "subject": "News",
        "text": "Dear {steps.people.LastName}",
    }  # fmt: skip
    for name, address in ("Anglin", "beth@acme.example"), ("Nobody", ""), ("Tuter", "abel@acme.example"):
        pair.salesforce.add("Contact", LastName=name, Email=address)
    case_of(pair)
    flow = onboarding(people, mail)

    run_now(flow)

    sent = ActionStep.objects.filter(name="mail").order_by("pk")
    assert sorted(step.status for step in sent) == ["done", "done", "refused"]
    assert only_letter().code == "EMPTY_TEXT"


def test_a_row_for_which_nothing_is_found_is_skipped_alone(onboarding, pair: Pair, vpn: str) -> None:
    case_of(pair, Description="Fax line;Site-to-site VPN;Telex")
    products = {"name": "products", "do": "list", "of": "{salesforce.Description}"}
    item = {**ITEM, "query": "name={steps.products.value}^active=true", "none": "skip"}
    flow = onboarding(products, item, ORDER)

    run_now(flow)

    assert len(pair.servicenow.rows("sc_request")) == 1
    assert statuses(flow) == ["done"]


def test_rows_told_apart_by_a_value_leave_it_nowhere_in_the_clear(onboarding, pair: Pair) -> None:
    address = "a.person.with.quite.a.long.name@acme.example"
    pair.salesforce.add("Contact", LastName="Anglin", Email=address)
    people = {
        "name": "people", "do": "look_up", "in": "salesforce", "table": "Contact", "query": "AccountId = null",
        "many": "each", "distinct": "Email",
    }  # fmt: skip
    case_of(pair)
    flow = onboarding(people, {
        "name": "mail", "do": "notify", "by": "salesforce_email", "to": "{steps.people.id}", "subject": "News", "text": "Hello",
    })  # fmt: skip

    run_now(flow)

    assert statuses(flow) == ["done"]
    (step,) = ActionStep.objects.filter(name="mail")
    assert step.content["request"]["emailAddresses"] == address
    assert address[:30] not in str([*ActionStep.objects.values(), *ActionRun.objects.values()])


def test_what_an_empty_text_would_find_is_not_taken_for_what_is_to_be_made(onboarding, pair: Pair) -> None:
    pair.salesforce.add("Contact", LastName="Somebody else")
    case_of(pair)
    flow = onboarding({
        "name": "contact", "do": "create", "in": "salesforce", "table": "Contact", "values": {"LastName": "Anglin"},
        "find": "Phone = '{salesforce.Description}'",
    })  # fmt: skip

    run_now(flow)

    assert len(pair.salesforce.rows("Contact", LastName="Anglin")) == 1


@pytest.mark.parametrize("address", ["a@" + "ü" * 70 + ".com", "a\x00@acme.example"])
def test_an_address_that_no_message_can_hold_is_a_dead_letter(
    onboarding, pair: Pair, mailoutbox: list[Any], address: str
) -> None:
    case_of(pair, Description=address)
    mail = {"name": "mail", "do": "notify", "by": "email", "subject": "News", "text": "Please look."}
    flow = onboarding({**mail, "to": "{salesforce.Description}"})

    run = run_now(flow)

    assert run.status == "partial"
    assert only_letter().code == "NO_ADDRESS"
    assert not mailoutbox


def test_what_is_no_number_does_not_blank_the_field_of_one(onboarding, pair: Pair) -> None:
    case = case_of(pair, Description="nan", ServiceNow_Score__c=0.5)
    flow = onboarding({
        "name": "score", "do": "update", "in": "salesforce", "table": "Case", "id": "{salesforce.Id}",
        "values": {"ServiceNow_Score__c": "{salesforce.Description}"},
    })  # fmt: skip

    run_now(flow)

    assert pair.salesforce.rows("Case", Id=case["Id"])[0]["ServiceNow_Score__c"] == 0.5
    assert only_letter()
