"""Rate rules: calls per user and clock hour. Without a rule there is no limit, which is the default."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sync.sandbox.servicenow.errors import error
from sync.sandbox.wire import Response


@dataclass(slots=True)
class _Rule:
    limit: int
    hour: datetime | None = None
    used: int = 0


class RateRules:
    """Callers hold the platform's lock."""

    def __init__(self) -> None:
        self._rules: dict[str, _Rule] = {}
        self._paused = False

    def set(self, user_name: str, limit: int, used: int, now: datetime) -> int:
        """Allow `limit` calls an hour, `used` of them spent already; 0 removes the rule. Returns what is left."""
        if limit <= 0:
            self._rules.pop(user_name, None)
            return 0
        self._rules[user_name] = _Rule(limit, _hour(now), used)
        return max(0, limit - used)

    @contextmanager
    def within_batch(self, *, counted: bool) -> Iterator[None]:
        """Whether the items of a batch count is a question (UNVERIFIED); the batch itself has been counted."""
        self._paused = not counted
        try:
            yield
        finally:
            self._paused = False

    def spend(self, user_name: str, now: datetime) -> tuple[dict[str, str], Response | None]:
        """Count one call: the headers for its answer, and the refusal when nothing was left."""
        rule = self._rules.get(user_name)
        if rule is None or self._paused:
            return {}, None
        if rule.hour != _hour(now):
            rule.hour, rule.used = _hour(now), 0
        reset = _hour(now) + timedelta(hours=1)
        headers = {
            "X-RateLimit-Limit": str(rule.limit),
            "X-RateLimit-Reset": str(int(reset.timestamp())),
            "X-RateLimit-Rule": hashlib.md5(user_name.encode(), usedforsecurity=False).hexdigest(),
        }
        rule.used += 1
        if rule.used <= rule.limit:
            return headers, None
        refusal = error(
            429,
            "Rate limit exceeded",
            f"Rate limit of {rule.limit} requests per hour for Table API exceeded",
        )
        headers["Retry-After"] = str(max(1, int((reset - now).total_seconds())))
        return headers, refusal


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
