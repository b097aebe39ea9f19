"""One revision, readable: what a run that cites it did with each field."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.actions import Done, console_action
from integration_console.theme.admin import ReadOnlyAdmin
from mappings.spec import ValueMapSpec
from sync import drafts
from sync.admin.base import link_to, page_url, person
from sync.admin.drafts import ROLL_BACK, compare_url
from sync.differences import ENDS, choice, connection_names, label
from sync.models import Revision

APART = {"fields", "value_maps", "options"}  # shown as tables of their own


@admin.register(Revision)
class RevisionAdmin(ReadOnlyAdmin):
    list_display = ("of_number", "of_flow", "author_name", "reason", "published")
    list_filter = ("flow", "author_name")
    list_select_related = ("flow",)
    actions_detail = ("roll_back",)
    page_template = "console/revision.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Revision]:
        return super().get_queryset(request).select_related("flow__revision", "flow__user_table")

    def page_context(self, request: HttpRequest, obj: Revision) -> dict[str, Any]:
        data = obj.snapshot
        names = connection_names()
        previous = obj.flow.revisions.filter(number__lt=obj.number).defer("snapshot").first()
        shown = {
            **data,
            **{f"{end}_connection": names.get(data[f"{end}_connection"], "deleted") for end in ENDS},
        }
        settings = {key: value for key, value in shown.items() if key not in APART}
        return {
            "title": f"Revision {obj.number:,} of {obj.flow.name}",
            "ends": [(end, _of_end(settings, end)) for end in ENDS],
            "behaviour": {
                label(key): choice(key, value) for key, value in settings.items() if not key.startswith(ENDS)
            },
            "options": data.get("options") or {},
            "fields": data["fields"],
            "flow_direction": data["direction"],
            "value_maps": [_map_rows(spec) for spec in data["value_maps"].values()],
            "previous": previous,
            "compare": {
                **({"revision before": _compared(obj, previous.number, obj.number)} if previous else {}),
                "draft": _compared(obj, obj.number, "draft"),
            },
        }

    @console_action("Roll back to this", ROLL_BACK, icon="history")
    def roll_back(self, request: HttpRequest, target: Revision, answers: dict[str, Any]) -> Done:
        made = drafts.roll_back(
            revision=target, by=person(request), reason=answers["reason"], seen=answers["seen"]
        )
        return Done(
            f"{made.flow.name} is back at revision {target.number:,}, published as revision {made.number:,}.",
            page_url(made),
        )

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
    return {key.removeprefix(f"{end}_"): choice(key, value) for key, value in mine.items()}


def _compared(revision: Revision, before: int, after: int | str) -> str:
    return compare_url(revision.flow, **{"from": before, "to": after})


def _map_rows(spec: dict[str, Any]) -> dict[str, Any]:
    """A value map's copy as rows (ServiceNow, way, Salesforce, what goes along to ServiceNow)."""
    along = spec.get("along", {})
    shown = [
        (here, way, there, _along(along.get(here, {})) if way != "to_salesforce" else "")
        for here, there, way in ValueMapSpec.from_json(spec).entries()
    ]
    return {"name": spec["name"], "rows": shown, "unmapped": spec["unmapped_to_salesforce"]}


def _along(columns: dict[str, str]) -> str:
    return "along with " + ", ".join(f"{name}: {value}" for name, value in columns.items()) if columns else ""
