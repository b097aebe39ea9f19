"""Drafts: what the tables say beside what is published. Publishing several together, and going back to a revision."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from mappings.apply import MappingError, compile_mapping
from mappings.models import FieldRow, UserTable, ValueMap
from mappings.spec import Environment, ValueMapSpec
from sync import audit, revisions
from sync.causes import users_of
from sync.differences import ENDS, Change, connection_names, differences, map_differences, row_ends, row_words
from sync.models import Connection, Flow, Revision
from sync.services import Refused, publish_flow, require


@dataclass(frozen=True, slots=True)
class Draft:
    """A flow's tables as they are now. `digest` tells this state from any other."""

    flow: Flow
    digest: str
    changes: Sequence[Change]
    differs: bool


def draft_of(flow: Flow, names: Mapping[str, str] | None = None) -> Draft:
    """`changes`: from what is published; empty for a flow that never was."""
    data = plain(revisions.snapshot(flow))
    found, published = revisions.digest(data), flow.revision
    changes: list[Change] = []
    if published is not None and published.digest != found:
        changes = differences(published.snapshot, data, connection_names() if names is None else names)
    return Draft(flow, found, changes, published is None or published.digest != found)


def plain(snapshot: dict[str, Any]) -> dict[str, Any]:
    """A snapshot as the database gives it back."""
    found: dict[str, Any] = json.loads(json.dumps(snapshot))
    return found


def edited(flow: Flow) -> dict[str, Any]:
    """What the form of a flow edits of its draft, in words, rows by the fields that they join."""
    data = plain(revisions.snapshot(flow))
    held = {key: value for key, value in data.items() if key not in ("fields", "value_maps")}
    ends = {f"{end}_connection": getattr(flow, f"{end}_connection").name for end in ENDS}
    return {**held, **ends, "field": {row_ends(row): row_words(row) for row in data["fields"]}}


def drafted(flows: QuerySet[Flow]) -> list[Draft]:
    """Those of the flows whose draft differs from what runs use."""
    names = connection_names()
    found = [draft_of(flow, names) for flow in revisions.with_drafts(flows.order_by("name"))]
    return [draft for draft in found if draft.differs]


def keep_draft(*, flow: Flow, by: User | None, reason: str = "") -> Draft:
    """Note in the audit log that the flow was edited and not published: its page has saved the tables already."""
    require(by, "sync.change_flow")
    draft = draft_of(Flow.objects.select_related("revision", "user_table").get(pk=flow.pk))
    if draft.differs:
        changes = {change.what: f"{change.before} → {change.after}" for change in draft.changes}
        audit.record("flow.drafted", flow, after={"reason": reason, "changes": changes})
    return draft


def publish_together(*, seen: Mapping[int, str], by: User | None, reason: str) -> list[Revision]:
    """Publish the drafts of these flows, all or none. `seen`: flow -> digest of its draft as the person saw it.

    Raises Refused where one is another draft by now, or is refused by itself.
    """
    require(by, "sync.publish_flow")
    with transaction.atomic():
        flows = sorted(revisions.hold(seen), key=lambda flow: flow.name)
        for flow in flows:
            if draft_of(flow).digest != seen[flow.pk]:
                raise Refused(f"The draft of {flow.name} was edited after you opened this page. Look at it again.")  # fmt: skip
        if len(flows) != len(seen):
            raise Refused("One of the flows was deleted meanwhile. Nothing is published.")
        return [publish_flow(flow=flow, by=by, reason=reason) for flow in flows]


@dataclass(slots=True)
class WayBack:
    """What rolling back to a revision would do. `shared`: value map that changes -> the other flows that use it.

    `problems`: why it cannot be done; `changes` from what the tables say now.
    """

    revision: Revision
    digest: str
    changes: list[Change] = field(default_factory=list)
    shared: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def way_back(revision: Revision) -> WayBack:
    flow, data = revision.flow, revision.snapshot
    now = plain(revisions.snapshot(flow))
    way = WayBack(revision, revisions.digest(now), differences(now, data, connection_names()))
    held = {str(pk) for pk in Connection.objects.values_list("pk", flat=True)}
    way.problems += [
        f"Revision {revision.number:,} used a {name} connection that no longer exists. Make a connection to the same system, choose "
        "it in the flow and publish; what else the revision holds is on its page."
        for end, name in zip(ENDS, ("ServiceNow", "Salesforce"), strict=True)
        if data[f"{end}_connection"] not in held
    ]
    table = data["user_table"]
    if table and not UserTable.objects.filter(name=table).exists():
        way.problems.append(f"Revision {revision.number:,} used the user table {table}, which no longer exists. Make it again first.")  # fmt: skip
    for name, value_map in _changed_maps(data).items():
        others = [user.name for user in users_of(value_map) if user.pk != flow.pk]
        if others:
            way.shared[name] = others
    try:
        compile_mapping(revisions.mapping_spec(data), Environment())
    except MappingError as error:
        way.problems.append(f"The mapping of revision {revision.number:,} does not work any more: {error}")
    return way


