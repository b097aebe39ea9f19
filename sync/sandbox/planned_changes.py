"""Life of changes while a demo runs: one is approved, then moved by a day, then called off, and the next one is asked for."""

from __future__ import annotations

from datetime import timedelta
from threading import Event

from sync.sandbox.customers import key
from sync.sandbox.platform import Row
from sync.sandbox.servicenow import ServiceNowPlatform
from sync.sandbox.servicenow.instance import user_id
from sync.sandbox.servicenow.machines import MACHINES, Machine
from sync.sandbox.servicenow.stamps import parse, stamp

_APPROVER, _PLANNER = "fred.luddy", "don.goodliffe"
_AUTHORIZE, _SCHEDULED, _CANCELED = "-3", "-2", "4"
_IN_USE = tuple(machine for machine in MACHINES if machine.service and not machine.retired)


class PlannedChanges:
    """`step` by hand, or `run` in a thread; begins with the change that waits for its approval. Needs the demo customers."""

    def __init__(self, platform: ServiceNowPlatform) -> None:
        self._platform = platform
        self._current = key("change_request", "CHG0030001")
        self._moved = False
        self._asked = 0

    def step(self) -> None:
        """The next thing that happens to the present change, or the next change."""
        change = self._row("change_request", self._current)
        if change["state"] == _AUTHORIZE:
            self._approve()
        elif change["state"] == _SCHEDULED and not self._moved:
            self._move(change)
        elif change["state"] == _SCHEDULED:
            self._platform.edit("change_request", self._current, {"state": _CANCELED}, by=_PLANNER)
        else:
            self._ask(_IN_USE[self._asked % len(_IN_USE)])

    def run(self, stop: Event, *, per_minute: float) -> None:
        """Step until `stop` is set, in real time: a demo is watched by people."""
        while not stop.wait(60.0 / per_minute):
            self.step()

    def _row(self, table: str, sys_id: str) -> Row:
        return next(row for row in self._platform.rows(table) if row["sys_id"] == sys_id)

    def _approve(self) -> None:
        asked = (
            row for row in self._platform.rows("sysapproval_approver") if row["sysapproval"] == self._current
        )
        for row in asked:
            self._platform.edit(
                "sysapproval_approver", str(row["sys_id"]), {"state": "approved"}, by=_APPROVER
            )

    def _move(self, change: Row) -> None:
        dates = {name: parse(str(change[name])) for name in ("start_date", "end_date")}
        later = {name: stamp(at + timedelta(days=1)) for name, at in dates.items() if at is not None}
        self._platform.edit("change_request", self._current, later, by=_PLANNER)
        self._moved = True

    def _ask(self, machine: Machine) -> None:
        """An emergency: it needs no assessment before its approval is asked for."""
        starts = self._platform.now() + timedelta(days=2)
        row = self._platform.add("change_request", {
            "short_description": f"Renew the certificate of {machine.name}", "type": "emergency",
            "company": key("customer_account", machine.customer), "cmdb_ci": key(machine.table, machine.name),
            "start_date": stamp(starts), "end_date": stamp(starts + timedelta(hours=1)), "assigned_to": user_id(_PLANNER),
        }, by=_PLANNER)  # fmt: skip
        self._current, self._moved, self._asked = str(row["sys_id"]), False, self._asked + 1
        touched = {"task": self._current, "ci_item": key(machine.table, machine.name)}
        self._platform.add("task_ci", touched, by=_PLANNER)
        self._platform.edit("change_request", self._current, {"state": _AUTHORIZE}, by=_PLANNER)
        approval = {"sysapproval": self._current, "approver": user_id(_APPROVER)}
        self._platform.add("sysapproval_approver", approval, by=_PLANNER)
