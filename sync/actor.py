"""Who is acting: set by middleware, commands and tasks, read by the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """`name` is what the log shows; `ip` is "" for a command or a worker."""

    user_id: int | None = None
    name: str = "system"
    ip: str = ""


NOBODY = Actor()  # the schedule and the workers
_current: ContextVar[Actor] = ContextVar("actor", default=NOBODY)


def current_actor() -> Actor:
    return _current.get()


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    token = _current.set(actor)
    try:
        yield
    finally:
        _current.reset(token)
