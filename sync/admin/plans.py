"""Plans: what a dry run would write, record by record; approved here by a second person, and applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.actions import Done, console_action
from integration_console.theme.admin import ReadOnlyAdmin, paged
from integration_console.theme.toolkit import PRIMARY
from sync import plans
from sync.admin.base import link_to, list_url, page_url, person, rules
from sync.admin.mapped import Names
from sync.admin.record_fields import HIDDEN
from sync.admin.values import opened
from sync.models import Flow, Plan, PlanItem, Run
from sync.models.plan import ItemFate

ITEMS_A_PAGE = 50
WAITS = "waits"  # in the address of the list: those that wait for approval
WHY: dict[str, str] = {
    "MOVED": "What it was planned on has changed since; nothing was overwritten.",
    "NOTHING_TO_WRITE": "There is nothing to write any more: both sides agree, or the record does not enter now.",
    "NOT_SHOWN": "The record is not shown any more.",
    "BUSY": "Somebody else held the record all the time.",
}


APPROVE = rules(
    permission="sync.approve_plan",
    title=lambda plan: f"Approve the {plan}?",
    description=lambda plan: (
        f"{_writes(plan)} of {plan.flow.name}, asked for by {plan.run.asked_by_name or 'the schedule'}. "
        "Whoever may apply plans can then have exactly these written; what has moved meanwhile is left."
    ),
    submit="Approve",
    when=lambda plan: plans.lacks_approval(plan) and not plans.hindrance(plan),
)
APPLY = rules(
    permission="sync.apply_plan",
    title=lambda plan: f"Apply the {plan}?",
    description=lambda plan: (
        f"{_writes(plan)} of {plan.flow.name}. Each record is read again just before: what still is as planned is written "
        "in the backfill lane, what has moved is left and named. Nothing else is written."
    ),
    submit="Apply",
    when=lambda plan: not plans.hindrance(plan) and not plans.lacks_approval(plan),
)


def _writes(plan: Plan) -> str:
    count = plans.counts(plan).get(ItemFate.PLANNED, 0)
    return f"{count:,} write" if count == 1 else f"{count:,} writes"


class WaitsFilter(admin.SimpleListFilter):
    title = "approval"
    parameter_name = WAITS

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return (("yes", "waits for a second person"),)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Plan]) -> QuerySet[Plan]:
        return queryset.filter(pk__in=plans.awaiting_approval()) if self.value() == "yes" else queryset


@dataclass(frozen=True, slots=True)
class FieldShown:
    name: str
    source: str
    now: str
    will: str
    why: str


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    appears_here = "A dry run of a flow keeps its plan here."
    list_display = ("of_run", "of_flow", "stage_badge", "writes", "who", "approved", "when")
    list_display_links = ("of_run",)
    list_filter = (WaitsFilter, "stage", "flow")
    search_fields = ("=run__id", "flow__name", "run__asked_by_name")
    # By the key itself: the order of runs, newest first, would turn this one round.
    ordering = ("-run_id",)
    actions_detail = ("approve", "apply")
    page_template = "console/plan.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Plan]:
        shown: QuerySet[Plan] = super().get_queryset(request)
        return shown.select_related("run__revision", "flow__revision", "applying").annotate(
            all_items=Count("items")
        )

    def page_context(self, request: HttpRequest, obj: Plan) -> dict[str, Any]:
        fate = request.GET.get("fate", "")
        items = obj.items.select_related("link").defer("link__base_sealed", "link__fields_sealed")
        if fate in ItemFate.values:
            items = items.filter(fate=fate)
        page = paged(items.order_by("pk"), request.GET.get("p"), ITEMS_A_PAGE)
        names = Names.known(obj.flow)
        seen = opened(request, obj, lambda: [fields(item, names) for item in page])
        lines = seen["values"] or [hidden(item) for item in page]
        counts = plans.counts(obj)
        return {
            "title": f"Plan of run {obj.run_id:,} · {obj.flow.name}",
            "counts": [
                (label, counts[value], value) for value, label in ItemFate.choices if counts.get(value)
            ],
            "operations": _operations(obj),
            "fate": fate,
            "page": page,
            "lines": [(item, each, WHY.get(item.code, "")) for item, each in zip(page, lines, strict=True)],
            "hindrance": plans.hindrance(obj),
            "lacks_approval": plans.lacks_approval(obj),
            "own": plans.is_own(obj, person(request)),
            **seen,
        }

    @admin.display(description="plan", ordering="run_id")
    def of_run(self, obj: Plan) -> str:
        return f"run {obj.run_id:,}"

    @admin.display(description="flow", ordering="flow__name")
    def of_flow(self, obj: Plan) -> SafeString:
        return link_to(obj.flow)

    @admin.display(description="stage", ordering="stage")
    def stage_badge(self, obj: Plan) -> SafeString:
        return present.badge(obj.stage, obj.get_stage_display())

    @admin.display(description="writes")
    def writes(self, obj: Any) -> str:
        return present.number(obj.all_items)

    @admin.display(description="asked by", ordering="run__asked_by_name")
    def who(self, obj: Plan) -> str:
        return obj.run.asked_by_name or "schedule"

    @admin.display(description="approved by", ordering="approved_by_name")
    def approved(self, obj: Plan) -> str:
        return obj.approved_by_name or "–"

    @admin.display(description="when", ordering="made_at")
    def when(self, obj: Plan) -> SafeString:
        return present.ago(obj.made_at)

    @console_action("Approve", APPROVE, icon="approval", variant=PRIMARY)
    def approve(self, request: HttpRequest, target: Plan, answers: dict[str, Any]) -> Done:
        plans.approve(plan=target, by=person(request))
        return Done(f"The {target} is approved.", page_url(target))

    @console_action("Apply", APPLY, icon="playlist_add_check", variant=PRIMARY)
    def apply(self, request: HttpRequest, target: Plan, answers: dict[str, Any]) -> Done:
        run = plans.apply_plan(plan=target, by=person(request))
        return Done(f"Run {run.pk:,} applies the {target}.", page_url(run))


def plan_of(run: Run) -> dict[str, Any]:
    """What a run's page says of the plan that it made or applies."""
    plan = Plan.objects.filter(Q(run=run) | Q(applying=run)).first()
    if plan is None:
        return {}
    return {"plan": plan, "planned": plan.items.count()}


