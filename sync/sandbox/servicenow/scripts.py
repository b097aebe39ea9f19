"""The few `javascript:gs.*` values that encoded queries really carry.

Day boundaries are those of the calling user's zone, which is the trap: a literal UTC stamp means the same to everybody.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sync.sandbox.servicenow.stamps import parse, stamp, zone

_CALL = re.compile(r"javascript:\s*gs\.(\w+)\((.*)\)\s*;?")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, where their day begins, and what time the platform has."""

    user_id: str
    user_name: str
    time_zone: str
    now: datetime

    def midnight(self, days_ago: int = 0) -> datetime:
        today = self.now.astimezone(zone(self.time_zone)).replace(hour=0, minute=0, second=0, microsecond=0)
        return today - timedelta(days=days_ago)


def _generate(caller: Caller, day: str, time: str = "00:00:00") -> str:
    moment = parse(f"{day} {time}")
    return stamp(moment.replace(tzinfo=zone(caller.time_zone))) if moment else ""


_LAST_SECOND = timedelta(days=1, seconds=-1)
_FUNCTIONS: dict[str, Callable[..., str]] = {
    "getUserID": lambda caller: caller.user_id,
    "getUserName": lambda caller: caller.user_name,
    "nowDateTime": lambda caller: stamp(caller.now),
    "minutesAgo": lambda caller, n: stamp(caller.now - timedelta(minutes=int(n))),
    "hoursAgo": lambda caller, n: stamp(caller.now - timedelta(hours=int(n))),
    "daysAgo": lambda caller, n: stamp(caller.now - timedelta(days=int(n))),
    "daysAgoStart": lambda caller, n: stamp(caller.midnight(int(n))),
    "daysAgoEnd": lambda caller, n: stamp(caller.midnight(int(n)) + _LAST_SECOND),
    "beginningOfToday": lambda caller: stamp(caller.midnight()),
    "endOfToday": lambda caller: stamp(caller.midnight() + _LAST_SECOND),
    "beginningOfYesterday": lambda caller: stamp(caller.midnight(1)),
    "endOfYesterday": lambda caller: stamp(caller.midnight(1) + _LAST_SECOND),
    "dateGenerate": _generate,
}


def evaluate(value: str, caller: Caller) -> str:
    """The value of a query term; a script the sandbox does not know is the empty string, as a failing one is."""
    match = _CALL.fullmatch(value)
    if match is None:
        return value
    function = _FUNCTIONS.get(match[1])
    arguments = [part.strip().strip("'\"") for part in match[2].split(",") if part.strip()]
    try:
        return function(caller, *arguments) if function else ""
    except (TypeError, ValueError):
        return ""
