"""A database that several tests begin with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from pytest_django.plugin import DjangoDbBlocker


@contextmanager
def rolled_back(blocker: DjangoDbBlocker) -> Iterator[None]:
    """For fixtures wider than a test: what is made within is seen by each, undone by none, and gone at the end.

    Not beside tests with transactions of their own, which see what is committed alone.
    """
    with blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)
