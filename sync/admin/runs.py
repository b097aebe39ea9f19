"""Runs: how far, and what went wrong."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.actions import Done, console_action
from integration_console.theme.admin import ReadOnlyAdmin, paged
from integration_console.theme.toolkit import DANGER
from sync import services
from sync.admin.base import link_to, list_url, page_url, person, rules
from sync.admin.calls import call_result
from sync.admin.causes import RETRY_FAILURES, causes, letters_of
from sync.admin.plans import plan_of
from sync.admin.progress import explained, progress
from sync.models import Event, RemoteCall, Run, Waiting
from sync.models.base import OutcomeChoices

EVENTS_A_PAGE = 50
CALLS_SHOWN = 20
# Count of a run -> the outcome of the events behind it; "" where unchanged records leave no event.
COUNTED = {
    "created": OutcomeChoices.CREATED,
    "updated": OutcomeChoices.UPDATED,
    "adopted": OutcomeChoices.ADOPTED,
    "deleted": OutcomeChoices.DELETED,
    "unchanged": "",
    "conflicts": OutcomeChoices.CONFLICT,
    "waiting": OutcomeChoices.WAITING,
    "failed": OutcomeChoices.FAILED,
    "in_doubt": OutcomeChoices.IN_DOUBT,
    "deferred": OutcomeChoices.DEFERRED,
}
ALWAYS_SHOWN = ("created", "updated", "unchanged", "failed")

CANCEL = rules(
    permission="sync.cancel_run",
    title=lambda run: f"Cancel run {run.pk:,}?",
    description="It ends at its next safe point and keeps its checkpoint; what it wrote stays written, and no further call is spent.",
    submit="Cancel the run",
    when=lambda run: run.is_unfinished and not run.cancel_requested,
)


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    appears_here = "A run appears here as soon as a flow is switched on or started."
    list_display = ("of_number", "of_flow", "status_badge", "when", "kind_and_mode", "read_count", "written", "troubles",
                    "who")  # fmt: skip
    list_display_links = ("of_number",)
    list_filter = ("status", "flow", "kind", "mode", "lane", ("created_at", admin.DateFieldListFilter))
    search_fields = ("=id", "flow__name", "asked_by_name", "error_code")
    actions_detail = ("retry_failures", "cancel")
    page_template = "console/run.html"
    page_views = ("progress",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        return super().get_queryset(request).select_related("flow", "revision").defer("revision__snapshot")

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The live part of the page; asks for itself again while the run is active, and then for the whole page.

        For with its end the buttons change, and the records that it touched are listed.
        """
        run = self.visible(request, object_id)
        reply = TemplateResponse(request, "console/run_progress.html", live_context(run))
        if "HX-Request" in request.headers and not run.is_active:
            reply.headers["HX-Refresh"] = "true"
        return reply

    def page_context(self, request: HttpRequest, obj: Run) -> dict[str, Any]:
        outcome = request.GET.get("outcome", "")
        events = Event.objects.filter(run=obj).select_related("link").defer(
            "detail_sealed", "link__base_sealed", "link__fields_sealed"
        )  # fmt: skip
        if outcome in OutcomeChoices.values:
            events = events.filter(outcome=outcome)
        calls = RemoteCall.objects.filter(run=obj).select_related("connection").defer("bodies_sealed")
        failing = calls.exclude(status__gte=200, status__lt=400)[:CALLS_SHOWN]
        return {
            "title": f"Run {obj.pk:,} · {obj.flow.name}",
            "asked": list(present.flat(obj.params)) if obj.params else [],
            "outcome": outcome,
            "causes": causes(obj),
            "may_retry": person(request).has_perm(RETRY_FAILURES.permission),
            "page": paged(events, request.GET.get("p"), EVENTS_A_PAGE),
            "calls": [(call, call_result(call)) for call in failing],
            **live_context(obj),
            **plan_of(obj),
        }

    @admin.display(description="run", ordering="id")
    def of_number(self, obj: Run) -> str:
        return f"{obj.pk:,}"

    @admin.display(description="flow", ordering="flow__name")
    def of_flow(self, obj: Run) -> SafeString:
        return link_to(obj.flow)

    @admin.display(description="status", ordering="status")
    def status_badge(self, obj: Run) -> SafeString:
        return present.badge(obj.status, obj.get_status_display())

    @admin.display(description="kind", ordering="kind")
    def kind_and_mode(self, obj: Run) -> SafeString:
        dry = present.badge("queued", "dry run") if obj.mode == "dry" else ""
        return format_html('{} {}<div class="ic-dim">{} lane</div>', obj.get_kind_display(), dry, obj.lane)

    @admin.display(description="read", ordering="read")
    def read_count(self, obj: Run) -> str:
        return present.number(obj.read)

    @admin.display(description="new · updated")
    def written(self, obj: Run) -> SafeString:
        return format_html(
            '{} · {}<div class="ic-dim">{} unchanged</div>',
            *map(present.number, (obj.created, obj.updated, obj.unchanged)),
        )

    @admin.display(description="failed", ordering="failed")
    def troubles(self, obj: Run) -> SafeString | str:
        in_doubt = f"{obj.in_doubt:,} in doubt" if obj.in_doubt else ""
        failed = present.badge("failed", f"{obj.failed:,} failed") if obj.failed else ""
        return format_html("{} {}", failed, in_doubt) if failed or in_doubt else "0"

    @admin.display(description="asked by", ordering="asked_by_name")
    def who(self, obj: Run) -> str:
        return obj.asked_by_name or "schedule"

    @admin.display(description="when", ordering="id")
    def when(self, obj: Run) -> SafeString:
        took = f"took {present.span(obj.seconds)}" if obj.finished_at and obj.seconds else ""
        return format_html(
            '{}<div class="ic-dim">{}</div>', present.ago(obj.started_at or obj.created_at), took
        )

    @console_action("Retry failures", RETRY_FAILURES, icon="replay")
    def retry_failures(self, request: HttpRequest, target: Run, answers: dict[str, Any]) -> Done:
        count = services.retry_dead_letters(letters=letters_of(target, answers["cause"]), by=person(request))
        if not count:
            raise services.Refused("None of these dead letters is open any more.")
        return Done(f"{count:,} records are queued again.", list_url(Waiting, reason__exact="retry"))

    @console_action("Cancel", CANCEL, icon="cancel", variant=DANGER)
    def cancel(self, request: HttpRequest, target: Run, answers: dict[str, Any]) -> Done:
        if not target.is_unfinished:
            raise services.Refused(f"Run {target.pk:,} has ended already.")
        services.cancel_run(run=target, by=person(request))
        return Done(f"Run {target.pk:,} was asked to end.", page_url(target))


