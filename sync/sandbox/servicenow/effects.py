"""What a write does to other records, by table: approvals reach what they approve, and orders close from below.

Effects run after the row is stored, as the same person with the platform's own rights, and obey the rules of what they
write; so one may cause the next. Source: the platform's documentation of approvals, of the change state model and of
the catalog's request, requested item and catalog task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.sandbox.servicenow.access import Principal
from sync.sandbox.servicenow.schema import SYS_CLASS, SYS_ID, Row, Table
from sync.sandbox.servicenow.store import Store
from sync.sandbox.servicenow.tables.processes import (
    CHANGE_AWAITS_APPROVAL,
    CHANGE_NEW,
    CHANGE_SCHEDULED,
    TASK_DONE,
)

if TYPE_CHECKING:
    from sync.sandbox.servicenow.records import Records

COMPLETE, INCOMPLETE, SKIPPED = TASK_DONE


@dataclass(frozen=True, slots=True)
class Deed:
    """One write that was done: `old` is None for a new row. `by` has the platform's rights."""

    records: Records
    store: Store
    table: Table
    old: Row | None
    row: Row
    by: Principal

    def get(self, name: str) -> str:
        return self.row[self.table.position[name]]

    def changed(self, name: str) -> bool:
        at = self.table.position[name]
        return self.old is None or self.old[at] != self.row[at]

    def edit(self, row: Row, **fields: str) -> Row:
        """Change another record, by its rules."""
        from sync.sandbox.servicenow.records import Input  # which itself imports the effects

        table = self.store.registry[row[SYS_CLASS]]
        return self.records.update(table, row, Input(self.by, fields, form=True))

    def add(self, name: str, **fields: str) -> Row:
        from sync.sandbox.servicenow.records import Input

        return self.records.insert(self.store.registry[name], Input(self.by, fields, form=True))

    def rows(self, name: str, column: str, value: str) -> list[Row]:
        at = self.store.registry[name].position[column]
        return [row for row in self.store.every(name) if row[at] == value]


Effect = Callable[[Deed], None]


def decided(deed: Deed) -> None:
    """An approver's word becomes that of the task: one suffices to approve, and one to reject."""
    state = deed.get("state")
    task = deed.store.find("task", deed.get("sysapproval"))
    if task is None or not deed.changed("state") or state not in ("approved", "rejected"):
        return
    if task[SYS_CLASS] == "change_request":
        deed.edit(task, **_decided_change(deed, task, state))
    elif task[SYS_CLASS] == "sc_request":
        deed.edit(task, **_DECIDED_REQUEST[state])
    else:
        deed.edit(task, approval=state)


def _decided_change(deed: Deed, task: Row, state: str) -> dict[str, str]:
    """An approved change goes on from Authorize, or first from Assess to there; a rejected one begins anew."""
    now = task[deed.store.registry["change_request"].position["state"]]
    if now not in CHANGE_AWAITS_APPROVAL:
        return {"approval": state}
    if state == "rejected":
        return {"approval": state, "state": CHANGE_NEW}
    assess, authorize = CHANGE_AWAITS_APPROVAL
    if now == assess:
        return {"approval": "requested", "state": authorize}
    return {"approval": state, "state": CHANGE_SCHEDULED}


_DECIDED_REQUEST = {
    "approved": {"approval": "approved", "request_state": "in_process", "stage": "fulfillment"},
    "rejected": {
        "approval": "rejected",
        "request_state": "closed_rejected",
        "stage": "request_cancelled",
        "state": INCOMPLETE,
    },
}


def fulfilled(deed: Deed) -> None:
    """An approved request has its items worked on, by a catalog task each; a rejected one takes them along."""
    if not deed.changed("approval"):
        return
    for item in deed.rows("sc_req_item", "request", deed.row[SYS_ID]):
        if deed.get("approval") == "approved":
            start_fulfilment(deed, item)
        elif deed.get("approval") == "rejected":
            deed.edit(item, approval="rejected", state=INCOMPLETE, stage="request_cancelled")


def start_fulfilment(deed: Deed, item: Row) -> None:
    """Approve a requested item and give its catalog item's group a task, unless it has one."""
    at = deed.store.registry["sc_req_item"].position
    deed.edit(item, approval="approved", stage="fulfillment", state="2")
    if deed.rows("sc_task", "request_item", item[SYS_ID]):
        return
    ordered = deed.store.find("sc_cat_item", item[at["cat_item"]])
    catalog = deed.store.registry["sc_cat_item"].position
    deed.add(
        "sc_task",
        request=item[at["request"]],
        request_item=item[SYS_ID],
        short_description=item[at["short_description"]],
        assignment_group=ordered[catalog["group"]] if ordered is not None else "",
        parent=item[SYS_ID],
        approval="approved",
    )


def item_closed(deed: Deed) -> None:
    """When the last task of a requested item is closed, so is the item."""
    item = deed.store.find("sc_req_item", deed.get("request_item"))
    if item is None or not deed.changed("state") or deed.get("state") not in TASK_DONE:
        return
    tasks = deed.rows("sc_task", "request_item", item[SYS_ID])
    at = deed.table.position["state"]
    end = _together(task[at] for task in tasks)
    if end:
        deed.edit(item, state=end, stage="complete" if end == COMPLETE else "Request Cancelled")


def request_closed(deed: Deed) -> None:
    """When the last item of a request is closed, so is the request."""
    request = deed.store.find("sc_request", deed.get("request"))
    if request is None or not deed.changed("state") or deed.get("state") not in TASK_DONE:
        return
    at = deed.table.position["state"]
    end = _together(item[at] for item in deed.rows("sc_req_item", "request", request[SYS_ID]))
    if end and request[deed.store.registry["sc_request"].position["state"]] not in TASK_DONE:
        said = "closed_complete" if end == COMPLETE else "closed_incomplete"
        deed.edit(request, state=end, request_state=said, stage=said)


def _together(states: Iterable[str]) -> str:
    """How work ended whose parts ended so; "" while one has not. One that is incomplete makes all so."""
    ends = set(states)
    if not ends <= set(TASK_DONE):
        return ""
    return INCOMPLETE if INCOMPLETE in ends else COMPLETE if COMPLETE in ends else SKIPPED


EFFECTS: dict[str, tuple[Effect, ...]] = {
    "sysapproval_approver": (decided,),
    "sc_request": (fulfilled,),
    "sc_task": (item_closed,),
    "sc_req_item": (request_closed,),
}
