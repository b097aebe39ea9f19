"""Repeats of reads, and of writes that were turned away: exponential backoff with full jitter, the server's wish first."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from sync.errors import BudgetSpentError, RateLimitError, TransientError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how patiently a call is repeated. Times in seconds.

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
        return self._run(read, lambda error: not isinstance(error, BudgetSpentError))

    def briefly(self, write: Callable[[], T]) -> T:
        """Call `write` again where the platform turned it away (429): it did nothing, and has room in a moment.

        For a few seconds at most, because an intent grows old. Nothing else about a write is repeated here: what was
        accepted and dropped (202) is looked up first.
        """
        brief = replace(self, attempts=3, cap=1.0, longest=1.0)
        return brief._run(write, lambda error: isinstance(error, RateLimitError) and error.code != "dropped")

    def _run(self, call: Callable[[], T], passes: Callable[[TransientError], bool]) -> T:
        for attempt in range(1, self.attempts + 1):
            try:
                return call()
            except TransientError as error:
                last = attempt == self.attempts or (error.retry_after or 0) > self.longest
                if last or not passes(error):
                    raise
                self.sleep(self._pause(attempt, error.retry_after))
        raise AssertionError("unreachable")

    def _pause(self, attempt: int, asked: float | None) -> float:
        jittered = min(self.cap, self.base * 2.0 ** (attempt - 1)) * self.draw()
        return jittered if asked is None else asked + jittered