def to_approve(flow: Flow) -> dict[str, Any]:
    """What a flow's page says of its plans that wait for somebody to approve them."""
    waiting = plans.awaiting_approval().filter(flow=flow).count()
    return {"plans_waiting": waiting, "plans_url": list_url(Plan, **{WAITS: "yes"}, flow__mapping_ptr__exact=flow.pk)}  # fmt: skip


def all_to_approve() -> dict[str, Any]:
    """What the Overview says of all that wait."""
    return {"plans_waiting": plans.awaiting_approval().count(), "plans_url": list_url(Plan, **{WAITS: "yes"})}


def _operations(plan: Plan) -> list[tuple[str, str, int]]:
    """(operation, direction, how many)."""
    found = (
        plan.items.order_by("operation", "side").values_list("operation", "side").annotate(count=Count("pk"))
    )
    return [(operation, f"to_{side}", count) for operation, side, count in found]


def fields(item: PlanItem, names: Names) -> list[FieldShown]:
    """Decrypts; call it only for somebody who may look."""
    content = item.content or {"fields": [], "extra": {}}
    told = [
        FieldShown(
            each["field"], names.shown(each["source"]), names.shown(each["now"]), names.shown(each["will"]),
            " ".join(filter(None, (each["rule"], each["note"]))),
        )
        for each in content["fields"]
    ]  # fmt: skip
    return told + [
        FieldShown(name, "", "", names.shown(value), "beside") for name, value in content["extra"].items()
    ]


def hidden(item: PlanItem) -> Sequence[FieldShown]:
    names = item.field_names.split(", ") if item.field_names else []
    return [FieldShown(name, HIDDEN, HIDDEN, HIDDEN, "") for name in names]
