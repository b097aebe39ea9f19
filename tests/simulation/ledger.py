"""Ground truth: which value stands where since when, who put it there, and what whoever put it there had seen.

Every text that a person types is unique, so a value names its origin. A value has *seen* another if the person who
typed it typed over that one, on whichever side, at any remove. An edit is lost if the engine writes over it a value
that has not seen it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any

from sync.core.records import Side
from sync.engine.items import Batch
from tests.simulation.platforms import Platforms
from tests.simulation.wire import Call

# The pairs of columns whose values are unique texts.
TEXTS = {
    "subject": {Side.SERVICENOW: "short_description", Side.SALESFORCE: "Subject"},
    "symptom": {Side.SERVICENOW: "u_symptom", Side.SALESFORCE: "SuppliedName"},
    "note": {Side.SERVICENOW: "description", Side.SALESFORCE: "Description"},
}
Cell = tuple[Side, str, str]  # side, record id, field


def token(value: Any) -> str:
    """The origin of a text: its first word."""
    return str(value or "").partition(" ")[0]


@dataclass(frozen=True, slots=True)
class Moment:
    order: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Typed:
    """An edit of a person. `seen_from`: when readers find it."""

    token: str
    cell: Cell
    order: int
    seen_from: datetime


@dataclass(frozen=True, slots=True)
class Loss:
    """The engine wrote `by` over `edit`, which it has not seen. `known`: the edit was there when the engine looked."""

    edit: Typed
    by: str
    at: datetime
    known: bool
    conditional: bool
    is_echo: bool  # whoever typed the edit had seen `by`
    seen_since: datetime  # when `by` was written there first


@dataclass
class Ledger:
    platforms: Platforms
    edits: dict[str, Typed] = field(default_factory=dict)
    ancestors: dict[str, frozenset[str]] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    writes: int = 0  # changes that the engine made to mapped values or records
    last_by: dict[Cell, str] = field(default_factory=dict)  # person or engine
    story: list[str] = field(default_factory=list)
    _written: dict[tuple[Cell, str], datetime] = field(default_factory=dict)  # by the engine, first
    _cells: dict[Cell, Any] = field(default_factory=dict)
    _order: Any = field(default_factory=count)
    _reads: dict[tuple[str, Side, str], Moment] = field(default_factory=dict)
    watches_deletions: bool = False
    _living: set[tuple[Side, str]] = field(default_factory=set)
    _carried: set[str] = field(
        default_factory=set
    )  # texts of people that the engine has written to the other side
    _planned: list[tuple[Side, str, frozenset[str], Moment, bool]] = field(default_factory=list)

    def now(self) -> datetime:
        return self.platforms.clock.now()

    # What people do

    def typed(self, side: Side, id: str) -> None:
        """A person has just written to a record: take note of every value that is new."""
        self._gone()
        for cell, old, new in self._changes():
            self.last_by[cell] = "person"
            self._note(f"person {cell} {old!r} -> {new!r}")
            if cell[2] not in TEXTS or not token(new):
                continue
            name, before = token(new), token(old)
            self.ancestors[name] = self.ancestors.get(before, frozenset()) | ({before} - {""})
            until = self.platforms.unseen_until(side, id) or self.now()
            self._hide(side, id, until)
            self.edits[name] = Typed(name, cell, next(self._order), until)

    def _hide(self, side: Side, id: str, until: datetime) -> None:
        """What was not in sight yet comes into sight with the row's newest version."""
        for edit in self.edits.values():
            if edit.cell[:2] == (side, id) and edit.seen_from > self.now():
                self.edits[edit.token] = replace(edit, seen_from=max(edit.seen_from, until))

    # What the engine does

    def answered(self, worker: str, call: Call, answer: bytes | None) -> None:
        """A call has been answered: what it changed, and what the worker has now seen."""
        self.look_around()
        if answer is None or call.writes or call.of:
            return
        moment = Moment(next(self._order), self.now())
        for side, id in {(cell[0], cell[1]) for cell in self._cells}:
            if side is call.side and id.encode() in answer:
                self._reads[worker, side, id] = moment

    def intends(self, worker: str, batch: Batch) -> None:
        """A page is decided: from here on its writes rest on what was read until now."""
        for item in batch.sending:
            id = item.id_on(item.to)
            if id and (looked := self._reads.get((worker, item.to, id))):
                tokens = frozenset(token(write.sent) for write in item.writes)
                self._planned.append((item.to, id, tokens, looked, item.conditional))

    def sends(self, worker: str, call: Call) -> None:
        body = b"a file" if call.of == "a file" else call.body[:300]
        self._note(f"{worker} sends {call.method} {call.target[:60]} {body!r}")

    def look_around(self) -> None:
        """Take note of what is new since the last look and was not typed: the engine's requests have done it."""
        for side, id in self._gone():
            self.writes += 1
            self._note(f"engine deletes {side} {id}")
            self._buried(side, id)
        for cell, old, new in self._changes():
            self.writes += 1
            self.last_by[cell] = "engine"
            self._note(f"engine {cell} {old!r} -> {new!r}")
            if cell[2] in TEXTS:
                self._carried.add(token(new))
                since = self._written.setdefault((cell, token(new)), self.now())
                self._overwritten(cell, token(old), token(new), since)

    def _overwritten(self, cell: Cell, old: str, new: str, since: datetime) -> None:
        edit = self.edits.get(old)
        if edit is None or old == new or old in self.ancestors.get(new, frozenset()):
            return
        side, id, _ = cell
        plans = [plan for plan in self._planned if plan[:2] == (side, id) and new in plan[2]]
        known = bool(plans) and all(
            edit.order < look.order and edit.seen_from <= look.at for *_, look, _ in plans
        )
        conditional = bool(plans) and all(conditional for *_, conditional in plans)
        self.losses.append(Loss(edit, new, self.now(), known, conditional, new in self.ancestors[old], since))
        self._note(f"LOSS {self.losses[-1]}")

    def _buried(self, side: Side, id: str) -> None:
        """The engine has deleted a record: edits that it had seen and never carried over must be on record."""
        plans = [plan for plan in self._planned if plan[:2] == (side, id)]
        for name in TEXTS:
            edit = self.edits.get(token(self._cells.get((side, id, name))))
            if edit is None or edit.cell != (side, id, name) or edit.token in self._carried:
                continue
            if plans and edit.order < plans[-1][3].order and edit.seen_from <= plans[-1][3].at:
                self.losses.append(Loss(edit, "a deletion", self.now(), True, False, False, self.now()))
                self._note(f"LOSS {self.losses[-1]}")

    def ever(self, side: Side) -> int:
        """How many records the side has ever shown."""
        return len({cell[1] for cell in self._cells if cell[0] is side})

    # What stands

    def _gone(self) -> set[tuple[Side, str]]:
        """Records that have disappeared since the last look."""
        if not self.watches_deletions:
            return set()
        living = {(side, id) for side in Side for id, _ in self.platforms.rows(side)}
        gone, self._living = self._living - living, living
        return gone

    def _changes(self) -> list[tuple[Cell, Any, Any]]:
        found: list[tuple[Cell, Any, Any]] = []
        for side in Side:
            for id, row in self.platforms.rows(side):
                for name, columns in FIELDS.items():
                    cell, value = (side, id, name), row[columns[side]] or ""
                    if self._cells.get(cell, "") != value:
                        found.append((cell, self._cells.get(cell, ""), value))
                        self._cells[cell] = value
                self._cells.setdefault((side, id, "id"), id)
        return found

    def _note(self, text: str) -> None:
        self.story.append(f"{self.now():%H:%M:%S} {text}")


FIELDS = {
    **TEXTS,
    "status": {Side.SERVICENOW: "state", Side.SALESFORCE: "Status"},
    "key": {Side.SERVICENOW: "correlation_id", Side.SALESFORCE: "ServiceNow_Sys_Id__c"},
}
