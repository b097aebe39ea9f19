"""Whether what a step asked for was done: found again by our mark, by its key, or by the condition that the step names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sync.connectors.base import Connector
from sync.connectors.salesforce import soql
from sync.connectors.servicenow import query
from sync.core import notes
from sync.core.actions import Do, Step
from sync.core.notes import Mark
from sync.core.records import LookUp, Side
from sync.engine.agenda import Agenda
from sync.engine.context import Context, number_column
from sync.engine.recovery import Recovery
from sync.engine.store import Store
from sync.models import ActionStep

MARGIN = timedelta(minutes=5)  # two clocks are never quite one


@dataclass(frozen=True, slots=True)
class Found:
    id: str
    number: str = ""


@dataclass
class Finding:
    context: Context
    store: Store
    connectors: Mapping[Side, Connector]
    agenda: Agenda
    _recovery: Recovery = field(init=False)

    def __post_init__(self) -> None:
        self._recovery = Recovery(self.context, self.store, self.connectors)

    def __call__(self, step: Step, row: ActionStep) -> Found | None:
        """What the request of `row` made, as far as it can be told."""
        since = row.intent_at or self.store.now()
        return self._search(step, row, (row.content or {}).get("request") or {}, since)

    def before(self, step: Step, row: ActionStep, condition: str, request: Mapping[str, Any]) -> Found | None:
        """What was there before the request: what the step's `find` finds, or what was done since the backup that this console
        was restored from, of which it knows nothing."""
        if condition:
            return self._matching(step, condition)
        if not self._recovery.is_on or step.is_keyed or step.side is None:
            return None
        backup = self._recovery.backup_at
        return self._search(step, row, request, backup - self.context.overlap) if backup else None

    def is_untold(self, step: Step, row: ActionStep, condition: str) -> bool:
        """Whether it may have been done since the backup that this console was restored from, and leaves nothing by which that
        could be told. What a person has had done again may be sent."""
        if not self._recovery.is_on or step.is_keyed or row.again:
            return False
        return step.text("by") in ("email", "salesforce_email") or (step.do is Do.CREATE and not condition)

    def by_key(self, step: Step, row: ActionStep, value: str) -> Found | None:
        """The record that carries a key."""
        side, name = Side(step.text("in")), step.text("table")
        if side is Side.SERVICENOW:
            shown = self.connectors[side].read(name, [value], (), number_column(name))
            return next((Found(record.id, record.number) for record in shown.values()), None)
        carriers = self.connectors[side].find(name, step.text("key"), [value], (), "").get(value, ())
        return next((Found(record.id) for record in carriers), None)

    def _search(
        self, step: Step, row: ActionStep, request: Mapping[str, Any], since: datetime
    ) -> Found | None:
        if step.do is Do.CREATE:
            return self._matching(step, str(request.get("find") or ""))
        if step.do is Do.POST:
            return self._posted(step, row, request, since)
        if step.do is Do.NOTIFY and step.text("by") == "task":
            return self._task(row, request, since)
        if step.do is Do.ORDER:
            return self._instructed(row) or (self._answered(row) if step.text("mark") else None)
        return None

    def _matching(self, step: Step, condition: str) -> Found | None:
        if not condition:
            return None
        side, name = Side(step.text("in")), step.text("table")
        number = number_column(name) if side is Side.SERVICENOW else ""
        rows = self.connectors[side].look_up(LookUp(name, condition, (), number, limit=1))
        return Found(rows[0].id, rows[0].number) if rows else None

    def _from(self, side: Side, since: datetime) -> datetime:
        """A moment of ours by the platform's clock, or a little earlier."""
        ahead: timedelta = self.connectors[side].server_now() - self.store.now()
        return since + ahead - MARGIN

    def _is_ours(self, text: str, row: ActionStep, side: Side) -> bool:
        mark = notes.genuine(text, lambda mark: self.agenda.verify(mark, side))
        return mark is not None and mark.source == row.key

    def _posted(
        self, step: Step, row: ActionStep, request: Mapping[str, Any], since: datetime
    ) -> Found | None:
        side = step.side
        assert side is not None
        entries = self.connectors[side].entries_by(
            str(request.get("stream")), parents=[str(request.get("on"))], since=self._from(side, since)
        )
        return next((Found(entry.id) for entry in entries if self._is_ours(entry.text, row, side)), None)

    def _task(self, row: ActionStep, request: Mapping[str, Any], since: datetime) -> Found | None:
        """A Task's description cannot be asked for: those of the same subject are read."""
        values = request.get("values") or {}
        born = f"CreatedDate >= {soql.stamp(self._from(Side.SALESFORCE, since).replace(microsecond=0))}"
        condition = soql.both(f"Subject = {soql.quoted(str(values.get('Subject') or ''))}", born)
        asked = LookUp("Task", condition, ("Description",), limit=200)
        rows = self.connectors[Side.SALESFORCE].look_up(asked)
        ours = (
            record
            for record in rows
            if self._is_ours(str(record.values.get("Description") or ""), row, Side.SALESFORCE)
        )
        return next((Found(record.id) for record in ours), None)

    def _instructed(self, row: ActionStep) -> Found | None:
        """The request that was given our mark with its instructions, signed under whichever key was the first then."""
        mark = query.escaped(Mark(row.key, 1).opening)
        asked = LookUp(
            "sc_request", f"special_instructionsLIKE{mark}", ("special_instructions",), "number", limit=10
        )
        rows = self.connectors[Side.SERVICENOW].look_up(asked)
        ours = (
            record
            for record in rows
            if self._is_ours(str(record.values.get("special_instructions") or ""), row, Side.SERVICENOW)
        )
        return next((Found(record.id, record.number) for record in ours), None)

    def _answered(self, row: ActionStep) -> Found | None:
        """The request whose item holds our mark in one of its variables."""
        mark = query.escaped(Mark(row.key, 1).opening)
        answers = LookUp(
            "sc_item_option_mtom", f"sc_item_option.valueSTARTSWITH{mark}",
            ("sc_item_option.value", "request_item.request", "request_item.request.number"), limit=10,
        )  # fmt: skip
        rows = self.connectors[Side.SERVICENOW].look_up(answers)
        ours = (
            record.values
            for record in rows
            if record.values.get("request_item.request")
            and self._is_ours(str(record.values.get("sc_item_option.value") or ""), row, Side.SERVICENOW)
        )
        values = next(ours, None)
        if values is None:
            return None
        return Found(
            str(values["request_item.request"]), str(values.get("request_item.request.number") or "")
        )
