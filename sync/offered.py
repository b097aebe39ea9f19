"""What forms offer of both platforms: fields and values as they were last read. Nothing is asked of a platform here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from integration_console.theme.present import SIDES
from mappings.models import FieldRow, ValueMap
from sync.models import CachedSchema, Flow

CHOICES = 6  # that the words of a field name
_APART = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True, slots=True)
class Offer:
    """A field as a person looks for it."""

    name: str
    label: str
    words: str  # type, length, choices, where it leads

    @classmethod
    def of(cls, held: Mapping[str, Any]) -> Offer:
        choices, tables = held.get("choices") or (), held.get("reference_to") or ()
        more = f" and {len(choices) - CHOICES:,} more" if len(choices) > CHOICES else ""
        parts = (
            f"{held['type']} {held['length']:,}" if held.get("length") else str(held["type"]),
            f"to {', '.join(tables)}" if tables else "",
            f"{', '.join(choices[:CHOICES])}{more}" if choices else "",
            "required" if held.get("required") else "",
            "" if held.get("createable", True) or held.get("updateable", True) else "read only",
        )
        return cls(held["name"], held.get("label") or held["name"], " · ".join(filter(None, parts)))


@dataclass(frozen=True, slots=True)
class Offered:
    """Of one side: `fields` by label; `read_at` None where nobody has read them yet."""

    side: str
    name: str
    fields: Sequence[Offer]
    read_at: datetime | None


def fields_of(flow: Flow) -> list[Offered]:
    """The fields of the flow's table and of its object, two queries at most."""
    held = _schemas([flow])
    return [_of_side(flow, side, held) for side in SIDES]


def _schemas(flows: Sequence[Flow]) -> dict[tuple[Any, str], CachedSchema]:
    wanted = Q(pk__in=())
    for flow in flows:
        for side in SIDES:
            connection, name = _end(flow, side)
            wanted |= Q(connection=connection, name=name)
    return {(row.connection_id, row.name): row for row in CachedSchema.objects.filter(wanted)}


def _end(flow: Flow, side: str) -> tuple[Any, str]:
    name = flow.servicenow_table if side == "servicenow" else flow.salesforce_object
    return getattr(flow, f"{side}_connection_id"), name


def _of_side(flow: Flow, side: str, held: Mapping[tuple[Any, str], CachedSchema]) -> Offered:
    row = held.get(_end(flow, side))
    offers = [Offer.of(field) for field in row.fields.values()] if row else []
    offers.sort(key=lambda offer: (offer.label.casefold(), offer.name))
    return Offered(side, _end(flow, side)[1], offers, row.fetched_at if row else None)


def unmapped(flow: Flow, offered: Sequence[Offered]) -> list[tuple[Offer, str]]:
    """ServiceNow's fields that no row names, each with the Salesforce field that is called alike, or ""."""
    rows = list(FieldRow.objects.filter(mapping=flow))
    columns = {column for row in rows for column in row.columns}
    here, there = offered
    taken = {row.salesforce for row in rows}
    alike = {
        key: offer.name
        for offer in there.fields
        if offer.name not in taken
        for key in (_plain(offer.label), _plain(offer.name.removesuffix("__c")))
    }
    return [
        (offer, alike.get(_plain(offer.label)) or alike.get(_plain(offer.name), ""))
        for offer in here.fields
        if offer.name not in columns
    ]


def _plain(name: str) -> str:
    return _APART.sub("", name.casefold())


@dataclass(frozen=True, slots=True)
class Values:
    """What the fields of one side that a value map stands between may hold: value -> what people read for it.

    `missing`: what the map has no entry for.
    """

    side: str
    fields: str
    values: Mapping[str, str]
    missing: Mapping[str, str]

    @property
    def choices(self) -> list[tuple[str, str]]:
        return list(self.values.items())

    @property
    def lacking(self) -> list[tuple[str, str]]:
        return list(self.missing.items())


def values_of(value_map: ValueMap) -> list[Values]:
    """By side, of the rows that look one column up in the map; a side of which no list was read is left out."""
    beside = FieldRow.objects.filter(value_map=value_map)
    rows = {row.pk: row for row in (*beside, *value_map.named_by())}.values()
    flows = {flow.pk: flow for flow in Flow.objects.filter(pk__in={row.mapping_id for row in rows})}
    held = _schemas(list(flows.values()))
    spec = value_map.spec()
    mapped = {"servicenow": spec.to_salesforce, "salesforce": spec.to_servicenow}
    found = []
    for side in SIDES:
        lists = [_choices(flows[row.mapping_id], row, side, held) for row in rows if row.mapping_id in flows]
        values = {value: label for _, choices in lists for value, label in choices.items()}
        if not values:
            continue
        names = ", ".join(dict.fromkeys(name for name, choices in lists if choices))
        goes = any(_goes(flows[row.mapping_id], row, side) for row in rows if row.mapping_id in flows)
        missing = {value: label for value, label in values.items() if goes and value not in mapped[side]}
        found.append(Values(side, names, values, missing))
    return found


def _goes(flow: Flow, row: FieldRow, side: str) -> bool:
    """Whether values of this side are looked up at all."""
    return (row.direction or flow.direction) in ("both", "to_salesforce" if side == "servicenow" else "to_servicenow")  # fmt: skip


def _choices(
    flow: Flow, row: FieldRow, side: str, held: Mapping[tuple[Any, str], CachedSchema]
) -> tuple[str, Mapping[str, str]]:
    schema = held.get(_end(flow, side))
    names = row.columns if side == "servicenow" else (row.salesforce,)
    if schema is None or len(names) != 1:
        return "", {}
    field = schema.fields.get(names[0]) or {}
    choices = field.get("choices") or ()
    return f"{schema.name}.{names[0]}", dict(zip(choices, field.get("labels") or choices, strict=False))
