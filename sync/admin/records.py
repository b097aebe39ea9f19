"""Records: where an incident or a Case stands, with both ends, its fields and what happened to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.actions import Done, console_action
from integration_console.theme.admin import ReadOnlyAdmin, paged
from integration_console.theme.paging import MOST
from integration_console.theme.toolkit import PRIMARY
from sync import handing, services
from sync.admin.base import link_to, links_out, page_url, person, rules
from sync.admin.comments import entries_of
from sync.admin.deletions import ending
from sync.admin.desks import HAND_BACK, HAND_OVER, OnWrongDesk, desk_context
from sync.admin.files import file_lines
from sync.admin.mapped import compiled
from sync.admin.record_fields import field_lines, hidden_lines, last_writes, shown
from sync.admin.values import PERMISSION, opened
from sync.admin.why import why
from sync.core import loops
from sync.core.records import Side
from sync.engine import failures
from sync.models import Conflict, Event, RecordLink, Waiting
from sync.models.action import ACTION_UNDECIDED
from sync.models.link import LinkState
from sync.tracing import begins

EVENTS_A_PAGE = 20
ENTRIES_A_PAGE = 10

SYNC_NOW = rules(
    permission="sync.sync_recordlink",
    title=lambda link: f"Sync {link} now?",
    description="Reads this one pair again and writes what differs, in the backfill lane.",
    submit="Sync now",
    when=lambda link: link.state == LinkState.ACTIVE,
)


@dataclass(frozen=True, slots=True)
class ParkedField:
    """A field that is left alone, and what to do about it. `values`: what the sides show, only where they are opened."""

    code: str
    message: str
    advice: str
    values: tuple[str, str] | None


def parked_fields(link: RecordLink, *, with_values: bool) -> list[ParkedField]:
    """The fields that did not come to rest. Codes are no values, so whoever may see the record sees that much."""
    states: Mapping[str, Any] = link.fields or {}
    held = {id: state["parked"] for id, state in states.items() if state.get("parked")}
    mapping = compiled(link.flow) if held else None
    found = []
    for id, (code, here, there) in held.items():
        row = mapping.row(id) if mapping else None
        if row is None:
            continue  # the published mapping has no such field any more, so nothing is left alone
        # Only ServiceNow takes a write and keeps its old value without a word.
        told = failures.parked(row, code, Side.SERVICENOW if code == loops.REFUSED_SILENTLY else None)
        values = (shown(here, [here]), shown(there, [there])) if with_values else None
        found.append(ParkedField(code, told.message, told.advice, values))
    return found


class StateFilter(admin.ChoicesFieldListFilter):
    """Says of a state that ended that it is not the active one: in those words an index of these few is found."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        rows: QuerySet[Any] | None = super().queryset(request, queryset)
        if rows is None or not self.lookup_val or LinkState.ACTIVE in self.lookup_val:
            return rows
        return rows.exclude(state=LinkState.ACTIVE)


