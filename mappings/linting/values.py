"""The rules about values: is each one known that may come, and does the other side offer what it is given. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mappings.linting.families import family, made
from mappings.linting.fields import one_way, other
from mappings.linting.ground import SALESFORCE, SERVICENOW, SYSTEMS, FieldFacts, Line
from mappings.linting.hits import holding, spelled_out
from mappings.linting.report import ERROR, WARNING, Finding, Fix
from mappings.linting.samples import enumerated
from mappings.values import as_text


def unmapped(line: Line) -> Iterator[Finding]:
    """Values that a source can hold and the row knows no answer to: such records become dead letters."""
    for side in (SERVICENOW, SALESFORCE):
        if not line.writes(other(side)):
            continue
        unknown = [value for value in enumerated(line, side) if sent(line, side, value) is None]
        if unknown:
            names = line.compiled.columns if side == SERVICENOW else (line.field.salesforce,)
            yield Finding(
                "unmapped_value", WARNING,
                f"{', '.join(names)} of {SYSTEMS[side]} can be {spelled_out(unknown)}, which {_knower(line)} does not know.",
                "Add entries to the value map, or say there what happens to unmapped values; until then such records are "
                "dead letters.",
                line.field.id, side, holding(line, side, unknown), entry(line, side, unknown),
            )  # fmt: skip


def _knower(line: Line) -> str:
    return f"the value map {line.maps[0]}" if line.maps else "the row"


def sent(line: Line, side: str, value: Any) -> tuple[Any] | None:
    """What the value becomes; None if it is refused."""
    try:
        row = line.compiled
        return (row.to_salesforce(value).value if side == SERVICENOW else row.to_servicenow(value).value,)
    except ValueError:
        return None


def refused(line: Line) -> Iterator[Finding]:
    """Values that are sent and not offered over there."""
    for side in (SALESFORCE, SERVICENOW):
        targets = line.targets(side)
        if not targets or not any(each.choices for each in targets):
            continue
        wrong: dict[str, tuple[FieldFacts, list[Any]]] = {}
        for source in sources(line, other(side)):
            made = sent(line, other(side), source)
            for facts, part in parts(line, side, targets, made[0] if made else None):
                if not offered(part, facts.choices, facts):
                    wrong.setdefault(f"{facts.name} {part}", (facts, []))[1].append(source)
        for key, (facts, froms) in wrong.items():
            yield _not_offered(line, side, facts, key.removeprefix(f"{facts.name} "), froms)
        if side == SALESFORCE:
            yield from _any_text(line, targets[0])


def sources(line: Line, side: str) -> list[Any]:
    """What may be sent, as far as it is listed: by the field, by the value map, or because it is always the same."""
    if not line.facts(side):
        return [line.field.value]
    found = enumerated(line, side)
    for name in line.maps[:1]:
        spec = line.ground.spec.value_maps.get(name)
        held = (spec.to_salesforce if side == SERVICENOW else spec.to_servicenow) if spec else {}
        several = side == SERVICENOW and len(line.compiled.columns) > 1
        found = [*found, *(value.split(",") if several else value for value in held)]
    if found and side == SERVICENOW and line.field.default:
        found = [*found, [""] * len(line.compiled.columns) if len(line.compiled.columns) > 1 else ""]
    once = {as_key(value): value for value in found}
    return list(once.values())


def as_key(value: Any) -> str:
    return "\0".join(map(str, value)) if isinstance(value, list) else str(value)


def parts(line: Line, side: str, targets: list[FieldFacts], sent: Any) -> Iterator[tuple[FieldFacts, str]]:
    for facts in targets:
        part = sent
        if isinstance(sent, list):
            part = (
                sent[line.compiled.columns.index(facts.name)] if facts.name in line.compiled.columns else None
            )
        if facts.choices and isinstance(part, str | int | float) and part != "":
            yield facts, as_text(part)


def offered(part: str, choices: Sequence[str], facts: FieldFacts) -> bool:
    pieces = part.split(";") if facts.type == "multipicklist" else [part]
    return all(piece in choices for piece in pieces)


def _not_offered(line: Line, side: str, facts: FieldFacts, part: str, froms: list[Any]) -> Finding:
    end = line.ground.end(side)
    meant = f" The value map {line.maps[0]} sends it." if line.maps else ""
    fix = (
        entry(line, other(side), froms) if line.maps else another(line, facts.choices) or one_way(line, side)
    )
    return Finding(
        # A list of ServiceNow binds its forms; what becomes of another value that a request sends depends on the instance.
        "value_refused", ERROR if facts.restricted and side == SALESFORCE else WARNING,
        f"{end.name}.{facts.name} of {SYSTEMS[side]} does not offer {part!r}.{meant}",
        "Add the value over there, or send one that is offered.",
        line.field.id, side, holding(line, other(side), froms), fix,
    )  # fmt: skip


def _any_text(line: Line, facts: FieldFacts) -> Iterator[Finding]:
    """Free text into a list of values."""
    here = line.facts(SERVICENOW)
    source = family(SERVICENOW, here[0]) if len(here) == 1 else ""
    if facts.restricted and source in ("text", "number") and made(line.field, source) in ("text", "number"):
        yield Finding(
            "type_mismatch", WARNING,
            f"{line.label}: any text goes to {facts.name} of Salesforce, which takes only the {len(facts.choices)} values it "
            "offers.",
            "Carry it over by a value map with a default.",
            line.field.id, SALESFORCE, None, one_way(line, SALESFORCE),
        )  # fmt: skip


def entry(
    line: Line,
    side: str,
    values: list[Any],
    choices: tuple[str, ...] | None = None,
    labels: tuple[str, ...] = (),
) -> Fix | None:
    """Give these values an entry each in the row's value map; a person chooses where they lead, of what is offered there."""
    there = line.targets(other(side))
    if choices is None:
        choices = there[0].choices if there else ()
    if not line.maps or len(there) != 1 or not choices:
        return None
    told = tuple(",".join(map(str, value)) if isinstance(value, list) else as_text(value) for value in values)
    return Fix(
        "entry", "Add to the value map", line.field.id, value_map=line.maps[0], side=side, values=told[:50],
        choices=choices, labels=labels,
    )  # fmt: skip


def another(line: Line, choices: tuple[str, ...], labels: tuple[str, ...] = ()) -> Fix | None:
    """A row that writes the same to each record writes another of these."""
    if line.facts(SERVICENOW) or line.field.transform != "constant" or not choices:
        return None
    column = line.field.salesforce
    return Fix(
        "constant", "Write another value", line.field.id, column=column, choices=choices, labels=labels
    )
