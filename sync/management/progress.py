"""A run's progress for people: a bar on a terminal, silence elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

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
            bar.set_postfix(created=run.created, updated=run.updated, failed=run.failed, refresh=False)
            bar.update(run.read - bar.n)

        try:
            yield show
        finally:
            logger.setLevel(level)
