"""What one conflict's page shows once its values are opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mappings.apply import CompiledRow
from sync.admin.mapped import NOTHING, Names, becomes, compiled
from sync.core.records import Side
from sync.models import Conflict

# Whose rule decided, or left it to a person (sync.core.merge names them).
_RULES = {
    "ask": "The flow asks a person where both sides changed this field.",
    "cut text": "One side holds only a part of the other's longer text, and that part was edited: writing it back would "
    "cut the original.",
    "adopt: ask": "The two records existed before they were paired, and differ here.",
    "newest": "The newest record counts.",
    "servicenow": "ServiceNow counts.",
    "salesforce": "Salesforce counts.",
    "tie: servicenow": "Nobody can tell which is newer; ServiceNow counts then.",
    "tie: salesforce": "Nobody can tell which is newer; Salesforce counts then.",
    "one-way": "The field goes one way: its source counts.",
    "drift: restore": "The field goes one way, and its value was written again.",
    "the visible move": "Only one of the two changes can be seen on the other side.",
    "chosen by a person": "A person chose.",
    "overwritten between look and write": "Somebody edited the field after it was read and before our write arrived; the "
    "history tells what went under.",
    "answer lost": "A write whose answer was lost went over a value that nobody had agreed on.",
}


def rule_words(rule: str) -> str:
    if rule.startswith("adopt: ") and rule not in _RULES:
        return f"Two records met; the flow adopts {rule.removeprefix('adopt: ')}."
    return _RULES.get(rule, rule)


@dataclass(frozen=True, slots=True)
class SideSeen:
    """`taking`: what choosing this side's value would write on the other; "" if nothing or not known."""

    side: Side
    field: str
    value: str
    by: str
    at: datetime | None
    taking: str


@dataclass(frozen=True, slots=True)
class Seen:
    servicenow: SideSeen
    salesforce: SideSeen
    base: tuple[str, str]  # as last agreed; dashes where the two have not met before
    reckoning: str
    went_under: str  # of a decided one: what was written over what
    is_mapped: bool


def seen(conflict: Conflict) -> Seen:
    """Decrypts; call it only for somebody who may look."""
    flow = conflict.link.flow
    values: Mapping[str, Any] = conflict.values or {}
    names, mapping = Names.known(flow), compiled(flow)
    row = mapping.row(str(conflict.row)) if mapping else None
    base = values.get("base")

    def side_seen(side: Side) -> SideSeen:
        fields = ", ".join(row.columns) if row and side is Side.SERVICENOW else conflict.field
        return SideSeen(
            side, fields, names.shown(values.get(side)),
            names.person(_who(values, side, "by"), flow), _moment(_who(values, side, "at")),
            _taking(row, side, values, names),
        )  # fmt: skip

    return Seen(
        side_seen(Side.SERVICENOW),
        side_seen(Side.SALESFORCE),
        (names.shown(base[0]), names.shown(base[1])) if base else (NOTHING, NOTHING),
        values.get("reckoning") or "",
        _went_under(values, names),
        row is not None,
    )


def _who(values: Mapping[str, Any], side: Side, what: str) -> str:
    """Who edited the field and when, where its history was read; else who edited the record last."""
    return values.get(f"{side}_field_{what}") or values.get(f"{side}_{what}") or ""


def _taking(row: CompiledRow | None, side: Side, values: Mapping[str, Any], names: Names) -> str:
    if row is None:
        return ""
    return becomes(row, side, values.get("servicenow"), values.get("salesforce"), names)


def _went_under(values: Mapping[str, Any], names: Names) -> str:
    if "written_to" not in values:
        return ""
    side = Side(values["written_to"])
    name = "ServiceNow" if side is Side.SERVICENOW else "Salesforce"
    return f"{name} was given “{names.shown(values.get('sent'))}” over “{names.shown(values.get(side))}”."


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
