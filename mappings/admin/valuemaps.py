"""Value maps, shared between flows: which ServiceNow value is which Salesforce value."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count
from django.http import HttpRequest

from integration_console.theme import present
from integration_console.theme.admin import ConfigurationAdmin, RowsInline, columns
from integration_console.theme.toolkit import ModelForm
from mappings.admin.pairs import PairsFormSet
from mappings.models import Mapping, ValueMap, ValueMapEntry


class EntryInline(RowsInline):
    model = ValueMapEntry
    formset = PairsFormSet
    fields = ("servicenow", "direction", "salesforce", "position")
    ordering_field = "position"
    hide_ordering_field = True
    tab = False


class ValueMapForm(ModelForm):
    class Meta:
        model = ValueMap
        fields = (
            "name",
            "description",
            "unmapped_to_salesforce",
            "default_to_salesforce",
            "unmapped_to_servicenow",
            "default_to_servicenow",
        )
        labels = {
            "unmapped_to_salesforce": "Going to Salesforce",
            "default_to_salesforce": "Default there",
            "unmapped_to_servicenow": "Going to ServiceNow",
            "default_to_servicenow": "Default there",
        }


@admin.register(ValueMap)
class ValueMapAdmin(ConfigurationAdmin):
    form = ValueMapForm
    inlines = (EntryInline,)
    list_display = ("name", "description", "entry_count", "unmapped", "used_by")
    search_fields = ("name", "description", "entries__servicenow", "entries__salesforce")
    fieldsets = (
        (None, {"fields": ("name", "description")}),
        (
            "A value that is not in the map",
            {
                "fields": (
                    ("unmapped_to_salesforce", "default_to_salesforce"),
                    ("unmapped_to_servicenow", "default_to_servicenow"),
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        counted = Count("entries", distinct=True)
        return super().get_queryset(request).annotate(
            entry_total=counted, flow_total=Count("fieldrow__mapping", distinct=True)
        )  # fmt: skip

    def state(self, obj: ValueMap) -> dict[str, Any]:
        entries = {
            f"{e.servicenow or 'empty'} {present.ARROWS[e.direction][0]} {e.salesforce or 'empty'}": "mapped"
            for e in ValueMapEntry.objects.filter(value_map=obj)
        }
        return {**columns(obj), "entries": entries}

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        touched = form.has_changed() or any(formset.has_changed() for formset in formsets)
        users = Mapping.objects.filter(rows__value_map=form.instance).distinct() if change and touched else []
        if names := ", ".join(mapping.name for mapping in users):
            messages.warning(
                request,
                f"Runs go on with the map as it was published: to use this one, open and save {names}.",
            )

    @admin.display(description="entries", ordering="entry_total")
    def entry_count(self, obj: Any) -> str:
        return present.number(obj.entry_total)

    @admin.display(description="unmapped values")
    def unmapped(self, obj: ValueMap) -> str:
        return f"→ {obj.get_unmapped_to_salesforce_display()} · ← {obj.get_unmapped_to_servicenow_display()}"

    @admin.display(description="used by flows", ordering="flow_total")
    def used_by(self, obj: Any) -> str:
        return present.number(obj.flow_total)
