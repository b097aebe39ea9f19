"""Who changed which field when: read where it matters, in one call a side, and told in the conflict."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections

from sync import services
from sync.models import Conflict, DeadLetter, Event, Flow, Intent
from sync.sandbox.pair import Pair
from sync.sandbox.salesforce.settings import Automation, Settings
from tests.engine.both import make_both
from tests.engine.conftest import run_now

PATCH = {"method": "PATCH", "path": "table/incident"}
SUSPECTED = "overwrite_suspected"


@pytest.fixture
def both(transactional_db: None, pair: Pair) -> Callable[..., Flow]:
    """A flow both ways, in an org that tracks what is mapped and an instance that audits it."""
    pair.salesforce.platform.settings = Settings(tracked_fields=frozenset({"Case.Subject", "Case.Priority"}))
    return lambda **changes: make_both(pair, **changes)


def a_pair(flow: Flow, pair: Pair) -> tuple[str, str]:
    """An incident that has become a Case, at rest; their ids."""
    incident = pair.servicenow.add("incident", short_description="Printer on fire")["sys_id"]
    run_now(flow)
    return incident, pair.salesforce.rows("Case", ServiceNow_Sys_Id__c=incident)[0]["Id"]


def watch_history(pair: Pair) -> None:
    """Count the calls that ask for history from now on."""
    pair.servicenow.fault("delay", path="sys_audit", times=0)
    pair.salesforce.fault("delay", path="CaseHistory", times=0)
    forget_calls(pair)


def forget_calls(pair: Pair) -> None:
    pair.servicenow.reset_counters()
    pair.salesforce.reset_counters()


def history_calls(pair: Pair) -> tuple[int, int]:
    return pair.servicenow.counters.faults, pair.salesforce.counters.faults


def subjects(pair: Pair) -> tuple[str, str]:
    (incident,), (case,) = pair.servicenow.rows("incident"), pair.salesforce.rows("Case")
    return incident["short_description"], case["Subject"]


def user_id(pair: Pair, name: str) -> Any:
    return pair.salesforce.rows("User", Username=f"{name}@acme.example")[0]["Id"]


def skew(pair: Pair, minutes: float) -> None:
    for side in (pair.servicenow, pair.salesforce):
        side.skew_clock(timedelta(minutes=minutes))


# Conflicts


def test_a_conflict_tells_who_changed_the_field_and_when_although_others_edited_the_record_since(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both(conflict="ask")
    skew(pair, -10)
    incident, case = a_pair(flow, pair)
    skew(pair, -3)
    pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Ours")
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Theirs")
    skew(pair, 0)
    pair.servicenow.edit("incident", incident, by="abel.tuter", category="network")
    pair.salesforce.edit("Case", case, by="fred.luddy", Type="Problem")

    run_now(flow)

    told = Conflict.objects.get().values
    assert (told["servicenow_field_by"], told["servicenow_by"]) == ("fred.luddy", "abel.tuter")
    assert told["salesforce_field_by"] == user_id(pair, "abel.tuter")
    assert told["salesforce_by"] == user_id(pair, "fred.luddy")
    for side in ("servicenow", "salesforce"):
        earlier = datetime.fromisoformat(told[f"{side}_at"]) - datetime.fromisoformat(
            told[f"{side}_field_at"]
        )
        assert timedelta(minutes=2) < earlier < timedelta(minutes=4)


def test_conflicts_of_a_page_take_one_call_a_side_and_none_once_they_are_on_record(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both(conflict="ask")
    for number in range(3):
        pair.servicenow.add("incident", short_description=f"Ticket {number}")
    run_now(flow)
    for case in pair.salesforce.rows("Case"):
        pair.salesforce.edit("Case", case["Id"], by="abel.tuter", Subject="Theirs")
        pair.servicenow.edit("incident", case["ServiceNow_Sys_Id__c"], by="fred.luddy", short_description="Ours")  # fmt: skip
    watch_history(pair)

    run_now(flow)

    assert Conflict.objects.filter(state="open").count() == 3
    assert history_calls(pair) == (1, 1)
    forget_calls(pair)
    run_now(flow)
    assert history_calls(pair) == (0, 0)
    assert all("servicenow_field_by" in conflict.values for conflict in Conflict.objects.all())


def test_an_edit_of_one_side_asks_for_no_history(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    incident, case = a_pair(flow, pair)
    watch_history(pair)
    run_now(flow)  # quiet
    pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Ours")
    run_now(flow)
    pair.salesforce.edit("Case", case, by="abel.tuter", Priority="High")

    run_now(flow)

    assert subjects(pair) == ("Ours", "Ours")
    assert history_calls(pair) == (0, 0)


def test_a_later_edit_of_one_side_leaves_what_is_known_of_the_other(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both(conflict="ask")
    incident, case = a_pair(flow, pair)
    pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Ours")
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Theirs")
    run_now(flow)
    pair.salesforce.edit("Case", case, by="fred.luddy", Subject="Theirs, corrected")

    run_now(flow)

    told = Conflict.objects.get().values
    assert told["salesforce"] == "Theirs, corrected"
    assert told["servicenow_field_by"] == "fred.luddy"
    assert told["salesforce_field_by"] == user_id(pair, "fred.luddy")


# The newest edit


def edited_beside(pair: Pair, incident: str, case: str) -> None:
    """ServiceNow's field is the older one, but its record was edited after Salesforce's."""
    skew(pair, -8)
    pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Older")
    skew(pair, -5)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Newer")
    skew(pair, -2)
    pair.servicenow.edit("incident", incident, by="abel.tuter", description="Beside it")
    skew(pair, 0)


def test_the_newest_edit_of_the_field_wins_and_not_that_of_the_record(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both(conflict="newest")
    skew(pair, -10)
    incident, case = a_pair(flow, pair)
    edited_beside(pair, incident, case)

    run_now(flow)

    assert subjects(pair) == ("Newer", "Newer")
    conflict = Conflict.objects.get()
    assert (conflict.rule, conflict.values["servicenow"]) == ("newest", "Older")
    assert "by fred.luddy (field history)" in conflict.values["reckoning"]
    assert conflict.values["reckoning"].endswith("salesforce is newer")


def test_without_history_the_same_edits_are_a_tie(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both(conflict="newest")
    pair.salesforce.platform.settings = Settings()
    pair.servicenow.platform.access.closed_tables.add("sys_audit")
    skew(pair, -10)
    incident, case = a_pair(flow, pair)
    edited_beside(pair, incident, case)

    run_now(flow)

    assert subjects(pair) == ("Older", "Older")
    conflict = Conflict.objects.get()
    assert conflict.rule == "tie: servicenow"
    assert "servicenow_field_by" not in conflict.values


# Between look and write


@contextmanager
def between_look_and_write(flow: Flow, pair: Pair, kind: str = "delay") -> Iterator[None]:
    """Run the flow, and do what is in the block while its update of the incident is on its way."""
    pair.servicenow.fault(kind, seconds=1.0, **PATCH)
    before = pair.servicenow.counters.faults

    def work() -> None:
        run_now(flow)
        connections.close_all()

    run = threading.Thread(target=work)
    run.start()
    deadline = time.monotonic() + 20
    while pair.servicenow.counters.faults == before:
        assert time.monotonic() < deadline, "the update never came"
        time.sleep(0.01)
    yield
    run.join()


def last_update() -> Event:
    return Event.objects.filter(operation="update", side="servicenow").latest("at")


def test_what_was_overwritten_between_look_and_write_is_on_record_with_its_author(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    incident, case = a_pair(flow, pair)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Theirs")

    with between_look_and_write(flow, pair):
        pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Lost")

    assert subjects(pair) == ("Theirs", "Theirs")
    conflict = Conflict.objects.get()
    assert (conflict.state, conflict.rule) == ("by_rule", "overwritten between look and write")
    told = conflict.values
    assert (told["servicenow"], told["sent"], told["servicenow_field_by"]) == ("Lost", "Theirs", "fred.luddy")
    assert last_update().code == "overwritten"


def test_without_history_an_overwrite_is_suspected(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    pair.servicenow.platform.access.closed_tables.add("sys_audit")
    incident, case = a_pair(flow, pair)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Theirs")

    with between_look_and_write(flow, pair):
        pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Lost")

    assert not Conflict.objects.exists()
    assert last_update().code == SUSPECTED


def test_an_edit_of_another_field_between_look_and_write_is_no_overwrite(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    incident, case = a_pair(flow, pair)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Theirs")

    with between_look_and_write(flow, pair):
        pair.servicenow.edit("incident", incident, by="fred.luddy", description="Beside it")

    assert not Conflict.objects.exists()
    assert last_update().code == ""


def test_a_business_rule_that_updates_again_is_no_overwrite(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    _, case = a_pair(flow, pair)
    pair.servicenow.platform.records.afterwards.append(lambda table, row: {"category": "network"})
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Theirs")
    watch_history(pair)

    run_now(flow)

    assert subjects(pair) == ("Theirs", "Theirs")
    assert not Conflict.objects.exists()
    assert last_update().code == ""
    assert history_calls(pair) == (1, 0)


# In doubt


def test_an_update_in_doubt_is_settled_although_its_value_is_gone_again(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    incident, case = a_pair(flow, pair)
    # One write that is answered tells the engine under which name it writes.
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Second")
    run_now(flow)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Third")
    records = pair.servicenow.platform.records

    def edited_at_once(table: object, row: object) -> dict[str, str]:
        records.afterwards.clear()
        pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Fourth")
        return {}

    records.afterwards.append(edited_at_once)
    pair.servicenow.fault("reset_after", **PATCH)

    run_now(flow)
    run_now(flow)

    assert subjects(pair) == ("Fourth", "Fourth")
    assert not Intent.objects.exists()
    assert not Conflict.objects.exists()


def test_what_an_update_in_doubt_went_over_unseen_is_on_record(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    incident, case = a_pair(flow, pair)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Second")
    run_now(flow)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Third")

    with between_look_and_write(flow, pair, "reset_after"):
        pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Lost")
    run_now(flow)

    assert subjects(pair) == ("Third", "Third")
    conflict = Conflict.objects.get()
    assert conflict.rule == "overwritten between look and write"
    assert (conflict.values["servicenow"], conflict.values["servicenow_by"]) == ("Lost", "fred.luddy")
    assert not Intent.objects.exists()


def test_an_update_of_a_case_in_doubt_is_no_conflict_with_whoever_edited_it_since(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both(conflict="ask")
    incident, _ = a_pair(flow, pair)
    settings = pair.salesforce.platform.settings
    pair.salesforce.platform.settings = replace(
        settings, automations=(Automation("Case", "Subject", "Theirs", after_seconds=0.01),)
    )
    pair.salesforce.skew_clock(timedelta(seconds=30))  # its stamps are old enough to be trusted
    pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Ours")
    pair.salesforce.fault("reset_after", method="POST", path="composite$")

    run_now(flow)
    run_now(flow)

    assert subjects(pair) == ("Theirs", "Theirs")
    assert not Conflict.objects.exists()
    assert not Intent.objects.exists()


def test_a_choice_that_was_dropped_in_an_update_in_doubt_is_not_taken_for_an_edit_back(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    _, case = a_pair(flow, pair)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Second")
    run_now(flow)
    states = flow.rows.get(salesforce="Status").value_map
    assert states is not None
    entry = states.entries.get(salesforce="Escalated")
    entry.servicenow = "44"  # no such choice
    entry.save()
    services.publish_flow(flow=flow, by=None)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Third", Status="Escalated")
    pair.servicenow.fault("reset_after", **PATCH)

    run_now(flow)
    run_now(flow)

    assert subjects(pair) == ("Third", "Third")
    assert pair.salesforce.rows("Case")[0]["Status"] == "Escalated"
    assert DeadLetter.objects.get(state="open").code == "REFUSED_SILENTLY"
