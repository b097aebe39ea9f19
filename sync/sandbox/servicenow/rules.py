"""Business rules and data policies, a list for each table; a new table adds its own.

They run before a row is stored, in the order listed, and may change it or refuse it. Source: the platform's state
models of incident, problem and change, and its priority look-up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from sync.sandbox.servicenow.errors import aborted, data_policy
from sync.sandbox.servicenow.schema import Row, Table
from sync.sandbox.servicenow.tables.processes import (
    CHANGE_AWAITS_APPROVAL,
    CHANGE_CANCELED,
    CHANGE_CLOSED,
    CHANGE_NEW,
    PROBLEM_CLOSED,
    TASK_DONE,
)
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

    `journal` names the journal columns that get an entry; `form`: a person writes, on the platform's own form.
    """

    table: Table
    old: Row | None
    new: Row
    user_id: str
    now: str
    journal: frozenset[str] = frozenset()
    form: bool = False

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
    _need(change, ("close_code", "Resolution code"), ("close_notes", "Resolution notes"))


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


def one_problem_state(change: Change) -> None:
    if change.changed("state"):
        change.set("problem_state", change.get("state"))
    elif change.changed("problem_state"):
        change.set("state", change.get("problem_state"))


def problem_model(change: Change) -> None:
    """Since Rome the process model keeps the Table API from moving a problem; people move it on its form."""
    if change.old is not None and change.changed("state") and not change.form:
        raise aborted("problem", "Problem Model: Check State Transition", PROBLEM_RULE)


def change_model(change: Change) -> None:
    """A change moves step by step, as its type has them, and can be canceled until it is closed."""
    if change.old is None or not change.changed("state"):
        return
    steps = CHANGE_STEPS.get(change.get("type"), CHANGE_STEPS["normal"])
    before, after = change.was("state"), change.get("state")
    canceled = after == CHANGE_CANCELED and before not in (CHANGE_CLOSED, CHANGE_CANCELED)
    rejected = after == CHANGE_NEW and before in CHANGE_AWAITS_APPROVAL
    if not canceled and not rejected and (before, after) not in pairwise(steps):
        raise aborted("change_request", "Change Model: Check State Transition", CHANGE_RULE)


def approval_asked(change: Change) -> None:
    """A change that waits for its approval says so, and one that is canceled no longer asks."""
    if not change.changed("state"):
        return
    state, approval = change.get("state"), change.get("approval")
    if state in CHANGE_AWAITS_APPROVAL and approval in ("not requested", "rejected"):
        change.set("approval", "requested")
    if state == CHANGE_CANCELED and approval == "requested":
        change.set("approval", "cancelled")


def full_name(change: Change) -> None:
    """A person's name is made of its parts, unless somebody wrote it."""
    parts = " ".join(part for part in (change.get("first_name"), change.get("last_name")) if part)
    named = change.changed("first_name") or change.changed("last_name")
    if parts and named and not (change.get("name") and change.changed("name")):
        change.set("name", parts)


def change_needs_result(change: Change) -> None:
    if change.get("state") == CHANGE_CLOSED and change.changed("state"):
        _need(change, ("close_code", "Close code"), ("close_notes", "Close notes"))


def done_in(*states: str) -> Rule:
    """Tasks in these states are no longer active, and were closed when they came there."""

    def done(change: Change) -> None:
        if not change.changed("state"):
            return
        closed = change.get("state") in states
        change.set("active", "false" if closed else "true")
        change.set("closed_at", (change.get("closed_at") or change.now) if closed else "")
        change.set("closed_by", (change.get("closed_by") or change.user_id) if closed else "")

    return done


def _need(change: Change, *columns: tuple[str, str]) -> None:
    """Raises Refused for the columns, given with their labels, that are empty."""
    missing = [label for name, label in columns if not change.get(name)]
    if missing:
        raise data_policy(", ".join(missing))


PROBLEM_RULE = "5f1c4d0e0b2c3a10a1d2e3f405162738"  # sys_ids, as a refusal names its rule
CHANGE_RULE = "6a2d5e1f1c3d4b21b2e3f4a516273849"
CHANGE_STEPS = {
    "normal": ("-5", "-4", "-3", "-2", "-1", "0", CHANGE_CLOSED),
    "standard": ("-5", "-2", "-1", "0", CHANGE_CLOSED),
    "emergency": ("-5", "-3", "-2", "-1", "0", CHANGE_CLOSED),
}

RULES: dict[str, tuple[Rule, ...]] = {
    "sys_user": (full_name,),
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
    "problem": (
        opened,
        one_problem_state,
        problem_model,
        done_in(PROBLEM_CLOSED),
        priority_by_lookup,
        reassigned,
    ),
    "change_request": (
        opened,
        change_model,
        approval_asked,
        change_needs_result,
        done_in(CHANGE_CLOSED, CHANGE_CANCELED),
        reassigned,
    ),
    "sc_request": (opened, done_in(*TASK_DONE), priority_by_lookup, reassigned),
    "sc_req_item": (opened, done_in(*TASK_DONE), priority_by_lookup, reassigned),
    "sc_task": (opened, done_in(*TASK_DONE), priority_by_lookup, reassigned),
}
