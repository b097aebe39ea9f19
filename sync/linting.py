"""What the linter says of a flow: its mapping and settings, held against what was last read of both platforms.

Nothing is asked of a platform here: `sync.schemas` reads, and this looks at what it kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from mappings.cells import columns_of
from mappings.linting import ERROR, End, FieldFacts, Finding, Ground, Member, Way, lint, written
from mappings.linting.behind import gather
from mappings.models import FieldRow, UserTable
from mappings.spec import Direction, MappingSpec
from sync import people, revisions
from sync.core.records import RECORD_TYPE, Schema, Side
from sync.core.schemas import ADDED, CHOICES, DEFAULT, REMOVED
from sync.engine.schemas import check_key, schema_of
from sync.engine.sharing import known_keys
from sync.errors import SchemaError
from sync.models import CachedSchema, Flow, LintReport, Revision, SchemaChange

OF_LATE = timedelta(days=7)  # how long a change over there is an alert


@dataclass(frozen=True, slots=True)
class Linted:
    """`read_at`: when either side was read last; None where it never was, and then nothing is said of its fields."""

    findings: tuple[Finding, ...]
    read_at: Mapping[Side, datetime | None]
    schemas: Mapping[Side, Schema | None]

    @property
    def errors(self) -> list[Finding]:
        return [each for each in self.findings if each.severity == ERROR]

    @property
    def warnings(self) -> list[Finding]:
        return [each for each in self.findings if each.severity != ERROR]

    @property
    def unread(self) -> list[Side]:
        return [side for side, at in self.read_at.items() if at is None]


def lint_flow(flow: Flow, snapshot: Mapping[str, Any] | None = None) -> Linted:
    """The draft as the tables hold it, or another snapshot of the flow (a revision's, or what a form would save)."""
    data = snapshot or revisions.snapshot(flow)
    return lint_spec(flow, data, revisions.mapping_spec(dict(data)))


def lint_spec(flow: Flow, settings: Mapping[str, Any], spec: MappingSpec) -> Linted:
    """`settings`: those of a snapshot that decide what is read, created and keyed."""
    rows = _cached(flow, settings)
    known = {side: schema_of(row) if row else None for side, row in rows.items()}
    found = [*_key(flow, settings, known[Side.SALESFORCE]), *lint(ground_of(flow, settings, spec, known))]
    return Linted(
        tuple(sorted(found, key=lambda each: each.severity != ERROR)),
        {side: row.fetched_at if row else None for side, row in rows.items()},
        known,
    )


def last_read(flow: Flow, settings: Mapping[str, Any]) -> dict[Side, Schema | None]:
    """What was last read of both ends, however long ago."""
    return {side: schema_of(row) if row else None for side, row in _cached(flow, settings).items()}


def note(flow: Flow) -> LintReport | None:
    """Look at the published revision and keep what is found; None while none is published."""
    if flow.revision is None:
        return None
    linted = lint_flow(flow, flow.revision.snapshot)
    report, _ = LintReport.objects.update_or_create(
        flow=flow,
        defaults={
            "findings": [each.to_json() for each in linted.findings],
            "changes": [in_a_sentence(change) for change in _touching(flow)],
            "errors": len(linted.errors),
            "warnings": len(linted.warnings),
            "made_at": timezone.now(),
        },
    )
    return report


def _touching(flow: Flow) -> list[SchemaChange]:
    """Changes of fields that the published revision names, seen since it was published and within a week."""
    revision = flow.revision
    assert revision is not None
    found: list[SchemaChange] = []
    since = max(revision.created_at, timezone.now() - OF_LATE)
    for side in Side:
        connection = getattr(flow, f"{side}_connection_id")
        name = name_of(revision.snapshot, side)
        rows = SchemaChange.objects.filter(connection=connection, name=name, seen_at__gte=since)
        named = named_by(revision.snapshot, side)
        creates = revision.snapshot[f"create_in_{side}"]  # whose records get a default nobody names
        found += [
            row
            for row in rows.order_by("seen_at", "pk")
            if row.field in named or (creates and row.what == DEFAULT)
        ]
    return found


def named_by(snapshot: Mapping[str, Any], side: Side) -> set[str]:
    """The fields of its own table or object that a snapshot of a flow depends on."""
    spec = revisions.mapping_spec(dict(snapshot))
    named = {snapshot[f"{side}_key_field"], *names_of(spec, side)} - {""}
    heads = {name.partition(".")[0] for name in named if "." in name}
    if side is Side.SALESFORCE:  # the field of a relationship
        heads = {f"{head[:-1]}c" if head.endswith("__r") else f"{head}Id" for head in heads}
    return {name for name in named if "." not in name} | heads


def in_a_sentence(change: SchemaChange) -> str:
    """What changed, for a person."""
    where = f"{change.name}.{change.field}"
    if change.record_type or change.what == DEFAULT:
        return _of_record_type(change, where)
    if change.what == ADDED:
        return f"{where} was added ({change.after})."
    if change.what == REMOVED:
        return f"{where} is gone, or our user cannot see it any more (it was {change.before})."
    if change.what == CHOICES:
        return f"{where} {_offers(change)}."
    return (
        f"{where}: {change.what.replace('_', ' ')} was {_said(change.before)} and is {_said(change.after)}."
    )


def _of_record_type(change: SchemaChange, where: str) -> str:
    if change.what == DEFAULT:
        got, gets = (_said(names) if names else "none" for names in (change.before, change.after))
        return f"{change.name}: the record type of a new record was {got} and is {gets}."
    if change.what == CHOICES:
        return f"{where} {_offers(change)} for the record type {change.record_type}."
    became = "can be given to records" if change.what == ADDED else "cannot be given to records any more"
    return f"{change.name}: the record type {change.record_type} {became}."


def _offers(change: SchemaChange) -> str:
    gone, came = change.before or [], change.after or []
    told = [f"no longer offers {', '.join(gone)}"] if gone else []
    told += [f"offers {', '.join(came)} as well"] if came else []
    return " and ".join(told)


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (", ".join(map(str, value)) or "nothing") if isinstance(value, list) else f"{value:,}" if isinstance(value, int) else str(value)  # fmt: skip


def unargued(linted: Linted, published: Revision | None) -> list[Finding]:
    """Warnings that no published revision was given a reason for yet."""
    argued = set(published.warnings) if published else set()
    return [each for each in linted.warnings if each.key not in argued]


def in_words(findings: Sequence[Finding], most: int = 3) -> str:
    told = " ".join(each.text for each in findings[:most])
    more = len(findings) - most
    return f"{told} And {more:,} more." if more > 0 else told


def name_of(settings: Mapping[str, Any], side: Side) -> str:
    return str(settings["servicenow_table" if side is Side.SERVICENOW else "salesforce_object"])


def _cached(flow: Flow, settings: Mapping[str, Any]) -> dict[Side, CachedSchema | None]:
    """What was last read of both ends, however long ago."""
    ends = {
        Side.SERVICENOW: (flow.servicenow_connection_id, name_of(settings, Side.SERVICENOW)),
        Side.SALESFORCE: (flow.salesforce_connection_id, name_of(settings, Side.SALESFORCE)),
    }
    wanted = Q()
    for connection, name in ends.values():
        wanted |= Q(connection=connection, name=name)
    held = {(row.connection_id, row.name): row for row in CachedSchema.objects.filter(wanted)}
    return {side: held.get(end) for side, end in ends.items()}


def ground_of(
    flow: Flow, settings: Mapping[str, Any], spec: MappingSpec, known: Mapping[Side, Schema | None]
) -> Ground:
    table = flow.user_table
    return Ground(
        spec=spec,
        servicenow=_end(settings, spec, Side.SERVICENOW, known[Side.SERVICENOW], flow),
        salesforce=_end(settings, spec, Side.SALESFORCE, known[Side.SALESFORCE], flow),
        members=_members(table) if table else None,
        people=people.people_spec(table),
        fallbacks=frozenset(side.value for side in Side if table and getattr(table, f"fallback_to_{side}")),
    )


def ways_of(flow: Flow, known: Mapping[Side, Schema | None]) -> tuple[Way, ...]:
    """The record types that records of the flow may have, by its draft; () where nothing narrows them. Two queries at most."""
    schema = known[Side.SALESFORCE]
    if schema is None or not schema.record_types:
        return ()
    rows = FieldRow.objects.filter(mapping=flow, salesforce=RECORD_TYPE).select_related("value_map")
    maps = {row.value_map.name: row.value_map.spec() for row in rows if row.value_map is not None}
    spec = MappingSpec(Direction(flow.direction), tuple(row.spec() for row in rows), maps)
    settings = {name: getattr(flow, name) for name in revisions.SETTINGS}
    here, there = (_end(settings, spec, side, known[side]) for side in (Side.SERVICENOW, Side.SALESFORCE))
    return written(Ground(spec, here, there))


def names_of(spec: MappingSpec, side: Side) -> list[str]:
    """The fields of a side that a mapping names, in the order of its rows."""
    named = [
        name
        for field in spec.fields
        for name in ((field.salesforce,) if side is Side.SALESFORCE else columns_of(field))
    ]
    return list(dict.fromkeys(named))


def _behind(
    flow: Flow | None, spec: MappingSpec, side: Side, schema: Schema | None
) -> Mapping[str, Mapping[str, FieldFacts]]:
    """What is kept of the tables behind the references of a side that the mapping goes behind: a query for each."""
    names = [name for name in names_of(spec, side) if "." in name]
    if flow is None or schema is None or not names:
        return {}
    kept = CachedSchema.objects.filter(connection=getattr(flow, f"{side}_connection_id"))

    def fetch(table: str) -> Mapping[str, FieldFacts] | None:
        row = kept.filter(name=table).first()
        return schema_of(row).fields if row else None

    return gather(side, schema.name, schema.fields, names, fetch)


def _end(
    settings: Mapping[str, Any],
    spec: MappingSpec,
    side: Side,
    schema: Schema | None,
    flow: Flow | None = None,
) -> End:
    """`flow`: whose connections show what lies behind references, if that is to be looked at."""
    writes = spec.direction.writes_salesforce if side is Side.SALESFORCE else spec.direction.writes_servicenow
    own = {settings[f"{side}_key_field"], "sys_id", "correlation_id"} - {""}
    return End(
        name=name_of(settings, side),
        fields=schema.fields if schema else None,
        creates=bool(settings[f"create_in_{side}"]) and writes,
        enter=settings[f"{side}_enter"],
        filled=frozenset(own),
        record_types=schema.record_types if schema else (),
        side=side,
        behind=_behind(flow, spec, side, schema),
    )


def _members(table: UserTable) -> tuple[Member, ...]:
    return tuple(
        Member(
            each.kind, each.servicenow, each.salesforce, Direction(each.direction), each.servicenow_id, each.salesforce_id,
            each.servicenow_active, each.salesforce_active, each.resolved_at is not None,
        )
        for each in table.entries.all()
    )  # fmt: skip


def _key(flow: Flow, settings: Mapping[str, Any], schema: Schema | None) -> Iterator[Finding]:
    """What would keep the flow from starting: the engine's own check of the external id."""
    options = settings["options"] or {}
    if schema is None or (not settings["fields"] and options.get("actions")):
        return
    try:
        check_key(dict(settings), schema, known_keys(flow, options))
    except SchemaError as error:
        yield Finding(error.code, ERROR, error.message, error.advice, side=Side.SALESFORCE)
