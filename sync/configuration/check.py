"""What holds between the parts of a file: names that must exist, rows that must be possible, entries given twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mappings import checks
from mappings.apply import MappingError, compile_mapping
from mappings.cells import maps_of
from mappings.registry import named
from mappings.spec import Direction, Environment, MappingSpec, ValueMapSpec
from sync.configuration import actions
from sync.configuration.columns import flow_columns
from sync.configuration.documents import (
    ConnectionDoc,
    Document,
    FieldDoc,
    FlowDoc,
    Known,
    PairDoc,
    RoutingTableDoc,
    UserTableDoc,
    ValueMapDoc,
)
from sync.configuration.problems import Remarks, did_you_mean
from sync.configuration.routes import check_routing
from sync.configuration.rules import flow_problems
from sync.configuration.shared import check_shared
from sync.connectors.addresses import checked_origin
from sync.connectors.auth import METHODS
from sync.core.records import Side
from sync.errors import ConfigurationError

Named = ConnectionDoc | ValueMapDoc | UserTableDoc | RoutingTableDoc | FlowDoc


def check(document: Document, known: Known, remarks: Remarks) -> None:
    for part, items in _sections(document):
        _check_names(part, items, remarks)
    for connection in document.connections:
        _check_connection(connection, remarks)
    for value_map in document.value_maps:
        _check_value_map(value_map, remarks)
    for table in document.user_tables:
        _check_people(table, remarks)
    for routing in document.routing_tables:
        check_routing(routing, remarks)
    names = _Names.of(document, known)
    for flow in document.flows:
        _check_flow(flow, names, remarks)
    _check_owners(document.flows, remarks)
    check_shared(document, remarks)


def _sections(document: Document) -> Iterator[tuple[str, Iterable[Named]]]:
    yield "connections", document.connections
    yield "value_maps", document.value_maps
    yield "user_tables", document.user_tables
    yield "routing_tables", document.routing_tables
    yield "flows", document.flows


def _check_names(part: str, items: Iterable[Named], remarks: Remarks) -> None:
    first: dict[str, int] = {}
    for item in items:
        if item.name in first:
            text = f"The name {item.name!r} is used in line {first[item.name]} already."
            remarks.problem(item.line, f"{part}[{item.name}].name", text)
        first.setdefault(item.name, item.line)


def _check_connection(doc: ConnectionDoc, remarks: Remarks) -> None:
    path = f"connections[{doc.name}]"
    _check_origin(doc, f"{path}.url", doc.url, remarks)
    method = METHODS.get((Side(doc.system), doc.auth))
    if method is None:
        known = [name for system, name in METHODS if system == doc.system]
        remarks.problem(
            doc.line,
            f"{path}.auth",
            f"{doc.auth} cannot log in to {doc.system}; choose one of {', '.join(known)}.",
        )
        return
    if method.legacy:
        remarks.notice(doc.line, f"{path}.auth", method.legacy)
    accepted = set(method.secret_names)
    for unknown in sorted(set(doc.secrets) - accepted):
        hint = did_you_mean(unknown, accepted)
        remarks.problem(
            doc.line, f"{path}.secrets.{unknown}", f"{doc.auth} uses no secret of this name.{hint}"
        )
    if "username" in {need.name for need in method.needs} and not doc.username:
        remarks.problem(doc.line, f"{path}.username", f"{doc.auth} needs a user name.")
    if doc.audience:
        _check_origin(doc, f"{path}.audience", doc.audience, remarks)


def _check_origin(doc: ConnectionDoc, path: str, address: str, remarks: Remarks) -> None:
    try:
        checked_origin(address)
    except ConfigurationError as error:
        remarks.problem(doc.line, path, error.told)


def _check_value_map(doc: ValueMapDoc, remarks: Remarks) -> None:
    path = f"value_maps[{doc.name}]"
    _check_pairs(path, doc.entries, remarks)
    sent = [(entry.servicenow, entry.along) for entry in doc.entries]
    for trouble in checks.companions(sent, _entry):
        line = doc.entries[trouble.index].line
        remarks.problem(line, f"{path}.{_entry(trouble.index)}.along", trouble.text)


def _check_pairs(path: str, entries: Sequence[PairDoc], remarks: Remarks) -> None:
    for trouble in checks.contradictions(entries, _entry):
        remarks.problem(entries[trouble.index].line, f"{path}.{_entry(trouble.index)}", trouble.text)


def _entry(index: int) -> str:
    return f"entries[{index}]"


def _field(index: int) -> str:
    return f"fields[{index}]"


def _check_people(table: UserTableDoc, remarks: Remarks) -> None:
    path = f"user_tables[{table.name}]"
    for index, entry in enumerate(table.entries):
        if not entry.servicenow or not entry.salesforce:
            remarks.problem(entry.line, f"{path}.entries[{index}]", "Both names are needed.")
    _check_pairs(path, table.entries, remarks)


@dataclass(frozen=True, slots=True)
class _Names:
    """What a flow may refer to: defined in this file, or known from before."""

    systems: Mapping[str, str]
    value_maps: frozenset[str]
    user_tables: frozenset[str]
    routing_tables: frozenset[str]
    entries: Mapping[str, ValueMapSpec]  # of the maps that the file holds itself

    @classmethod
    def of(cls, document: Document, known: Known) -> _Names:
        return cls(
            {**known.connections, **{doc.name: doc.system for doc in document.connections}},
            known.value_maps | {doc.name for doc in document.value_maps},
            known.user_tables | {doc.name for doc in document.user_tables},
            known.routing_tables | {doc.name for doc in document.routing_tables},
            {doc.name: spec_of(doc) for doc in document.value_maps},
        )


def spec_of(doc: ValueMapDoc) -> ValueMapSpec:
    """The map as the mapping takes it."""
    out = {entry.servicenow: entry.salesforce for entry in doc.entries if entry.direction != "to_servicenow"}
    back = {entry.salesforce: entry.servicenow for entry in doc.entries if entry.direction != "to_salesforce"}
    return ValueMapSpec(
        doc.name,
        out,
        back,
        unmapped_to_salesforce=(doc.unmapped.to_salesforce or "fail", doc.default.to_salesforce),
        unmapped_to_servicenow=(doc.unmapped.to_servicenow or "fail", doc.default.to_servicenow),
        along={entry.servicenow: entry.along for entry in doc.entries if entry.along},
    )


def _check_flow(flow: FlowDoc, names: _Names, remarks: Remarks) -> None:
    path = f"flows[{flow.name}]"
    for end, system in ((flow.servicenow, "servicenow"), (flow.salesforce, "salesforce")):
        found = names.systems.get(end.connection)
        where = f"{path}.{system}.connection"
        if found is None:
            hint = did_you_mean(end.connection, names.systems)
            remarks.problem(end.line, where, f"There is no connection {end.connection!r}.{hint}")
        elif found != system:
            remarks.problem(
                end.line, where, f"The connection {end.connection!r} leads to {found}, not to {system}."
            )
    for noun, wanted, there in (
        ("user table", flow.user_table, names.user_tables),
        ("routing table", flow.routing_table, names.routing_tables),
    ):
        if wanted and wanted not in there:
            text = f"There is no {noun} {wanted!r}.{did_you_mean(wanted, there)}"
            remarks.problem(flow.line, f"{path}.{noun.replace(' ', '_')}", text)
    _check_ends(flow, path, remarks)
    _check_rows(flow, path, names, remarks)
    for line, where, text in actions.problems(flow.actions, flow.reads):
        remarks.problem(line, f"{path}.{actions.shown(where)}", text)
    _notice_unfinished(flow, path, remarks)


def _check_ends(flow: FlowDoc, path: str, remarks: Remarks) -> None:
    here, there = flow.servicenow, flow.salesforce
    if here.coalesce and here.field:
        remarks.problem(here.line, f"{path}.servicenow", "Give coalesce or field, not both.")
    only_acts = bool(flow.actions.said) and not flow.fields
    if bool(there.external_id) == bool(there.lookup) and not (only_acts and not there.external_id):
        remarks.problem(
            there.line, f"{path}.salesforce", "Give the key field: external_id or lookup, one of them."
        )
    for column, text in flow_problems(flow_columns(flow)):
        part, where = _PLACES.get(column, (column.partition(".")[0] if "." in column else "", column))
        line = getattr(flow, part).line if part else flow.line
        remarks.problem(line or flow.line, f"{path}.{where}", text)


# Column of the model -> part of the document that it comes from, and its place in the file.
_PLACES = {
    "create_in_servicenow": ("create", "create"),
    "servicenow_key": ("servicenow", "servicenow"),
    "servicenow_key_field": ("servicenow", "servicenow.field"),
    "deletions.servicenow": ("deletions", "deletions.close"),
    "deletions.salesforce": ("deletions", "deletions.close"),
    "attachments": ("attachments", "attachments.direction"),
}


def _notice_unfinished(flow: FlowDoc, path: str, remarks: Remarks) -> None:
    if flow.servicenow.coalesce and not flow.create.servicenow:
        remarks.notice(
            flow.servicenow.line, f"{path}.servicenow.coalesce", "stored; import sets are not used yet."
        )
    if flow.on_leave != "keep":
        remarks.notice(
            flow.line, f"{path}.on_leave", "stored; a record that leaves the scope is still followed."
        )


def _check_rows(flow: FlowDoc, path: str, names: _Names, remarks: Remarks) -> None:
    if not flow.fields and not flow.actions.said:
        remarks.problem(flow.line, f"{path}.fields", "A flow needs at least one field, or actions.")
    for index, row in enumerate(flow.fields):
        _check_row(row, flow, f"{path}.{_field(index)}", names, remarks)
    specs = [row.spec() for row in flow.fields]
    for trouble in (
        *checks.twice_written(specs, Direction(flow.direction), _field),
        *checks.uneven_parts(specs, names.entries),
    ):
        line = flow.fields[trouble.index].line
        remarks.problem(line, f"{path}.{_field(trouble.index)}.{trouble.part}", trouble.text)


def _check_row(row: FieldDoc, flow: FlowDoc, where: str, names: _Names, remarks: Remarks) -> None:
    transform = named(row.how)
    if row.direction and not Direction(row.direction).within(Direction(flow.direction)):
        text = f"{row.direction} is wider than the flow's {flow.direction}; a row may only narrow it."
        remarks.problem(row.line, f"{where}.direction", text)
        return
    if transform is not None and transform.needs_value_map and not row.value_map:
        remarks.problem(row.line, f"{where}.value_map", "Name the value map.")
        return
    if transform is not None and transform.needs_value and not row.value:
        remarks.problem(row.line, f"{where}.value", "Give the constant.")
        return
    if unknown := [name for name in maps_of(row.spec()) if name not in names.value_maps]:
        hint = did_you_mean(unknown[0], names.value_maps)
        part = "value_map" if row.value_map == unknown[0] else "transform"
        remarks.problem(row.line, f"{where}.{part}", f"There is no value map {unknown[0]!r}.{hint}")
        return
    if row.value_map and not (transform and transform.needs_value_map):
        remarks.problem(row.line, f"{where}.value_map", f"The transform {row.how} uses no value map.")
        return
    _check_compiles(row, flow, where, remarks)


def _check_compiles(row: FieldDoc, flow: FlowDoc, where: str, remarks: Remarks) -> None:
    """Whatever else compiling refuses: no formula, no source, too many sources, no way back."""
    field = row.spec()
    spec = MappingSpec(
        direction=Direction(flow.direction),
        fields=(field,),
        value_maps={name: ValueMapSpec(name, {}, {}) for name in maps_of(field)},
        time_zone=flow.time_zone,
    )
    try:
        compile_mapping(spec, Environment())
    except MappingError as error:
        remarks.problem(row.line, f"{where}.{error.part}" if error.part else where, str(error))


def _check_owners(flows: Iterable[FlowDoc], remarks: Remarks) -> None:
    """Two flows over one pair of table and object would both create: their `enter`s must at least differ.

    A flow that only acts owns no pair: any number of them may stand beside each other.
    """
    chosen = [flow for flow in flows if flow.enabled is not False and _owns(flow)]
    ends = Counter(_territory(flow) for flow in chosen)
    for flow in chosen:
        if ends[_territory(flow)] > 1:
            text = "Another flow connects the same table and object with the same enter; their enters must be disjoint."
            remarks.problem(flow.line, f"flows[{flow.name}]", text)


def _owns(flow: FlowDoc) -> bool:
    return bool(flow.fields) or flow.create.salesforce or flow.create.servicenow


def _territory(flow: FlowDoc) -> tuple[str, ...]:
    here, there = flow.servicenow, flow.salesforce
    return here.connection, here.table, here.enter, there.connection, there.object, there.enter
