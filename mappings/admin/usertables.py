"""User tables: who is who on the two sides, and whether both platforms know them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.admin import GuardedAdmin, RowsInline, columns
from integration_console.theme.toolkit import ModelForm
from mappings.admin.pairs import PairsFormSet
from mappings.models import UserTable, UserTableEntry


class EntryInline(RowsInline):
    model = UserTableEntry
    formset = PairsFormSet
    fields = ("kind", "servicenow", "direction", "salesforce", "found")
    readonly_fields = ("found",)
    tab = False
    per_page = 200

    @admin.display(description="found on the platforms")
    def found(self, obj: UserTableEntry) -> SafeString:
        if obj.resolved_at is None:
            return SafeString("not looked up yet")
        return format_html(
            "{} {} {}",
            _known("servicenow", obj.servicenow_id, obj.servicenow_active),
            _known("salesforce", obj.salesforce_id, obj.salesforce_active),
            present.ago(obj.resolved_at),
        )


def _known(side: str, found_id: str, active: bool | None) -> SafeString:
    if not found_id:
        word, label = "failed", "not found"
    else:
        word, label = ("warning", "inactive") if active is False else ("ok", "found")
    return format_html(
        '<span class="ic-nowrap">{} {}</span>', present.side_mark(side), present.badge(word, label)
    )


class UserTableForm(ModelForm):
    class Meta:
        model = UserTable
        fields = ("name", "fallback_to_salesforce", "fallback_to_servicenow")
        labels = {
            "fallback_to_salesforce": "Fallback in Salesforce",
            "fallback_to_servicenow": "Fallback in ServiceNow",
        }


@admin.register(UserTable)
class UserTableAdmin(GuardedAdmin):
    form = UserTableForm
    change_form_outer_before_template = "console/table_head.html"
    sheet = "user-table"
    told_above = "Acts at once: the next run looks new names up on both platforms. Who is inactive there counts as missing."
    inlines = (EntryInline,)
    list_display = ("name", "entry_count", "unresolved", "fallback_to_salesforce", "fallback_to_servicenow")
    search_fields = ("name", "entries__servicenow", "entries__salesforce")
    fields = ("name", "fallback_to_salesforce", "fallback_to_servicenow")

    def get_queryset(self, request: HttpRequest) -> Any:
        missing = Q(entries__servicenow_id="") | Q(entries__salesforce_id="")
        return super().get_queryset(request).annotate(
            entry_total=Count("entries"), missing_total=Count("entries", filter=missing)
        )  # fmt: skip

    def state(self, obj: UserTable) -> dict[str, Any]:
        entries = {
            f"{e.servicenow} {present.ARROWS[e.direction][0]} {e.salesforce}": e.kind
            for e in UserTableEntry.objects.filter(table=obj)
        }
        return {**columns(obj), "entries": entries}

    @admin.display(description="entries", ordering="entry_total")
    def entry_count(self, obj: Any) -> str:
        return present.number(obj.entry_total)

    @admin.display(description="not found yet", ordering="missing_total")
    def unresolved(self, obj: Any) -> SafeString | str:
        if not obj.missing_total:
            return "0"
        return present.badge("warning", f"{obj.missing_total:,} not found yet")
