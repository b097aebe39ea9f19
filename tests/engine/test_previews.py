"""What a preview says of a record is what a run then does with it, by the draft or by the published revision."""

from __future__ import annotations

from typing import Any

import pytest

from mappings.models import FieldRow, ValueMapEntry
from sync import looks, services
from sync.models import Event, Flow, Intent, Question, RecordLink, Run, SealedAnswer
from sync.questions import answer
from sync.sandbox.pair import Pair
from tests.engine.both import make_both
from tests.engine.conftest import run_now

pytestmark = pytest.mark.django_db(transaction=True)


def previewed(flow: Flow, *names: str, of: str = "draft") -> Question:
    asked = looks.ask_preview(flow=Flow.objects.get(pk=flow.pk), by=None, names=names, of=of, enqueue=False)
    return answer(asked.pk)


def cells(question: Question, record: int = 0) -> dict[str, dict[str, Any]]:
    """The rows of one record by Salesforce field, clear and sealed together."""
    fields = [row["salesforce"] for row in question.answer["rows"]]
    clear, hidden = question.answer["records"][record]["rows"], question.sealed.content[record]["rows"]
    return {name: {**one, **two} for name, one, two in zip(fields, clear, hidden, strict=True)}


def printer(pair: Pair, **values: str) -> dict[str, str]:
    found: dict[str, str] = pair.servicenow.add(
        "incident",
        **{"short_description": "Printer on fire", "state": "1", "impact": "1", "urgency": "1", **values},
    )
    return found


def test_a_new_record_is_shown_field_by_field_and_nothing_is_written(flow: Flow, pair: Pair) -> None:
    incident = printer(pair)
    writes = pair.salesforce.counters.writes

    question = previewed(flow, incident["number"])

    [record], shown = question.answer["records"], cells(question)
    assert record["verdict"] == "created"
    assert (shown["Status"]["source"], shown["Status"]["result"], shown["Status"]["verdict"]) == (
        "1",
        "New",
        "written",
    )
    assert shown["Status"]["steps"][0]["value"] == "New"
    assert shown["Subject"]["result"] == "Printer on fire"
    assert pair.salesforce.counters.writes == writes
    assert not any(model.objects.exists() for model in (Run, Event, Intent, RecordLink))
    run_now(flow)
    [case] = pair.salesforce.rows("Case")
    assert {name: case[name] for name in shown if case[name]} == {
        name: cell["result"] for name, cell in shown.items() if cell["result"]
    }


def test_the_draft_is_previewed_before_it_is_published_and_the_published_mapping_beside_it(
    flow: Flow, pair: Pair
) -> None:
    incident = printer(pair)
    ValueMapEntry.objects.filter(value_map__name="incident-state", servicenow="1").update(
        salesforce="Escalated"
    )

    draft, published = (previewed(flow, incident["number"], of=of) for of in ("draft", "published"))

    assert cells(draft)["Status"]["result"] == "Escalated"
    assert cells(published)["Status"]["result"] == "New"
    assert (draft.answer["revision"], published.answer["revision"]) == (0, 1)


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"state": "8"}, "Status", "UNMAPPED_VALUE"),
        ({"short_description": "x" * 160}, "ServiceNow_Number__c", "STRING_TOO_LONG"),
        ({"state": "1"}, "Status", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
    ],
)
def test_what_a_write_would_refuse_is_refused_with_advice(
    flow: Flow, pair: Pair, change: dict[str, str], field: str, code: str
) -> None:
    incident = printer(pair, **change)
    if code.startswith("INVALID"):
        ValueMapEntry.objects.filter(value_map__name="incident-state", servicenow="1").update(
            salesforce="Nowhere"
        )
    if code == "STRING_TOO_LONG":
        FieldRow.objects.filter(salesforce=field).update(servicenow="", transform="constant", value="x" * 250)

    question = previewed(flow, incident["number"])

    cell = cells(question)[field]
    assert (cell["verdict"], cell["code"]) == ("refused", code)
    assert cell["text"]
    assert cell["advice"]
    assert question.answer["records"][0]["verdict"] == "failed"


def test_a_pair_shows_what_stands_there_and_what_a_run_would_write(flow: Flow, pair: Pair) -> None:
    incident = printer(pair)
    run_now(flow)
    pair.servicenow.edit("incident", incident["sys_id"], state="2")

    shown = cells(previewed(flow, incident["number"]))

    assert (shown["Status"]["now"], shown["Status"]["result"], shown["Status"]["verdict"]) == (
        "New",
        "Working",
        "written",
    )
    assert (shown["Subject"]["now"], shown["Subject"]["verdict"]) == ("Printer on fire", "same")


