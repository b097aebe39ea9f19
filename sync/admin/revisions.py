"""One revision, readable: what a run that cites it did with each field."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.admin import ReadOnlyAdmin
from sync.admin.base import link_to
from sync.models import Connection, Flow, Revision

ENDS = ("servicenow", "salesforce")
APART = {"fields", "value_maps", "options"}  # shown as tables of their own


@admin.register(Revision)
class RevisionAdmin(ReadOnlyAdmin):
    list_display = ("of_number", "of_flow", "author_name", "reason", "published")
    list_filter = ("flow", "author_name")
    list_select_related = ("flow",)
    page_template = "console/revision.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Revision]:
        return super().get_queryset(request).select_related("flow")

    def page_context(self, request: HttpRequest, obj: Revision) -> dict[str, Any]:
        data = obj.snapshot
        names = {str(pk): name for pk, name in Connection.objects.values_list("pk", "name")}
        shown = {
            **data,
            **{f"{end}_connection": names.get(data[f"{end}_connection"], "deleted") for end in ENDS},
        }
        settings = {key: value for key, value in shown.items() if key not in APART}
        return {
            "title": f"Revision {obj.number:,} of {obj.flow.name}",
            "ends": [(end, _of_end(settings, end)) for end in ENDS],
            "behaviour": {
                _label(key): _choice(key, value)
                for key, value in settings.items()
                if not key.startswith(ENDS)
            },
            "options": data.get("options") or {},
            "fields": data["fields"],
            "flow_direction": data["direction"],
            "value_maps": [_map_rows(spec) for spec in data["value_maps"].values()],
            "previous": obj.flow.revisions.filter(number__lt=obj.number).first(),
        }

    @admin.display(description="revision", ordering="number")
    def of_number(self, obj: Revision) -> str:
        return f"{obj.number:,}"

    @admin.display(description="flow", ordering="flow__name")
    def of_flow(self, obj: Revision) -> SafeString:
        return link_to(obj.flow)

    @admin.display(description="published", ordering="created_at")
    def published(self, obj: Revision) -> SafeString:
        return present.ago(obj.created_at)


def _of_end(settings: dict[str, Any], end: str) -> dict[str, Any]:
    mine = {key: value for key, value in settings.items() if key.startswith(f"{end}_")}
    return {key.removeprefix(f"{end}_"): _choice(key, value) for key, value in mine.items()}


def _label(key: str) -> str:
    return str(Flow._meta.get_field(key).verbose_name)  # type: ignore[union-attr]


def _choice(key: str, value: Any) -> Any:
    """The words of a choice for the code that is stored."""
    return dict(getattr(Flow._meta.get_field(key), "flatchoices", ())).get(value, value)


def _map_rows(spec: dict[str, Any]) -> dict[str, Any]:
    """A value map's copy as rows (ServiceNow, way, Salesforce, what goes along to ServiceNow)."""
    out, back, along = spec["to_salesforce"], spec["to_servicenow"], spec.get("along", {})
    rows = [(sn, "both" if back.get(sf) == sn else "to_salesforce", sf) for sn, sf in out.items()]
    rows += [(sn, "to_servicenow", sf) for sf, sn in back.items() if out.get(sn) != sf]
    shown = [(*row, _along(along.get(row[0], {})) if row[1] != "to_salesforce" else "") for row in rows]
    return {"name": spec["name"], "rows": shown, "unmapped": spec["unmapped_to_salesforce"]}


def _along(columns: dict[str, str]) -> str:
    return "along with " + ", ".join(f"{name}: {value}" for name, value in columns.items()) if columns else ""
