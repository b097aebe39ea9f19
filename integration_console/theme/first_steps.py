"""First steps: what an empty console still needs until a record is synchronised. Each step's state comes from rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest
from django.urls import reverse


@dataclass(frozen=True, slots=True)
class Step:
    """`said`: what stands in the way of one that was begun; `how`: sentences; `values`: what to copy, with its label."""

    done: bool
    text: str
    url: str
    said: str = ""
    how: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    is_next: bool = False


SERVICENOW = (
    "Install the update set deploy/servicenow/integration_console.xml: Retrieved Update Sets, Import Update Set from XML, preview, commit.",
    "Make a user that nobody else works as, with web service access only, and give it the roles below and those that the recipe names.",
    "Set the system property below to true, then make an entry in Application Registry: an OAuth endpoint for external clients, "
    "with that user as its OAuth Application User.",
    "Enter its client ID and secret here, save, and press Test connection.",
)
SALESFORCE = (
    "Deploy deploy/salesforce: sf project deploy start, from that directory.",
    "Make a user that nobody else works as, and assign the permission set below to it.",
    "In External Client App Manager make an app with OAuth, the scopes and the callback URL below; switch on its client credentials flow with "
    "that user as Run As.",
    "Enter its consumer key and secret here, save, and press Test connection.",
)


def first_steps(request: HttpRequest) -> list[Step]:
    """All steps, or none once a record was synchronised."""
    from sync.models import Connection, HourlyTotal, RecordLink

    if RecordLink.objects.exists() or HourlyTotal.objects.exists():
        return []
    connections = list(Connection.objects.defer("secrets_sealed"))
    steps = [*_connecting(request, connections), *_flowing()]
    following = next(step for step in steps if not step.done)
    return [replace(step, is_next=step is following) for step in steps]


def _connecting(request: HttpRequest, connections: Sequence[Any]) -> list[Step]:
    from sync.oauth_views import callback_url

    callback = ("Callback URL", callback_url(request))
    servicenow, salesforce = (
        [row for row in connections if row.system == system] for system in ("servicenow", "salesforce")
    )
    add = reverse("admin:sync_connection_add")
    return [
        Step(
            _proven(servicenow), "Connect ServiceNow", _page(servicenow, f"{add}?system=servicenow"),
            _in_the_way(servicenow), SERVICENOW,
            (("Roles", "itil, integration_console"),
             ("System property", "glide.oauth.inbound.client.credential.grant_type.enabled"),
             callback, ("Open in the firewall", _hosts(servicenow, "YOUR-INSTANCE.service-now.com:443"))),
        ),
        Step(
            _proven(salesforce), "Connect Salesforce", _page(salesforce, f"{add}?system=salesforce&limit_per=24h"),
            _in_the_way(salesforce), SALESFORCE,
            (("Scopes", "api refresh_token"), ("Permission set", "Integration_Console"), callback,
             ("Open in the firewall", _hosts(salesforce, "YOUR-DOMAIN.my.salesforce.com:443"))),
        ),
    ]  # fmt: skip


def _proven(rows: Sequence[Any]) -> bool:
    return any(row.health == "ok" for row in rows)


def _page(rows: Sequence[Any], otherwise: str) -> str:
    return reverse("admin:sync_connection_change", args=[rows[0].pk]) if rows else otherwise


def _in_the_way(rows: Sequence[Any]) -> str:
    """Of connections of which none has passed its test: what the first one says."""
    if not rows or _proven(rows):
        return ""
    return f"{rows[0].name}: {rows[0].health_message or 'not tested yet; press Test connection'}"


def _hosts(rows: Sequence[Any], otherwise: str) -> str:
    hosts = [row.url.removeprefix("https://").rstrip("/") for row in rows]
    return ", ".join(host if ":" in host else f"{host}:443" for host in hosts) or otherwise


def _flowing() -> list[Step]:
    from sync.models import Flow, Question, Run

    flow = Flow.objects.defer("revision").first()
    page = (
        reverse("admin:sync_flow_change", args=[flow.pk]) if flow else reverse("admin:sync_flow_changelist")
    )
    checked = Question.objects.filter(kind="recipe").exclude(state="asked").first()
    wrong = (
        sum(line.get("status") == "error" for line in checked.answer.get("findings", ())) if checked else 0
    )
    dry = Run.objects.filter(mode="dry", status__in=("succeeded", "partial")).exists()
    return [
        Step(flow is not None, "Choose a recipe, and make a flow of it", reverse("recipes"),
             how=("Its page says what it needs and writes on each side; Use makes a flow that is switched off.",)),
        Step(bool(checked and not wrong) or dry, "Check the mapping", reverse("recipes"),
             f"{wrong:,} checks fail; the recipe's page says how to mend each" if wrong and not dry else "",
             ("Run the checks on the recipe's page: fields, choices, rights and value maps of both sides.",
              "Then fill the user table and compare the value maps with your own states.")),
        Step(dry, "Preview: a dry run", page,
             how=("Enable the flow with its schedule off. Dry run shows each record it would write, and writes nothing.",)),
        Step(False, "Start", page,
             how=("Run now, look at the records, then switch the schedule on. This list ends with the first synchronised record.",)),
    ]  # fmt: skip
