"""Many schedules, or one again: `python -m tests.simulation --schedules 20000`, `python -m tests.simulation --seed 7`.

Names the seeds that broke a promise; one seed alone is shrunk to the steps that matter and tells its story. Ends with
status 1 if anything broke.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulation.portions import Failure, begin, parts_without, play_some

PORTION = 50
say = partial(print, flush=True)


def main() -> int:
    asked = _arguments()
    if asked.seed is not None:
        return _replay(asked.seed, asked.flow, asked.weakened)
    began = time.monotonic()
    broken: list[Failure] = []
    for played, failures in _play_all(asked):
        broken += failures
        seconds = time.monotonic() - began
        say(f"{played} schedules, {len(broken)} broken, {seconds:.0f} s")
    for seed, promises in broken[:20]:
        say(f"\nmake simulate SEED={seed}\n  " + "\n  ".join(promises[:3]))
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=20_000)
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument(
        "--seed", type=int, help="play this one alone, shrink it if it breaks, tell its story"
    )
    parser.add_argument("--flow", default="", help="a flow of tests/simulation/flows.py for all of them")
    parser.add_argument(
        "--weakened", default="", help="without one protection: a key of tests/simulation/weakened.py"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def _play_all(asked: argparse.Namespace) -> Iterator[tuple[int, list[Failure]]]:
    """Numbers of schedules played so far with what newly broke, in portions."""
    end = asked.start + asked.schedules
    portions = [
        (first, min(first + PORTION, end), asked.flow, asked.weakened)
        for first in range(asked.start, end, PORTION)
    ]
    played = 0
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(asked.jobs, spawned, begin) as pool:
        for (first, last, *_), failures in zip(portions, pool.map(play_some, portions), strict=True):
            played += last - first
            yield played, failures


def _replay(seed: int, flow: str, weakened: str) -> int:
    begin()
    from tests.simulation.play import Play, the_bench
    from tests.simulation.schedule import Schedule, draw
    from tests.simulation.shrinking import shrink

    parts, schedule = parts_without(weakened), draw(seed, flow)

    def breaks(candidate: Schedule) -> bool:
        return bool(Play(the_bench(), candidate, parts).run())

    if not breaks(schedule):
        say(f"Seed {seed} keeps every promise.")
        return 0
    play = Play(the_bench(), shrink(schedule, breaks), parts)
    broken = play.run()
    say("\n".join([*play.ledger.story, "", str(play.schedule), "", *(f"BROKEN: {each}" for each in broken)]))
    return 1


if __name__ == "__main__":
    sys.exit(main())
