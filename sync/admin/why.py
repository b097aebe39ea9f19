"""Why is this value here? Everything that was written to one field of one pair, newest first, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from mappings.apply import CompiledMapping, CompiledRow, MappingError, canonical, compile_mapping
from mappings.explaining import Explained, explain
from mappings.models import ValueMap
from mappings.spec import Environment, MappingSpec
from sync import people, revisions
from sync.admin.mapped import Names
from sync.admin.record_fields import WROTE
from sync.engine.references import References
from sync.engine.sharing import known_keys
from sync.errors import ConfigurationError
from sync.models import Event, Flow, RecordLink, Revision

LOOKED_THROUGH = 200  # events a page; a record that has more is looked through page by page
NAMES = {"servicenow": "ServiceNow", "salesforce": "Salesforce"}


@dataclass(frozen=True, slots=True)
class StepLine:
    """`map_id`: of the value map that it looks up in, as the map is now."""

    how: str
    value: str
    note: str
    problem: str
    value_map: str
    map_id: int | None


@dataclass(frozen=True, slots=True)
class Written:
    """One value that we wrote, or would have. `after`: what is known of it since, in words."""

    event: Event
    source: str
    sent: str
    under: str
    rule: str
    note: str
    landed: bool
    failure: str
    steps: list[StepLine]
    differs: str  # what the steps give now, where that is not what was sent
    after: str


@dataclass(frozen=True, slots=True)
class Why:
    """`older`: the key of the event behind which to look further, or None."""

    entries: list[Written]
    older: UUID | None


@dataclass(frozen=True, slots=True)
class _Raw:
    event: Event
    field: Mapping[str, Any]


def why(link: RecordLink, row: Mapping[str, Any], before: UUID | None) -> Why:
    """Decrypts; call it only for somebody who may look. `row`: the field row as the published revision has it."""
    events = Event.objects.filter(link=link).select_related("run", "revision").defer("revision__snapshot")
    page = list((events.filter(pk__lt=before) if before else events)[: LOOKED_THROUGH + 1])
    raw = [each for event in page[:LOOKED_THROUGH] if (each := _of_row(event, row)) is not None]
    book = _Book.of(link.flow, raw)
    entries = [_written(each, book, str(row["id"])) for each in raw]
    told = _with_what_came_after(raw, entries, link.base or {}, str(row["id"]), book, newest=before is None)
    return Why(told, page[LOOKED_THROUGH - 1].pk if len(page) > LOOKED_THROUGH else None)


def _of_row(event: Event, row: Mapping[str, Any]) -> _Raw | None:
    """What the event says of the field: by the row's UUID, or by name where an old event has none."""
    targets = {row["salesforce"], ", ".join(row["servicenow"])}
    for item in (event.detail or {}).get("fields", ()):
        known = str(item.get("row") or "")
        if known == str(row["id"]) or (not known and item.get("field") in targets):
            return _Raw(event, item)
    return None


@dataclass(frozen=True)
class _Book:
    """The mappings of the revisions that wrote, and names for what the values are."""

    names: Names
    mappings: Mapping[int, tuple[MappingSpec, CompiledMapping]]
    environment: Environment
    maps: Mapping[str, int]

    @classmethod
    def of(cls, flow: Flow, raw: Iterable[_Raw]) -> _Book:
        """A fixed number of queries: the revisions, the people, the value maps."""
        wanted = {each.event.revision_id for each in raw if each.event.revision_id is not None}
        references, keys = References(flow), known_keys(flow, flow.options)
        environment = Environment(
            people=people.people_spec(flow.user_table),
            counterpart=lambda *key: _counterpart(references, *key),
            key_of=keys.of,
            sys_id_of=keys.sys_id,
        )
        found = Revision.objects.filter(pk__in=wanted)
        compiled = {one.pk: made for one in found if (made := _compiled(one, environment)) is not None}
        maps = dict(ValueMap.objects.values_list("name", "pk"))
        return cls(Names.known(flow), compiled, environment, maps)

    def row(self, revision: int | None, id: str) -> tuple[MappingSpec, CompiledRow] | None:
        spec, mapping = self.mappings.get(revision or 0, (None, None))
        row = mapping.row(id) if mapping else None
        return (spec, row) if spec is not None and row is not None else None


