"""The `javascript:gs.*` values that encoded queries carry.

Day boundaries are those of the calling user's zone, which is the trap: a literal UTC stamp means the same to everybody.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sync.sandbox.servicenow.dialect import Dialect
from sync.sandbox.servicenow.periods import moment_named
from sync.sandbox.servicenow.stamps import parse, stamp, zone

_CALL = re.compile(r"javascript:\s*(?:gs\.)?(getUser\(\)\.)?(\w+)\((.*)\)\s*;?")
_NUMBER = re.compile(r"-?\d+")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, where their day begins, and what time the platform has."""

    user_id: str
    user_name: str
    time_zone: str
    now: datetime
    dialect: Dialect = field(default_factory=Dialect)
    groups: Callable[[], tuple[str, ...]] = (
        tuple  # sys_ids of the caller's own, found when a query wants them
    )

    @property
    def local_now(self) -> datetime:
        return self.now.astimezone(zone(self.time_zone))

    def midnight(self, days_ago: int = 0) -> datetime:
        today = self.local_now.replace(hour=0, minute=0, second=0, microsecond=0)
        return today - timedelta(days=days_ago)


_TIMES = {"start": "00:00:00", "end": "23:59:59"}


def _generate(caller: Caller, day: str, time: str = "start") -> str:
    moment = parse(f"{day} {_TIMES.get(time, time)}")
    return stamp(moment.replace(tzinfo=zone(caller.time_zone))) if moment else ""


_FUNCTIONS: dict[str, Callable[..., str]] = {
    "getUserID": lambda caller: caller.user_id,
    "getUserName": lambda caller: caller.user_name,
    "getMyGroups": lambda caller: ",".join(caller.groups()),
    "now": lambda caller: caller.local_now.strftime("%Y-%m-%d"),
    "nowDateTime": lambda caller: stamp(caller.now),
    "dateGenerate": _generate,
}
_OF_USER = {"getID": "getUserID", "getName": "getUserName", "getMyGroups": "getMyGroups"}


def evaluate(value: str, caller: Caller) -> str:
    """The value of a query term; a script the sandbox does not know is the empty string, as a failing one is."""
    match = _CALL.fullmatch(value)
    if match is None:
        return value
    name = _OF_USER.get(match[2], "") if match[1] else match[2]
    arguments = [part.strip().strip("'\"") for part in match[3].split(",") if part.strip()]
    try:
        if name in _FUNCTIONS:
            return _FUNCTIONS[name](caller, *arguments)
        count = int(arguments[0]) if arguments and _NUMBER.fullmatch(arguments[0]) else None
        moment = moment_named(name, count, caller.local_now)
        return stamp(moment) if moment else ""
    except (TypeError, ValueError, OverflowError):
        return ""
