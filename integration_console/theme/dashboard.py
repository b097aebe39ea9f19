"""Overview: "is everything all right?" It reads totals and states, never events, in a fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from integration_console.theme import present
from integration_console.theme.navigation import SILENT_AFTER

DAY = timedelta(hours=24)
CHART_DAYS = 14
STATEMENTS = 3  # shown on top
SYNCED = ("created", "updated", "adopted", "deleted")
# From the bottom of a bar to its top: outcome group, colour, outcomes in it.
STACK = (
    ("synced", "green", SYNCED),
    ("waiting", "grey", ("waiting", "deferred")),
    ("conflict", "amber", ("conflict",)),
    ("in doubt", "violet", ("in_doubt",)),
    ("failed", "red", ("failed",)),
)


@dataclass(frozen=True, slots=True)
class Card:
    label: str
    value: str
    url: str
    colour: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of an hour's column, in the chart's units: 336 wide, 100 high."""

    x: int
    y: float
    height: float
    colour: str
    title: str


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The theme calls this with the index page's context."""
    context["title"] = "Overview"
    if not request.user.has_perm("sync.view_flow"):
        return {**context, "no_role": True}
    now = timezone.now()
    flows = _flows()
    facts = _facts(now)
    day = _totals_by_flow(now)
    healthy = [flow for flow in flows if flow.enabled and not _held_up(flow) and flow.health == "healthy"]
    ailing = [flow for flow in flows if flow not in healthy and flow.enabled]
    steps = first_steps(facts, flows)
    return {
        **context,
        "headline": headline(len(flows), len(ailing), facts),
        "statements": _statements(),
        "steps": steps if not all(step["done"] for step in steps) else [],
        "cards": _cards(facts, day, flows, now),
        "flows": [_line(flow, day.get(flow.pk, {}), now) for flow in flows],
        "chart": chart(now),
        "budgets": _budgets(facts["connections"]),
        "causes": facts["causes"],
        "oldest_conflict": facts["oldest_conflict"],
    }


def _held_up(flow: Any) -> bool:
    """A person has paused it, or has to look before its deletions go on."""
    return bool(flow.paused_reason or flow.deletions_paused)


def _statements() -> dict[str, Any]:
    """Whether both sides agree, flow by flow: those that differ first, and no more than a glance takes in."""
    from sync.admin.reconciliations import latest

    found = latest()
    return {"shown": found[:STATEMENTS], "more": len(found) - STATEMENTS, "url": _list("reconciliation")}


def _flows() -> list[Any]:
    from sync.admin.flows import for_list
    from sync.models import Flow

    flows = for_list(Flow.objects.select_related("schedule", "revision").defer("revision__snapshot"))
    return list(flows.annotate(read_at=Min("checkpoints__completed_at")))


def _facts(now: datetime) -> dict[str, Any]:
    """States that the page counts; each line is one query."""
    from sync.models import Conflict, Connection, DeadLetter, Question, Run, Waiting, Worker

    groups = DeadLetter.objects.filter(state="open").order_by().values("code", "field", "rule", "advice")
    causes = list(groups.annotate(count=Count("pk")).order_by("-count", "code"))
    return {
        "conflicts": Conflict.objects.filter(state="open").count(),
        "oldest_conflict": Conflict.objects.filter(state="open")
        .order_by("at")
        .values_list("at", flat=True)
        .first(),
        "causes": [
            {**cause, "url": _list("deadletter", state="open", code=cause["code"])} for cause in causes[:4]
        ],
        "dead_letters": sum(cause["count"] for cause in causes),
        **Waiting.objects.aggregate(waiting=Count("pk"), in_doubt=Count("pk", filter=Q(reason="in_doubt"))),
        "workers": list(
            Worker.objects.filter(seen_at__gte=now - SILENT_AFTER).values_list("name", flat=True)
        ),
        "queue": Run.objects.filter(status="queued").count(),
        "connections": list(Connection.objects.defer("secrets_sealed")),
        "tested": Question.objects.filter(state="answered").exists(),
        "ran": Run.objects.filter(mode="write", finished_at__isnull=False).exists(),
    }


