"""What a recipe's actions reach beyond the flow's own two records, and whether it is there: asked of the platforms by reads alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from sync.configuration.documents import FlowDoc
from sync.connectors.base import Connector
from sync.core.actions import READS, Do, Step, plan_of
from sync.core.records import Finding, LookUp, Side
from sync.engine.asking import for_nobody
from sync.errors import SyncError

# Where posts and messages stand, and what is written of such a row; an empty name is the flow's own table.
_SAID: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "chatter": ("FeedItem", ("ParentId", "Body", "Visibility")),
    "case_comment": ("CaseComment", ("ParentId", "CommentBody", "IsPublished")),
    "task": ("Task", ("Subject", "Description", "OwnerId", "WhatId")),
    "work_note": ("", ("work_notes",)),
    "comment": ("", ("comments",)),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A table or object that actions name. `makes`: whether a step makes new rows of it; `look_ups`: steps that ask for its rows."""

    name: str
    columns: tuple[str, ...]
    makes: bool = False
    look_ups: tuple[Step, ...] = ()


def asked_of(flow: FlowDoc, side: Side, name: str, columns: Collection[str]) -> Asked:
    steps = [step for step in _steps(flow, side) if step.do in READS and step.text("table") == name]
    unlike = {step.text("query"): step for step in steps}
    return Asked(name, tuple(sorted(columns)), name in _made_by(flow, side), tuple(unlike.values()))


def said_by(flow: FlowDoc, side: Side) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Where the flow's posts and messages to a side stand, with the columns that are written there."""
    for step in _steps(flow, side):
        place = step.text("to" if step.do is Do.POST else "by")
        if step.do in (Do.POST, Do.NOTIFY) and place in _SAID:
            name, columns = _SAID[place]
            yield step.text("table") or name, (*columns, *step.values("values"))


def looked_up(flow: FlowDoc, side: Side) -> set[str]:
    return {step.text("table") for step in _steps(flow, side) if step.do in READS}


def _made_by(flow: FlowDoc, side: Side) -> set[str]:
    """The tables and objects of a side of which the flow's actions make new rows."""
    created = {step.text("table") for step in _steps(flow, side) if step.do is Do.CREATE}
    return created | ({name for name, _ in said_by(flow, side)} if side is Side.SALESFORCE else set())


def _steps(flow: FlowDoc, side: Side) -> list[Step]:
    actions = plan_of(list(flow.actions.said)).actions
    return [step for action in actions for step in action.steps if step.side is side]


def of_actions(
    connector: Connector, side: Side, asked: Asked, mend: Callable[[str], str], why: Callable[[str], str]
) -> Iterator[Finding]:
    """`mend`: what to do about a column that is lacking; `why`: what the recipe says of a table or object."""
    try:
        schema = connector.describe(asked.name)
    except SyncError as error:
        needed = f" The recipe needs it: {why(asked.name)}" if why(asked.name) else ""
        yield Finding("actions", "error", error.message, f"{error.advice}{needed}".strip())
        return
    known = {field.casefold() for field in schema.fields}
    lacking = [column for column in asked.columns if column.casefold() not in known]
    for column in lacking:
        text = f"{asked.name} has no {column}, or the user cannot see it."
        yield Finding("actions", "error", text, mend(column))
    if asked.makes and not any(field.createable for field in schema.fields.values()):
        text = f"The user may not create {asked.name}, as the recipe's actions do."
        yield Finding("actions", "error", text, "Give it create access to the object.")
    elif not lacking:
        yield _shown(connector, side, asked, why(asked.name))


def _shown(connector: Connector, side: Side, asked: Asked, why: str) -> Finding:
    """What the dictionary of ServiceNow tells, access control may hide: a row is looked at. What a look-up's condition names in
    Salesforce, the org itself knows best: it is asked for a record that there is not."""
    needed = f" The recipe needs it: {why}" if why else ""
    try:
        if side is Side.SERVICENOW and not connector.look_up(LookUp(asked.name, "", asked.columns, limit=1)):
            text = f"No row of {asked.name} is shown: there is none, or access control hides them."
            return Finding("actions", "warning", text, f"Let the integration user read it.{needed}")
        if side is Side.SALESFORCE:
            for step in asked.look_ups:
                connector.look_up(LookUp(asked.name, for_nobody(step), step.texts("take"), limit=1))
    except SyncError as error:
        return Finding("actions", "error", error.message, f"{error.advice}{needed}".strip())
    return Finding("actions", "ok", f"{asked.name} has what the recipe's actions need of it.")
