"""Half of the thousand schedules that every change must pass: after each, every promise holds.

In two files, which run side by side. Thousands more: `make simulate`.
"""

from __future__ import annotations

import pytest

from tests.simulation import SCHEDULES
from tests.simulation.play import Bench, broken_by

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("first", range(0, SCHEDULES, 50))
def test_every_promise_holds_after_schedules_drawn_from_even_seeds(bench: Bench, first: int) -> None:
    assert broken_by(bench, range(first, first + 50, 2)) == []
