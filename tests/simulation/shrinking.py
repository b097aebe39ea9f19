"""The shortest schedule that still breaks a promise: steps are left out as long as it does (delta debugging).

Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation.schedule import Schedule, Step


def shrink(schedule: Schedule, breaks: Callable[[Schedule], bool], budget: int = 200) -> Schedule:
    """`breaks` is asked at most `budget` times."""
    steps, size = schedule.steps, max(1, len(schedule.steps) // 2)
    while size and budget > 0:
        shorter, budget = _without(schedule, steps, size, breaks, budget)
        size = size // 2 if len(shorter) == len(steps) else min(size, len(shorter))
        steps = shorter
    return schedule.with_steps(steps)


def _without(
    schedule: Schedule,
    steps: tuple[Step, ...],
    size: int,
    breaks: Callable[[Schedule], bool],
    budget: int,
) -> tuple[tuple[Step, ...], int]:
    """Leave out each run of `size` steps that is not needed."""
    start = 0
    while start < len(steps) and budget > 0:
        rest = steps[:start] + steps[start + size :]
        budget -= 1
        if breaks(schedule.with_steps(rest)):
            steps = rest
        else:
            start += size
    return steps, budget
