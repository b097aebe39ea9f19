"""A database that several tests begin with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import call_command
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


@contextmanager
def committed(blocker: DjangoDbBlocker) -> Iterator[None]:
    """The same where other processes must see what is made within; at the end every table is emptied."""
    with blocker.unblock():
        yield
        call_command("flush", verbosity=0, interactive=False, reset_sequences=False)
