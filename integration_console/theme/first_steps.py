"""First steps: what an empty console still needs until a record is synchronised, each with the page where it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse


@dataclass(frozen=True, slots=True)
class Step:
    done: bool
    text: str
    url: str


def first_steps(request: HttpRequest, facts: Mapping[str, Any], flows: Sequence[Any]) -> list[Step]:
    from sync.models import Question, Run

    systems = {connection.system for connection in facts["connections"]}
    connect = reverse("admin:sync_connection_add")
    tested = Question.objects.filter(state="answered").exists()
    ran = Run.objects.filter(mode="write", finished_at__isnull=False).exists()
    return [
        Step("servicenow" in systems, "Connect a ServiceNow instance", f"{connect}?system=servicenow"),
        Step("salesforce" in systems, "Connect a Salesforce org", f"{connect}?system=salesforce&limit_per=24h"),
        Step(tested, "Test the connections", reverse("admin:sync_connection_changelist")),
        Step(any(flow.revision_id for flow in flows), "Make a flow of a recipe, or one of your own", reverse("recipes")),
        Step(ran, "Look at a dry run, then run the flow", reverse("admin:sync_flow_changelist")),
    ]  # fmt: skip
