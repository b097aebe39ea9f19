"""Waiting records: what a person may look at while the engine works on it."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.admin import ReadOnlyAdmin
from sync.admin.base import link_to
from sync.models import Waiting


@admin.register(Waiting)
class WaitingAdmin(ReadOnlyAdmin):
    appears_here = "A record that cannot be carried yet appears here and is tried again by itself."
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
