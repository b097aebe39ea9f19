"""Faults that a test or a person orders: which calls, how often, and what goes wrong.

The gate asks `Faults.next_for` before it hands a request to the platform. Kinds that lose the answer tell
apart whether the write took effect (`reset_after`), did not (`reset_before`) or will (`execute_late`), because a
client can not. Everything that is left to chance is drawn from the rule's seed, so that a failing run repeats;
callers side by side share the draws in the order of their arrival.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock
from typing import Any

from sync.sandbox.rule_fields import checked
from sync.sandbox.trouble import Trouble

_LOCKED = "unable to obtain exclusive access to this record or 1 records: {id}"


class FaultKind(StrEnum):
    STATUS = "status"  # answer `status` with `body`; the platform never sees the request
    DELAY = "delay"  # wait `seconds`, and up to `jitter` more, then answer as usual
    HANG = "hang"  # never answer; reset after `seconds`, unless the client gives up first (0: ten minutes)
    RESET_BEFORE = "reset_before"  # connection reset; nothing took effect
    RESET_AFTER = "reset_after"  # the platform handled it; connection reset without an answer
    EXECUTE_LATE = "execute_late"  # reset (or `status`) after `hold` seconds; handled `seconds` from now
    HTML = "html"  # a proxy's page with `status` (200 unless said)
    EMPTY = "empty"  # the platform handled it; the answer's body is missing
    TRUNCATED = "truncated"  # the platform handled it; the body is cut in half, `body` appended
    RECORDS = "records"  # a `share` of the records (of `ids`) answers `code` with `body` and is not applied
    LOCKS = "locks"  # the same with UNABLE_TO_LOCK_ROW; Salesforce alone
    SPEND_BUDGET = (
        "spend_budget"  # spend the call budget as `order` says (all of it unless said), then handle
    )
    EXPIRE_TOKENS = "expire_tokens"  # end every access token, then handle
    CLOCK = "clock"  # the platform's clock is wrong by `seconds` from now on; then handle


_RECORD_KINDS = frozenset({FaultKind.RECORDS, FaultKind.LOCKS})
_OWN_SECONDS = frozenset({FaultKind.HANG, FaultKind.EXECUTE_LATE, FaultKind.CLOCK})  # others wait for them


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
    jitter: float = 0.0  # seconds, evenly spread
    hold: float = 0.0
    times: int = 1
    after: int = 0  # let so many matching calls pass first
    probability: float = 1.0
    seed: int = 0
    code: str = ""
    share: float = 1.0
    ids: tuple[str, ...] = ()
    order: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0 or not 0.0 <= self.share <= 1.0:
            raise ValueError("probability and share must be between 0 and 1")
        if self.kind is FaultKind.STATUS and not 100 <= self.status <= 599:
            raise ValueError("a status fault needs a status between 100 and 599")
        if self.kind is FaultKind.RECORDS and not self.code:
            raise ValueError("a records fault needs the code that the records answer")
        if min(self.jitter, self.hold, self.times, self.after) < 0:
            raise ValueError("jitter, hold, times and after cannot be negative")
        if self.seconds < 0 and self.kind is not FaultKind.CLOCK:
            raise ValueError("seconds cannot be negative")
        re.compile(self.method)
        re.compile(self.path)

    @classmethod
    def parse(cls, data: dict[str, Any]) -> Fault:
        """Read a rule from JSON. Raises ValueError naming what is wrong."""
        known = checked(cls, data)
        if known["kind"] not in list(FaultKind):
            raise ValueError(f"{known['kind']!r} is no kind of fault; there are {', '.join(FaultKind)}")
        headers = known.get("headers", {})
        if not all(isinstance(text, str) for pair in headers.items() for text in pair):
            raise ValueError("headers are texts by their names")
        try:
            return cls(**{**known, "kind": FaultKind(known["kind"])})
        except re.error as error:
            raise ValueError(f"method and path are regular expressions: {error}") from error


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault as it strikes one call: `wait` in seconds before anything else, `trouble` for its records."""

    fault: Fault
    wait: float = 0.0
    trouble: Trouble | None = None


class _Rule:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._method = re.compile(fault.method or ".*", re.IGNORECASE)
        self._path = re.compile(fault.path)
        self._random = random.Random(fault.seed)  # noqa: S311 - reproducible, not secret
        self._waits = random.Random(f"{fault.seed} waits")  # noqa: S311
        self._trouble = _trouble(fault) if fault.kind in _RECORD_KINDS else None
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

    def strike(self) -> Strike:
        fault = self.fault
        wait = 0.0 if fault.kind in _OWN_SECONDS else fault.seconds
        if fault.jitter:
            wait += self._waits.uniform(0.0, fault.jitter)
        return Strike(fault, wait, self._trouble)


def _trouble(fault: Fault) -> Trouble:
    locks = fault.kind is FaultKind.LOCKS
    return Trouble(
        code=fault.code or "UNABLE_TO_LOCK_ROW",
        message=fault.body or (_LOCKED if locks else "The record was refused, as ordered."),
        status=fault.status,
        share=fault.share,
        ids=frozenset(fault.ids),
        draws=random.Random(f"{fault.seed} records"),  # noqa: S311
    )


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

    def next_for(self, method: str, target: str) -> Strike | None:
        """The fault that strikes this call, if any; `target` is the raw path with its query."""
        if not self._rules:
            return None
        with self._lock:
            for rule in self._rules:
                if rule.strikes(method, target):
                    if rule.spent:
                        self._rules.remove(rule)
                    return rule.strike()
        return None
