"""Which checks of a recipe pass between two connections, asked of the platforms by reads alone.

The answer is that of a question: findings with their side, each failing one with what to do about it. Where a recipe lets choose,
all options are looked at, and what only some of them need says which: so the answer tells what is possible there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from typing import Any

from mappings.cells import columns_of
from mappings.models import ValueMap
from mappings.routing import OWNERS
from mappings.spec import ValueMapSpec
from sync.configuration.check import spec_of
from sync.configuration.documents import Document, FieldDoc, FlowDoc, SalesforceEnd, ServiceNowEnd
from sync.configuration.live import asked_of
from sync.connectors.base import Connector
from sync.core.notes import JOURNAL, KINDS, OFF, STREAM, Place
from sync.core.records import ChangeQuery, FieldSchema, Finding, Probe, Schema, Side
from sync.engine.connect import CallLog, open_connector
from sync.engine.context import number_column
from sync.errors import ConfigurationError, SyncError
from sync.models import Connection
from sync.recipes import reach
from sync.recipes.reading import SYSTEMS, Recipe
from sync.recipes.shelf import shipped

# Findings without which nothing more can be asked of a side.
_GATES = frozenset({"reached", "authenticated"})
# Well-formed ids of no record: whoever may read a thing is told that there is none, whoever may not is refused.
_NOBODY = {Side.SERVICENOW: "0" * 32, Side.SALESFORCE: "500000000000000AAA"}
# Findings about a table, an object or its key: what the recipe says of it is added.
_ABOUT = frozenset({"table", "object", "dictionary", "key"})
_ROLE = re.compile(r"[a-z][a-z0-9_.]*")
_MOST_COMBINATIONS = 500
_TO = {Side.SERVICENOW: "to_servicenow", Side.SALESFORCE: "to_salesforce"}


def check(params: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to such a question: see Question. Raises ConfigurationError where recipe or connection is gone."""
    recipe = shipped().get(str(params.get("recipe")))
    if recipe is None:
        raise ConfigurationError(
            "There is no such recipe any more.", advice="Choose another on the page Recipes."
        )
    held = {Side(system): _connection(system, params.get(system)) for system in SYSTEMS}
    log = CallLog(None, held, background=True)
    try:
        found = [
            {"side": side.value, **asdict(finding), **({"options": options} if options else {})}
            for side in Side
            for finding, options in _of_side(recipe, side, held[side], log)
        ]
    finally:
        log.save()
    return {"findings": found}


def _connection(system: str, key: Any) -> Connection:
    found = Connection.objects.filter(pk=str(key), system=system).first()
    if found is None:
        raise ConfigurationError(
            "A connection that this was asked of is gone.", advice="Choose another, and run the checks again."
        )
    return found


def _of_side(
    recipe: Recipe, side: Side, connection: Connection, log: CallLog
) -> list[tuple[Finding, list[str]]]:
    """What is found of each flow, once: several say the same of one object. Beside it the options that need it; none: all do."""
    maps, found = _maps(recipe), dict[Finding, set[str]]()
    every = {option.name for option in recipe.choice.options} if recipe.choice else set()
    try:
        with closing(open_connector(connection, log)) as connector:
            for part in recipe.parts:
                ground = _Ground(recipe, part.name, part.flow, side, maps)
                for finding in _of_flow(connector, ground):
                    found.setdefault(finding, set()).update(recipe.options_of(part.name))
                if any(each.code in _GATES and each.status == "error" for each in found):
                    found = dict.fromkeys(found, every)
                    break
    except SyncError as error:
        found[Finding(error.code, "error", error.message, error.advice)] = every
    return [(finding, sorted(options) if options != every else []) for finding, options in found.items()]


def _of_flow(connector: Connector, ground: _Ground) -> Iterator[Finding]:
    probe = connector.probe(ground.name, ground.key)
    for finding in probe.findings:
        if finding.code == "createable" and not ground.creates:
            continue
        failed = finding.status == "error"
        why = _why(ground, ground.key if finding.code == "key" else ground.name) if failed else ""
        about = finding.code in _ABOUT and why
        yield replace(finding, advice=f"{finding.advice} The recipe needs it: {why}") if about else finding
    if not any(each.code in _GATES and each.status == "error" for each in probe.findings):
        yield from _roles(ground, probe)
        yield from _deeper(connector, ground, probe)


