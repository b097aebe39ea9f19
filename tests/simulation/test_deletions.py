"""Schedules in which people delete and restore records, too: nothing comes back, nothing is made twice, pairs end and live again."""

from __future__ import annotations

import pytest

from sync.core.records import Side
from tests.simulation import stories
from tests.simulation.play import Bench, Play, broken_by
from tests.simulation.schedule import Schedule, draw

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "flow", ["deletes", "closes", "unlinks", "one-way-closes"]
)  # more: make simulate ARGS="--flow closes"
def test_every_promise_holds_although_records_are_deleted_and_restored(bench: Bench, flow: str) -> None:
    assert broken_by(bench, range(28, 40), flow) == []


# Each of these broke a promise once.
@pytest.mark.parametrize(
    ("flow", "seed"),
    [
        *(("deletes", seed) for seed in (6, 21, 49, 77, 214, 588)),
        *(("closes", seed) for seed in (21, 157, 193, 228)),
        ("unlinks", 158),
        ("talks-and-closes", 309),
    ],
)
def test_what_broke_a_promise_once_keeps_it(bench: Bench, flow: str, seed: int) -> None:
    assert broken_by(bench, [seed], flow) == []


def test_the_schedules_delete_and_restore() -> None:
    steps = [step[0] for seed in range(14) for step in draw(seed, "closes").steps]

    assert steps.count("delete") > steps.count("undelete") > 5


def test_what_two_records_never_agreed_on_goes_on_record_before_one_is_deleted(bench: Bench) -> None:
    """A Case that names its incident is deleted while the two are being paired; the incident holds texts of its own."""
    play = Play(bench, draw(2, "deletes"))

    assert play.run() == []
    assert {field for field, _, rule in play.told.conflicts if rule == "policy: delete"} >= {
        "short_description", "description", "u_symptom",
    }  # fmt: skip


def test_an_update_that_is_executed_late_does_not_undo_the_closing_of_its_record(bench: Bench) -> None:
    play = Play(bench, stories.LATE_UPDATE_OF_WHAT_IS_CLOSED)

    assert play.run() == []
    assert [row["state"] for row in play.told.rows[Side.SERVICENOW]] == ["7"]


@pytest.mark.parametrize("flow", ["closes", "unlinks", "one-way-closes"])
def test_an_incident_that_comes_back_with_its_old_stamps_is_found(bench: Bench, flow: str) -> None:
    """Long after the overlap, so that no poll meets it."""
    gone = (*stories.PAIR, ("delete", Side.SERVICENOW, 0), *stories.RUN, ("wait", 100_000.0), *stories.RUN)
    play = Play(bench, stories.story(*gone, ("undelete", Side.SERVICENOW), flow=flow), nightly=False)

    assert play.run() == []
    assert len(play.told.rows[Side.SERVICENOW]) == 1


def test_a_case_that_names_an_incident_in_the_bin_is_its_pair_once_that_is_restored(bench: Bench) -> None:
    met = (("meet",), ("delete", Side.SERVICENOW, 0), ("wait", 320.0), *stories.RUN)
    play = Play(
        bench, stories.story(*met, ("undelete", Side.SERVICENOW), flow="talks-and-closes"), nightly=False
    )

    assert play.run() == []
    assert play.told.letters == []
    assert [len(rows) for rows in play.told.rows.values()] == [1, 1]


def test_a_case_whose_deletion_is_told_by_our_own_update_meets_the_policy_like_any_other(
    bench: Bench,
) -> None:
    """Shrunk from a random schedule: the poll had read the Case before its deletion could be seen."""
    play = Play(bench, Schedule(
        seed=86, flow="deletes", page_size=2, skew=(0.0, 0.0), dialect=(), history=True,
        steps=(
            ("add", Side.SERVICENOW), ("late", Side.SALESFORCE, 3.0, 2), ("start", "a", "live"),
            ("seek", "a", "before PATCH servicenow write"), ("edit", Side.SERVICENOW, 0, "subject", ""),
            ("start", "a", "live"), ("delete", Side.SALESFORCE, 2),
        ),
    ))  # fmt: skip

    assert play.run() == []
    assert play.told.rows == {Side.SERVICENOW: [], Side.SALESFORCE: []}