def _totals_by_flow(now: datetime) -> dict[int, dict[str, int]]:
    from sync.models import HourlyTotal

    rows = (
        HourlyTotal.objects.filter(hour__gt=now - DAY)
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
            "note": "Five steps to the first record.",
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


def _cards(
    facts: Mapping[str, Any], day: Mapping[int, Mapping[str, int]], flows: Iterable[Any], now: datetime
) -> list[Card]:
    synced = sum(total for counts in day.values() for outcome, total in counts.items() if outcome in SYNCED)
    stamps = [flow.read_at for flow in flows if flow.enabled and not flow.paused_reason and flow.read_at]
    behind = present.span((now - min(stamps)).total_seconds()) if stamps else "–"
    workers, queue = len(facts["workers"]), facts["queue"]
    return [
        Card("synced, 24 h", present.number(synced), _list("run"), note="records written"),
        Card("conflicts", present.number(facts["conflicts"]), _list("conflict", state="open"),
             "amber" if facts["conflicts"] else "", "open"),
        Card("dead letters", present.number(facts["dead_letters"]), _list("deadletter", state="open"),
             "red" if facts["dead_letters"] else "", "need a person"),
        Card("waiting", present.number(facts["waiting"]), _list("waiting"), note=waits(facts)),
        Card("behind", behind, _list("flow"), note="the slowest flow"),
        Card("workers", present.number(workers), _list("worker"), "" if workers else "red",
             f"{queue:,} runs queued" if queue != 1 else "1 run queued"),
    ]  # fmt: skip


def _line(flow: Any, counts: Mapping[str, int], now: datetime) -> dict[str, Any]:
    from sync.admin.flows import ends, health, next_run

    return {
        "flow": flow,
        "url": reverse("admin:sync_flow_change", args=[flow.pk]),
        "ends": ends(flow),
        "health": health(flow),
        "behind": present.span((now - flow.read_at).total_seconds()) if flow.read_at else "–",
        "run_url": reverse("admin:sync_run_change", args=[flow.last_run_id]) if flow.last_run_id else "",
        "new": counts.get("created", 0),
        "updated": counts.get("updated", 0) + counts.get("adopted", 0),
        "failed": counts.get("failed", 0),
        "next": next_run(flow),
    }


def chart(now: datetime) -> dict[str, Any]:
    """Records per hour of the last two weeks as stacked columns, oldest left."""
    from sync.models import HourlyTotal

    start = now.replace(minute=0, second=0, microsecond=0) - timedelta(days=CHART_DAYS) + timedelta(hours=1)
    rows = (
        HourlyTotal.objects.filter(hour__gte=start)
        .values_list("hour", "outcome")
        .annotate(total=Sum("count"))
    )
    hours: dict[datetime, dict[str, int]] = defaultdict(dict)
    for hour, outcome, total in rows:
        hours[hour][outcome] = total
    columns = {
        hour: [sum(counts.get(o, 0) for o in outcomes) for _, _, outcomes in STACK]
        for hour, counts in hours.items()
    }
    top = max((sum(parts) for parts in columns.values()), default=0)
    bars = [bar for hour, parts in sorted(columns.items()) for bar in _bars(hour, parts, start, top)]
    days = [start + timedelta(days=offset) for offset in range(0, CHART_DAYS, 2)]
    return {"bars": bars, "top": top, "days": days, "legend": [(name, colour) for name, colour, _ in STACK]}


def _bars(hour: datetime, parts: list[int], start: datetime, top: int) -> Iterable[Bar]:
    x = int((hour - start).total_seconds() // 3600)
    filled = 0.0
    title = f"{hour:%d %b %H:00} UTC: " + ", ".join(
        f"{count:,} {name}" for count, (name, _, _) in zip(parts, STACK, strict=True) if count
    )
    for count, (_, colour, _) in zip(parts, STACK, strict=True):
        if count:
            height = count * 100 / top
            filled += height
            yield Bar(x, round(100 - filled, 2), round(height, 2), colour, title)


def _budgets(connections: Iterable[Any]) -> list[dict[str, Any]]:
    return [
        {
            "connection": connection,
            "url": reverse("admin:sync_connection_change", args=[connection.pk]),
            "percent": present.percent(connection.calls_used or 0, connection.calls_allowed),
            "reserve": 100 - connection.reserve_percent,
            "window": "this hour" if connection.limit_per == "hour" else "last 24 h",
        }
        for connection in connections
    ]


def first_steps(facts: Mapping[str, Any], flows: list[Any]) -> list[dict[str, Any]]:
    """What an empty console still needs, in order, each with the page where it is done."""
    systems = {connection.system for connection in facts["connections"]}
    connect = reverse("admin:sync_connection_add")
    return [
        {"done": "servicenow" in systems, "text": "Connect a ServiceNow instance", "url": f"{connect}?system=servicenow"},
        {"done": "salesforce" in systems, "text": "Connect a Salesforce org",
         "url": f"{connect}?system=salesforce&limit_per=24h"},
        {"done": facts["tested"], "text": "Test the connections", "url": _list("connection")},
        {"done": any(flow.revision_id for flow in flows), "text": "Make a flow of a recipe, or one of your own",
         "url": reverse("recipes")},
        {"done": facts["ran"], "text": "Look at a dry run, then run the flow", "url": _list("flow")},
    ]  # fmt: skip


def _list(model: str, **filters: str) -> str:
    from django.utils.http import urlencode

    query = {f"{name}__exact" if name != "code" else name: value for name, value in filters.items()}
    return reverse(f"admin:sync_{model}_changelist") + (f"?{urlencode(query)}" if query else "")
