"""Round trips: what becomes of a value that goes to the other side and comes back. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mappings.apply import CompiledRow, canonical
from mappings.linting.ground import SALESFORCE, SERVICENOW, SYSTEMS, Line
from mappings.linting.hits import holding, spelled_out
from mappings.linting.report import ERROR, WARNING, Finding, Fix
from mappings.linting.samples import STRANGER, enumerated, tried
from mappings.text import shown
from mappings.values import Projected


@dataclass(slots=True)
class Trips:
    """Of the values tried from one side, as (value, what came back). `drifts`: goes out again as another value.

    `restless`: of those that drift, the ones that are another value again after the round that follows.
    """

    lost: list[tuple[Any, Any]] = field(default_factory=list)
    drifts: list[tuple[Any, Any]] = field(default_factory=list)
    restless: list[tuple[Any, Any]] = field(default_factory=list)
    stays: list[Any] = field(default_factory=list)  # it gets there, and has no way back


def round_trips(line: Line) -> Iterator[Finding]:
    """A row that goes both ways should bring back what it took, and bring the same again when it goes once more."""
    if not line.both:
        return
    for side in (SERVICENOW, SALESFORCE):
        found = travel(line.compiled, side, tried(line, side), default=line.field.default)
        yield from _told(line, side, found)


def travel(row: CompiledRow, side: str, values: list[Any], *, default: str = "") -> Trips:
    """Send each value there and back and there again. What does not get there at all is told elsewhere."""
    trips = Trips()
    for value in values:
        # Somebody said what nothing becomes, or on whom to fall back: that this comes back as another value is meant.
        settled = value is STRANGER or (canonical(value) is None and default)
        try:
            there, note = _carried(row, side, value)
        except ValueError:
            continue
        if canonical(there) is None:
            if canonical(value) is not None:
                trips.lost.append((value, ""))
            continue
        try:
            back = _returned(row, side, there, value)
            again, _ = _carried(row, side, back)
        except ValueError:
            trips.stays += [] if settled else [value]
            continue
        if canonical(again) != canonical(there):
            restless = _moves_on(row, side, again, back)
            trips.restless += [(value, back)] if restless else []
            trips.drifts += [(value, back)] if restless or not settled else []
        elif canonical(back) != canonical(value) and not settled and not note.startswith("cut "):
            trips.lost.append((value, back))  # of what is cut the rule of lengths tells
    return trips


def _moves_on(row: CompiledRow, side: str, there: Any, here: Any) -> bool:
    """Whether a value that has come over for the second time goes back and comes over as yet another one."""
    try:
        once_more, _ = _carried(row, side, _returned(row, side, there, here))
    except ValueError:
        return False  # a dead letter moves no more
    return bool(canonical(once_more) != canonical(there))


def _carried(row: CompiledRow, side: str, value: Any) -> Projected:
    return row.to_salesforce(value) if side == SERVICENOW else row.to_servicenow(value)


def _returned(row: CompiledRow, side: str, there: Any, over: Any) -> Any:
    return row.to_servicenow(there, over).value if side == SERVICENOW else row.to_salesforce(there).value


def _told(line: Line, side: str, found: Trips) -> Iterator[Finding]:
    away = SYSTEMS[SALESFORCE if side == SERVICENOW else SERVICENOW]
    fix = Fix("row", "Let the row go one way", line.field.id, {"direction": f"to_{_other(side)}"})
    if found.drifts:
        # A text that we made up may be none that any record holds; one that never comes to rest shows what others will do.
        refused = bool(found.restless or enumerated(line, side) or line.maps)
        yield Finding(
            "round_trip_drifts", ERROR if refused else WARNING,
            f"{line.label}: {_pairs(found.restless or found.drifts, side)} by way of {away}, and goes out as yet another value from there.",
            "Make the way back the inverse of the way there, or let the row go one way.",
            line.field.id, side, holding(line, side, [value for value, _ in found.drifts]), fix,
        )  # fmt: skip
    if found.lost:
        yield Finding(
            "round_trip_loses", WARNING,
            f"{line.label}: {_pairs(found.lost, side)} by way of {away}.",
            "Nothing is written back as long as only one side changes; where that is not meant, give each value a "
            "counterpart of its own, or let the row go one way.",
            line.field.id, side, holding(line, side, [value for value, _ in found.lost]), fix,
        )  # fmt: skip
    if found.stays:
        yield Finding(
            "round_trip_stays", WARNING,
            f"{line.label}: {spelled_out(found.stays)} of {SYSTEMS[side]} reaches {away} and has no way back.",
            "Say what comes back: an entry of the value map, a default, or a row that goes one way.",
            line.field.id, side, holding(line, side, found.stays), fix,
        )  # fmt: skip


def _other(side: str) -> str:
    return SALESFORCE if side == SERVICENOW else SERVICENOW


def _pairs(found: list[tuple[Any, Any]], side: str) -> str:
    """A few of the values with what they come back as."""
    told = [f"{_plain(value)} of {SYSTEMS[side]} comes back as {_plain(back)}" for value, back in found[:1]]
    told += [f"{_plain(value)} as {_plain(back)}" for value, back in found[1:5]]
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return ", ".join(told) + more


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return shown(",".join(str(part) for part in value))
    return "nothing" if canonical(value) is None else shown(value)
