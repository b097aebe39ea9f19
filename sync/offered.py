"""What forms offer of both platforms: fields and values as they were last read. Nothing is asked of a platform here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from integration_console.theme.present import SIDES
from mappings.linting import Way
from mappings.linting.behind import relation
from mappings.models import FieldRow, ValueMap
from sync.core.records import RECORD_TYPE, FieldSchema, Schema, Side
from sync.engine.schemas import schema_of
from sync.linting import ways_of
from sync.models import CachedSchema, Flow

CHOICES = 6  # that the words of a field name
_APART = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True, slots=True)
class Offer:
    """A field as a person looks for it."""

    name: str
    label: str
    words: str  # type, length, choices, where it leads
    values: Sequence[tuple[str, str]] = ()  # that it may be given, with what people read for each
    way: str = ""  # by which a name goes on behind it: caller_id, of AccountId Account

    @classmethod
    def of(cls, field: FieldSchema, values: Mapping[str, str], side: str) -> Offer:
        """`values`: what its list offers the records of the flow, with what people read for each."""
        named = list(values.values() if field.name == RECORD_TYPE else values)
        more = f" and {len(named) - CHOICES:,} more" if len(named) > CHOICES else ""
        parts = (
            f"{field.type} {field.length:,}" if field.length else field.type,
            f"to {', '.join(field.reference_to)}" if field.reference_to else "",
            f"{', '.join(named[:CHOICES])}{more}" if named else "",
            "required" if field.required else "",
            "" if field.createable or field.updateable else "read only",
        )
        told, way = " · ".join(filter(None, parts)), way_behind(side, field)
        return cls(field.name, field.label or field.name, told, list(values.items()), way)

    @property
    def pairs(self) -> str:
        """`values` as JSON, for the page's script."""
        return json.dumps(list(self.values))


def way_behind(side: str, field: FieldSchema) -> str:
    """By what a name goes on behind the field; "" if it is no reference, or leads to several objects."""
    if len(field.reference_to) != 1:
        return ""
    if side == Side.SALESFORCE:
        return relation(field)
    return field.name if field.type == "reference" else ""


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
    lists = Lists.of(flow, held)
    return [_of_side(flow, side, held, lists) for side in SIDES]


@dataclass(frozen=True, slots=True)
class Lists:
    """What the lists of both ends offer. `ways`: the record types that the flow's records may have."""

    known: Mapping[Side, Schema | None]
    ways: Sequence[Way]

    @classmethod
    def of(cls, flow: Flow, held: Mapping[tuple[Any, str], CachedSchema]) -> Lists:
        rows = {side: held.get(_end(flow, side)) for side in Side}
        known = {side: schema_of(row) if row else None for side, row in rows.items()}
        return cls(known, ways_of(flow, known))

    def all(self, side: Side, name: str) -> dict[str, str]:
        """Every value of a list, with what people read for it."""
        schema = self.known[side]
        if schema is None or name not in schema.fields:
            return {}
        if name == RECORD_TYPE and side is Side.SALESFORCE:
            return {each.id: each.label or each.name for each in schema.record_types}
        field = schema.fields[name]
        return dict(zip(field.choices, field.labels or field.choices, strict=False))

    def offered(self, side: Side, name: str) -> dict[str, str]:
        """Those that a record of the flow may be given; beside one that not all of its record types have, which do."""
        found = self.all(side, name)
        if side is Side.SERVICENOW or not self.ways or name == RECORD_TYPE:
            return found
        having = {
            value: [
                way for way in self.ways if way.type is None or value in way.type.choices.get(name, found)
            ]
            for value in found
        }
        return {value: _with_types(found[value], of, self.ways) for value, of in having.items() if of}


def _with_types(label: str, of: Sequence[Way], ways: Sequence[Way]) -> str:
    names = [way.type.label or way.type.name for way in of if way.type is not None]
    return label if len(of) == len(ways) or not names else f"{label} · {', '.join(names)} only"


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


def _of_side(flow: Flow, side: str, held: Mapping[tuple[Any, str], CachedSchema], lists: Lists) -> Offered:
    row = held.get(_end(flow, side))
    schema = lists.known[Side(side)]
    offers = [
        Offer.of(field, lists.offered(Side(side), name), side)
        for name, field in (schema.fields if schema else {}).items()
    ]
    offers.sort(key=lambda offer: (offer.label.casefold(), offer.name))
    return Offered(side, _end(flow, side)[1], offers, row.fetched_at if row else None)


def unmapped(
    flow: Flow, offered: Sequence[Offered], of: Sequence[Offer] | None = None
) -> list[tuple[Offer, str]]:
    """ServiceNow's fields, or those `of` them, that no row names, each with the Salesforce field that is called alike, or ""."""
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
        for offer in (here.fields if of is None else of)
        if offer.name not in columns
    ]


def _plain(name: str) -> str:
    return _APART.sub("", name.casefold())


@dataclass(frozen=True, slots=True)
class Values:
    """What the fields of one side that a value map stands between may be given: value -> what people read for it.

    `missing`: what may come and the map has no entry for.
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
    of = {pk: Lists.of(flow, held) for pk, flow in flows.items()}
    spec = value_map.spec()
    mapped = {"servicenow": spec.to_salesforce, "salesforce": spec.to_servicenow}
    found = []
    for side in SIDES:
        lists = [
            (f"{_end(flows[row.mapping_id], side)[1]}.{name}", name, of[row.mapping_id])
            for row in rows
            if row.mapping_id in flows
            for name in (row.columns if side == "servicenow" else (row.salesforce,))
            if side != "servicenow" or len(row.columns) == 1
        ]
        every = {
            value: label for _, name, each in lists for value, label in each.all(Side(side), name).items()
        }
        if not every:
            continue
        values = {
            value: label for _, name, each in lists for value, label in each.offered(Side(side), name).items()
        }
        names = ", ".join(dict.fromkeys(told for told, name, each in lists if each.all(Side(side), name)))
        goes = any(_goes(flows[row.mapping_id], row, side) for row in rows if row.mapping_id in flows)
        missing = {value: label for value, label in every.items() if goes and value not in mapped[side]}
        found.append(Values(side, names, values, missing))
    return found


def _goes(flow: Flow, row: FieldRow, side: str) -> bool:
    """Whether values of this side are looked up at all."""
    return (row.direction or flow.direction) in ("both", "to_salesforce" if side == "servicenow" else "to_servicenow")  # fmt: skip
