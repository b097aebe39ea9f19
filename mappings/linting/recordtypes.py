"""Which record type the records of a flow have, and whether each type offers what is sent to them. Pure.

A restricted list of Salesforce refuses, through the API too, what the record's type does not offer, with
INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST; only values that are sent are looked at. Sources: Gearset, "Data deployments and
picklist errors" ("the record type on the target doesn't allow the picklist value"); Salesforce Stack Exchange 9322, "What
does a restricted picklist mean". A new record that names no type gets the default one of our user's profile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mappings.linting.ground import SALESFORCE, SERVICENOW, Ground, Line, TypeFacts, Way
from mappings.linting.hits import agreeing, met_together
from mappings.linting.report import ERROR, WARNING, Finding, Fix
from mappings.linting.values import another, entry, offered, parts, sent, sources
from mappings.values import as_text

TYPE = "RecordTypeId"
_MASTER = "012000000000000"  # the 15 characters of what every object has, and which narrows nothing


def of_id(types: Sequence[TypeFacts], id: str) -> TypeFacts | None:
    """By its id of 15 or 18 characters."""
    return next((each for each in types if id and each.id[:15] == id[:15]), None)


def ways(ground: Ground, lines: Sequence[Line]) -> tuple[Way, ...]:
    """The types that records may have which the flow writes; () where the object has but one way to be used."""
    types = ground.salesforce.record_types
    if not types or ground.salesforce.fields is None:
        return ()
    line = next((line for line in lines if line.field.salesforce == TYPE and line.writes(SALESFORCE)), None)
    told = sources(line, SERVICENOW) if line is not None else []
    if line is None or not told:
        return _any(ground, named=line is not None)
    found: dict[str, list[dict[str, str]]] = {}
    for source in told:
        made = sent(line, SERVICENOW, source)
        if made is not None:
            found.setdefault(str(made[0] or ""), []).append(terms(line, source))
    if line.maps and (spec := ground.spec.value_maps.get(line.maps[0])) is not None:
        unmapped, default = spec.unmapped_to_salesforce
        if unmapped == "default":
            found.setdefault(default, []).append({})
    default_type = next((each for each in types if each.default), None)
    return tuple(Way(of_id(types, id) if id else default_type, tuple(when)) for id, when in found.items())


def _any(ground: Ground, *, named: bool) -> tuple[Way, ...]:
    """Where no row says which: the user's default for those that the flow makes, any for those that it finds."""
    types = ground.salesforce.record_types
    default = next((each for each in types if each.default), None)
    finds = named or ground.servicenow.creates or not ground.salesforce.creates
    met: list[TypeFacts | None] = [default] if not named else []
    met += [each for each in types if each is not default] if finds else []
    return tuple(Way(each) for each in met)


def terms(line: Line, source: Any) -> dict[str, str]:
    """Column -> the value that it holds where the row is given this."""
    values = source if isinstance(source, list) else [source]
    return dict(zip(line.compiled.columns, map(as_text, values), strict=False))


def unknown(line: Line) -> Iterator[Finding]:
    """Ids that are no record type of the object, or none that our user may give a record."""
    types = line.ground.salesforce.record_types
    if line.field.salesforce != TYPE or not line.writes(SALESFORCE) or not types:
        return
    wrong: dict[str, list[Any]] = {}
    for source in sources(line, SERVICENOW):
        made = sent(line, SERVICENOW, source)
        id = str(made[0] or "") if made is not None else ""
        if id and not id.startswith(_MASTER) and of_id(types, id) is None:
            wrong.setdefault(id, []).append(source)
    ids, names = tuple(each.id for each in types), tuple(each.label or each.name for each in types)
    for id, froms in wrong.items():
        yield Finding(
            "unknown_record_type", ERROR,
            f"{id} is no record type of {line.ground.salesforce.name} that our user may give a record.",
            f"Take one of {', '.join(names)}, or let the user's profile have it.",
            line.field.id, SALESFORCE, met_together([({}, terms(line, each)) for each in froms]),
            entry(line, SERVICENOW, froms, ids, names) or another(line, ids, names),
        )  # fmt: skip


@dataclass(slots=True)
class _Refused:
    """One value of one list. `when`: what the sources hold, by either row."""

    always: bool
    froms: list[Any] = field(default_factory=list)
    types: dict[str, TypeFacts] = field(default_factory=dict)
    when: list[tuple[Mapping[str, str], Mapping[str, str]]] = field(default_factory=list)


def refused(line: Line) -> Iterator[Finding]:
    """Values that the list offers, and the type of the record that they are sent to does not."""
    targets = line.targets(SALESFORCE)
    if not line.ground.ways or not targets or not targets[0].choices:
        return
    facts = targets[0]
    wrong: dict[tuple[str, bool], _Refused] = {}
    for source in sources(line, SERVICENOW):
        made = sent(line, SERVICENOW, source)
        for _, part in parts(line, SALESFORCE, targets, made[0] if made else None):
            if offered(part, facts.choices, facts):
                _note(wrong, line, source, part)
    for (part, always), found in wrong.items():
        yield _told(line, part, always, found)


def _note(wrong: dict[tuple[str, bool], _Refused], line: Line, source: Any, part: str) -> None:
    facts, given = line.targets(SALESFORCE)[0], terms(line, source)
    met = [(way, when) for way in line.ground.ways if (when := agreeing(way.when, given)) is not None]
    lacking = [
        (way.type, when)
        for way, when in met
        if way.type is not None and not offered(part, way.type.choices.get(facts.name, facts.choices), facts)
    ]
    if not lacking:
        return
    always = len(lacking) == len(met)
    found = wrong.setdefault((part, always), _Refused(always))
    found.froms.append(source)
    for type, when in lacking:
        found.types[type.id] = type
        found.when += [(each, given) for each in when]


def _told(line: Line, part: str, always: bool, found: _Refused) -> Finding:
    facts = line.targets(SALESFORCE)[0]
    names = [each.label or each.name for each in found.types.values()]
    told = f"the record type {names[0]}" if len(names) == 1 else f"the record types {', '.join(names)}"
    meant = f" The value map {line.maps[0]} sends it." if line.maps else ""
    may = "" if always else ", which is one of those that its records may have"
    good = tuple(
        value
        for value in facts.choices
        if all(value in each.choices.get(facts.name, facts.choices) for each in found.types.values())
    )
    fix = entry(line, SERVICENOW, found.froms, good) if line.maps else another(line, good)
    return Finding(
        "record_type_refuses", ERROR if always and facts.restricted else WARNING,
        f"{line.ground.salesforce.name}.{facts.name} of Salesforce does not offer {part!r} for {told}{may}.{meant}",
        "Let the record type offer the value, send one that it offers, or give such records another type.",
        line.field.id, SALESFORCE, met_together(found.when), fix or Fix("remove", "Take the row out", line.field.id),
    )  # fmt: skip
