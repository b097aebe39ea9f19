"""Orders by name, as the control routes and a scenario file give them: checked at once, carried out now or later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Protocol

from sync.sandbox.clock import Deed
from sync.sandbox.commits import LateCommit
from sync.sandbox.dialects import turned
from sync.sandbox.faults import Fault
from sync.sandbox.gate import WHOLE_BUDGET, Front
from sync.sandbox.platform import ControlError, Platform
from sync.sandbox.rule_fields import seconds

Data = Mapping[str, Any]


class Target(Protocol):
    """One system that takes orders."""

    @property
    def platform(self) -> Platform: ...

    @property
    def server(self) -> Front: ...


def give(target: Target, order: Data) -> None:
    """Take `{name: data}`, with `after: seconds` to do it later by the clock. Raises ControlError or ValueError."""
    names = [name for name in order if name != "after"]
    if len(names) != 1 or names[0] not in _ORDERS:
        raise ControlError(f"An order is one of {', '.join(_ORDERS)}, and perhaps `after`.")
    data, after = order[names[0]], seconds(order.get("after", 0))
    if not isinstance(data, Mapping | None) or after < 0:
        raise ControlError(f"{names[0]} needs a mapping, after a number of seconds that is not negative.")
    deed = _ORDERS[names[0]](target, dict(data or {}))
    if after:
        target.platform.clock.call_in(after, deed)
    else:
        deed()


def _fault(target: Target, data: Data) -> Deed:
    fault, gate = Fault.parse(dict(data)), target.server.gate
    gate.check(fault)
    return lambda: gate.order(fault)


def _commit_late(target: Target, data: Data) -> Deed:
    rule = LateCommit.parse(data)
    target.platform.rows(rule.table)  # raises for a table that does not exist: the rule would never strike
    return lambda: target.platform.commits.order(rule)


def _delay(target: Target, data: Data) -> Deed:
    known = _only(data, "seconds", "jitter", "seed")
    delay, jitter = (seconds(known.get(name, 0)) for name in ("seconds", "jitter"))
    seed = int(known.get("seed", 0))
    target.server.gate.check_delay(delay, jitter)
    return lambda: target.server.gate.slow_down(delay, jitter, seed)


def _clock(target: Target, data: Data) -> Deed:
    offset = timedelta(seconds=seconds(_only(data, "offset_seconds").get("offset_seconds", 0)))
    return lambda: target.platform.clock.step(offset)


def _set_up(target: Target, data: Data) -> Deed:
    return lambda: target.platform.set_up(data)


def _dialect(target: Target, data: Data) -> Deed:
    turned(target.platform.dialect, data)  # raises for a switch that does not exist

    def turn() -> None:
        target.platform.dialect = turned(target.platform.dialect, data)

    return turn


def _only(data: Data, *names: str) -> Data:
    unknown = sorted(set(data) - set(names))
    if unknown:
        raise ControlError(f"unknown keys: {', '.join(unknown)}")
    return data


_ORDERS: dict[str, Callable[[Target, Data], Deed]] = {
    "fault": _fault,
    "clear_faults": lambda target, data: target.server.gate.faults.clear,
    "commit_late": _commit_late,
    "clear_late_commits": lambda target, data: target.platform.commits.clear,
    "delay": _delay,
    "clock": _clock,
    "expire_tokens": lambda target, data: target.platform.expire_tokens,
    "spend_budget": lambda target, data: lambda: target.platform.spend_budget(data or WHOLE_BUDGET),
    "set_up": _set_up,
    "dialect": _dialect,
}