def live_context(run: Run) -> dict[str, Any]:
    return {
        "run": run,
        "progress": progress(run),
        "counts": counts(run) + entry_counts(run) + action_counts(run),
        "explained": explained(run),
    }


# How a run's comments and work notes are told; a dry run tells those that it would carry.
_ENTRY_COUNTS = {
    ("to_salesforce", "comments"): "comments to Salesforce",
    ("to_salesforce", "work_notes"): "work notes to Salesforce",
    ("to_servicenow", "comments"): "comments to ServiceNow",
    ("to_servicenow", "work_notes"): "work notes to ServiceNow",
}


def entry_counts(run: Run) -> list[tuple[str, int, str]]:
    return [
        (name, run.entries[way][kind], "")
        for (way, kind), name in _ENTRY_COUNTS.items()
        if (run.entries or {}).get(way, {}).get(kind)
    ]


def action_counts(run: Run) -> list[tuple[str, int, str]]:
    """Actions begun; of a dry run, those that would be."""
    return [(f"action {name}", count, "") for name, count in sorted((run.actions or {}).items())]


def counts(run: Run) -> list[tuple[str, int, str]]:
    """(name, count, query string of the events behind it); those that are zero only where people expect them."""
    return [
        (present.words(name), getattr(run, name), f"?outcome={outcome}" if outcome else "")
        for name, outcome in COUNTED.items()
        if getattr(run, name) or name in ALWAYS_SHOWN
    ]
