"""The rules about whole flows, and the order in which all are asked. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from mappings.apply import MappingError, compile_mapping
from mappings.cells import columns_of, maps_of
from mappings.linting import fields, people, recordtypes, trips, values
from mappings.linting.behind import Trail
from mappings.linting.families import calls
from mappings.linting.ground import SALESFORCE, SERVICENOW, SYSTEMS, End, FieldFacts, Ground, Line, Way
from mappings.linting.report import ERROR, WARNING, Finding, Fix, Hit
from mappings.spec import FieldSpec

BOTH_CREATE = (
    "With both, each side needs its own enter, so that no record is created back where it came from."
)
_OF_ROWS = (
    fields.written_where_it_cannot,
    fields.journals,
    fields.kinds,
    fields.lengths,
    fields.may_be_empty,
    values.unmapped,
    values.refused,
    recordtypes.unknown,
    recordtypes.refused,
    trips.round_trips,
)


def lint(ground: Ground) -> tuple[Finding, ...]:
    """All that is wrong, errors first, then as the rows stand. Raises nothing, whatever the mapping and the schemas say."""
    ground = replace(ground, ways=written(ground))
    found: list[Finding] = [*_both_create(ground)]
    lines = []
    for row in ground.spec.fields:
        missing = list(_unknown(ground, row))
        found += missing
        try:
            line = _line(ground, row)
        except MappingError as error:
            found.append(_broken(row, error))
            continue
        lines.append(line)
        if not missing:
            found += (finding for rule in _OF_ROWS for finding in rule(line))
    found += _required(ground, lines)
    found += people.missing(ground, [line for line in lines if calls(line.field, "user")])
    once = {each.key: each for each in found}
    return tuple(sorted(once.values(), key=lambda each: each.severity != ERROR))


def written(ground: Ground) -> tuple[Way, ...]:
    """The record types that records of the flow may have, by the row that says so."""
    lines = []
    for row in ground.spec.fields:
        if row.salesforce == recordtypes.TYPE:
            with suppress(MappingError):  # told of the row itself
                lines.append(_line(ground, row))
    return recordtypes.ways(ground, lines)


def _line(ground: Ground, row: FieldSpec) -> Line:
    """Raises MappingError."""
    alone = replace(ground.spec, fields=(row,))
    return Line(
        ground,
        row,
        compile_mapping(alone, ground.environment).rows[0],
        compile_mapping(alone, ground.unbounded).rows[0],
    )


def _broken(row: FieldSpec, error: MappingError) -> Finding:
    return Finding("does_not_compile", ERROR, str(error), "Correct the row as the message says.", row.id)


def _both_create(ground: Ground) -> Iterator[Finding]:
    here, there = ground.servicenow, ground.salesforce
    if here.creates and there.creates and not (here.enter.strip() and there.enter.strip()):
        text = f"The flow creates {here.name} and {there.name}, and at least one side has no enter."
        yield Finding("both_create", ERROR, text, BOTH_CREATE)


# Fields that are not there


def _unknown(ground: Ground, row: FieldSpec) -> Iterator[Finding]:
    """Also behind a reference, as far as the fields there were read."""
    for side, names in ((SERVICENOW, _columns(row, ground)), (SALESFORCE, (row.salesforce,))):
        end = ground.end(side)
        for name in dict.fromkeys(names):
            if end.fields is None or not name or name in end.fields:
                continue
            found = end.trail(name)
            if found.missing:
                yield _not_there(row, side, end, name, found)


def _columns(row: FieldSpec, ground: Ground) -> tuple[str, ...]:
    """With those that entries of its value map take along."""
    named = columns_of(row)
    if (row.direction or ground.spec.direction).writes_servicenow:
        specs = [ground.spec.value_maps[name] for name in maps_of(row) if name in ground.spec.value_maps]
        named += tuple(column for spec in specs for extra in spec.along.values() for column in extra)
    return named


def _not_there(row: FieldSpec, side: str, end: End, name: str, found: Trail[FieldFacts]) -> Finding:
    fields = end.fields if found.table == end.name else end.behind.get(found.table)
    like = _alike(found.missing, fields or {})
    meant = f" Did you mean {like}?" if like else ""
    of = f", of {name}" if "." in name else ""
    attribute = "salesforce" if side == SALESFORCE else "servicenow"
    held = row.salesforce if side == SALESFORCE else ", ".join(row.servicenow)
    right = ".".join(like if part == found.missing else part for part in name.split("."))
    changed = ", ".join(right if part == name else part for part in held.split(", "))
    fix = (
        Fix("row", f"Take {right} instead", row.id, {attribute: changed})
        if like and changed != held
        else Fix("remove", "Take the row out", row.id)
    )
    if found.missing in (fields or {}):
        text = (
            f"{found.table}.{found.missing} of {SYSTEMS[side]} is no reference, and {name} goes on behind it."
        )
    else:
        text = f"{found.table} of {SYSTEMS[side]} has no field {found.missing}{of}, or our user cannot see it.{meant}"
    return Finding(
        "unknown_field", ERROR, text,
        "Correct the name, let the integration user see the field, or take the row out.",
        row.id, side, Hit(side, "all"), fix,
    )  # fmt: skip


def _alike(name: str, fields: Mapping[str, FieldFacts]) -> str:
    """A field that may have been renamed, or was spelled otherwise; "" if none is near."""
    known = {each.casefold(): each for each in fields}
    return next((known[key] for key in difflib.get_close_matches(name.casefold(), list(known), 1, 0.8)), "")


# What a new record must have


def _required(ground: Ground, lines: list[Line]) -> Iterator[Finding]:
    for side in (SALESFORCE, SERVICENOW):
        end = ground.end(side)
        if not end.creates or end.fields is None:
            continue
        fed = {facts.name for line in lines for facts in line.targets(side)} | end.filled
        for facts in end.fields.values():
            if facts.required and facts.createable and facts.name not in fed:
                yield Finding(
                    # Of ServiceNow the dictionary tells; what it enforces on requests depends on the instance.
                    "required_unfed", ERROR if side == SALESFORCE else WARNING,
                    f"A new {end.name} of {SYSTEMS[side]} needs {facts.name}, and no row writes it.",
                    f"Add a row that writes {facts.name}, from a column or as a constant.",
                    "", side, _entering(ground, side),
                    Fix("constant", f"Write a constant to {facts.name}", column=facts.name, side=side, choices=facts.choices)
                    if side == SALESFORCE else None,
                )  # fmt: skip


def _entering(ground: Ground, side: str) -> Hit:
    """Every record over there that might get a counterpart here."""
    return Hit(SERVICENOW if side == SALESFORCE else SALESFORCE, "all")
