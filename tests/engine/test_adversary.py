"""Flows that go both ways, met by people and platforms at the worst moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from sync import services
from sync.core.records import Side
from sync.engine.execute import execute, resume_deferred
from sync.models import Conflict, DeadLetter, Flow, RecordLink, Run, Suspect
from sync.sandbox.pair import Pair
from sync.sandbox.salesforce.dialect import ValidationRule
from tests.engine.both import make_both
from tests.engine.conftest import run_now
from tests.engine.killing import let_time_pass
from tests.engine.test_secrecy import stored

CLOSE = {"salesforce": {"Status": "Closed"}}
REFUSED = ValidationRule("Case", "Subject", "Refused", "Not that.")


@pytest.fixture
def both(transactional_db: None, pair: Pair) -> Callable[..., Flow]:
    return lambda **changes: make_both(pair, **changes)


def incident(pair: Pair, **fields: Any) -> str:
    return str(
        pair.servicenow.add("incident", **{"short_description": "Printer on fire", **fields})["sys_id"]
    )


def case_of(pair: Pair, sys_id: str) -> dict[str, Any]:
    (case,) = pair.salesforce.rows("Case", ServiceNow_Sys_Id__c=sys_id)
    return dict(case)


def shown(pair: Pair, sys_id: str) -> dict[str, Any]:
    (row,) = pair.servicenow.rows("incident", sys_id=sys_id)
    return dict(row)


def much_later(pair: Pair) -> None:
    for side in (pair.servicenow, pair.salesforce):
        side.skew_clock(timedelta(hours=1))


def meanwhile(flow: Flow, pair: Pair, deed: Callable[[], Any]) -> None:
    """A run whose write to Salesforce takes a while; `deed` happens before that is answered."""
    before = pair.salesforce.counters.faults
    pair.salesforce.fault("delay", method="(POST|PATCH)", path="composite", seconds=1.0)

    def work() -> None:
        run_now(flow)
        connections.close_all()

    run = threading.Thread(target=work)
    run.start()
    deadline = time.monotonic() + 15
    while pair.salesforce.counters.faults == before:
        assert time.monotonic() < deadline, "the delayed call never came"
        time.sleep(0.01)
    deed()
    run.join()


def test_two_flows_over_the_same_tables_leave_each_others_pairs_alone(
    both: Callable[..., Flow], pair: Pair
) -> None:
    urgent = both(name="urgent", servicenow_enter="urgency=1")
    other = both(name="other", servicenow_enter="urgency=3")
    one, two = incident(pair, urgency="1", impact="1"), incident(pair, urgency="3", impact="3")
    for flow in (urgent, other):
        run_now(flow)
    pair.servicenow.edit("incident", one, by="fred.luddy", short_description="From the desk")
    pair.salesforce.edit("Case", case_of(pair, one)["Id"], by="abel.tuter", Description="From the customer")

    for flow in (other, urgent, other):
        run_now(flow)

    assert {(link.servicenow_id, link.flow.name) for link in RecordLink.objects.all()} == {
        (one, "urgent"),
        (two, "other"),
    }
    assert case_of(pair, one)["Subject"] == "From the desk"
    assert shown(pair, one)["description"] == "From the customer"
    assert not Conflict.objects.exists()
    assert not DeadLetter.objects.exists()


def test_a_row_that_is_given_another_field_does_not_blank_the_text(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    one = incident(pair, description="All of it")
    run_now(flow)
    row = flow.rows.get(salesforce="Description")
    row.salesforce = "SuppliedName"
    row.save()
    services.publish_flow(flow=flow, by=None)
    pair.servicenow.edit("incident", one, by="fred.luddy", short_description="Anew")

    run_now(flow)

    assert shown(pair, one)["description"] == "All of it"


def test_the_guard_holds_where_the_records_that_are_left_were_edited(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both(options={"deletions": {"servicenow": "delete"}})
    ids = [incident(pair) for _ in range(20)]
    run_now(flow)
    for one in ids[:9]:
        pair.salesforce.edit("Case", case_of(pair, one)["Id"], by="abel.tuter", Description="Still here")
        pair.servicenow.delete("incident", one)

    for _ in range(2):
        run_now(flow)

    flow.refresh_from_db()
    assert len(pair.salesforce.rows("Case")) >= 15
    assert flow.deletions_paused
    for _ in range(3):
        run_now(flow)
    assert len(pair.salesforce.rows("Case")) >= 15


@pytest.mark.parametrize("policy", ["close", "delete"])
def test_an_edit_of_the_record_that_is_left_goes_on_record_before_the_policy_acts(
    both: Callable[..., Flow], pair: Pair, policy: str
) -> None:
    flow = both(options={"deletions": {"servicenow": policy, "close": CLOSE}})
    one = incident(pair)
    run_now(flow)
    let_time_pass()  # what was made a moment ago is not deleted yet
    pair.salesforce.edit("Case", case_of(pair, one)["Id"], by="abel.tuter", Status="On Hold")
    pair.servicenow.delete("incident", one)

    run_now(flow)

    (conflict,) = Conflict.objects.all()
    assert (conflict.state, conflict.field, conflict.values["salesforce"]) == ("by_rule", "Status", "On Hold")
    assert conflict.values["salesforce_by"]


def test_a_choice_made_while_a_run_works_on_the_pair_is_written(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both(conflict="ask")
    one, two = incident(pair), incident(pair)
    run_now(flow)
    pair.salesforce.skew_clock(timedelta(seconds=30))
    pair.salesforce.edit("Case", case_of(pair, one)["Id"], by="abel.tuter", Subject="Theirs")
    pair.servicenow.edit("incident", one, by="fred.luddy", short_description="Ours")
    run_now(flow)
    conflict = Conflict.objects.get()
    pair.servicenow.edit("incident", two, by="fred.luddy", short_description="Anew")

    meanwhile(
        flow, pair, lambda: services.resolve_conflicts(conflicts=[conflict], side=Side.SALESFORCE, by=None)
    )
    run_now(flow)

    assert (shown(pair, one)["short_description"], case_of(pair, one)["Subject"]) == ("Theirs", "Theirs")
    conflict.refresh_from_db()
    assert (conflict.state, conflict.choice) == ("resolved", "salesforce")


def test_a_retry_asked_for_while_a_run_reads_the_record_is_not_lost(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    pair.salesforce.platform.dialect = replace(pair.salesforce.platform.dialect, validation_rules=(REFUSED,))
    one, two = incident(pair, short_description="Refused"), incident(pair)
    run_now(flow)
    letter = DeadLetter.objects.get()
    much_later(pair)
    pair.servicenow.edit("incident", two, by="fred.luddy", short_description="Anew")
    pair.salesforce.platform.dialect = replace(pair.salesforce.platform.dialect, validation_rules=())

    meanwhile(flow, pair, lambda: services.retry_dead_letters(letters=[letter], by=None))
    run_now(flow)

    assert case_of(pair, one)["Subject"] == "Refused"


def test_a_letter_that_was_put_aside_is_not_opened_anew_by_the_next_poll(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    pair.salesforce.platform.dialect = replace(pair.salesforce.platform.dialect, validation_rules=(REFUSED,))
    one = incident(pair, short_description="Refused")
    run_now(flow)
    services.ignore_dead_letters(letters=DeadLetter.objects.all(), by=None, reason="Known.")

    run_now(flow)

    assert [letter.state for letter in DeadLetter.objects.all()] == ["ignored"]
    pair.servicenow.edit("incident", one, by="fred.luddy", description="More of it")
    run_now(flow)
    assert DeadLetter.objects.filter(state="open").count() == 1


def test_a_conflict_over_a_row_that_is_gone_is_gone(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both(conflict="ask")
    one = incident(pair)
    run_now(flow)
    pair.salesforce.edit("Case", case_of(pair, one)["Id"], by="abel.tuter", Subject="Theirs")
    pair.servicenow.edit("incident", one, by="fred.luddy", short_description="Ours")
    run_now(flow)
    flow.rows.get(salesforce="Subject").delete()
    services.publish_flow(flow=flow, by=None)

    pair.servicenow.edit("incident", one, by="fred.luddy", description="More")
    run_now(flow)

    assert Conflict.objects.get().state == "gone"


def test_what_a_reconciliation_notes_shows_no_value(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    one, two = incident(pair), incident(pair)
    run_now(flow)
    pair.servicenow.platform.migrate("incident", {"sys_id": one, "state": "Hush"})
    pair.salesforce.platform.dialect = replace(
        pair.salesforce.platform.dialect,
        validation_rules=(ValidationRule("Case", "Subject", "Hush refused", "Hush, no."),),
    )
    pair.servicenow.platform.migrate("incident", {"sys_id": two, "short_description": "Hush refused"})
    pair.servicenow.platform.migrate("incident", {"short_description": "Hush lone", "state": "Hush state"})
    much_later(pair)
    run_now(flow)
    for heal in (False, True):
        execute(services.reconcile(flow=Flow.objects.get(pk=flow.pk), by=None, heal=heal, enqueue=False).pk)

    assert Suspect.objects.exists()
    told = stored()
    at = told.find("Hush")
    assert at < 0, told[max(0, at - 200) : at + 100]


def test_a_paused_flow_starts_none_of_its_queued_runs(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    one = incident(pair)
    run = services.request_run(flow=flow, by=None, enqueue=False)
    services.pause_flow(flow=flow, by=None, reason="Maintenance.")

    run = execute(run.pk)

    assert (run.status, run.error_code) == ("deferred", "flow_idle")
    assert not pair.salesforce.rows("Case")
    services.resume_flow(flow=flow, by=None)
    assert resume_deferred(timezone.now()) == [run.pk]
    execute(run.pk)
    assert case_of(pair, one)["Subject"] == "Printer on fire"


def test_a_text_cut_within_an_emoji_is_not_sent_back_and_an_edit_of_it_is_asked_about(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    one = incident(pair)
    run_now(flow)
    whole = "x" * 158 + "🔥🔥🔥 and more of it"
    pair.salesforce.edit("Case", case_of(pair, one)["Id"], by="abel.tuter", Subject=whole)
    run_now(flow)
    cut = shown(pair, one)["short_description"]
    run_now(flow)

    assert cut.endswith("…")
    assert case_of(pair, one)["Subject"] == whole
    pair.servicenow.edit("incident", one, by="fred.luddy", short_description=cut + "!")
    run_now(flow)
    assert case_of(pair, one)["Subject"] == whole
    assert Conflict.objects.get(state="open").values["servicenow"] == cut + "!"


def test_space_newlines_and_control_characters_come_to_rest_at_once(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    texts = ["ends in space  ", "  begins with space", "two\r\nlines\r\n", "bell\x07", "   ", "é e\u0301"]
    ids = [incident(pair, short_description=f"{text}", description=text) for text in texts]
    run_now(flow)
    before = [shown(pair, one) for one in ids]

    run_now(flow)

    assert [shown(pair, one) for one in ids] == before
    assert not Conflict.objects.exists()
    for one, text in zip(ids, texts, strict=True):
        pair.salesforce.edit("Case", case_of(pair, one)["Id"], by="abel.tuter", Description=text + "\n")
    counts = pair.servicenow.counters.writes
    run_now(flow)
    assert pair.servicenow.counters.writes == counts


def test_a_case_that_takes_over_the_key_of_another_makes_no_second_incident(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both(
        create_in_servicenow=True, servicenow_enter="urgency=1", salesforce_enter="IsEscalated = true"
    )
    one = incident(pair, urgency="1")
    run_now(flow)
    case = case_of(pair, one)
    pair.salesforce.edit("Case", case["Id"], by="abel.tuter", ServiceNow_Sys_Id__c=None)
    second = pair.salesforce.add(
        "Case", by="abel.tuter", Subject="A copy", IsEscalated=True, ServiceNow_Sys_Id__c=one
    )

    run_now(flow)
    run_now(flow)

    assert len(pair.servicenow.rows("incident")) == 1
    assert len(pair.salesforce.rows("Case")) == 2
    assert RecordLink.objects.get().salesforce_id == case["Id"]
    assert [letter.record_id for letter in DeadLetter.objects.filter(state="open")] == [second["Id"]]


def test_a_copied_incident_becomes_a_case_of_its_own(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both(
        create_in_servicenow=True, servicenow_key="field", servicenow_key_field="correlation_id",
        servicenow_enter="active=true", salesforce_enter="IsEscalated = true",
    )  # fmt: skip
    case = pair.salesforce.add("Case", by="abel.tuter", Subject="Loud", IsEscalated=True)
    run_now(flow)
    (first,) = pair.servicenow.rows("incident")
    copy = incident(pair, short_description="Loud", correlation_id=first["correlation_id"])

    for _ in range(3):
        run_now(flow)

    assert len(pair.servicenow.rows("incident")) == 2
    assert {row["ServiceNow_Sys_Id__c"] for row in pair.salesforce.rows("Case")} == {first["sys_id"], copy}
    assert case_of(pair, first["sys_id"])["Id"] == case["Id"]
    assert not DeadLetter.objects.filter(state="open").exists()


def test_a_choice_changed_before_it_is_written_is_written_as_changed(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both(conflict="ask")
    one = incident(pair)
    run_now(flow)
    pair.salesforce.edit("Case", case_of(pair, one)["Id"], by="abel.tuter", Subject="Theirs")
    pair.servicenow.edit("incident", one, by="fred.luddy", short_description="Ours")
    run_now(flow)
    for side in (Side.SALESFORCE, Side.SERVICENOW):
        services.resolve_conflicts(conflicts=Conflict.objects.filter(state="open"), side=side, by=None)

    execute(Run.objects.active().get().pk)

    assert (shown(pair, one)["short_description"], case_of(pair, one)["Subject"]) == ("Ours", "Ours")
    assert Conflict.objects.get().choice == "servicenow"


def test_platforms_that_quote_values_in_their_faults_leave_none_in_the_clear(
    both: Callable[..., Flow], pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    flow = both(conflict="ask", options={"deletions": {"servicenow": "delete"}})
    ids = [incident(pair, short_description=f"Hush {number}") for number in range(3)]
    run_now(flow)
    told = '{"error": {"message": "Operation Failed: Hush", "detail": "Hush is not allowed"}, "status": "failure"}'
    for one in ids:
        pair.salesforce.edit("Case", case_of(pair, one)["Id"], by="abel.tuter", Subject="Hush, theirs")
    for status in (500, 503, 403, 400):
        pair.servicenow.fault("status", status=status, body=told, method="(PATCH|PUT|POST)", path="incident")
        run_now(flow)
    again = (
        '[{"errorCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access to this record"}]'
    )
    pair.servicenow.edit("incident", ids[0], by="fred.luddy", description="Hush, all of it")
    for status in (400, 500, 503):
        pair.salesforce.fault("status", status=status, body=again, method="(PATCH|POST)", path="composite")
        run_now(flow)
    pair.servicenow.delete("incident", ids[1])
    run_now(flow)

    text = stored() + caplog.text
    at = text.find("Hush")
    assert at < 0, text[max(0, at - 300) : at + 100]


def test_the_end_of_a_pair_without_answer_puts_the_edit_on_record_all_the_same(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both(options={"deletions": {"servicenow": "close", "close": CLOSE}})
    one = incident(pair)
    run_now(flow)
    pair.salesforce.edit("Case", case_of(pair, one)["Id"], by="abel.tuter", Status="On Hold")
    pair.servicenow.delete("incident", one)
    pair.salesforce.fault("reset_after", method="(PATCH|POST)", path="composite")

    for _ in range(3):
        run_now(flow)

    assert case_of(pair, one)["Status"] == "Closed"
    assert [conflict.values["salesforce"] for conflict in Conflict.objects.all()] == ["On Hold"]


def test_a_resync_beside_the_live_lane_asks_about_a_field_once(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both(conflict="ask")
    ids = [incident(pair) for _ in range(4)]
    run_now(flow)
    for one in ids:
        pair.salesforce.edit("Case", case_of(pair, one)["Id"], by="abel.tuter", Subject="Theirs")
        pair.servicenow.edit(
            "incident", one, by="fred.luddy", short_description="Ours", description="All of it"
        )

    def resync() -> None:
        try:
            run_now(flow, kind="resync")
        finally:
            connections.close_all()

    beside = threading.Thread(target=resync)
    beside.start()
    live = run_now(flow)
    beside.join()
    for _ in range(
        3
    ):  # ticks: what one lane held a moment ago, or was edited this very second, waits for the next
        run_now(flow)

    assert {live.status, *Run.objects.values_list("status", flat=True)} <= {"succeeded", "partial"}
    assert Conflict.objects.filter(state="open").count() == 4
    assert {case_of(pair, one)["Description"] for one in ids} == {"All of it"}
    assert {shown(pair, one)["short_description"] for one in ids} == {"Ours"}


def test_two_flows_at_once_do_not_take_each_others_newborns(both: Callable[..., Flow], pair: Pair) -> None:
    flows = [
        both(name=name, servicenow_enter=f"urgency={level}") for name, level in (("urgent", 1), ("other", 3))
    ]
    for flow, level in zip(flows, ("1", "3"), strict=True):
        incident(pair, urgency=level)
        run_now(flow)
    newborn = incident(pair, urgency="1", impact="1")

    meanwhile(flows[0], pair, lambda: run_now(flows[1]))
    for flow in flows:
        run_now(flow)

    assert RecordLink.objects.get(servicenow_id=newborn).flow == flows[0]
    assert set(Run.objects.values_list("status", flat=True)) == {"succeeded"}
    assert not Conflict.objects.exists()
