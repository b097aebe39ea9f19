"""A flow that goes both ways between incidents and Cases, and what its people do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mappings.models import FieldRow, ValueMap, ValueMapEntry
from sync import services
from sync.models import Flow
from sync.sandbox.pair import Pair
from tests.engine.conftest import people, salesforce, servicenow

CLOSED = "close_code=Solution provided\nclose_notes=Closed by the customer desk"
STATES = (
    ("1", "New", "both", ""),
    ("2", "Working", "both", ""),
    ("3", "On Hold", "both", ""),
    ("2", "Escalated", "to_servicenow", ""),
    ("6", "Resolved", "to_servicenow", CLOSED),
    ("6", "Closed", "both", CLOSED),
    ("7", "Closed", "to_salesforce", ""),
)
PRIORITIES = (
    ("1,1", "Critical", "both"),
    ("1,2", "High", "both"),
    ("2,1", "High", "to_salesforce"),
    ("2,2", "Medium", "both"),
    ("1,3", "Medium", "to_salesforce"),
    ("3,1", "Medium", "to_salesforce"),
    ("3,3", "Low", "both"),
    ("2,3", "Low", "to_salesforce"),
    ("3,2", "Low", "to_salesforce"),
)
ROWS: tuple[dict[str, str], ...] = (
    {"servicenow": "short_description", "salesforce": "Subject"},
    {"servicenow": "description", "salesforce": "Description"},
    {"servicenow": "state", "salesforce": "Status", "transform": "value_map", "map": "two-way-state"},
    {"servicenow": "impact, urgency", "salesforce": "Priority", "transform": "value_map", "map": "two-way-priority"},
    {"servicenow": "assigned_to, assignment_group", "salesforce": "OwnerId", "transform": "user"},
    {"servicenow": "number", "salesforce": "ServiceNow_Number__c", "direction": "to_salesforce"},
    {"salesforce": "Origin", "transform": "constant", "value": "ServiceNow", "direction": "to_salesforce"},
)  # fmt: skip


def make_both(pair: Pair, *, rows: tuple[dict[str, str], ...] = ROWS, **changes: Any) -> Flow:
    """A published flow that goes both ways, and creates where `changes` say so (default: Cases for incidents)."""
    settings = {"direction": "both", "conflict": "newest", **changes}
    flow = Flow(
        name=settings.pop("name", "both-ways"), servicenow_connection=servicenow(pair),
        salesforce_connection=salesforce(pair), user_table=people(), **settings,
    )  # fmt: skip
    flow.save()
    maps = {"two-way-state": _states(), "two-way-priority": _priorities()}
    for position, row in enumerate(rows):
        values = {name: value for name, value in row.items() if name != "map"}
        FieldRow.objects.create(
            mapping=flow, position=position, value_map=maps.get(row.get("map", "")), **values
        )
    services.publish_flow(flow=flow, by=None)
    return flow


def _states() -> ValueMap:
    made, fresh = ValueMap.objects.get_or_create(name="two-way-state")
    for here, there, direction, along in STATES if fresh else ():
        ValueMapEntry.objects.create(
            value_map=made, servicenow=here, salesforce=there, direction=direction, along=along
        )
    return made


def _priorities() -> ValueMap:
    made, fresh = ValueMap.objects.get_or_create(name="two-way-priority")
    for here, there, direction in PRIORITIES if fresh else ():
        ValueMapEntry.objects.create(value_map=made, servicenow=here, salesforce=there, direction=direction)
    return made


def unlike_pairs(pair: Pair) -> list[str]:
    """What is missing, doubled or unequal by the platforms' own rows, one sentence each."""
    cases: dict[str, list[dict[str, str]]] = {}
    for case in pair.salesforce.rows("Case"):
        cases.setdefault(case["ServiceNow_Sys_Id__c"] or "", []).append(case)
    found = [f"Case {case['CaseNumber']} has no incident" for case in cases.pop("", [])]
    for incident in pair.servicenow.rows("incident"):
        ours = cases.pop(incident["sys_id"], [])
        if len(ours) != 1:
            found.append(f"{incident['number']} has {len(ours)} Cases")
        found += [
            f"{incident['number']}: {unlike}" for case in ours for unlike in _unlikeness(incident, case)
        ]
    return found + [f"a Case of no incident: {key}" for key in cases]


def _unlikeness(incident: dict[str, str], case: dict[str, str]) -> Iterator[str]:
    for here, there in (
        ("short_description", "Subject"),
        ("description", "Description"),
        ("number", "ServiceNow_Number__c"),
    ):
        if (incident[here] or None) != (case[there] or None):
            yield f"{here} {incident[here]!r} and {there} {case[there]!r}"
    if (incident["state"], case["Status"]) not in {(here, there) for here, there, *_ in STATES}:
        yield f"state {incident['state']} and Status {case['Status']}"
    levels = f"{incident['impact']},{incident['urgency']}"
    if (levels, case["Priority"]) not in {(here, there) for here, there, *_ in PRIORITIES}:
        yield f"impact and urgency {levels} and Priority {case['Priority']}"
