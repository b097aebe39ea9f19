"""Each protection is needed: without it a schedule breaks a promise that the engine as it is keeps."""

from __future__ import annotations

import pytest

from tests.simulation import stories
from tests.simulation.conftest import Played
from tests.simulation.schedule import Schedule
from tests.simulation.weakened import WEAKENED

pytestmark = pytest.mark.django_db

BREAKS: dict[str, Schedule] = {
    "no intent before the request": stories.OWN_ECHO,
    "no key on creates": stories.REPEATED_CREATE,
    "no condition on updates of Salesforce": stories.OVERTAKEN_CASE,
    "no look at the count of updates": stories.LOST_UPDATE,
    "no fence": stories.FENCE,
    "no claims": stories.TWO_LANES_ONE_NEWBORN,
    "no overlap": stories.LATE_COMMIT,
    "no settling before the merge": stories.OWN_ECHO,
    "no wait for a create in doubt": stories.LATE_TWIN,
    "records skipped by stamp": stories.ONE_STAMP,
    "records skipped by author": stories.HIDDEN_BEHIND_US,
    "conditions on the running second": stories.SAME_SECOND,
    "the base read back": stories.READ_BACK,
    "no marks read": stories.A_COMMENT_EACH,
    "no look for an entry in doubt": stories.A_LOST_COMMENT,
    "no look for a file in doubt": stories.A_LOST_FILE,
}


def test_every_protection_that_can_be_taken_out_has_its_schedule() -> None:
    assert BREAKS.keys() == WEAKENED.keys()


@pytest.mark.parametrize("protection", BREAKS)
def test_without_it_a_promise_breaks(play: Played, protection: str) -> None:
    assert play(BREAKS[protection], WEAKENED[protection]).broken


@pytest.mark.parametrize(
    "schedule",
    [stories.FENCE, stories.A_COMMENT_EACH, stories.A_LOST_COMMENT, stories.A_LOST_FILE],
    ids=["fence", "marks", "entry", "file"],
)
def test_with_it_the_promise_is_kept(play: Played, schedule: Schedule) -> None:
    """The other schedules are those of test_counterexamples.py."""
    assert play(schedule).broken == []
