"""The list of what applying changes, and the one way in which a named row is brought to what the file says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mappings.models import RoutingTable, UserTable, ValueMap
from sync import audit
from sync.configuration.columns import Columns, differing
from sync.models import Connection, Flow

M = TypeVar("M", Connection, ValueMap, UserTable, RoutingTable, Flow)

KINDS: dict[type[Any], str] = {
    Connection: "connection",
    ValueMap: "value map",
    UserTable: "user table",
    RoutingTable: "routing table",
    Flow: "flow",
}


@dataclass(frozen=True, slots=True)
class Change:
    """`action`: create, update, publish, delete, disable. `details`: one line each, never with a secret."""

    action: str
    kind: str
    name: str
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = f"{self.action} {self.kind} {self.name}"
        return "\n".join([head, *(f"    {detail}" for detail in self.details)])


@dataclass(slots=True)
class Plan:
    """`warnings`: of the linter about the flows that are published; `unargued`: those that no revision has a reason for yet."""

    changes: list[Change] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unargued: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Bringing:
    """One named row on its way to what the file says; `noted` turns all that differed into one change."""

    row: Any
    created: bool
    before: Columns
    after: Columns
    details: list[str]

    @property
    def changed(self) -> bool:
        return self.created or bool(self.details)

    def noted(self, plan: Plan, also: Sequence[str] = ()) -> None:
        self.details += also
        if not self.changed:
            return
        kind, action = KINDS[type(self.row)], "create" if self.created else "update"
        plan.changes.append(Change(action, kind, self.row.name, tuple(self.details)))
        past = "created" if self.created else "changed"
        audit.record(
            f"{kind.replace(' ', '_')}.{past}",
            self.row,
            before=None if self.created else self.before,
            after={**self.after, "details": self.details},
        )


def bring(model: type[M], name: str, wanted: Columns) -> Bringing:
    """Create the row of this name, or update the columns that differ; nothing is written where nothing does."""
    row = model._default_manager.filter(name=name).first()
    if row is None:
        return Bringing(model._default_manager.create(name=name, **wanted), True, {}, wanted, [])
    after = differing(row, wanted)
    before = {key: getattr(row, key) for key in after}
    for key, value in after.items():
        setattr(row, key, value)
    if after:
        row.save(update_fields=sorted(after))
    return Bringing(row, False, before, after, [f"{key}: {before[key]!r} → {after[key]!r}" for key in after])