def _counterpart(references: References, flow: str, to: str, id: str) -> str:
    try:
        return references(flow, to, id)
    except ConfigurationError:
        return ""


def _compiled(revision: Revision, environment: Environment) -> tuple[MappingSpec, CompiledMapping] | None:
    try:
        spec = revisions.mapping_spec(revision.snapshot)
        return spec, compile_mapping(spec, environment)
    except (MappingError, KeyError, ValueError, TypeError):
        return None  # a revision of long ago may name what is there no more


def _written(raw: _Raw, book: _Book, row_id: str) -> Written:
    event, field = raw.event, raw.field
    steps, made = _steps(raw, book, row_id)
    sent = field.get("sent")
    failure = (event.detail or {}).get("failure") or {}
    return Written(
        event=event, source=book.names.shown(field.get("source")), sent=book.names.shown(sent),
        under=book.names.shown(field.get("under")), rule=str(field.get("rule") or ""), note=str(field.get("note") or ""),
        landed=event.outcome in WROTE and not _is_dry(event),
        failure=str(failure.get("message") or ""), steps=steps,
        differs=book.names.shown(made[0]) if made and canonical(made[0]) != canonical(sent) else "", after="",
    )  # fmt: skip


def _is_dry(event: Event) -> bool:
    return event.run is not None and event.run.mode == "dry"


def _steps(raw: _Raw, book: _Book, row_id: str) -> tuple[list[StepLine], list[Any]]:
    """The steps as of the event's revision, and in a list of one what they give; both empty where it is not on record."""
    known = book.row(raw.event.revision_id, row_id)
    if known is None:
        return [], []
    spec, row = known
    steps = explain(row, spec, book.environment, raw.field.get("source"), str(raw.event.side))
    return [_line(step, book) for step in steps], _made(row, raw)


def _made(row: CompiledRow, raw: _Raw) -> list[Any]:
    source = raw.field.get("source")
    try:
        if raw.event.side == "salesforce":
            return [row.to_salesforce(source).value]
        return [row.to_servicenow(source, raw.field.get("under")).value]
    except ValueError:
        return []


def _line(step: Explained, book: _Book) -> StepLine:
    value = "" if step.problem else book.names.shown(step.value)
    return StepLine(step.how, value, step.note, step.problem, step.value_map, book.maps.get(step.value_map))


def _with_what_came_after(
    raw: list[_Raw], entries: list[Written], base: Mapping[str, Any], row: str, book: _Book, *, newest: bool
) -> list[Written]:
    """Newest first, as given: each is compared with the next one that landed."""
    told: list[Written] = []
    later: _Raw | None = None
    for each, entry in zip(raw, entries, strict=True):
        words = ""
        if entry.landed:
            if later is not None:
                words = _since(each, later, book)
            elif newest:
                words = _until_now(each, base.get(row), book)
            later = each
        told.append(replace(entry, after=words))
    return told


def _since(this: _Raw, later: _Raw, book: _Book) -> str:
    side, sent = str(this.event.side), this.field.get("sent")
    there = later.field.get("under") if later.event.side == side else later.field.get("source")
    if canonical(there) == canonical(sent):
        return "It stood until the next write."
    return f"Changed in {NAMES[side]} to “{book.names.shown(there)}” before the next write."


def _until_now(this: _Raw, base: Any, book: _Book) -> str:
    side, sent = str(this.event.side), this.field.get("sent")
    if not base:
        return "Nothing is agreed on for this field."
    agreed = base[0 if side == "servicenow" else 1]
    if canonical(agreed) == canonical(sent):
        return f"As far as is known it still stands in {NAMES[side]}."
    return f"Since then both sides agreed on “{book.names.shown(agreed)}” without a write of ours."
