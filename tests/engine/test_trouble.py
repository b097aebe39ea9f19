"""What goes wrong in real life: nothing is lost, nothing is written twice, and somebody is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sync import services
from sync.engine import lease as leases
from sync.engine.execute import execute
from sync.models import Conflict, Connection, DeadLetter, Event, Flow, Intent, RecordLink, Run, Waiting
from sync.sandbox.pair import Pair
from sync.sandbox.salesforce.dialect import ValidationRule
from tests.engine.conftest import run_now

CREATES = {"method": "POST", "path": "composite/sobjects$"}


def subjects(pair: Pair) -> list[str]:
    return sorted(case["Subject"] for case in pair.salesforce.rows("Case"))


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "empty", "truncated", "html"])
def test_a_lost_answer_to_a_create_does_not_make_a_second_case(flow: Flow, pair: Pair, kind: str) -> None:
    pair.servicenow.add("incident", short_description="Printer on fire")
    pair.salesforce.fault(kind, **CREATES)

    run = run_now(flow)

    assert subjects(pair) == ["Printer on fire"]
    assert (run.status, run.created, run.in_doubt) == ("succeeded", 1, 0)
    assert not Intent.objects.exists()
    assert not Waiting.objects.exists()
    assert [event.outcome for event in Event.objects.order_by("id")] == ["in_doubt", "created"]


def test_an_edit_made_while_the_create_is_in_doubt_is_kept(flow: Flow, pair: Pair) -> None:
    incident = pair.servicenow.add("incident", short_description="Printer on fire")
    pair.salesforce.fault("reset_after", **CREATES)
    pair.salesforce.fault("status", status=503, path="query.*ServiceNow_Sys_Id__c", times=20)
    run_now(flow)
    (case,) = pair.salesforce.rows("Case")
    pair.salesforce.edit("Case", case["Id"], by="abel.tuter", Subject="Printer is only warm")
    pair.salesforce.clear_faults()

    run_now(flow)

    assert subjects(pair) == ["Printer is only warm"]
    pair.servicenow.edit("incident", incident["sys_id"], state="2")
    run_now(flow)
    (case,) = pair.salesforce.rows("Case")
    assert (case["Subject"], case["Status"]) == ("Printer is only warm", "Working")


def test_a_refused_record_becomes_a_dead_letter_and_the_rest_goes_on(flow: Flow, pair: Pair) -> None:
    rule = ValidationRule("Case", "Subject", "Forbidden", "The subject must not be Forbidden.")
    pair.salesforce.platform.dialect = replace(pair.salesforce.platform.dialect, validation_rules=(rule,))
    bad = pair.servicenow.add("incident", short_description="Forbidden")
    for number in range(3):
        pair.servicenow.add("incident", short_description=f"Fine {number}")

    run = run_now(flow)

    assert (run.status, run.created, run.failed) == ("partial", 3, 1)
    letter = DeadLetter.objects.get()
    assert (letter.record_number, letter.code) == (bad["number"], "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    assert letter.rule
    assert letter.advice
    assert letter.content["message"] == "The subject must not be Forbidden."
    assert letter.content["planned"]["Subject"] == "Forbidden"


def test_a_dead_letter_closes_when_its_retry_succeeds(flow: Flow, pair: Pair) -> None:
    rule = ValidationRule("Case", "Subject", "Forbidden", "No.")
    pair.salesforce.platform.dialect = replace(pair.salesforce.platform.dialect, validation_rules=(rule,))
    pair.servicenow.add("incident", short_description="Forbidden")
    run_now(flow)
    pair.salesforce.platform.dialect = replace(pair.salesforce.platform.dialect, validation_rules=())

    assert services.retry_dead_letters(letters=DeadLetter.objects.all(), by=None) == 1
    run = execute(Run.objects.active().get().pk)

    assert (run.kind, run.status, run.created) == ("retry", "succeeded", 1)
    assert subjects(pair) == ["Forbidden"]
    assert not DeadLetter.objects.filter(state="open").exists()
    assert not Waiting.objects.exists()


def test_an_unknown_state_is_told_with_its_value_and_creates_nothing(flow: Flow, pair: Pair) -> None:
    pair.servicenow.platform.migrate("incident", {"short_description": "Odd", "state": "42"})

    run = run_now(flow)

    letter = DeadLetter.objects.get()
    assert (run.failed, letter.code, letter.field, letter.content["value"]) == (
        1,
        "UNMAPPED_VALUE",
        "Status",
        "42",
    )
    assert pair.salesforce.rows("Case") == []


def test_an_unknown_state_of_a_linked_record_holds_that_field_alone(flow: Flow, pair: Pair) -> None:
    incident = pair.servicenow.add("incident", short_description="Before")
    run_now(flow)
    pair.servicenow.platform.migrate(
        "incident", {**pair.servicenow.rows("incident")[0], "state": "42", "short_description": "After"}
    )

    run = run_now(flow)

    (case,) = pair.salesforce.rows("Case")
    assert (case["Subject"], case["Status"]) == ("After", "New")
    assert run.failed == 1
    assert DeadLetter.objects.get().record_id == incident["sys_id"]


def test_a_description_of_forty_thousand_characters_is_cut_and_says_so(flow: Flow, pair: Pair) -> None:
    pair.servicenow.platform.migrate(
        "incident", {"short_description": "Long", "description": "x" * 40_000, "state": "1"}
    )

    run = run_now(flow)

    (case,) = pair.salesforce.rows("Case")
    assert run.created == 1
    assert len(case["Description"]) == 32_000
    assert "cut from 40,000 to 32,000 characters" in Event.objects.get().detail["notes"][0]
    assert run_now(flow).unchanged == 1


def test_emoji_control_characters_and_an_empty_subject_arrive(flow: Flow, pair: Pair) -> None:
    pair.servicenow.add(
        "incident", short_description="Drucker 🔥 brennt", description="bell\x07 and\r\nline  "
    )
    pair.servicenow.add("incident", short_description="")

    run = run_now(flow)

    cases = {case["Subject"]: case for case in pair.salesforce.rows("Case")}
    assert run.created == 2
    assert set(cases) == {"Drucker 🔥 brennt", None}
    assert cases["Drucker 🔥 brennt"]["Description"] == "bell and\nline"
    assert run_now(flow).unchanged == 2


def test_an_inactive_owner_falls_back_to_the_queue(flow: Flow, pair: Pair) -> None:
    (luke,) = pair.servicenow.rows("sys_user", user_name="luke.wilson")
    pair.servicenow.platform.migrate(
        "incident",
        {"short_description": "Owned", "state": "1", "priority": "1", "assigned_to": luke["sys_id"]},
    )

    run = run_now(flow)

    (case,) = pair.salesforce.rows("Case")
    (queue,) = pair.salesforce.rows("Group", DeveloperName="Service_Desk")
    assert (run.created, case["OwnerId"]) == (1, queue["Id"])


def test_a_token_that_expires_in_mid_run_is_renewed_once(flow: Flow, pair: Pair) -> None:
    for number in range(3):
        pair.servicenow.add("incident", short_description=f"Ticket {number}")
    run_now(flow)
    pair.servicenow.add("incident", short_description="One more")
    assert pair.salesforce.expire_tokens() + pair.servicenow.expire_tokens() == 2
    pair.salesforce.reset_counters()

    run = run_now(flow)

    assert (run.status, run.created) == ("succeeded", 1)
    assert pair.salesforce.counters.token_requests == 1


def test_a_spent_budget_defers_the_run_and_nothing_is_lost(flow: Flow, pair: Pair) -> None:
    pair.servicenow.add("incident", short_description="Later")
    run_now(flow)
    pair.salesforce.spend_budget(remaining=0)  # somebody else has used the rest
    pair.servicenow.add("incident", short_description="Another")

    run = run_now(flow)

    assert (run.status, run.error_code) == ("deferred", "REQUEST_LIMIT_EXCEEDED")
    assert Connection.objects.get(name="acme-salesforce").blocked_until is not None
    assert run_now(flow).status == "deferred"
    pair.salesforce.spend_budget(remaining=1000)
    Connection.objects.update(blocked_until=None)
    assert run_now(flow).status == "succeeded"
    assert len(pair.salesforce.rows("Case")) == len(pair.servicenow.rows("incident"))


def test_the_second_of_two_runs_started_at_once_is_told_of_the_first(flow: Flow) -> None:
    first = services.request_run(flow=flow, by=None, enqueue=False)

    with pytest.raises(services.Refused, match=f"Run {first.pk}"):
        services.request_run(flow=flow, by=None, enqueue=False)


def test_a_task_delivered_twice_works_once(flow: Flow, pair: Pair) -> None:
    pair.servicenow.add("incident", short_description="Once")
    run = services.request_run(flow=flow, by=None, enqueue=False)
    execute(run.pk)
    pair.servicenow.add("incident", short_description="After the run")

    again = execute(run.pk)

    assert again.status == "succeeded"
    assert subjects(pair) == ["Once"]


def test_a_lane_that_somebody_holds_is_left_alone(flow: Flow, pair: Pair) -> None:
    pair.servicenow.add("incident", short_description="Held")
    run = services.request_run(flow=flow, by=None, enqueue=False)
    from django.utils import timezone

    held = leases.take(flow, "live", timezone.now())
    assert held is not None

    execute(run.pk)

    assert pair.salesforce.rows("Case") == []
    leases.release(held)
    assert execute(run.pk).created == 1


@pytest.mark.parametrize(
    ("adopt", "subject", "status"),
    [
        ("servicenow", "From ServiceNow", "adopted"),
        ("salesforce", "From Salesforce", "adopted"),
        ("", "From ServiceNow", "adopted"),
    ],
)
def test_a_case_that_exists_already_is_adopted(
    make_flow: Callable[..., Flow], pair: Pair, adopt: str, subject: str, status: str
) -> None:
    flow = make_flow(adopt=adopt)
    incident = pair.servicenow.add("incident", short_description="From ServiceNow", impact="1", urgency="1")
    pair.salesforce.add(
        "Case", Subject="From Salesforce", ServiceNow_Sys_Id__c=incident["sys_id"], Status="Escalated"
    )

    run = run_now(flow)

    assert subjects(pair) == [subject]
    assert getattr(run, status) == 1
    assert RecordLink.objects.get().servicenow_id == incident["sys_id"]
    assert run_now(flow).unchanged == 1


def test_a_person_is_asked_whose_values_count(make_flow: Callable[..., Flow], pair: Pair) -> None:
    flow = make_flow(adopt="ask")
    incident = pair.servicenow.add("incident", short_description="From ServiceNow")
    pair.salesforce.add(
        "Case", Subject="From Salesforce", ServiceNow_Sys_Id__c=incident["sys_id"], Status="New"
    )

    run = run_now(flow)

    assert subjects(pair) == ["From Salesforce"]
    assert run.conflicts == 1
    assert set(Conflict.objects.filter(state="open").values_list("field", flat=True)) >= {"Subject"}
    assert run_now(flow).status == "partial"
    assert Conflict.objects.filter(field="Subject").count() == 1


def test_a_flow_may_refuse_to_adopt(make_flow: Callable[..., Flow], pair: Pair) -> None:
    flow = make_flow(adopt="refuse")
    incident = pair.servicenow.add("incident", short_description="From ServiceNow")
    pair.salesforce.add("Case", Subject="From Salesforce", ServiceNow_Sys_Id__c=incident["sys_id"])

    run = run_now(flow)

    assert (run.failed, DeadLetter.objects.get().code) == (1, "ADOPT_REFUSED")
    assert subjects(pair) == ["From Salesforce"]
    assert not RecordLink.objects.exists()


def test_a_deleted_case_is_not_made_again(flow: Flow, pair: Pair) -> None:
    incident = pair.servicenow.add("incident", short_description="Gone")
    run_now(flow)
    pair.salesforce.delete("Case", pair.salesforce.rows("Case")[0]["Id"], by="abel.tuter")
    pair.servicenow.edit("incident", incident["sys_id"], state="2")

    run_now(flow)
    run_now(flow)

    assert pair.salesforce.rows("Case") == []
    assert RecordLink.objects.get().state == "deleted_sf"
    assert not DeadLetter.objects.exists()


def test_only_records_that_enter_get_a_case_and_linked_ones_are_followed(
    make_flow: Callable[..., Flow], pair: Pair
) -> None:
    flow = make_flow(servicenow_enter="active=true^priority=1")
    urgent = pair.servicenow.add("incident", short_description="Urgent", impact="1", urgency="1")
    pair.servicenow.add("incident", short_description="Calm", impact="3", urgency="3")
    run_now(flow)
    pair.servicenow.edit("incident", urgent["sys_id"], impact="3", urgency="3")
    pair.servicenow.add("incident", short_description="Calm too", impact="3", urgency="3")

    run = run_now(flow)

    (case,) = pair.salesforce.rows("Case")
    assert (case["Subject"], case["Priority"]) == ("Urgent", "Low")
    assert run.updated == 1


def test_a_dry_run_writes_nothing_and_says_what_it_would(flow: Flow, pair: Pair) -> None:
    pair.servicenow.add("incident", short_description="Perhaps")
    pair.servicenow.platform.migrate("incident", {"short_description": "Odd", "state": "42"})

    run = run_now(flow, mode="dry")

    assert (run.status, run.created, run.failed) == ("partial", 1, 1)
    assert pair.salesforce.rows("Case") == []
    assert not RecordLink.objects.exists()
    assert not DeadLetter.objects.exists()
    assert run_now(flow).created == 1


def test_a_resync_works_beside_the_live_lane_and_moves_no_watermark(flow: Flow, pair: Pair) -> None:
    incident = pair.servicenow.add("incident", short_description="Both")
    run_now(flow)
    watermark = flow.checkpoints.get(lane="live").watermark
    live = services.request_run(flow=flow, by=None, enqueue=False)

    run = run_now(flow, kind="resync", ids=[incident["sys_id"]])

    assert (run.lane, run.status, run.read) == ("backfill", "succeeded", 1)
    assert flow.checkpoints.get(lane="live").watermark == watermark
    assert execute(live.pk).status == "succeeded"
    assert len(pair.salesforce.rows("Case")) == 1


def test_a_cancelled_run_ends_at_the_next_page_and_the_next_one_goes_on(flow: Flow, pair: Pair) -> None:
    pair.servicenow.add("incident", short_description="Patient")
    run = services.request_run(flow=flow, by=None, enqueue=False)
    Run.objects.filter(pk=run.pk).update(cancel_requested=True)

    assert execute(run.pk).status == "cancelled"
    assert run_now(flow).created == 1


def test_a_field_that_is_gone_pauses_the_flow_and_names_it(flow: Flow, pair: Pair) -> None:
    pair.servicenow.add("incident", short_description="First")
    run_now(flow)
    dialect = pair.salesforce.platform.dialect
    pair.salesforce.platform.dialect = replace(dialect, hidden_fields=frozenset({"Case.ServiceNow_URL__c"}))
    pair.servicenow.add("incident", short_description="Second")

    run = run_now(flow)

    flow.refresh_from_db()
    assert (run.status, run.error_code) == ("failed", "INVALID_FIELD")
    assert "ServiceNow_URL__c" in run.error
    assert "ServiceNow_URL__c" in flow.paused_reason
    pair.salesforce.platform.dialect = dialect
    services.resume_flow(flow=flow, by=None)
    assert run_now(flow).status == "succeeded"
    assert subjects(pair) == ["First", "Second"]


def test_a_source_field_that_is_hidden_stops_the_flow_and_empties_nothing(flow: Flow, pair: Pair) -> None:
    incident = pair.servicenow.add("incident", short_description="First", description="Precious")
    run_now(flow)
    pair.servicenow.platform.access.hidden_fields.add(("incident", "description"))
    pair.servicenow.edit("incident", incident["sys_id"], short_description="Second")

    run = run_now(flow)

    flow.refresh_from_db()
    assert (run.status, run.error_code) == ("failed", "hidden_field")
    assert "description" in flow.paused_reason
    assert [case["Description"] for case in pair.salesforce.rows("Case")] == ["Precious"]
    pair.servicenow.platform.access.hidden_fields.clear()
    services.resume_flow(flow=flow, by=None)
    assert run_now(flow).updated == 1
    assert subjects(pair) == ["Second"]


def test_a_wrong_password_fails_the_run_and_pauses_the_flow(flow: Flow, pair: Pair) -> None:
    connection = flow.salesforce_connection
    services.set_secrets(connection=connection, secrets={"client_secret": "wrong"}, by=None)

    run = run_now(flow)

    flow.refresh_from_db()
    connection.refresh_from_db()
    assert (run.status, flow.health, connection.health) == ("failed", "paused", "failing")
    assert run.advice
    assert "wrong" not in f"{run.error} {run.advice}"


def test_an_external_id_that_is_not_unique_stops_the_flow_before_it_starts(flow: Flow, pair: Pair) -> None:
    dialect = pair.salesforce.platform.dialect
    pair.salesforce.platform.dialect = replace(
        dialect, non_unique_fields=frozenset({"Case.ServiceNow_Sys_Id__c"})
    )
    pair.servicenow.add("incident", short_description="Careful")

    run = run_now(flow)

    assert (run.status, run.error_code) == ("failed", "key_not_unique")
    assert pair.salesforce.rows("Case") == []


def test_a_locked_row_is_tried_again_by_itself(flow: Flow, pair: Pair) -> None:
    incident = pair.servicenow.add("incident", short_description="Locked")
    run_now(flow)
    dialect = pair.salesforce.platform.dialect
    case_id = pair.salesforce.rows("Case")[0]["Id"]
    pair.salesforce.platform.dialect = replace(dialect, locked_ids=frozenset({case_id}))
    pair.servicenow.edit("incident", incident["sys_id"], state="2")

    run = run_now(flow)
    assert (run.waiting, Waiting.objects.get().reason) == (1, "locked")
    pair.salesforce.platform.dialect = dialect
    Waiting.objects.update(due_at=Waiting.objects.get().since)
    run_now(flow)

    assert pair.salesforce.rows("Case")[0]["Status"] == "Working"
    assert not Waiting.objects.exists()


def test_a_person_who_edits_a_one_way_field_is_left_in_peace_until_the_source_moves(
    flow: Flow, pair: Pair
) -> None:
    incident = pair.servicenow.add("incident", short_description="Ours")
    run_now(flow)
    pair.salesforce.edit("Case", pair.salesforce.rows("Case")[0]["Id"], by="abel.tuter", Subject="Theirs")
    run_now(flow)
    assert subjects(pair) == ["Theirs"]

    pair.servicenow.edit("incident", incident["sys_id"], short_description="Ours again")
    run_now(flow)

    assert subjects(pair) == ["Ours again"]
    kept = Conflict.objects.get()
    assert (kept.state, kept.values["salesforce"], kept.rule) == ("by_rule", "Theirs", "one-way")


def test_a_poll_does_not_repeat_a_dead_letter_that_nobody_mended(flow: Flow, pair: Pair) -> None:
    rule = ValidationRule("Case", "Subject", "Forbidden", "No.")
    pair.salesforce.platform.dialect = replace(pair.salesforce.platform.dialect, validation_rules=(rule,))
    incident = pair.servicenow.add("incident", short_description="Forbidden")
    run_now(flow)
    pair.salesforce.reset_counters()

    again = run_now(flow)

    assert (again.status, again.unchanged, pair.salesforce.counters.calls) == ("succeeded", 1, 0)
    assert DeadLetter.objects.get().state == "open"
    assert Event.objects.count() == 1
    pair.servicenow.edit("incident", incident["sys_id"], short_description="Allowed")
    assert run_now(flow).created == 1
    assert DeadLetter.objects.get().state == "closed"


def test_a_waiting_record_becomes_a_dead_letter_when_patience_ends(
    make_flow: Callable[..., Flow], pair: Pair
) -> None:
    flow = make_flow(patience=0)
    incident = pair.servicenow.add("incident", short_description="Locked")
    run_now(flow)
    dialect = pair.salesforce.platform.dialect
    case_id = pair.salesforce.rows("Case")[0]["Id"]
    pair.salesforce.platform.dialect = replace(dialect, locked_ids=frozenset({case_id}))
    pair.servicenow.edit("incident", incident["sys_id"], state="2")

    run_now(flow)

    assert DeadLetter.objects.get().code == "PATIENCE_ENDED"
    assert not Waiting.objects.exists()


def test_another_org_behind_the_same_address_stops_the_flow(flow: Flow, pair: Pair) -> None:
    pair.servicenow.add("incident", short_description="Mine")
    Connection.objects.filter(name="acme-salesforce").update(org_id="00D000000000001AAA")

    run = run_now(flow)

    flow.refresh_from_db()
    assert (run.status, run.error_code) == ("failed", "org_changed")
    assert flow.paused_reason
    assert pair.salesforce.rows("Case") == []


def test_an_incident_that_vanishes_while_its_case_is_in_doubt_needs_a_person_in_the_end(
    make_flow: Callable[..., Flow], pair: Pair
) -> None:
    flow = make_flow(patience=0)
    incident = pair.servicenow.add("incident", short_description="Vanishing")
    pair.salesforce.fault("reset_after", **CREATES)
    pair.salesforce.fault("status", status=503, path="query.*ServiceNow_Sys_Id__c", times=20)
    run_now(flow)
    pair.salesforce.clear_faults()
    Waiting.objects.all().delete()  # the worker died before it could say that the record waits
    pair.servicenow.delete("incident", incident["sys_id"])

    run_now(flow)

    letter = DeadLetter.objects.get()
    assert (letter.code, letter.record_number) == ("PATIENCE_ENDED", incident["number"])
    assert not Intent.objects.exists()
    assert not Waiting.objects.exists()
