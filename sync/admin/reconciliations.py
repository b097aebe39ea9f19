"""Reconciliations: do both sides agree, and if not, where?"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.actions import Done, console_action
from integration_console.theme.admin import ReadOnlyAdmin, paged
from integration_console.theme.toolkit import PRIMARY
from sync import services
from sync.admin.base import link_to, page_url, person, rules, salesforce_url, servicenow_url
from sync.models import Reconciliation, Suspect
from sync.models.reconciliation import FindingChoices, ReconciliationState

SUSPECTS_A_PAGE = 50
# Count of a statement -> the finding behind it.
FOUND = {
    "unequal": FindingChoices.UNEQUAL,
    "missing": FindingChoices.MISSING,
    "orphaned": FindingChoices.ORPHANED,
    "twins": FindingChoices.TWIN,
    "conflicts": FindingChoices.CONFLICT,
    "failed": FindingChoices.FAILED,
    "in_flight": FindingChoices.IN_FLIGHT,
}


def _can_run(row: Reconciliation) -> bool:
    return row.flow.enabled and not row.flow.paused_reason


AGAIN = rules(
    permission="sync.run_flow",
    title=lambda row: f"Reconcile {row.flow.name} again?",
    description="Compares both sides in the backfill lane and writes nothing. The schedule goes on beside it.",
    submit="Reconcile",
    when=_can_run,
)
HEAL = rules(
    permission="sync.resync_flow",
    title=lambda row: f"Heal {row.flow.name}?",
    description="Compares both sides and writes what differs, by the flow's ordinary rules. Conflicts, dead letters, twins "
    "and lost ends stay as they are: they want a person.",
    submit="Heal",
    when=lambda row: _can_run(row) and bool(row.counts.differences),
)


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    appears_here = (
        "A comparison of both sides appears here when it has begun, by night or by the button of a flow."
    )
    list_display = ("of_flow", "verdict", "result", "when", "reading", "of_run")
    list_display_links = ("result",)
    list_filter = ("flow", "heal", ("as_of", admin.DateFieldListFilter))
    search_fields = ("flow__name",)
    actions_detail = ("again", "heal_now")
    page_template = "console/reconciliation.html"
    page_views = ("statement",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Reconciliation]:
        shown = super().get_queryset(request).select_related("flow", "run")
        return shown.defer("buckets", "position", "statement")

    def statement(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The signed text, to be kept elsewhere; `manage.py reconcile --verify FILE` checks it."""
        row: Reconciliation = self.visible(request, object_id)
        name = f"{row.flow.name}-{row.as_of:%Y-%m-%d-%H%M}.txt"
        answer = HttpResponse(row.statement, content_type="text/plain; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    def page_context(self, request: HttpRequest, obj: Reconciliation) -> dict[str, Any]:
        finding = request.GET.get("finding", "")
        suspects = obj.suspects.exclude(finding="").select_related("link")
        suspects = suspects.defer("link__base_sealed", "link__fields_sealed")
        if finding in FindingChoices.values:
            suspects = suspects.filter(finding=finding)
        page = paged(suspects.order_by("finding", "pk"), request.GET.get("p"), SUSPECTS_A_PAGE)
        return {
            "title": f"{obj.flow.name}, as of {obj.as_of:%Y-%m-%d %H:%M} UTC",
            "counts": [
                (present.words(name), getattr(obj, name), f"?finding={kind}") for name, kind in FOUND.items()
            ],
            "finding": finding,
            "page": page,
            "lines": [(each, _outside(obj, each)) for each in page],
        }

    @admin.display(description="flow", ordering="flow__name")
    def of_flow(self, obj: Reconciliation) -> SafeString:
        return link_to(obj.flow)

    @admin.display(description="both sides")
    def verdict(self, obj: Reconciliation) -> SafeString:
        return verdict(obj)

    @admin.display(description="statement")
    def result(self, obj: Reconciliation) -> str:
        return obj.sentence if obj.state == ReconciliationState.DONE else "not finished"

    @admin.display(description="as of", ordering="as_of")
    def when(self, obj: Reconciliation) -> SafeString:
        return present.ago(obj.as_of)

    @admin.display(description="read")
    def reading(self, obj: Reconciliation) -> SafeString:
        return format_html(
            '{} · {}<div class="ic-dim">{}</div>', present.number(obj.read_servicenow),
            present.number(obj.read_salesforce), "everything" if obj.full else "what had moved",
        )  # fmt: skip

    @admin.display(description="run")
    def of_run(self, obj: Reconciliation) -> SafeString:
        return link_to(obj.run)

    def _start(self, request: HttpRequest, row: Reconciliation, *, heal: bool) -> Done:
        run = services.reconcile(flow=row.flow, by=person(request), heal=heal)
        return Done(f"Run {run.pk:,} of {row.flow.name} is queued.", page_url(run))

    @console_action("Reconcile again", AGAIN, icon="fact_check")
    def again(self, request: HttpRequest, target: Reconciliation, answers: dict[str, Any]) -> Done:
        return self._start(request, target, heal=False)

    @console_action("Heal", HEAL, icon="healing", variant=PRIMARY)
    def heal_now(self, request: HttpRequest, target: Reconciliation, answers: dict[str, Any]) -> Done:
        return self._start(request, target, heal=True)


def verdict(row: Reconciliation) -> SafeString:
    if row.state != ReconciliationState.DONE:
        return present.badge("running", "comparing")
    if row.counts.agree:
        return present.badge("succeeded", "agree")
    return present.badge("failed" if row.counts.differences else "partial", "differ")


def latest() -> list[Reconciliation]:
    """The last statement of each flow in use, those that differ first; one query."""
    rows = Reconciliation.objects.latest_of_each_flow().filter(flow__enabled=True).select_related("flow")
    found = rows.defer("buckets", "position", "statement")
    return sorted(found, key=lambda row: (row.counts.agree, row.flow.name))


def _outside(row: Reconciliation, suspect: Suspect) -> dict[str, str]:
    flow = row.flow
    return {
        "servicenow": servicenow_url(
            flow.servicenow_connection, flow.servicenow_table, suspect.servicenow_id
        ),
        "salesforce": salesforce_url(
            flow.salesforce_connection, flow.salesforce_object, suspect.salesforce_id
        ),
    }