def test_a_two_way_pair_shows_for_each_row_the_way_it_goes(transactional_db: None, pair: Pair) -> None:
    both = make_both(pair, servicenow_enter="impact=1")
    incident = printer(pair)
    run_now(both)
    [case] = pair.salesforce.rows("Case")
    pair.servicenow.edit("incident", incident["sys_id"], short_description="Printer is out")
    pair.salesforce.edit("Case", case["Id"], Status="Working")

    shown = cells(previewed(both, incident["number"]))

    assert (shown["Subject"]["to"], shown["Subject"]["result"]) == ("salesforce", "Printer is out")
    assert (shown["Status"]["to"], shown["Status"]["now"], shown["Status"]["result"]) == (
        "servicenow",
        "1",
        "2",
    )


def test_without_numbers_the_newest_three_are_shown_and_unknown_numbers_are_told(
    flow: Flow, pair: Pair
) -> None:
    made = [printer(pair, short_description=f"Printer {number}") for number in range(4)]

    newest = previewed(flow)
    assert len(newest.answer["records"]) == 3
    assert {record["servicenow"]["number"] for record in newest.answer["records"]} <= {
        incident["number"] for incident in made
    }
    assert previewed(flow, "INC7777777").answer["unknown"] == ["INC7777777"]


def test_a_record_that_does_not_enter_says_so_and_still_shows_what_it_would_be(
    make_flow: Any, pair: Pair
) -> None:
    flow = make_flow(servicenow_enter="impact=3")
    incident = printer(pair)

    question = previewed(flow, incident["number"])

    assert question.answer["records"][0]["verdict"] == "outside"
    assert cells(question)["Status"]["result"] == "New"


def test_values_are_sealed_and_only_codes_and_numbers_stand_in_the_clear(flow: Flow, pair: Pair) -> None:
    incident = printer(pair, short_description="Hush", state="8")

    question = previewed(flow, incident["number"])

    assert "Hush" not in str(question.answer)
    assert b"Hush" not in bytes(SealedAnswer.objects.get().content_sealed or b"Hush")
    assert incident["number"] in str(question.answer)


def test_a_mapping_that_cannot_work_is_told_as_the_answer(flow: Flow, pair: Pair) -> None:
    FieldRow.objects.filter(salesforce="Subject").update(salesforce="Nowhere__c")

    question = previewed(flow)

    assert question.state == "failed"
    assert "Nowhere__c" in question.answer["findings"][0]["text"]


# Impact


def measured(flow: Flow) -> Question:
    return answer(looks.ask_impact(flow=Flow.objects.get(pk=flow.pk), by=None, enqueue=False).pk)


def test_the_impact_of_a_new_row_is_every_pair_that_a_resync_then_writes(flow: Flow, pair: Pair) -> None:
    for number in range(7):
        printer(pair, short_description=f"Printer {number}", category="hardware")
    run_now(flow)
    FieldRow.objects.create(
        mapping=flow, position=9, salesforce="Type", transform="constant", value="Problem"
    )

    question = measured(flow)

    linked = RecordLink.objects.count()
    [line] = [each for each in question.answer["fields"] if each["field"] == "Type"]
    assert (question.answer["linked"], question.answer["looked"], line["written"]) == (linked, linked, linked)
    assert question.answer["calls"] == {"servicenow": 0, "salesforce": 1}
    [samples] = question.sealed.content
    assert len(samples) == 5
    assert {(sample["now"], sample["will"]) for sample in samples} == {(None, "Problem")}
    services.publish_flow(flow=Flow.objects.get(pk=flow.pk), by=None)
    assert run_now(flow, kind="resync").updated == linked


def test_a_changed_value_map_tells_which_pairs_get_another_value_once_their_source_changes(
    flow: Flow, pair: Pair
) -> None:
    printer(pair)
    printer(pair, state="2")
    run_now(flow)
    linked = RecordLink.objects.count()
    ValueMapEntry.objects.filter(value_map__name="incident-state", servicenow="2").update(
        salesforce="Escalated"
    )

    question = measured(flow)

    [line] = question.answer["fields"]
    working = sum(case["Status"] == "Working" for case in pair.salesforce.rows("Case"))
    assert working
    assert (line["field"], line["written"], line["later"]) == ("Status", 0, working)
    services.publish_flow(flow=Flow.objects.get(pk=flow.pk), by=None)
    assert run_now(flow, kind="resync").unchanged == linked


def test_what_a_new_row_would_be_refused_is_counted_apart(flow: Flow, pair: Pair) -> None:
    printer(pair)
    run_now(flow)
    FieldRow.objects.filter(salesforce="ServiceNow_Number__c").update(
        servicenow="", transform="constant", value="x" * 250
    )

    [line] = measured(flow).answer["fields"]

    assert (line["written"], line["refused"]) == (0, RecordLink.objects.count())


def test_a_draft_that_changes_nothing_has_no_impact(flow: Flow, pair: Pair) -> None:
    printer(pair)
    run_now(flow)

    assert measured(flow).answer["fields"] == []
