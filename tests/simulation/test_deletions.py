"""Schedules in which people delete and restore records, too: nothing comes back, nothing is made twice, pairs end and live again."""

from __future__ import annotations

import pytest

from tests.simulation.play import Bench, broken_by
from tests.simulation.schedule import draw

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "flow", ["closes", "unlinks", "one-way-closes"]
)  # more: make simulate ARGS="--flow closes"
def test_every_promise_holds_although_records_are_deleted_and_restored(bench: Bench, flow: str) -> None:
    assert broken_by(bench, range(28, 40), flow) == []


def test_the_schedules_delete_and_restore() -> None:
    steps = [step[0] for seed in range(14) for step in draw(seed, "closes").steps]

    assert steps.count("delete") > steps.count("undelete") > 5