@admin.register(RecordLink)
class RecordLinkAdmin(ReadOnlyAdmin):
    appears_here = "A pair of records appears here when a flow has made or found the counterpart."
    list_display = ("servicenow_end", "salesforce_end", "status", "desk", "of_flow", "born", "in_step")
    list_display_links = ("servicenow_end", "salesforce_end")
    list_filter = (("state", StateFilter), "flow", OnWrongDesk, "born_in")
    search_fields = ("servicenow_number",)  # shows the box; what is typed there is looked up as everywhere
    search_help_text = "Incident number, Case number, sys_id or Salesforce Id"
    actions_detail = ("sync_now", "hand_over", "hand_back")
    actions_row = ("sync_now",)
    page_template = "console/record.html"
    page_views = ("why",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RecordLink]:
        queryset = super().get_queryset(request).defer("base_sealed", "fields_sealed")
        return queryset.select_related("flow", "flow__revision", "placement", "servicenow_connection", "salesforce_connection").defer(
            "base_sealed", "fields_sealed", "servicenow_connection__secrets_sealed",
            "salesforce_connection__secrets_sealed", "flow__revision__snapshot", "placement__seen_sealed",
        )  # fmt: skip

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        return (queryset.filter(begins(search_term, MOST + 1)) if search_term.strip() else queryset), False

    def page_context(self, request: HttpRequest, obj: RecordLink) -> dict[str, Any]:
        nothing: dict[str, Any] = {"fields": [], "direction": "both"}
        snapshot = obj.flow.revision.snapshot if obj.flow.revision else nothing
        wrote = last_writes(obj)
        seen = opened(request, obj, lambda: field_lines(obj, snapshot, wrote))
        events = Event.objects.filter(link=obj).select_related("run", "revision").defer("revision__snapshot")
        page = paged(events, request.GET.get("p"), EVENTS_A_PAGE)
        return {
            "out": links_out(obj),
            "lines": seen["values"] if seen["is_open"] else hidden_lines(snapshot, wrote),
            "events": [_told(event, is_open=seen["is_open"]) for event in page],
            "ending": ending(obj),
            "parked": parked_fields(obj, with_values=seen["is_open"]),
            "files": file_lines(obj, with_names=seen["is_open"]),
            "page": page,
            "desks": desk_context(obj, is_open=seen["is_open"]),
            "entries": paged(entries_of(obj), request.GET.get("c"), ENTRIES_A_PAGE),
            "dead_letters": obj.dead_letters.filter(state="open"),
            "doubts": obj.intents.filter(settled_at=None).defer("payload_sealed"),
            "actions": obj.action_runs.filter(status__in=ACTION_UNDECIDED).defer("state_sealed"),
            "conflicts": Conflict.objects.filter(link=obj, state="open").defer("values_sealed"),
            "waiting": Waiting.objects.filter(
                flow=obj.flow, record_id__in=[obj.servicenow_id, obj.salesforce_id]
            ),
            **seen,
        }

    def why(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Why one field holds what it holds; asking is opening its values."""
        link: RecordLink = self.visible(request, object_id)
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        nothing: dict[str, Any] = {"fields": [], "direction": ""}
        snapshot = link.flow.revision.snapshot if link.flow.revision else nothing
        row = next((row for row in snapshot["fields"] if row["id"] == request.GET.get("row")), None)
        if row is None:
            raise Http404
        services.look_at_payload(target=link, by=person(request))
        only = {**snapshot, "fields": [row]}
        context = {
            **self.admin_site.each_context(request),
            "title": f"Why {row['salesforce']} of {link} holds what it holds",
            "opts": self.opts,
            "original": link,
            "line": field_lines(link, only, last_writes(link))[0],
            "row": row,
            "why": why(link, row, _key(request.GET.get("before"))),
            "out": links_out(link),
        }
        return TemplateResponse(request, "console/why.html", context)

    @admin.display(description="ServiceNow", ordering="servicenow_number")
    def servicenow_end(self, obj: RecordLink) -> SafeString:
        return format_html(
            "{} {}", present.side_mark("servicenow"), obj.servicenow_number or obj.servicenow_id
        )

    @admin.display(description="Salesforce", ordering="salesforce_number")
    def salesforce_end(self, obj: RecordLink) -> SafeString:
        return format_html(
            "{} {}", present.side_mark("salesforce"), obj.salesforce_number or obj.salesforce_id
        )

    @admin.display(description="status", ordering="state")
    def status(self, obj: RecordLink) -> SafeString:
        return present.badge(obj.state, obj.get_state_display())

    @admin.display(description="desk")
    def desk(self, obj: RecordLink) -> SafeString | str:
        placed = getattr(obj, "placement", None)
        if placed is None or not (placed.belongs or placed.here or placed.there):
            return "–"
        if placed.wrong:
            return present.badge("warning", f"{placed.here or placed.there or 'none'}, not {placed.belongs}")
        return str(placed.here or placed.there or placed.belongs)

    @admin.display(description="flow", ordering="flow__name")
    def of_flow(self, obj: RecordLink) -> SafeString:
        return link_to(obj.flow)

    @admin.display(description="began in", ordering="born_in")
    def born(self, obj: RecordLink) -> str:
        return obj.get_born_in_display()

    @admin.display(description="in step", ordering="synced_at")
    def in_step(self, obj: RecordLink) -> SafeString:
        return present.ago(obj.synced_at)

    @console_action("Sync now", SYNC_NOW, icon="sync", variant=PRIMARY)
    def sync_now(self, request: HttpRequest, target: RecordLink, answers: dict[str, Any]) -> Done:
        run = services.sync_record(link=target, by=person(request))
        return Done(f"Run {run.pk:,} reads {target} again.", page_url(run))

    @console_action("Hand over", HAND_OVER, icon="swap_horiz")
    def hand_over(self, request: HttpRequest, target: RecordLink, answers: dict[str, Any]) -> Done:
        order = handing.hand_over(link=target, to=answers["to"], reason=answers["reason"], by=person(request))
        return Done(f"{target} goes to {order.to_desk} with the next run.", page_url(target))

    @console_action("Hand back", HAND_BACK, icon="undo")
    def hand_back(self, request: HttpRequest, target: RecordLink, answers: dict[str, Any]) -> Done:
        order = handing.hand_back(link=target, reason=answers["reason"], by=person(request))
        return Done(f"{target} goes back to {order.to_desk} with the next run.", page_url(target))


def _key(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _told(event: Event, *, is_open: bool) -> tuple[Event, list[dict[str, str]] | None, list[str]]:
    """An event with its changes and notes; both only where values are opened."""
    return (
        (event, _changes(event), list((event.detail or {}).get("notes", ())))
        if is_open
        else (event, None, [])
    )


def _changes(event: Event) -> list[dict[str, str]]:
    """The event's per-field changes as text: field, what stood there, what was sent, from which value."""
    found = (event.detail or {}).get("fields", [])
    return [
        {
            "field": str(item.get("field", "")),
            "was": shown(item.get("under"), item),
            "sent": shown(item.get("sent"), item),
            "source": shown(item.get("source"), item),
            "note": str(item.get("note") or ""),
        }
        for item in found
    ]
