"""How long to wait: longer each time, never in step, and as the server asks."""

from __future__ import annotations

import math
import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core.retry import CAP, FIRST, LONGEST, backoff

seeds = st.integers(0, 1000).map(random.Random)


@given(st.integers(0, 10_000), seeds)
def test_a_wait_lies_in_the_upper_half_of_its_doubling_ceiling(attempts: int, rng: random.Random) -> None:
    ceiling = min(CAP, FIRST * 2 ** min(attempts, 60))

    assert timedelta(seconds=ceiling / 2) <= backoff(attempts, rng) <= timedelta(seconds=ceiling)


@given(st.integers(0, 20), seeds, st.floats(0, LONGEST))
def test_the_servers_own_wish_counts(attempts: int, rng: random.Random, wish: float) -> None:
    assert backoff(attempts, rng, retry_after=wish) == timedelta(seconds=wish)


@pytest.mark.parametrize(
    ("wish", "seconds"), [(-5.0, 0.0), (1e300, LONGEST), (math.inf, LONGEST), (LONGEST + 1, LONGEST)]
)
def test_a_wish_beyond_reason_is_brought_within_it(wish: float, seconds: float) -> None:
    assert backoff(1, random.Random(1), retry_after=wish) == timedelta(seconds=seconds)


def test_two_that_failed_together_do_not_come_back_together() -> None:
    assert len({backoff(5, random.Random(seed)) for seed in range(20)}) == 20
