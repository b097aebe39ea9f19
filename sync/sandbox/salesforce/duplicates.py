"""Duplicate rules: a row that looks like another is refused, or saved when the client insists.

Source: Help, "Duplicate Rules"; REST guide, "Duplicate Rule Header". The answer's key really is `duplicateResut`
on the wire, as public clients and logs show; inside collections there are only code and text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sync.sandbox.salesforce.org import Org, View
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.schema import Field
from sync.sandbox.salesforce.settings import DuplicateRule
from sync.sandbox.salesforce.store import Row, Stored, Values
from sync.sandbox.salesforce.values import render


@dataclass(frozen=True, slots=True)
class DuplicateHeader:
    """What the header of a call says; `base` is the path of its API version, for the URLs of what was found."""

    allows_save: bool = False
    shows_record: bool = False
    base: str = ""

    @classmethod
    def parse(cls, text: str, base: str) -> DuplicateHeader:
        said = {name.strip().lower(): value.strip().lower() for name, value in _pairs(text)}
        return cls(said.get("allowsave") == "true", said.get("includerecorddetails") == "true", base)


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    for part in text.split(";"):
        name, _, value = part.partition("=")
        yield name, value


def refuse_duplicate(
    org: Org, view: View, values: Values, row: Row | None, fields: list[Field], header: DuplicateHeader
) -> None:
    """Refuse a row that a rule finds to be another's duplicate. An edit is looked at only if it may have become one.

    Raises Refusal (DUPLICATES_DETECTED).
    """
    touched = {field.name for field in fields}
    for rule in org.settings.duplicate_rules:
        if rule.sobject != view.name or not touched.intersection(rule.fields):
            continue
        found = _matches(view, rule, values, row)
        if found and not (rule.allows_save and header.allows_save):
            details = {"duplicateResut": _result(view, rule, found, header)}
            raise Refusal("DUPLICATES_DETECTED", rule.message, details=details)


def _matches(view: View, rule: DuplicateRule, values: Values, row: Row | None) -> list[Row]:
    slots = [view.slot(name) for name in rule.fields]
    wanted = _key(values, slots)
    if None in wanted:
        return []
    deleted = view.table.deleted_slot
    return [
        other
        for other in view.table.rows.values()
        if other is not row and not other.values[deleted] and _key(other.values, slots) == wanted
    ]


def _key(values: Values, slots: list[int]) -> list[Stored]:
    return [value.strip().lower() if isinstance(value := values[slot], str) else value for slot in slots]


def _result(view: View, rule: DuplicateRule, found: list[Row], header: DuplicateHeader) -> dict[str, Any]:
    matches = [
        {
            "additionalInformation": [],
            "fieldDiffs": [],
            "matchConfidence": 100.0,
            "record": _record(view, row, header),
        }
        for row in found
    ]
    result = {
        "entityType": view.name,
        "errors": [],
        "matchEngine": "ExactMatchEngine",
        "matchRecords": matches,
        "rule": f"{rule.name}_Match",
        "size": len(matches),
        "success": True,
    }
    return {
        "allowSave": rule.allows_save,
        "duplicateRule": rule.name,
        "duplicateRuleEntityType": view.name,
        "errorMessage": rule.message,
        "matchResults": [result],
    }


def _record(view: View, row: Row, header: DuplicateHeader) -> dict[str, Any]:
    url = f"{header.base}/sobjects/{view.name}/{row.values[0]}"
    record: dict[str, Any] = {"attributes": {"type": view.name, "url": url}, "Id": row.values[0]}
    if header.shows_record:
        record |= {
            field.name: render(field, row.values[view.slot(field.name)]) for field in view.sobject.fields
        }
    return record
