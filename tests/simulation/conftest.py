"""One bench for all schedules of a module; each schedule leaves the database as it found it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.simulation.play import Bench, Play
from tests.simulation.schedule import Schedule
from tests.simulation.workers import Parts
from tests.worlds import rolled_back


@pytest.fixture(scope="module")
def bench(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Bench]:
    with rolled_back(django_db_blocker):
        yield Bench.build()


Played = Callable[..., Play]


@pytest.fixture
def play(bench: Bench) -> Played:
    """Play a schedule to its end; `parts` replace those of the engine."""

    def run(schedule: Schedule, parts: Parts | None = None) -> Play:
        played = Play(bench, schedule, parts or Parts())
        played.run()
        return played

    return run