def _roles(ground: _Ground, probe: Probe) -> Iterator[Finding]:
    """The roles that the recipe names, or the part's only option, and the user has not. Rules of the instance's own may do as well."""
    held = {role.strip() for role in probe.facts.get("roles", "").split(",")} - {""}
    if ground.side is not Side.SERVICENOW or not held or "admin" in held:
        return
    options = ground.recipe.options_of(ground.part)
    for need in ground.recipe.needs.servicenow:
        if need.what == "role" and (not need.option or options == (need.option,)):
            for role in sorted({*_ROLE.findall(need.name)} - {*held, "and"}):
                text = f"The user lacks the role {role}, which the recipe names."
                advice = f"Grant it, or see that rules of your own let the user do the same. {need.why}"
                yield Finding("roles", "warning", text, advice)


def _maps(recipe: Recipe) -> dict[str, ValueMapSpec]:
    """The recipe's maps; one that exists already, and perhaps was edited since, as it is now."""
    own = {doc.name: spec_of(doc) for doc in recipe.value_maps}
    held = ValueMap.objects.filter(name__in=own).prefetch_related("entries")
    return own | {value_map.name: value_map.spec() for value_map in held}


@dataclass(frozen=True, slots=True)
class _Ground:
    """One side of a flow of the recipe."""

    recipe: Recipe
    part: str
    flow: FlowDoc
    side: Side
    maps: Mapping[str, ValueMapSpec]

    @property
    def name(self) -> str:
        here, there = self.flow.servicenow, self.flow.salesforce
        return here.table if self.side is Side.SERVICENOW else there.object

    @property
    def key(self) -> str:
        here, there = self.flow.servicenow, self.flow.salesforce
        return here.field if self.side is Side.SERVICENOW else there.external_id or there.lookup

    @property
    def _end(self) -> ServiceNowEnd | SalesforceEnd:
        return self.flow.servicenow if self.side is Side.SERVICENOW else self.flow.salesforce

    @property
    def enter(self) -> str:
        return self._end.enter

    @property
    def scope(self) -> str:
        return self._end.scope

    @property
    def creates(self) -> bool:
        create = self.flow.create
        return create.servicenow if self.side is Side.SERVICENOW else create.salesforce

    def columns(self, row: FieldDoc) -> list[str]:
        named = row.servicenow if self.side is Side.SERVICENOW else row.salesforce
        return [column for column in (each.strip() for each in named.split(",")) if column]

    def writes(self, row: FieldDoc) -> bool:
        return (row.direction or self.flow.direction) in ("both", _TO[self.side])

    @property
    def acts_only(self) -> bool:
        """Whether it keeps nothing in step: its actions are all that it does."""
        return not self.flow.fields and not (self.flow.create.servicenow or self.flow.create.salesforce)

    def named(self) -> set[str]:
        """All columns of the flow's own table or object that it names."""
        return self._asked().get(self.name, set()) | self._along() | self._routed()

    def beside(self) -> dict[str, set[str]]:
        """The tables and objects that its actions look up or make, each with the columns of it that they name."""
        asked, looked_up = self._asked(), reach.looked_up(self.flow, self.side)
        return {name: columns for name, columns in asked.items() if name != self.name or name in looked_up}

    def _asked(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for each in asked_of(Document(flows=(self.flow,))).get(self.side.value, ()):
            found.setdefault(each.table.name, set()).update(name.name for name in each.columns if name.name)
        for name, columns in reach.said_by(self.flow, self.side):
            found.setdefault(name or self.name, set()).update(columns)
        return found

    def _routed(self) -> set[str]:
        """The columns by which records are put on desks; what lies behind a reference is another table's."""
        tables = [doc for doc in self.recipe.routing_tables if doc.name == self.flow.routing_table]
        names = {getattr(route, self.side.value) for doc in tables for route in doc.routes}
        return {name for name in names if name and "." not in name} | (
            set(OWNERS[self.side]) if tables else set()
        )

    def written(self) -> set[str]:
        own = {column for row in self.flow.fields if self.writes(row) for column in self.columns(row)}
        return own | self._along() | ({self.key} if self.key and self.side is Side.SALESFORCE else set())

    def _along(self) -> set[str]:
        """The columns that values take along to ServiceNow."""
        if self.side is Side.SALESFORCE or self.flow.direction == "to_salesforce":
            return set()
        return {name for spec in self.maps.values() for sent in spec.along.values() for name in sent}


def _deeper(connector: Connector, ground: _Ground, probe: Probe) -> Iterator[Finding]:
    try:
        schema = connector.describe(ground.name)
    except SyncError as error:
        if all(error.message != each.text for each in probe.findings):
            yield Finding("described", "error", error.message, error.advice)
        return
    yield from _columns(ground, schema)
    if ground.side is Side.SERVICENOW:
        yield from _shown(connector, ground, schema)
    yield from _values(ground, schema)
    for name, columns in sorted(ground.beside().items()):
        asked = reach.asked_of(ground.flow, ground.side, name, columns)
        yield from reach.of_actions(
            connector, ground.side, asked, partial(_mend, ground), partial(_why, ground)
        )
    if ground.acts_only:
        yield from _followed(connector, ground)
    elif ground.enter:
        yield from _entering(connector, ground)
    yield from _beside(connector, ground, probe)


def _columns(ground: _Ground, schema: Schema) -> Iterator[Finding]:
    known = {name.casefold(): field for name, field in schema.fields.items()}
    named = sorted(ground.named())
    lacking = [name for name in named if name.casefold() not in known]
    for name in lacking:
        if name != ground.key:  # the key has a finding of its own
            text = f"{ground.name} has no {name}, or the user cannot see it."
            yield Finding("columns", "error", text, _mend(ground, name))
    if not lacking:
        text = f"All {len(named)} columns of {ground.name} that the recipe names are there."
        yield Finding("columns", "ok", text)
    written = sorted(ground.written())
    fixed = [name for name in written if (field := known.get(name.casefold())) and not _open(field, ground)]
    for name in fixed:
        text = f"{ground.name}.{name} cannot be written by the user."
        advice = "Grant the user edit access to it, or let its row go the other way only."
        yield Finding("writable", "error", text, advice)
    if written and not fixed and not lacking:
        text = f"All {len(written)} columns of {ground.name} that the recipe writes can be written."
        yield Finding("writable", "ok", text)


def _shown(connector: Connector, ground: _Ground, schema: Schema) -> Iterator[Finding]:
    """Access control of ServiceNow hides columns of a row that the dictionary shows: one row is looked at."""
    mapped = {column for row in ground.flow.fields for column in columns_of(row.spec())}
    mapped |= ground.named() if ground.acts_only else set()
    columns = tuple(sorted(mapped & schema.fields.keys()))
    query = ChangeQuery(ground.name, columns, number_column(ground.name), ground.scope, page_size=1)
    try:
        page = next(iter(connector.changes(query)), None)
    except SyncError as error:
        advice = "Let the user read it, or take its row out of the flow."
        yield Finding(
            error.code, "error", error.message, advice if error.code == "hidden_field" else error.advice
        )
        return
    if page is not None and page.records:
        yield Finding("shown", "ok", f"The user is shown every mapped column of {ground.name}.")


def _open(field: FieldSchema, ground: _Ground) -> bool:
    """Whether the flow may write the column; a key is written with the record alone."""
    if ground.side is Side.SERVICENOW or field.name == ground.key:
        return field.createable
    return field.updateable and (field.createable or not ground.creates)


def _mend(ground: _Ground, name: str) -> str:
    """What the recipe says of the column, else in general."""
    why = _why(ground, name)
    add = f"Add it: {why}" if why else "Add it, or take its row out of the flow."
    shown = " Grant the user field-level security on it." if ground.side is Side.SALESFORCE else ""
    return f"{add}{shown}"


def _why(ground: _Ground, name: str) -> str:
    """Why the recipe needs what has this name; a plugin is told by the table that it brings, which it names."""
    needs = ground.recipe.needs.of(ground.side)
    exact = [need.why for need in needs if need.name == name]
    told = [f"{need.name}. {need.why}" for need in needs if need.what == "plugin" and name in need.why]
    return " ".join([*told, *exact[:1]])


def _values(ground: _Ground, schema: Schema) -> Iterator[Finding]:
    """Whether the choices over there and the value maps know each other."""
    for row in ground.flow.fields:
        fields = [schema.fields.get(column) for column in ground.columns(row)]
        found = [field for field in fields if field is not None and field.choices]
        if row.value_map in ground.maps and fields and len(found) == len(fields):
            yield from _choices(ground, row, ground.maps[row.value_map], found)


def _choices(
    ground: _Ground, row: FieldDoc, spec: ValueMapSpec, fields: list[FieldSchema]
) -> Iterator[Finding]:
    label = " and ".join(field.name for field in fields)
    there, here, policy = _seen_from(ground.side, spec)
    sent = set(there.values()) if ground.writes(row) else set()
    refused = sorted(value for value in sent if not _offered(value, fields))
    for value in refused:
        advice = f"Add it there, or change the entry in the value map {spec.name}."
        yield Finding("values", "error", f"{label} does not offer {value!r}.", advice)
    reads = (row.direction or ground.flow.direction) in ("both", _TO[ground.side.other])
    unmapped = sorted(_possible(fields) - set(here)) if reads and policy == "fail" else []
    if unmapped:
        shown = ", ".join(unmapped[:8]) + (" …" if len(unmapped) > 8 else "")
        yield Finding(
            "unmapped", "warning",
            f"The value map {spec.name} does not know these values of {label}: {shown}.",
            "Add entries to it, or say what happens to unmapped values; until then such records are dead letters.",
        )  # fmt: skip
    if not refused and not unmapped:
        yield Finding("values", "ok", f"The value map {spec.name} knows every value of {label}.")


def _seen_from(side: Side, spec: ValueMapSpec) -> tuple[Mapping[str, str], Mapping[str, str], str]:
    """What is sent to the side, what comes from it, and what happens to a value from there that no entry holds."""
    if side is Side.SERVICENOW:
        return spec.to_servicenow, spec.to_salesforce, spec.unmapped_to_salesforce[0]
    return spec.to_salesforce, spec.to_servicenow, spec.unmapped_to_servicenow[0]


def _offered(value: str, fields: list[FieldSchema]) -> bool:
    parts = value.split(",") if len(fields) > 1 else [value]
    return len(parts) == len(fields) and all(
        not part or part in field.choices for part, field in zip(parts, fields, strict=True)
    )


def _possible(fields: list[FieldSchema]) -> set[str]:
    """Every value that may come from there; of too many combinations none."""
    count = 1
    for field in fields:
        count *= len(field.choices)
    if count > _MOST_COMBINATIONS:
        return set()
    return {",".join(parts) for parts in product(*(field.choices for field in fields))}


def _followed(connector: Connector, ground: _Ground) -> Iterator[Finding]:
    """How many records there are whose transitions are told."""
    if ground.side.value not in ground.flow.reads:
        return
    try:
        count = connector.count(ground.name, ground.scope)
    except SyncError as error:
        yield Finding("scope", "error", f"{ground.scope!r} cannot be asked: {error.message}", error.advice)
        return
    yield Finding("scope", "ok", f"{count:,} records of {ground.name} are followed now.")


def _entering(connector: Connector, ground: _Ground) -> Iterator[Finding]:
    """How many records meet the recipe's `enter` now; a refused condition is told."""
    try:
        count = connector.count(ground.name, ground.enter)
    except SyncError as error:
        yield Finding("enter", "error", f"{ground.enter!r} cannot be asked: {error.message}", error.advice)
        return
    yield Finding("enter", "ok", f"{count:,} records of {ground.name} meet “{ground.enter}” now.")


def _beside(connector: Connector, ground: _Ground, probe: Probe) -> Iterator[Finding]:
    """Comments, work notes and files, where the flow carries them."""
    flow, nobody = ground.flow, _NOBODY[ground.side]
    asks: list[tuple[str, Callable[[], object]]] = []
    for stream in sorted(_streams(ground)):
        if stream == JOURNAL:
            yield _journal(probe.facts.get("journal", "readable"))
            continue
        asks.append((stream, partial(connector.entries_by, stream, parents=[nobody])))
    if flow.attachments is not None:
        asks.append(("files", partial(connector.files.on, [nobody])))
    for what, ask in asks:
        try:
            ask()
        except SyncError as error:
            yield Finding(what.lower(), "error", f"Reading {what} is refused: {error.message}", error.advice)
        else:
            yield Finding(what.lower(), "ok", f"Reading {what} is not refused.")


def _journal(shown: str) -> Finding:
    if shown == "readable":
        return Finding("journal", "ok", f"Rows of {JOURNAL} are shown.")
    text = (
        f"No row of {JOURNAL} is shown ({shown}): comments and work notes of ServiceNow would not be found."
    )
    advice = f"Let the integration user read {JOURNAL}, unless nobody ever wrote one there."
    return Finding("journal", "warning" if shown == "empty" else "error", text, advice)


def _streams(ground: _Ground) -> set[str]:
    carried = {
        kind: getattr(ground.flow.comments, kind).salesforce
        for kind in KINDS
        if getattr(ground.flow.comments, kind).salesforce != OFF
    }
    if ground.side is Side.SERVICENOW:
        return {STREAM[kind] for kind in carried}
    return {STREAM[Place(channel)] for channel in carried.values()}
