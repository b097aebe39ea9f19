"""Conflicts and waiting records: what a person may look at while the engine works on it."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.admin import ReadOnlyAdmin
from sync.admin.base import link_to
from sync.models import Conflict, Waiting


@admin.register(Conflict)
class ConflictAdmin(ReadOnlyAdmin):
    list_display = ("record", "field", "status", "of_flow", "since", "rule", "resolved")
    list_display_links = None
    list_filter = ("state", "link__flow", "field")
    search_fields = ("link__servicenow_number", "link__salesforce_number", "field")
    list_select_related = ("link", "link__flow", "resolved_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conflict]:
        return (
            super().get_queryset(request).defer("values_sealed", "link__base_sealed", "link__fields_sealed")
        )

    @admin.display(description="record")
    def record(self, obj: Conflict) -> SafeString:
        return link_to(obj.link)

    @admin.display(description="status", ordering="state")
    def status(self, obj: Conflict) -> SafeString:
        return present.badge(obj.state, obj.get_state_display())

    @admin.display(description="flow")
    def of_flow(self, obj: Conflict) -> SafeString:
        return link_to(obj.link.flow)

    @admin.display(description="since", ordering="at")
    def since(self, obj: Conflict) -> SafeString:
        return present.ago(obj.at)

    @admin.display(description="resolved")
    def resolved(self, obj: Conflict) -> SafeString:
        who = f" by {obj.resolved_by}" if obj.resolved_by else ""
        return format_html("{}{}", present.ago(obj.resolved_at), who)


@admin.register(Waiting)
class WaitingAdmin(ReadOnlyAdmin):
    list_display = ("record", "read_from", "why", "message", "attempts", "waiting_for", "due", "of_flow")
    list_display_links = None
    list_filter = ("reason", "flow", "side")
    search_fields = ("record_number", "record_id", "message")
    list_select_related = ("flow",)

    @admin.display(description="record", ordering="record_number")
    def record(self, obj: Waiting) -> str:
        return obj.record_number or obj.record_id

    @admin.display(description="read from")
    def read_from(self, obj: Waiting) -> SafeString:
        return present.side_name(obj.side)

    @admin.display(description="why", ordering="reason")
    def why(self, obj: Waiting) -> SafeString:
        return present.badge(obj.reason, obj.get_reason_display())

    @admin.display(description="waiting since", ordering="since")
    def waiting_for(self, obj: Waiting) -> SafeString:
        return present.ago(obj.since)

    @admin.display(description="next try", ordering="due_at")
    def due(self, obj: Waiting) -> SafeString:
        return present.ago(obj.due_at)

    @admin.display(description="flow")
    def of_flow(self, obj: Waiting) -> SafeString:
        return link_to(obj.flow)
