"""Overview: "is everything all right?" It reads totals and states, never events, in a fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Min, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from integration_console.theme import present
from integration_console.theme.alerts import alerts
from integration_console.theme.api_use import budgets
from integration_console.theme.chart import DAY, SYNCED, chart, sparks
from integration_console.theme.first_steps import first_steps
from integration_console.theme.flow_lines import flows as all_flows
from integration_console.theme.flow_lines import held_up, line, read_at, silent_since
from integration_console.theme.navigation import SILENT_AFTER

STATEMENTS = 3  # shown on top
ALERTS = 8


@dataclass(frozen=True, slots=True)
class Card:
    label: str
    value: str
    url: str
    colour: str = ""
    note: str = ""


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The theme calls this with the index page's context."""
    context["title"] = "Overview"
    if not request.user.has_perm("sync.view_flow"):
        return {**context, "no_role": True}
    return {**context, "steps": first_steps(request), **_everything(timezone.now(), request)}


def fragment(request: HttpRequest) -> HttpResponse:
    """The Overview without the page around it, which asks for it again and again while somebody can see it.

    Who was logged out or lost the role since is told to load the page anew: a login form has no place in its middle.
    """
    known = admin.site.has_permission(request)
    if known and request.user.has_perm("sync.view_flow"):
        return render(request, "console/overview.html", _everything(timezone.now(), request))
    if "HX-Request" in request.headers:
        return HttpResponse(status=403, headers={"HX-Refresh": "true"})
    if known:
        raise PermissionDenied
    return redirect_to_login(request.get_full_path(), reverse("admin:login"))


def _everything(now: datetime, request: HttpRequest) -> dict[str, Any]:
    flows = all_flows()
    facts = _facts(now)
    keys = [flow.pk for flow in flows]
    day = _totals_by_flow(now, keys)
    spark = sparks(now, keys)
    ailing = [flow for flow in flows if flow.enabled and not _is_well(flow, now)]
    found = alerts(flows, facts, now)
    return {
        "headline": headline(len(flows), len(ailing), facts),
        "statements": _statements(),
        "cards": _cards(facts, day, flows, now),
        "flows": [line(flow, day.get(flow.pk, {}), spark.get(flow.pk), now) for flow in flows],
        "chart": chart(now, keys),
        "budgets": budgets(facts["connections"], now),
        "alerts": found[:ALERTS],
        "more_alerts": max(0, len(found) - ALERTS),
        "causes": facts["causes"],
        "oldest_conflict": facts["oldest_conflict"],
        **_plans(request),
        "as_of": now,
    }


def _is_well(flow: Any, now: datetime) -> bool:
    return not held_up(flow) and flow.health == "healthy" and silent_since(flow, now) is None


def _statements() -> dict[str, Any]:
    """Whether both sides agree, flow by flow: those that differ first, and no more than a glance takes in."""
    from sync.admin.reconciliations import latest

    found = latest()
    return {"shown": found[:STATEMENTS], "more": len(found) - STATEMENTS, "url": _list("reconciliation")}


def _plans(request: HttpRequest) -> dict[str, Any]:
    """Plans that wait for approval, for those who may see them."""
    from sync.admin.plans import all_to_approve

    return all_to_approve() if request.user.has_perm("sync.view_plan") else {}


def _facts(now: datetime) -> dict[str, Any]:
    """States that the page counts; each line is one query."""
    from sync.models import ActionRun, Conflict, Connection, DeadLetter, Question, Run, Waiting

    groups = DeadLetter.objects.filter(state="open").order_by().values("code", "field", "rule", "advice")
    causes = list(groups.annotate(count=Count("pk")).order_by("-count", "code"))
    return {
        **Conflict.objects.filter(state="open").aggregate(conflicts=Count("pk"), oldest_conflict=Min("at")),
        "causes": [{**cause, "url": reverse("admin:sync_deadletter_causes")} for cause in causes[:4]],
        "dead_letters": sum(cause["count"] for cause in causes),
        **Waiting.objects.aggregate(waiting=Count("pk"), in_doubt=Count("pk", filter=Q(reason="in_doubt"))),
        "doubtful_actions": ActionRun.objects.filter(status="in_doubt").count(),
        **_workers(now),
        **Run.objects.filter(status="queued").aggregate(queue=Count("pk"), oldest_run=Min("created_at")),
        **Question.objects.filter(state="asked").aggregate(
            asked=Count("pk"), oldest_question=Min("asked_at")
        ),
        "connections": list(Connection.objects.defer("secrets_sealed")),
    }


