"""Flows with actions over the sandbox pair."""

from __future__ import annotations

from typing import Any

from sync import services
from sync.models import ActionRun, DeadLetter, Flow
from sync.sandbox.pair import Pair
from tests.engine.conftest import salesforce, servicenow

LOST_TABLE = {"method": "POST", "path": "/table/"}
LOST_CASES = {"method": "POST", "path": "composite/sobjects$"}


def notice_flow(pair: Pair, *actions: dict[str, Any], **changes: Any) -> Flow:
    """A flow that keeps nothing in step: it follows incidents, or Cases, with actions alone."""
    settings = {
        "name": "notices", "servicenow_table": "incident", "salesforce_object": "Case", "create_in_salesforce": False,
        "salesforce_key_field": "", "options": {"actions": list(actions)}, **changes,
    }  # fmt: skip
    flow = Flow(servicenow_connection=servicenow(pair), salesforce_connection=salesforce(pair), **settings)
    flow.save()
    services.publish_flow(flow=flow, by=None)
    return flow


def redeclare(flow: Flow, *actions: dict[str, Any]) -> None:
    """Publish the flow with other actions."""
    flow.refresh_from_db()
    flow.options = {**flow.options, "actions": list(actions)}
    flow.save()
    services.publish_flow(flow=flow, by=None)


def statuses(flow: Flow) -> list[str]:
    return list(ActionRun.objects.filter(flow=flow).order_by("pk").values_list("status", flat=True))


def only_letter() -> DeadLetter:
    return DeadLetter.objects.get(state="open")


def posts(pair: Pair, case: str) -> list[str]:
    return [row["Body"].split("\n[sync:")[0] for row in pair.salesforce.rows("FeedItem", ParentId=case)]


def notes(pair: Pair, incident: str) -> list[str]:
    rows = pair.servicenow.rows("sys_journal_field", element_id=incident, element="work_notes")
    return [row["value"].split("\n[sync:")[0] for row in rows]
