"""Faults that a test or a person orders: which calls, how often, and what goes wrong.

The server asks `Faults.next_for` before it hands a request to the platform. Kinds that lose the answer tell
apart whether the write took effect (`reset_after`) or not (`reset_before`), because a client can not.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field, fields
from enum import StrEnum
from threading import Lock
from typing import Any


class FaultKind(StrEnum):
    STATUS = "status"  # answer `status` with `body`; the platform never sees the request
    DELAY = "delay"  # wait `seconds`, then answer as usual
    RESET_BEFORE = "reset_before"  # connection reset; nothing took effect
    RESET_AFTER = "reset_after"  # the platform handled it; connection reset without an answer
    HTML = "html"  # a proxy's page with `status` (200 unless said)
    EMPTY = "empty"  # the platform handled it; the answer's body is missing
    TRUNCATED = "truncated"  # the platform handled it; the body is cut in half, `body` appended


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule. Empty regular expressions match every call; `times=0` means until removed."""

    kind: FaultKind
    method: str = ""  # regular expression, whole match
    path: str = ""  # regular expression, found anywhere in the path with its query
    status: int = 0
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    times: int = 1
    after: int = 0  # let so many matching calls pass first
    probability: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0:
            raise ValueError("probability must be between 0 and 1")
        if self.kind is FaultKind.STATUS and not 100 <= self.status <= 599:
            raise ValueError("a status fault needs a status between 100 and 599")
        re.compile(self.method)
        re.compile(self.path)

    @classmethod
    def parse(cls, data: dict[str, Any]) -> Fault:
        """Read a rule from JSON. Raises ValueError naming what is wrong."""
        unknown = set(data) - {item.name for item in fields(cls)}
        if unknown:
            raise ValueError(f"unknown keys: {', '.join(sorted(unknown))}")
        try:
            return cls(**{**data, "kind": FaultKind(data.get("kind", ""))})
        except (TypeError, re.error) as error:
            raise ValueError(str(error)) from error


class _Rule:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._method = re.compile(fault.method or ".*", re.IGNORECASE)
        self._path = re.compile(fault.path)
        self._random = random.Random(fault.seed)  # noqa: S311 - reproducible, not secret
        self._to_pass = fault.after
        self._left = fault.times or -1

    @property
    def spent(self) -> bool:
        return self._left == 0

    def strikes(self, method: str, target: str) -> bool:
        if not self._method.fullmatch(method) or not self._path.search(target):
            return False
        if self._to_pass:
            self._to_pass -= 1
            return False
        if self.fault.probability < 1.0 and self._random.random() >= self.fault.probability:
            return False
        self._left -= 1
        return True


class Faults:
    """The rules of one system, in the order they were added; the first that strikes wins."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rules: list[_Rule] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._rules.append(_Rule(fault))

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def pending(self) -> list[Fault]:
        with self._lock:
            return [rule.fault for rule in self._rules]

    def next_for(self, method: str, target: str) -> Fault | None:
        """The fault that strikes this call, if any; `target` is the raw path with its query."""
        if not self._rules:
            return None
        with self._lock:
            for rule in self._rules:
                if rule.strikes(method, target):
                    if rule.spent:
                        self._rules.remove(rule)
                    return rule.fault
        return None
