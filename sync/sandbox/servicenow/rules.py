"""Business rules and data policies, a list for each table; a new table adds its own.

They run before a row is stored, in the order listed, and may change it or refuse it. Source: the platform's incident
state model and priority look-up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sync.sandbox.servicenow.errors import data_policy
from sync.sandbox.servicenow.schema import Row, Table
from sync.sandbox.servicenow.tables.task import (
    AWAITING_CALLER,
    CANCELED,
    CLOSED,
    IN_PROGRESS,
    NEW,
    ON_HOLD,
    RESOLVED,
)


@dataclass(slots=True)
class Change:
    """One write on its way: `old` is None on insert, `new` is changed in place, `now` is a stored stamp.

    `journal` names the journal columns that get an entry.
    """

    table: Table
    old: Row | None
    new: Row
    user_id: str
    now: str
    journal: frozenset[str] = frozenset()

    def get(self, name: str) -> str:
        return self.new[self.table.position[name]]

    def set(self, name: str, value: str) -> None:
        self.new[self.table.position[name]] = value

    def was(self, name: str) -> str:
        return self.old[self.table.position[name]] if self.old is not None else ""

    def changed(self, name: str) -> bool:
        return self.get(name) != self.was(name)

    def bump(self, name: str) -> None:
        self.set(name, str(int(self.get(name) or "0") + 1))


Rule = Callable[[Change], None]

# impact, urgency -> priority: the shipped look-up, which is why a written priority does not last.
PRIORITY = {
    ("1", "1"): "1",
    ("1", "2"): "2",
    ("1", "3"): "3",
    ("2", "1"): "2",
    ("2", "2"): "3",
    ("2", "3"): "4",
    ("3", "1"): "3",
    ("3", "2"): "4",
    ("3", "3"): "5",
}


def opened(change: Change) -> None:
    if change.old is None:
        change.set("opened_at", change.get("opened_at") or change.now)
        change.set("opened_by", change.get("opened_by") or change.user_id)


def one_state(change: Change) -> None:
    """state and the older incident_state are one; whichever was changed leads, state before the other."""
    led_by_older = change.old is None and change.get("state") == NEW
    if change.changed("state") and not led_by_older:
        change.set("incident_state", change.get("state"))
    elif change.changed("incident_state"):
        change.set("state", change.get("incident_state"))


def reopened(change: Change) -> None:
    done = (RESOLVED, CLOSED)
    if change.was("state") in done and change.get("state") not in (*done, CANCELED):
        change.bump("reopen_count")
        for name in ("resolved_at", "resolved_by", "closed_at", "closed_by"):
            change.set(name, "")


def resolution_needs_reason(change: Change) -> None:
    if change.get("state") not in (RESOLVED, CLOSED) or not change.changed("state"):
        return
    missing = [
        label
        for name, label in (("close_code", "Resolution code"), ("close_notes", "Resolution notes"))
        if not change.get(name)
    ]
    if missing:
        raise data_policy(", ".join(missing))


def finished(change: Change) -> None:
    """Resolved stays active; Closed and Canceled do not."""
    if not change.changed("state"):
        return
    state = change.get("state")
    change.set("active", "false" if state in (CLOSED, CANCELED) else "true")
    if state in (RESOLVED, CLOSED):
        change.set("resolved_at", change.get("resolved_at") or change.now)
        change.set("resolved_by", change.get("resolved_by") or change.user_id)
    if state in (CLOSED, CANCELED):
        change.set("closed_at", change.get("closed_at") or change.now)
        change.set("closed_by", change.get("closed_by") or change.user_id)


def priority_by_lookup(change: Change) -> None:
    if change.old is None or change.changed("impact") or change.changed("urgency"):
        change.set("priority", PRIORITY.get((change.get("impact"), change.get("urgency")), "5"))


def answered(change: Change) -> None:
    """The caller's comment ends the wait for the caller."""
    waits = (change.was("state"), change.was("hold_reason")) == (ON_HOLD, AWAITING_CALLER)
    by_caller = change.user_id != "" and change.user_id == change.was("caller_id")
    if waits and by_caller and "comments" in change.journal and not change.changed("state"):
        change.set("state", IN_PROGRESS)
        change.set("hold_reason", "")


def reassigned(change: Change) -> None:
    if change.was("assignment_group") and change.changed("assignment_group"):
        change.bump("reassignment_count")


RULES: dict[str, tuple[Rule, ...]] = {
    "incident": (
        opened,
        answered,
        one_state,
        reopened,
        resolution_needs_reason,
        finished,
        priority_by_lookup,
        reassigned,
    ),
}
