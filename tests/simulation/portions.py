"""What each process of a large simulation does. A module of its own: a spawned process cannot import a package's `__main__`."""

from __future__ import annotations

from typing import Any

Failure = tuple[int, list[str]]


def begin() -> None:
    from tests.simulation.database import set_up

    set_up()


def play_some(portion: tuple[int, int, str, str]) -> list[Failure]:
    from tests.simulation.play import Play, the_bench
    from tests.simulation.schedule import draw

    first, end, flow, weakened = portion
    parts = parts_without(weakened)
    found = ((seed, Play(the_bench(), draw(seed, flow), parts).run()) for seed in range(first, end))
    return [(seed, broken) for seed, broken in found if broken]


def parts_without(weakened: str) -> Any:
    from tests.simulation.weakened import WEAKENED
    from tests.simulation.workers import Parts

    return WEAKENED[weakened] if weakened else Parts()
