"""Half of the schedules that the tests play: after each, every promise holds.

In two files, which run side by side. `.ci/run` plays the rest of the thousand that every change must pass, `make simulate` thousands more.
"""

from __future__ import annotations

import pytest

from tests.simulation import SCHEDULES
from tests.simulation.play import Bench, broken_by

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("first", range(1, SCHEDULES, 50))
def test_every_promise_holds_after_schedules_drawn_from_odd_seeds(bench: Bench, first: int) -> None:
    assert broken_by(bench, range(first, first + 50, 2)) == []
