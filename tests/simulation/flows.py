"""The flows that schedules run: each an ordinary flow in the database, compiled once for all schedules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet

from mappings.models import FieldRow, ValueMap, ValueMapEntry
from sync import services
from sync.core.records import Side
from sync.engine.context import Context, build
from sync.models import Connection, Flow, Revision
from tests.simulation.platforms import START, Platforms
from tests.simulation.wire import Wires

RESOLVED = "close_code=Solution provided\nclose_notes=Closed by the customer desk"
# Several to one each way. 8 (Canceled) has no counterpart; neither has what people may not choose anyway.
STATES = (
    ("1", "New", "both", ""),
    ("2", "Working", "both", ""),
    ("3", "On Hold", "both", ""),
    ("2", "Escalated", "to_servicenow", ""),
    ("6", "Resolved", "to_servicenow", RESOLVED),
    ("6", "Closed", "both", RESOLVED),
    ("7", "Closed", "to_salesforce", ""),
)
# Two-way text; text that is longer on ServiceNow; text that goes one way; a status.
ROWS: tuple[dict[str, str], ...] = (
    {"servicenow": "short_description", "salesforce": "Subject"},
    {"servicenow": "u_symptom", "salesforce": "SuppliedName"},
    {"servicenow": "description", "salesforce": "Description", "direction": "to_salesforce"},
    {"servicenow": "state", "salesforce": "Status", "transform": "value_map", "map": "simulated-states"},
)
ENTER = {"servicenow_enter": "short_descriptionISNOTEMPTY", "salesforce_enter": "Subject != null"}
BOTH: dict[str, Any] = {
    "direction": "both",
    "create_in_salesforce": True,
    "create_in_servicenow": True,
    "adopt": "servicenow",
    **ENTER,
}
FLOWS: dict[str, dict[str, Any]] = {
    "servicenow": {**BOTH, "conflict": "servicenow"},
    "salesforce": {**BOTH, "conflict": "salesforce", "adopt": "salesforce"},
    "newest": {**BOTH, "conflict": "newest", "adopt": "newest"},
    "ask": {**BOTH, "conflict": "ask", "adopt": "ask"},
    "field-key": {
        **BOTH,
        "conflict": "servicenow",
        "servicenow_key": "field",
        "servicenow_key_field": "correlation_id",
    },
    "restore": {**BOTH, "conflict": "servicenow", "drift": "restore"},
    "one-way": {"direction": "to_salesforce", **ENTER},
    "one-way-restore": {"direction": "to_salesforce", "drift": "restore", **ENTER},
}


def _deleting(policy: str, back: str = "") -> dict[str, Any]:
    """`back`: what a deletion in Salesforce does, where it does something else."""
    return {"options": {"deletions": {"servicenow": policy, "salesforce": back or policy, "close": CLOSING}}}


CLOSING = {
    "salesforce": {"Status": "Closed"},
    "servicenow": {"state": "7", "close_code": "Solution provided", "close_notes": "Its Case was deleted"},
}
# Schedules of these delete and restore records, too. They stand apart, so that the seeds of the others stay as they are.
DELETING: dict[str, dict[str, Any]] = {
    "deletes": {**BOTH, "conflict": "newest", "adopt": "newest", **_deleting("delete")},
    "closes": {**BOTH, "conflict": "servicenow", **_deleting("close")},
    "unlinks": {**BOTH, "conflict": "salesforce", "adopt": "salesforce", **_deleting("unlink")},
    "one-way-closes": {"direction": "to_salesforce", **ENTER, **_deleting("close", back="unlink")},
}
# What follows a create, and what follows a transition: with a key (a problem), and without (a comment, a Task). By whose
# state an incident may come to rest, the conflict policy is ServiceNow's.
_PROBLEM: dict[str, Any] = {
    "name": "problem",
    "do": "create",
    "in": "servicenow",
    "table": "problem",
    "values": {"short_description": "{servicenow.sys_id}"},
}
ACTIONS: list[dict[str, Any]] = [
    {
        "name": "follow",
        "on": {"created": "salesforce"},
        "steps": [
            _PROBLEM,
            {"name": "tell", "do": "post", "to": "case_comment", "text": "Seen as {steps.problem.number}"},
        ],
    },
    {
        "name": "moved",
        "on": {"changed": {"servicenow": "state"}},
        "steps": [
            {"name": "task", "do": "notify", "by": "task", "subject": "Moved", "text": "{servicenow.sys_id}"},
            _PROBLEM,
        ],
    },
]
ACTING: dict[str, dict[str, Any]] = {
    "acts": {**BOTH, "conflict": "servicenow", "options": {"actions": ACTIONS}},
    "one-way-acts": {"direction": "to_salesforce", **ENTER, "options": {"actions": ACTIONS}},
}


def _talking(public: str, internal: str, *, past: str = "leave", **more: Any) -> dict[str, Any]:
    """Comments and work notes, each with its place in Salesforce, and files."""
    comments = {
        "comments": {"salesforce": public}, "work_notes": {"salesforce": internal}, "before_link": past,
    }  # fmt: skip
    return {"options": {"comments": comments, "attachments": {}, **more}}


# In schedules of these people talk, and put files on records, too.
TALKING: dict[str, dict[str, Any]] = {
    "talks": {**BOTH, "conflict": "servicenow", **_talking("published_comment", "unpublished_comment")},
    "tells-all": {
        **BOTH,
        "conflict": "newest",
        "adopt": "newest",
        **_talking("published_comment", "unpublished_comment", past="carry"),
    },
    "posts": {**BOTH, "conflict": "salesforce", "adopt": "salesforce", **_talking("feed_public", "feed_internal")},
    "tells": {
        "direction": "to_salesforce", **ENTER, **_talking("published_comment", "unpublished_comment", past="carry"),
    },
    "talks-and-closes": {
        **BOTH,
        "conflict": "servicenow",
        **_talking("published_comment", "unpublished_comment", **_deleting("close")["options"]),
    },
}  # fmt: skip
EVERY = FLOWS | DELETING | ACTING | TALKING


def deletes(flow: str) -> bool:
    """Whether people delete and restore records in schedules of a flow."""
    return "deletions" in EVERY[flow].get("options", {})


@dataclass(frozen=True)
class Flows:
    contexts: dict[str, Context]

    def context(self, name: str) -> Context:
        return replace(self.contexts[name])


def make_flows(platforms: Platforms, wires: Wires) -> Flows:
    """Publish each flow and compile it against what the platforms say of themselves."""
    platforms.empty(0)
    ends = {side: _connection(side, platforms) for side in Side}
    connectors = {side: wires.connector(side) for side in Side}
    contexts = {}
    for name, settings in EVERY.items():
        flow = _flow(name, ends, settings)
        assert flow.revision is not None
        contexts[name] = build(flow, flow.revision, connectors[Side.SERVICENOW], connectors[Side.SALESFORCE])
    return Flows(contexts)


def _flow(name: str, ends: dict[Side, Connection], settings: dict[str, Any]) -> Flow:
    flow = Flow(
        name=f"simulated-{name}",
        servicenow_connection=ends[Side.SERVICENOW],
        salesforce_connection=ends[Side.SALESFORCE],
        **settings,
    )
    flow.save()
    for position, row in enumerate(ROWS):
        values = {key: value for key, value in row.items() if key != "map"}
        FieldRow.objects.create(
            mapping=flow, position=position, value_map=_states() if "map" in row else None, **values
        )
    services.publish_flow(flow=flow, by=None)
    # In force since before the clock of the schedules began, for what is said is carried from then on.
    QuerySet(Revision).filter(flow=flow).update(created_at=START - timedelta(days=1))
    return Flow.objects.get(pk=flow.pk)


def _connection(side: Side, platforms: Platforms) -> Connection:
    org = platforms.world.salesforce.platform.org_id if side is Side.SALESFORCE else "acme-sandbox"
    users = platforms.world.salesforce.rows("User", Username=platforms.world.credentials.salesforce.username)
    own = str(users[0]["Id"]) if side is Side.SALESFORCE else platforms.world.credentials.servicenow.username
    return Connection.objects.create(
        name=f"simulated-{side}", system=side, url=platforms.sides[side].url, org_id=org, own_user=own
    )


def _states() -> ValueMap:
    made, fresh = ValueMap.objects.get_or_create(name="simulated-states")
    for here, there, direction, along in STATES if fresh else ():
        ValueMapEntry.objects.create(
            value_map=made, servicenow=here, salesforce=there, direction=direction, along=along
        )
    return made
