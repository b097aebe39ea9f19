"""Schedules of flows with actions: answers are lost and workers die; what has a key is done once, what has none at most once."""

from __future__ import annotations

import pytest

from tests.simulation.play import Bench, broken_by

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("flow", ["acts", "one-way-acts"])  # more: make simulate ARGS="--flow acts"
def test_every_promise_holds_of_what_follows_creates_and_transitions(bench: Bench, flow: str) -> None:
    assert broken_by(bench, range(16), flow) == []