def _changed_maps(data: Mapping[str, Any]) -> dict[str, ValueMap]:
    """The value maps that exist and are not what the snapshot holds of them."""
    maps = ValueMap.objects.filter(name__in=data["value_maps"]).prefetch_related("entries")
    return {
        each.name: each
        for each in maps
        if any(map_differences(each.spec().to_json(), data["value_maps"][each.name]))
    }


def roll_back(*, revision: Revision, by: User | None, reason: str, seen: str) -> Revision:
    """Bring flow, rows and value maps to what the revision holds, and publish that. `seen`: WayBack.digest as it was shown.

    Raises Refused where it cannot be done, or the tables were edited since they were shown.
    """
    for permission in ("sync.publish_flow", "sync.change_flow", "mappings.change_valuemap"):
        require(by, permission)
    with transaction.atomic():
        [flow] = revisions.hold([revision.flow_id], also=revision.snapshot["value_maps"])
        revision.flow = flow
        way = way_back(revision)
        if way.problems:
            raise Refused(" ".join(way.problems))
        if way.digest != seen:
            raise Refused(f"{flow.name} was edited after you asked. Look again at what rolling back would change.")  # fmt: skip
        if not way.changes:
            raise Refused(f"{flow.name} is what revision {revision.number:,} holds already.")
        _restore(flow, revision.snapshot)
        audit.record(
            "flow.rolled_back", flow,
            after={"to": f"revision {revision.number:,}", "reason": reason,
                   "changes": {change.what: f"{change.before} → {change.after}" for change in way.changes}},
        )  # fmt: skip
        return publish_flow(flow=flow, by=by, reason=reason)


def _restore(flow: Flow, data: Mapping[str, Any]) -> None:
    maps = {
        name: _restored_map(name, ValueMapSpec.from_json(spec)) for name, spec in data["value_maps"].items()
    }
    for name in revisions.SETTINGS:  # a setting that came later than the revision: as a new flow has it
        setattr(flow, name, data.get(name, Flow._meta.get_field(name).get_default()))  # type: ignore[union-attr]
    for end in ENDS:
        setattr(flow, f"{end}_connection_id", data[f"{end}_connection"])
    flow.user_table = UserTable.objects.get(name=data["user_table"]) if data["user_table"] else None
    flow.save(update_fields=[*revisions.SETTINGS, *(f"{end}_connection" for end in ENDS), "user_table"])
    FieldRow.objects.filter(mapping=flow).delete()
    FieldRow.objects.bulk_create(
        FieldRow(
            **{
                **row, "mapping": flow, "position": position, "servicenow": ", ".join(row["servicenow"]),
                "direction": row["direction"] or "", "value_map": maps.get(row["value_map"]),
            }
        )
        for position, row in enumerate(data["fields"])
    )  # fmt: skip


def _restored_map(name: str, wanted: ValueMapSpec) -> ValueMap:
    """The map with the entries that the snapshot holds: equal ones stay, in their order."""
    value_map, made = ValueMap.objects.get_or_create(name=name)
    before = value_map.spec().to_json()
    if not made and not any(map_differences(before, wanted.to_json())):
        return value_map
    for way in ("to_salesforce", "to_servicenow"):
        unmapped, default = getattr(wanted, f"unmapped_{way}")
        setattr(value_map, f"unmapped_{way}", unmapped)
        setattr(value_map, f"default_{way}", default)
    value_map.save()
    places = {(e.servicenow, e.salesforce): e.position for e in value_map.entries.all()}
    value_map.entries.all().delete()
    last = max(places.values(), default=0)
    for number, (here, there, way) in enumerate(wanted.entries(), start=1):
        value_map.entries.create(
            servicenow=here, salesforce=there, direction=way,
            position=places.get((here, there), last + number),
            along="\n".join(f"{column}={value}" for column, value in wanted.along.get(here, {}).items()),
        )  # fmt: skip
    audit.record(
        "value_map.created" if made else "value_map.changed", value_map, before=before, after=wanted.to_json()
    )
    return value_map
