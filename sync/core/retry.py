"""When to try again: exponential backoff with equal jitter, capped."""

from __future__ import annotations

import random
from datetime import timedelta

FIRST = 1.0  # seconds
CAP = 900.0
LONGEST = 86_400.0  # that a server's wish is followed


def backoff(attempts: int, rng: random.Random, *, retry_after: float | None = None) -> timedelta:
    """How long to wait before attempt `attempts` + 1; the server's own wish counts first.

    Source of the shape: "Exponential Backoff And Jitter", AWS Architecture Blog.
    """
    if retry_after is not None:
        return timedelta(seconds=min(max(retry_after, 0.0), LONGEST))
    ceiling = min(CAP, FIRST * 2 ** min(attempts, 16))
    return timedelta(seconds=rng.uniform(ceiling / 2, ceiling))
