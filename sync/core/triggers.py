"""Which actions a look at a record sets off, told by what was seen of it before. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mappings.apply import canonical
from sync.core.actions import Action, On, identity
from sync.core.records import Record

Meets = Callable[[Action], bool]  # whether a record meets an action's condition now


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a record: the columns that transitions are told by, and which conditions it met.

    `changed_at`, `count`: of the version seen. `met`, `known`: conditions, by their tokens; of one that was not asked it is not known
    whether the record met it.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    met: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    changed_at: datetime | None = None
    count: int | None = None

    def is_newer_than(self, record: Record) -> bool:
        """Pages are read ahead and by two lanes: what was read earlier tells no transition, and certainly not back."""
        version = record.version
        if self.changed_at is None or version.changed_at > self.changed_at:
            return False
        if version.changed_at < self.changed_at:
            return True
        return self.count is not None and version.count is not None and version.count < self.count

    def merged(self, older: Look) -> Look:
        """This look, and of the earlier one what this does not tell: columns and conditions of other actions."""
        known = self.known | older.known
        met = self.met | (older.met - self.known)
        return Look({**older.values, **self.values}, met, known, self.changed_at, self.count)


@dataclass(frozen=True, slots=True)
class Triggered:
    """`occasion`: in words; an action follows it once. `before`: what the watched columns held at the look before."""

    action: Action
    occasion: str
    before: Mapping[str, Any] = field(default_factory=dict)


def token(action: Action) -> str:
    """An action's condition, by which a look knows it again: another condition was not asked before."""
    return f"{action.name}:{identity(action.when)[:8]}"


def look_at(record: Record, actions: Sequence[Action], meets: Meets) -> Look:
    """What is to be kept of a record as it is now."""
    columns = dict.fromkeys(name for action in actions for name in action.watched)
    entering = [action for action in actions if action.trigger.on is On.ENTERED]
    return Look(
        {name: record.values.get(name) for name in columns},
        frozenset(token(action) for action in entering if meets(action)),
        frozenset(map(token, entering)),
        record.version.changed_at,
        record.version.count,
    )


def seen(
    record: Record, actions: Sequence[Action], now: Look, before: Look | None, meets: Meets
) -> list[Triggered]:
    """What is set off between two looks. A record that was never looked at enters if it meets the condition, and has made
    no transition."""
    found = []
    for action in actions:
        if action.trigger.on is On.ENTERED:
            met = before is not None and (token(action) in before.met or token(action) not in before.known)
            if token(action) in now.met and not met:
                found.append(Triggered(action, "entered"))
        elif before is not None and (moves := _moves(action, now, before)) and meets(action):
            told = {name: before.values.get(name) for name in action.watched}
            found.append(Triggered(action, f"{'; '.join(moves)} {stamp(record)}", told))
    return found


def _moves(action: Action, now: Look, before: Look) -> list[str]:
    """Each column of the action's transition that went from one value to another, as it was asked for."""
    trigger = action.trigger
    found = []
    for name in trigger.columns:
        if name not in before.values:
            continue
        old, new = canonical(before.values[name]), canonical(now.values.get(name))
        fits = _fits(old, trigger.before) and _fits(new, trigger.after)
        if old != new and fits:
            found.append(f"{name}: {old} → {new}")
    return found


def _fits(value: Any, wanted: Sequence[str]) -> bool:
    return not wanted or ("" if value is None else value) in wanted


def stamp(record: Record) -> str:
    """Which version of a record was seen."""
    version = record.version
    return f"{version.changed_at:%Y-%m-%dT%H:%M:%SZ}" + (
        f"/{version.count}" if version.count is not None else ""
    )
