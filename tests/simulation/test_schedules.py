"""Schedules: the same from the same seed, and shrunk to what matters."""

from __future__ import annotations

import pytest

from tests.simulation.play import Bench, Play
from tests.simulation.schedule import draw
from tests.simulation.shrinking import shrink

pytestmark = pytest.mark.django_db


def test_a_seed_gives_the_same_story_every_time(bench: Bench) -> None:
    once = Play(bench, draw(5))
    once.run()
    again = Play(bench, draw(5))
    again.run()

    assert once.ledger.story == again.ledger.story
    assert once.ledger.writes > 0


def test_a_schedule_is_shrunk_to_the_steps_that_matter() -> None:
    schedule = draw(11)
    needed = (schedule.steps[1], schedule.steps[-2])

    short = shrink(schedule, lambda candidate: all(step in candidate.steps for step in needed))

    assert set(short.steps) == set(needed)
