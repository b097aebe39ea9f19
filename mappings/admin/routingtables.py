"""Routing tables: which desks there are, on either platform, and which records belong to which."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.admin import GuardedAdmin, RowsInline, columns
from integration_console.theme.meanwhile import RevivingFormSet
from integration_console.theme.toolkit import ModelForm
from mappings import routing
from mappings.models import Desk, Route, RoutingTable


class PartsFormSet(RevivingFormSet):
    """Refuses rows that contradict each other, and routes to desks that the page does not hold."""

    part = ""

    def clean(self) -> None:
        super().clean()
        kept = [form for form in self.forms if form not in self.deleted_forms and not form.errors]
        kept = [form for form in kept if form.instance.pk or form.has_changed()]
        specs = [form.instance.spec() for form in kept]
        desks, routes = (specs, []) if self.part == "desks" else (self._desks(), specs)
        for trouble in routing.troubles(desks, routes):
            if trouble.part == self.part:
                field = {"group": "servicenow", "queue": "salesforce"}.get(trouble.field, trouble.field)
                kept[trouble.index].add_error(field, trouble.text)

    def _desks(self) -> list[routing.Desk]:
        """Those of the same page: they stand in the formset before this one."""
        count = str(self.data.get("desks-TOTAL_FORMS", ""))
        numbers = range(min(int(count), 1000)) if count.isdecimal() and len(count) < 6 else range(0)
        return [
            routing.Desk(name.strip(), "")
            for index in numbers
            if (name := str(self.data.get(f"desks-{index}-name") or ""))
            and not self.data.get(f"desks-{index}-DELETE")
        ]


class DesksFormSet(PartsFormSet):
    part = "desks"


class RoutesFormSet(PartsFormSet):
    part = "routes"


class DeskInline(RowsInline):
    model = Desk
    formset = DesksFormSet
    fields = ("name", "works_in", "servicenow", "salesforce", "found", "position")
    readonly_fields = ("found",)
    ordering_field = "position"
    hide_ordering_field = True
    tab = False

    @admin.display(description="found on the platforms")
    def found(self, obj: Desk) -> SafeString:
        if obj.pk is None or obj.table.resolved_at is None:
            return SafeString("not looked up yet")
        return format_html(
            "{} {}", _known("servicenow", obj.servicenow_id), _known("salesforce", obj.salesforce_id)
        )


def _known(side: str, found_id: str) -> SafeString:
    word, label = ("ok", "found") if found_id else ("failed", "not found")
    return format_html(
        '<span class="ic-nowrap">{} {}</span>', present.side_mark(side), present.badge(word, label)
    )


class RouteInline(RowsInline):
    model = Route
    formset = RoutesFormSet
    fields = ("side", "field", "value", "desk", "position")
    ordering_field = "position"
    hide_ordering_field = True
    tab = False


class RoutingTableForm(ModelForm):
    class Meta:
        model = RoutingTable
        fields = ("name", "description")


@admin.register(RoutingTable)
class RoutingTableAdmin(GuardedAdmin):
    form = RoutingTableForm
    inlines = (DeskInline, RouteInline)
    list_display = ("name", "description", "desk_count", "route_count")
    search_fields = ("name", "description", "desks__name", "routes__value")
    fields = ("name", "description")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(
            desk_total=Count("desks", distinct=True), route_total=Count("routes", distinct=True)
        )  # fmt: skip

    def state(self, obj: RoutingTable) -> dict[str, Any]:
        desks = {
            desk.name: f"{desk.servicenow} ↔ {desk.salesforce}, works in {desk.get_works_in_display()}"
            for desk in Desk.objects.filter(table=obj)
        }
        routes = {
            f"{route.get_side_display()} {route.field} = {route.value or 'empty'}": route.desk
            for route in Route.objects.filter(table=obj)
        }
        return {**columns(obj), "desks": desks, "routes": routes}

    @admin.display(description="desks", ordering="desk_total")
    def desk_count(self, obj: Any) -> str:
        return present.number(obj.desk_total)

    @admin.display(description="routes", ordering="route_total")
    def route_count(self, obj: Any) -> str:
        return present.number(obj.route_total)
