"""Late commits: a write whose stamp is early and which readers see late, because its transaction was still open.

This is how a reader who asks for "changed since" misses a record. Both platforms keep their rows as they are newest;
while a reading call is answered, rows in flight are put back to the version that was there before. Until then
nobody reads the new version; writers find it, as they would after waiting for the lock.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sync.sandbox.rule_fields import checked

_WRITERS = ("", "people", "api")
_PRESENT: AbstractContextManager[None] = nullcontext()


@dataclass(frozen=True, slots=True)
class LateCommit:
    """Rows of `table` (the object; in ServiceNow the row's own class) are seen `seconds` after they were written.

    `by`: people, api, or "" for whoever writes. `share` of the writes is struck, drawn from `seed`; `times=0` means
    until cleared. A write to a row in flight becomes visible with it, not before.
    """

    table: str
    seconds: float
    by: str = ""
    share: float = 1.0
    seed: int = 0
    times: int = 0
    after: int = 0  # let so many writes pass first

    def __post_init__(self) -> None:
        if not self.table or self.seconds <= 0:
            raise ValueError("a late commit needs a table and positive seconds")
        if self.by not in _WRITERS:
            raise ValueError("by must be people, api or empty")
        if not 0.0 <= self.share <= 1.0 or min(self.times, self.after) < 0:
            raise ValueError("share must be between 0 and 1, times and after not negative")

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> LateCommit:
        """Read a rule from JSON. Raises ValueError naming what is wrong."""
        return cls(**checked(cls, data))


class Rows(Protocol):
    """A table whose rows can be shown in another version; a version is opaque, None means that there is no row."""

    @property
    def name(self) -> str: ...

    def version_of(self, key: str) -> object: ...

    def show(self, key: str, version: Any) -> None: ...


class _Rule:
    def __init__(self, rule: LateCommit) -> None:
        self.rule = rule
        self._random = random.Random(rule.seed)  # noqa: S311 - reproducible, not secret
        self._to_pass = rule.after
        self._left = rule.times or -1

    @property
    def spent(self) -> bool:
        return self._left == 0

    def strikes(self, table: str, by: str) -> bool:
        if table != self.rule.table or self.rule.by not in ("", by):
            return False
        if self._to_pass:
            self._to_pass -= 1
            return False
        if self.rule.share < 1.0 and self._random.random() >= self.rule.share:
            return False
        self._left -= 1
        return True


@dataclass(slots=True)
class _Flight:
    rows: Rows
    earlier: object  # the version that readers see
    until: datetime


class Commits:
    """The open transactions of one platform. The caller holds the platform's lock."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._rules: list[_Rule] = []
        self._flights: dict[tuple[str, str], _Flight] = {}
        self._shifting = False
        self._writer = "api"

    def order(self, rule: LateCommit) -> None:
        self._rules.append(_Rule(rule))

    def clear(self) -> None:
        """Withdraw the rules; rows in flight stay so until their time."""
        self._rules = []

    def pending(self) -> list[LateCommit]:
        return [each.rule for each in self._rules]

    @contextmanager
    def people(self) -> Iterator[None]:
        """What is written within is written by a person."""
        before, self._writer = self._writer, "people"
        try:
            yield
        finally:
            self._writer = before

    def written(self, rows: Rows, key: str, earlier: object) -> None:
        """A table tells that a row got a new version, and which it had."""
        if self._shifting or not (self._rules or self._flights):
            return
        now = self._now()
        self._land(now)
        struck = next((each for each in self._rules if each.strikes(rows.name, self._writer)), None)
        if struck is None:
            return
        if struck.spent:
            self._rules = [each for each in self._rules if each is not struck]
        until = now + timedelta(seconds=struck.rule.seconds)
        flight = self._flights.setdefault((rows.name, key), _Flight(rows, earlier, until))
        flight.until = max(flight.until, until)

    def seen(self, *, reading: bool) -> AbstractContextManager[None]:
        """Within, a reading call finds the rows as they are committed."""
        return self._committed() if reading and self._flights else _PRESENT

    @contextmanager
    def _committed(self) -> Iterator[None]:
        self._land(self._now())
        newest = [
            (flight.rows, key, flight.rows.version_of(key)) for (_, key), flight in self._flights.items()
        ]
        self._shifting = True
        try:
            for (_, key), flight in self._flights.items():
                flight.rows.show(key, flight.earlier)
            yield
        finally:
            for rows, key, version in newest:
                rows.show(key, version)
            self._shifting = False

    def _land(self, now: datetime) -> None:
        landed = [key for key, flight in self._flights.items() if flight.until <= now]
        for key in landed:
            del self._flights[key]
