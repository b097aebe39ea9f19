"""The actions that a recipe declares, in words for its page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sync.configuration.documents import FlowDoc
from sync.core.actions import On, Step, Trigger, plan_of

_NAMES = {"servicenow": "ServiceNow", "salesforce": "Salesforce"}
_FOLLOWS = {
    On.CREATED: "{side}: a record was made",
    On.UPDATED: "{side}: a record was written",
    On.ENTERED: "{side}: a record comes to meet the condition",
    On.CHANGED: "{side}: {columns} {values}",
}


@dataclass(frozen=True, slots=True)
class Declared:
    name: str
    follows: str
    condition: str
    steps: tuple[str, ...]


def declared(flow: FlowDoc) -> Iterator[Declared]:
    for action in plan_of(list(flow.actions.said)).actions:
        yield Declared(
            action.name,
            _follows(action.trigger),
            action.when,
            tuple(_in_words(step) for step in action.steps),
        )


def _follows(trigger: Trigger) -> str:
    ends = (f"from {', '.join(trigger.before)}", f"to {', '.join(trigger.after)}")
    told = [text for text, values in zip(ends, (trigger.before, trigger.after), strict=True) if values]
    columns, values = " or ".join(trigger.columns), " ".join(told) or "changes"
    return _FOLLOWS[trigger.on].format(side=_NAMES[trigger.side], columns=columns, values=values)


def _in_words(step: Step) -> str:
    """What it does and where: look up task_ci, notify by task."""
    where = next((step.text(key) for key in ("table", "to", "item") if step.text(key)), "")
    where = f"by {step.text('by').replace('_', ' ')}" if step.text("by") else where.replace("_note", " note")
    return f"{step.name}: {step.do.replace('_', ' ')} {where}".strip()
