"""What a history proves of a field: its last edit, what became of a request, what a request went over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mappings.apply import canonical
from sync.core.history import Sent, is_ruled_out, last_edit, same, trace
from sync.core.records import Change, Version

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
US = "sync.user"


def entry(
    count: int, old: Any, new: Any, by: str = "fred.luddy", field: str = "state", **more: Any
) -> Change:
    """An entry of ServiceNow, a minute for each update."""
    return Change("id", field, old, new, by, NOON + timedelta(minutes=count), count, **more)


def told(seconds: int, old: Any, new: Any, by: str = "fred", field: str = "Subject", **more: Any) -> Change:
    """An entry of Salesforce, which counts no updates."""
    return Change("id", field, old, new, by, NOON + timedelta(seconds=seconds), **more)


def seen(count: int) -> Version:
    at = NOON + timedelta(minutes=count)
    return Version(at, at, count)


# The last edit


def test_the_last_edit_is_the_newest_that_the_version_shows() -> None:
    changes = [entry(1, "1", "2", "fred.luddy"), entry(2, "2", "3", "abel.tuter"), entry(3, "3", "6")]

    found = last_edit(changes, {"state": "3"}, seen(2), canonical)

    assert found is not None
    assert (found.by, found.count) == ("abel.tuter", 2)


def test_an_entry_of_another_value_does_not_tell_who_made_the_present_one() -> None:
    assert last_edit([entry(1, "1", "2")], {"state": "3"}, seen(2), canonical) is None
    assert last_edit([], {"state": "3"}, seen(2), canonical) is None


def test_of_several_columns_the_one_edited_last_counts() -> None:
    changes = [entry(1, "3", "1", "fred.luddy", "impact"), entry(2, "3", "2", "abel.tuter", "urgency")]

    found = last_edit(changes, {"impact": "1", "urgency": "2"}, seen(2), canonical)

    assert found is not None
    assert found.by == "abel.tuter"


def test_an_entry_without_values_tells_who_and_when() -> None:
    changes = [told(10, None, None, "abel", "Description", told=False)]
    version = Version(NOON + timedelta(seconds=10), NOON + timedelta(seconds=10))

    found = last_edit(changes, {"Description": "Long"}, version, canonical)

    assert found is not None
    assert found.by == "abel"


@pytest.mark.parametrize(
    ("recorded", "value", "expected"),
    [
        ("New", "New", True),
        (True, "true", True),
        ("", None, True),
        ("x" * 255, "x" * 300, True),
        ("x" * 254, "x" * 300, False),
        ("New", "Newer", False),
    ],
)
def test_values_are_the_same_as_far_as_they_are_kept(recorded: Any, value: Any, expected: bool) -> None:
    assert same(recorded, value, canonical) is expected


# A request of ours

STATE = Sent("state", "6", "2")


def test_a_request_that_went_over_what_it_was_planned_over_lost_nothing() -> None:
    found = trace([entry(6, "2", "6", US)], [STATE], US, canonical, over_count=5)

    assert found is not None
    assert (found.count, found.lost, found.whole) == (6, {}, True)


def test_a_request_names_what_it_went_over_unseen_and_who_had_put_it_there() -> None:
    changes = [entry(6, "2", "3", "fred.luddy"), entry(7, "3", "6", US)]

    found = trace(changes, [STATE], US, canonical, over_count=5)

    assert found is not None
    lost = found.lost["state"]
    assert (lost.value, lost.by, lost.at) == ("3", "fred.luddy", NOON + timedelta(minutes=6))


def test_an_author_that_is_not_told_is_not_guessed() -> None:
    found = trace([entry(7, "3", "6", US)], [STATE], US, canonical, over_count=5)

    assert found is not None
    assert (found.lost["state"].value, found.lost["state"].by, found.lost["state"].at) == ("3", "", None)


def test_what_automation_makes_of_our_write_in_an_update_of_its_own_is_no_loss() -> None:
    changes = [entry(6, "2", "6", US), entry(7, "6", "7", US)]

    found = trace(changes, [STATE], US, canonical, over_count=5)

    assert found is not None
    assert (found.count, found.lost) == (6, {})


def test_an_earlier_write_of_the_same_value_is_not_taken_for_this_one() -> None:
    changes = [entry(3, "2", "6", US), entry(4, "6", "2", "fred.luddy")]

    assert trace(changes, [STATE], US, canonical, over_count=5) is None


@pytest.mark.parametrize("by", ["fred.luddy", ""])
def test_the_same_value_by_somebody_else_is_not_ours(by: str) -> None:
    assert trace([entry(6, "2", "6", by)], [STATE], US, canonical, over_count=5) is None


def test_a_field_that_is_not_followed_leaves_the_trace_in_part() -> None:
    sent = [STATE, Sent("u_note", "After", "Before")]

    found = trace([entry(6, "2", "6", US)], sent, US, canonical, over_count=5)

    assert found is not None
    assert not found.whole


def test_a_field_without_an_entry_was_perhaps_refused_without_a_word() -> None:
    sent = [STATE, Sent("category", "rocket", "network"), Sent("impact", "1", "3")]
    changes = [entry(6, "3", "1", "fred.luddy", "impact"), entry(7, "2", "6", US)]

    found = trace(changes, sent, US, canonical, over_count=5)

    assert found is not None
    assert found.fields == {"state", "impact"}


def test_a_field_that_somebody_had_set_to_the_very_value_is_told() -> None:
    sent = [STATE, Sent("impact", "1", "3")]
    changes = [entry(6, "3", "1", "fred.luddy", "impact"), entry(7, "2", "6", US)]

    found = trace(changes, sent, US, canonical, over_count=5)

    assert found is not None
    assert (found.whole, found.lost) == (True, {})


def test_on_salesforce_a_request_is_known_by_its_time() -> None:
    changes = [told(5, "A", "C", "us"), told(20, "A", "B", "fred"), told(30, "B", "C", "us")]

    found = trace(changes, [Sent("Subject", "C", "A")], "us", canonical, since=NOON + timedelta(seconds=10))

    assert found is not None
    assert (found.at, found.count) == (NOON + timedelta(seconds=30), None)
    assert (found.lost["Subject"].value, found.lost["Subject"].by) == ("B", "fred")


# What a request cannot have done


def test_a_followed_field_that_never_held_what_was_sent_rules_the_request_out() -> None:
    assert is_ruled_out([entry(6, "2", "3")], [STATE], canonical, 5, 6)


@pytest.mark.parametrize(
    "changes",
    [
        [],  # perhaps nobody follows it
        [entry(6, "2", "6")],  # somebody set the very value: ours may have come after and changed nothing
        [entry(7, "2", "3")],  # later than the version that was read
        [entry(5, "1", "2")],  # before the request
    ],
)
def test_otherwise_nothing_is_ruled_out(changes: list[Change]) -> None:
    assert not is_ruled_out(changes, [STATE], canonical, 5, 6)
