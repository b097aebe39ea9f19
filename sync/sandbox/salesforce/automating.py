"""Automation that changes a row after it was saved: within the save, or some time later.

Source: Help, "Save Order of Execution" and "Scheduled Paths in Record-Triggered Flows".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.settings import Automation
from sync.sandbox.salesforce.store import Row, Stored

if TYPE_CHECKING:
    from sync.sandbox.salesforce.org import View
    from sync.sandbox.salesforce.saving import Writer


def automate(writer: Writer, view: View, row: Row) -> None:
    """Run what the org sets off for a row that was just saved; a row that has the value is left alone."""
    for rule in writer.org.settings.automations:
        if rule.sobject != view.name or row.values[view.slot(rule.field)] == rule.value:
            continue
        if rule.after_seconds:
            _later(writer, view, row, rule)
        elif rule.silent:
            _silently(writer, view, row, rule)
        else:
            writer.amend(view.table, row, {rule.field: rule.value})


def _silently(writer: Writer, view: View, row: Row, rule: Automation) -> None:
    changed: dict[str, Stored] = {rule.field: rule.value, "SystemModstamp": writer.org.now()}
    writer.revise(view.name, row, changed)


def _later(writer: Writer, view: View, row: Row, rule: Automation) -> None:
    org = writer.org
    later = writer.of_administrator()

    def run() -> None:
        with org.lock:
            if view.table.rows.get(str(row.values[0])) is not row or row.values[view.table.deleted_slot]:
                return
            if rule.silent:
                _silently(later, view, row, rule)
                return
            try:
                later.update(view, row, {rule.field: rule.value})
            except Refusal:
                return  # as a flow's error, it is told to the administrator and not to the client

    org.clock.call_in(rule.after_seconds, run)