def _workers(now: datetime) -> dict[str, Any]:
    from sync.models import Worker

    seen = list(Worker.objects.values_list("name", "seen_at"))
    alive = [name for name, at in seen if at >= now - SILENT_AFTER]
    return {"workers": alive, "silent_workers": [(name, at) for name, at in seen if name not in alive]}


def _totals_by_flow(now: datetime, flows: Sequence[int]) -> dict[int, dict[str, int]]:
    from sync.models import HourlyTotal

    rows = (
        HourlyTotal.objects.filter(flow__in=flows, hour__gt=now - DAY)
        .values_list("flow", "outcome")
        .annotate(total=Sum("count"))
    )
    day: dict[int, dict[str, int]] = defaultdict(dict)
    for flow, outcome, total in rows:
        day[flow][outcome] = total
    return day


def headline(flows: int, ailing: int, facts: Mapping[str, Any]) -> dict[str, str]:
    attention = ailing + bool(facts["conflicts"]) + bool(facts["dead_letters"])
    if flows == 0:
        return {
            "colour": "blue",
            "text": "Nothing is synchronised yet",
            "note": "The first steps lead to the first record.",
        }
    if not facts["workers"]:
        return {
            "colour": "red",
            "text": "No worker is running",
            "note": "Runs wait until one is started: manage.py worker.",
        }
    if ailing:
        what = "1 flow needs attention" if ailing == 1 else f"{ailing:,} flows need attention"
        return {
            "colour": "amber",
            "text": what,
            "note": f"{flows - ailing:,} of {flows:,} are healthy or disabled.",
        }
    if attention:
        return {
            "colour": "green",
            "text": "All flows healthy",
            "note": "Some records need a person; see below.",
        }
    return {"colour": "green", "text": "All flows healthy", "note": "Nothing needs a person."}


def waits(facts: Mapping[str, Any]) -> str:
    """How many of the waiting records a write is in doubt about; each settles by itself."""
    doubt = facts["in_doubt"]
    return f"{doubt:,} in doubt, settle by themselves" if doubt else "retry by themselves"


def queued(facts: Mapping[str, Any], now: datetime) -> str:
    """How many runs and questions no worker has taken yet, and how long the oldest has waited."""
    runs, asked = facts["queue"], facts["asked"]
    words = f"{runs:,} runs queued" if runs != 1 else "1 run queued"
    words += f", {asked:,} asked" if asked else ""
    oldest = min((at for at in (facts["oldest_run"], facts["oldest_question"]) if at), default=None)
    return f"{words}, oldest {present.span((now - oldest).total_seconds())}" if oldest else words


def _cards(
    facts: Mapping[str, Any], day: Mapping[int, Mapping[str, int]], flows: Sequence[Any], now: datetime
) -> list[Card]:
    synced = sum(total for counts in day.values() for outcome, total in counts.items() if outcome in SYNCED)
    workers = len(facts["workers"])
    return [
        Card("synced, 24 h", present.number(synced), _list("run"), note="records written"),
        Card("conflicts", present.number(facts["conflicts"]), _list("conflict", state="open"),
             "amber" if facts["conflicts"] else "", "open"),
        Card("dead letters", present.number(facts["dead_letters"]), _list("deadletter", state="open"),
             "red" if facts["dead_letters"] else "", "need a person"),
        Card("waiting", present.number(facts["waiting"]), _list("waiting"), note=waits(facts)),
        Card("behind", _slowest(flows, now), _list("flow"), note="the slowest flow"),
        Card("workers", present.number(workers), _list("worker"), "" if workers else "red", queued(facts, now)),
    ]  # fmt: skip


def _slowest(flows: Iterable[Any], now: datetime) -> str:
    stamps = [at for flow in flows if flow.enabled and not flow.paused_reason and (at := read_at(flow))]
    return present.span((now - min(stamps)).total_seconds()) if stamps else "–"


def _list(model: str, **filters: str) -> str:
    query = {f"{name}__exact" if name != "code" else name: value for name, value in filters.items()}
    return reverse(f"admin:sync_{model}_changelist") + (f"?{urlencode(query)}" if query else "")
