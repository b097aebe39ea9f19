"""Snapshots of a flow: what a revision holds, and the specs that the engine compiles from one."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Prefetch, QuerySet

from mappings.cells import maps_of
from mappings.models import FieldRow, ValueMap
from mappings.spec import Direction, FieldSpec, MappingSpec, ValueMapSpec
from sync.models import Flow, Revision

# Everything of a flow that decides what a run does. Not the schedule and not "enabled": they act at once.
SETTINGS = (
    "servicenow_table servicenow_scope servicenow_enter servicenow_key servicenow_key_field "
    "salesforce_object salesforce_scope salesforce_enter salesforce_key salesforce_key_field "
    "direction conflict tie adopt drift on_leave start overlap patience create_in_salesforce create_in_servicenow time_zone options"
).split()


_DRAFT_ROWS = FieldRow.objects.select_related("value_map").prefetch_related("value_map__entries")


def with_drafts(flows: QuerySet[Flow]) -> QuerySet[Flow]:
    """Flows with all that `snapshot` reads, in a fixed number of queries."""
    return flows.select_related("revision", "user_table").prefetch_related(Prefetch("rows", _DRAFT_ROWS))


def hold(flows: Iterable[int], also: Iterable[str] = ()) -> list[Flow]:
    """Lock these flows and the value maps that their drafts use, `also` maps of these names; inside a transaction.

    What is looked at from then on is what is published: who edits one of the maps waits. Flows come before maps, each in the order
    of its key, and both before the audit log, whose writers take turns: so those who wait for one another never do in a circle.
    """
    held = list(Flow.objects.select_for_update(of=("self",)).filter(pk__in=list(flows)).order_by("pk"))
    names = set(also)
    for row in FieldRow.objects.filter(mapping__in=[flow.pk for flow in held]).select_related("value_map"):
        names |= {row.value_map.name} if row.value_map is not None else set()
        names |= set(maps_of(row.spec()))
    # Evaluated for its locks.
    list(ValueMap.objects.select_for_update(of=("self",)).filter(name__in=names).order_by("pk"))
    return held


def snapshot(flow: Flow) -> dict[str, Any]:
    """The flow as it is edited now, with a copy of each value map it uses. Stable: equal flows give equal JSON."""
    fetched = "rows" in getattr(flow, "_prefetched_objects_cache", {})  # by `with_drafts`
    rows = list(flow.rows.all() if fetched else _DRAFT_ROWS.filter(mapping=flow))
    maps = {value_map.name: value_map.spec() for value_map in _maps_of(rows)}
    return assembled(flow, [row.spec() for row in rows], maps)


def assembled(flow: Flow, fields: Sequence[FieldSpec], maps: Mapping[str, ValueMapSpec]) -> dict[str, Any]:
    """The snapshot of a flow with these rows, which need not be stored."""
    return {
        **{name: getattr(flow, name) for name in SETTINGS},
        "servicenow_connection": str(flow.servicenow_connection_id),
        "salesforce_connection": str(flow.salesforce_connection_id),
        "user_table": flow.user_table.name if flow.user_table else "",
        "fields": [field.to_json() for field in fields],
        "value_maps": {name: spec.to_json() for name, spec in maps.items()},
    }


def _maps_of(rows: Sequence[FieldRow]) -> list[ValueMap]:
    """The value maps that rows name beside themselves, and those that their formulas name."""
    beside = {row.value_map.name: row.value_map for row in rows if row.value_map is not None}
    within = {name for row in rows for name in maps_of(row.spec())} - beside.keys()
    found = (
        ValueMap.objects.filter(name__in=within).prefetch_related("entries").order_by("name")
        if within
        else ()
    )
    return [*beside.values(), *found]


def digest(data: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def differs(flow: Flow) -> bool:
    """Whether the draft (what the tables say now) differs from the published revision."""
    return flow.revision is None or flow.revision.digest != digest(snapshot(flow))


def draft(flow: Flow) -> Revision:
    """The revision that publishing would make now, number 0 and never saved; its digest is that of `snapshot`."""
    data = json.loads(json.dumps(snapshot(flow)))
    made = Revision(flow=flow, number=0, digest=digest(data), snapshot=data)
    turned = _turned(data["fields"], flow.revision)
    for row in data["fields"]:
        if row["id"] in turned:
            row["id"] = str(uuid.uuid4())
    return made


def publish(
    flow: Flow, *, author_id: int | None, author_name: str, reason: str, warnings: Sequence[str] = ()
) -> Revision:
    """Make the draft the flow's revision; returns the present one if nothing differs. `warnings`: of the linter, by key.

    The draft is what the tables say now, not what `flow` held when it was read; `flow` is given the revision.
    """
    with transaction.atomic():
        draft = Flow.objects.select_for_update(of=("self",)).get(pk=flow.pk)
        _renew_turned(draft)
        data = json.loads(json.dumps(snapshot(draft)))
        if draft.revision is None or draft.revision.digest != digest(data):
            last = draft.revisions.order_by("-number").values_list("number", flat=True).first()
            draft.revision = Revision.objects.create(
                flow=draft, number=(last or 0) + 1, snapshot=data, digest=digest(data),
                author_id=author_id, author_name=author_name, reason=reason, warnings=list(warnings),
            )  # fmt: skip
            draft.save(update_fields=["revision"])
    flow.revision = draft.revision
    return draft.revision


def _renew_turned(draft: Flow) -> None:
    """A row that was turned to another field is another row from now on.

    What the sides agreed on in the old fields says nothing of the new ones: an empty field would look as if somebody
    had just emptied it.
    """
    rows = [json.loads(json.dumps(row.snapshot())) for row in draft.rows.all()]
    for id in _turned(rows, draft.revision):
        FieldRow.objects.filter(pk=id).update(id=uuid.uuid4())


def _turned(rows: Sequence[Mapping[str, Any]], published: Revision | None) -> list[str]:
    """Ids of rows that the published revision has between other fields."""
    fields = published.snapshot["fields"] if published else []
    ends = {each["id"]: (each["servicenow"], each["salesforce"]) for each in fields}
    return [
        row["id"]
        for row in rows
        if ends.get(row["id"], (row["servicenow"], row["salesforce"]))
        != (row["servicenow"], row["salesforce"])
    ]


def mapping_spec(data: dict[str, Any]) -> MappingSpec:
    return MappingSpec(
        direction=Direction(data["direction"]),
        fields=tuple(FieldSpec.from_json(field) for field in data["fields"]),
        value_maps={name: ValueMapSpec.from_json(spec) for name, spec in data["value_maps"].items()},
        time_zone=data["time_zone"],
    )
