"""Python's collector of cycles during a run."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# New containers before the young are searched, and how many such searches precede one of the older.
RARELY = (20_000, 10, 20)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Search for cycles far less often while the block runs.

    A page is some hundred thousand small objects without a cycle, freed as soon as it is recorded. Searching them and
    all of Django every 700 objects took a third of a run's time. What was there before is not searched at all.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
