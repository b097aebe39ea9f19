"""Value maps, shared between flows: which ServiceNow value is which Salesforce value."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.admin import GuardedAdmin, RowsInline, columns
from integration_console.theme.toolkit import ModelForm, Textarea
from mappings import checks
from mappings.admin.pairs import PairsFormSet, numbered
from mappings.models import Mapping, ValueMap, ValueMapEntry
from mappings.models.valuemap import parse_along


class Unfolding(Textarea):
    """A small text area that is folded away while it is empty."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        area = super().render(name, value, attrs, renderer)
        return format_html(
            '<details class="ic-unfolding"{}><summary>{}</summary>{}</details>',
            SafeString(" open") if value else "",
            "columns" if value else "add columns",
            area,
        )


class EntryForm(ModelForm):
    class Meta:
        model = ValueMapEntry
        fields = ("servicenow", "direction", "salesforce", "along", "position")
        widgets = {"along": Unfolding(attrs={"rows": 2, "placeholder": "close_code=Solution provided"})}


class EntryFormSet(PairsFormSet):
    """Refuses also two rows that take different columns along with one ServiceNow value."""

    def clean(self) -> None:
        super().clean()
        kept = self.kept()
        sent = [(form.instance.servicenow, parse_along(form.instance.along)) for form in kept]
        for trouble in checks.companions(sent, numbered):
            kept[trouble.index].add_error(trouble.part, trouble.text)


class EntryInline(RowsInline):
    model = ValueMapEntry
    form = EntryForm
    formset = EntryFormSet
    fields = ("servicenow", "direction", "salesforce", "along", "position")
    ordering_field = "position"
    hide_ordering_field = True
    tab = False
    per_page = 200

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name in ("servicenow", "salesforce"):
            field.widget.attrs.update({"list": f"{db_field.name}-values", "autocomplete": "off"})
        return field


def _along(entry: ValueMapEntry) -> str:
    """An entry's state for the audit log: what goes along with its value."""
    lines = ", ".join(entry.along.split("\n")) if entry.along.strip() else ""
    return f"mapped, along with {lines}" if lines else "mapped"


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
class ValueMapAdmin(GuardedAdmin):
    form = ValueMapForm
    change_form_outer_before_template = "console/table_head.html"
    sheet = "value-map"
    told_above = (
        "Shared: an edit makes the draft of every flow that uses the map differ, until it is published."
    )
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
            f"{e.servicenow or 'empty'} {present.ARROWS[e.direction][0]} {e.salesforce or 'empty'}": _along(e)
            for e in ValueMapEntry.objects.filter(value_map=obj)
        }
        return {**columns(obj), "entries": entries}

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        touched = form.has_changed() or any(formset.has_changed() for formset in formsets)
        users = self._users(form.instance) if change and touched else []
        if names := ", ".join(users):
            messages.warning(
                request,
                format_html(
                    'Runs go on with the map as it was published. Flows that use it: {}. <a class="ic-link" href="{}?map={}">See what '
                    "differs and publish</a>",
                    names,
                    reverse("drafts"),
                    form.instance.pk,
                ),
            )

    def _users(self, value_map: ValueMap) -> list[str]:
        """The names of the flows that look values up in it, beside a row or in a formula."""
        beside = Mapping.objects.filter(rows__value_map=value_map).values_list("name", flat=True)
        return sorted({*beside, *(row.mapping.name for row in value_map.named_by())})

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Those that formulas name stay, like those that rows name: the page says which."""
        deleted, counts, missing, protected = super().get_deleted_objects(objs, request)
        named = [f"field {row} of {row.mapping}" for value_map in objs for row in value_map.named_by()]
        return deleted, counts, missing, [*protected, *named]

    @admin.display(description="entries", ordering="entry_total")
    def entry_count(self, obj: Any) -> str:
        return present.number(obj.entry_total)

    @admin.display(description="unmapped values")
    def unmapped(self, obj: ValueMap) -> str:
        return f"→ {obj.get_unmapped_to_salesforce_display()} · ← {obj.get_unmapped_to_servicenow_display()}"

    @admin.display(description="used by flows", ordering="flow_total")
    def used_by(self, obj: Any) -> str:
        return present.number(obj.flow_total)
