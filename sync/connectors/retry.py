"""Repeats of reads: exponential backoff with full jitter, and the server's own wish first."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sync.errors import BudgetSpentError, TransientError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how patiently a read is repeated. Times in seconds.

    A server that asks for more than `longest` is not waited for: the run ends and the schedule comes back.
    """

    attempts: int = 4
    base: float = 0.5
    cap: float = 10.0
    longest: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random  # from [0, 1)

    def run(self, read: Callable[[], T]) -> T:
        """Call `read` until it succeeds, fails for good, or the attempts are used up."""
        for attempt in range(1, self.attempts + 1):
            try:
                return read()
            except BudgetSpentError:
                raise
            except TransientError as error:
                if attempt == self.attempts or (error.retry_after or 0) > self.longest:
                    raise
                self.sleep(self._pause(attempt, error.retry_after))
        raise AssertionError("unreachable")

    def _pause(self, attempt: int, asked: float | None) -> float:
        jittered = min(self.cap, self.base * 2.0 ** (attempt - 1)) * self.draw()
        return jittered if asked is None else asked + jittered
