"""Progress for people: a bar on a terminal, silence elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.utils import timezone
from tqdm import tqdm

from sync.engine.parts import standing
from sync.models import Run


@contextmanager
def progress_bar(name: str) -> Iterator[Callable[[Run], None]]:
    """What `execute` calls after each page. tqdm itself keeps silent where stderr is no terminal."""
    logger = logging.getLogger("sync")
    level = logger.level
    if sys.stderr.isatty():
        logger.setLevel(logging.WARNING)  # log lines would tear the bar, and the outcome is told after it
    with tqdm(desc=name, unit=" records", file=sys.stderr, disable=None, dynamic_ncols=True) as bar:

        def show(run: Run) -> None:
            bar.total = max(run.expected, run.read) if run.expected else None
            parts = standing(run, timezone.now()) if run.parts and not bar.disable else None
            shared: dict[str, object] = (
                {"parts": f"{parts.done}/{parts.parts}", "workers": parts.at_work} if parts else {}
            )
            bar.set_postfix(
                created=run.created, updated=run.updated, failed=run.failed, **shared, refresh=False
            )
            bar.update(run.read - bar.n)

        try:
            yield show
        finally:
            logger.setLevel(level)


@contextmanager
def counting_bar(name: str, unit: str = " rows") -> Iterator[Callable[[int, int], None]]:
    """The same for work of a known size: called with how much is done, and of how much."""
    with tqdm(desc=name, unit=unit, file=sys.stderr, disable=None, dynamic_ncols=True) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
