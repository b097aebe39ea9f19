"""Mends a finding of the linter where that is mechanical. A service: permission, audit, then the deed.

What it changes is the draft: nothing is published, and runs go on as before until somebody publishes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max

from mappings.linting import Finding, Fix
from mappings.models import FieldRow, ValueMap, ValueMapEntry
from mappings.spec import Direction
from sync import audit
from sync.core.records import Side
from sync.linting import lint_flow
from sync.models import Flow
from sync.services import Refused, require

PERMISSION = "sync.change_flow"
# What each kind of change takes beside that: what the form that it is made in otherwise asks for.
ALSO: Mapping[str, str] = {
    "row": "mappings.change_fieldrow",
    "remove": "mappings.delete_fieldrow",
    "constant": "mappings.add_fieldrow",
    "entry": "mappings.change_valuemap",
}


def number_of(finding: Finding) -> str:
    """Names the finding in an address, as long as it says the same."""
    return hashlib.sha256(finding.key.encode()).hexdigest()[:16]


def finding_of(flow: Flow, number: str) -> Finding | None:
    """The finding of the draft that has this number and can be mended; None if it does not stand any more."""
    found = (each for each in lint_flow(flow).findings if number_of(each) == number)
    return next((each for each in found if each.fix is not None), None)


def mend(*, flow: Flow, number: str, by: User | None, chosen: Mapping[str, str] | None = None) -> str:
    """Make the change that the finding offers; returns what was done, in words.

    `chosen`: value -> where its entry leads, of which "" is left out; or "" -> the constant that is to be written.
    Raises Refused where the finding does not stand any more, or nothing was chosen.
    """
    require(by, PERMISSION)
    with transaction.atomic():
        held = Flow.objects.select_for_update(of=("self",)).get(pk=flow.pk)
        finding = finding_of(held, number)
        if finding is None or finding.fix is None:
            raise Refused("This finding does not stand any more. Look at the flow's page again.")
        require(by, ALSO[finding.fix.kind])
        before, after = _DEEDS[finding.fix.kind](held, finding.fix, dict(chosen or {}))
        audit.record("finding.mended", held, before=before, after={"finding": finding.key[:500], **after})
    return finding.fix.label


def _row(flow: Flow, fix: Fix) -> FieldRow:
    return FieldRow.objects.select_for_update().get(mapping=flow, pk=fix.row)


def _change(flow: Flow, fix: Fix, chosen: dict[str, str]) -> tuple[Any, dict[str, Any]]:
    row = _row(flow, fix)
    before = {name: getattr(row, name) for name in fix.changes}
    for name, value in fix.changes.items():
        setattr(row, name, value)
    try:
        row.clean()
        row.validate_constraints()
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from error
    row.save(update_fields=list(fix.changes))
    return {"row": str(row), **before}, {"row": str(row), **fix.changes}


def _remove(flow: Flow, fix: Fix, chosen: dict[str, str]) -> tuple[Any, dict[str, Any]]:
    if flow.rows.count() < 2:
        raise Refused("It is the flow's only row. Write another one first.")
    row = _row(flow, fix)
    before = row.snapshot()
    row.delete()
    return {"row": before}, {"row": "none"}


def _constant(flow: Flow, fix: Fix, chosen: dict[str, str]) -> tuple[Any, dict[str, Any]]:
    value = chosen.get("", "")
    if not value or (fix.choices and value not in fix.choices):
        raise Refused("Choose the value that is to be written.")
    if fix.row:
        return _change(flow, replace(fix, changes={"value": value}), chosen)
    last = flow.rows.aggregate(last=Max("position"))["last"] or 0
    row = FieldRow(
        mapping=flow, position=last + 1, salesforce=fix.column, transform="constant", value=value,
        direction="" if flow.direction == Direction.TO_SALESFORCE else Direction.TO_SALESFORCE,
    )  # fmt: skip
    row.save()
    return {"row": "none"}, {"row": str(row)}


def _entry(flow: Flow, fix: Fix, chosen: dict[str, str]) -> tuple[Any, dict[str, Any]]:
    """Entries of one direction: the way back stays as it is."""
    wanted = {value: there for value, there in chosen.items() if value in fix.values and there in fix.choices}
    if not wanted:
        raise Refused("Choose where at least one of the values leads.")
    value_map = ValueMap.objects.select_for_update().get(name=fix.value_map)
    before = {value: _lead(value_map, Side(fix.side), value, there) for value, there in wanted.items()}
    return {"value_map": fix.value_map, **before}, {"value_map": fix.value_map, **wanted}


def _lead(value_map: ValueMap, side: Side, value: str, there: str) -> str:
    """Let a value of `side` lead there, whatever it led to; returns that."""
    way = Direction(f"to_{side.other}")
    held = value_map.entries.filter(**{side.value: value}).exclude(direction=f"to_{side}").first()
    was = str(getattr(held, side.other.value)) if held else ""
    if held is not None and held.direction == way:
        held.delete()
    elif held is not None:
        held.direction = Direction(f"to_{side}")  # it still says what comes back
        held.save(update_fields=["direction"])
    last = value_map.entries.aggregate(last=Max("position"))["last"] or 0
    ValueMapEntry.objects.create(
        value_map=value_map, position=last + 1, direction=way, **{side.value: value, side.other.value: there}
    )
    return was


_DEEDS = {"row": _change, "remove": _remove, "constant": _constant, "entry": _entry}
