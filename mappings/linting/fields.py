"""The rules about a row's fields: may they be written, do their kinds and lengths go together. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mappings.linting.families import JOURNALS, calls, family, made, made_back, verdict
from mappings.linting.ground import SALESFORCE, SERVICENOW, SYSTEMS, FieldFacts, Line
from mappings.linting.report import ERROR, WARNING, Finding, Fix, Hit
from mappings.spec import Direction
from mappings.text import length

# A column that ServiceNow computes from others, which are written in its stead.
_COMPUTED = {"priority": ("impact", "urgency")}
_TEXT = frozenset({"text", "journal"})
_LONGEST = 100_000  # characters that a row is tried with


def other(side: str) -> str:
    return SALESFORCE if side == SERVICENOW else SERVICENOW


def one_way(line: Line, side: str) -> Fix:
    """What ends a finding about writing to `side`: the row goes the other way only, or not at all."""
    if line.both:
        return Fix("row", "Let the row go one way", line.field.id, {"direction": f"to_{other(side)}"})
    return Fix("remove", "Take the row out", line.field.id)


def written_where_it_cannot(line: Line) -> Iterator[Finding]:
    for side in (SALESFORCE, SERVICENOW):
        end = line.ground.end(side)
        for facts in line.targets(side):
            name = f"{end.name}.{facts.name}"
            if not facts.updateable and not (facts.createable and end.creates):
                yield Finding(
                    "read_only_target", ERROR, f"{name} of {SYSTEMS[side]} cannot be written by our user.",
                    "It is computed or read-only, or the user lacks edit access: grant it, or let the row go the other way.",
                    line.field.id, side, _filled(line, other(side)), one_way(line, side),
                )  # fmt: skip
            elif not facts.updateable:
                yield Finding(
                    "create_only_target", WARNING,
                    f"{name} of {SYSTEMS[side]} is written with a new record and never again: later changes are refused.",
                    "Take a field that can be updated, or a source that does not change.",
                    line.field.id, side, _filled(line, other(side)),
                )  # fmt: skip
            inputs = _COMPUTED.get(facts.name, ()) if side == SERVICENOW else ()
            if inputs and all(end.get(each) for each in inputs):
                yield Finding(
                    "computed_target", WARNING,
                    f"{name} is computed from {' and '.join(inputs)}: what is written there does not stay.",
                    f"Write {', '.join(inputs)} through a value map of two columns.",
                    line.field.id, side, _filled(line, SALESFORCE), one_way(line, side),
                )  # fmt: skip


def journals(line: Line) -> Iterator[Finding]:
    for facts in line.facts(SERVICENOW):
        if facts is not None and facts.type in JOURNALS:
            yield Finding(
                "journal_as_plain", ERROR,
                f"{line.ground.servicenow.name}.{facts.name} is a journal: it has entries, not a value.",
                "Carry it on the flow's tab Comments, and take the row out.",
                line.field.id, SERVICENOW, _filled(line, SERVICENOW), Fix("remove", "Take the row out", line.field.id),
            )  # fmt: skip


def kinds(line: Line) -> Iterator[Finding]:
    here = [family(SERVICENOW, each) for each in line.facts(SERVICENOW)]
    there = family(SALESFORCE, line.facts(SALESFORCE)[0])
    if line.writes(SALESFORCE):
        sent = made(line.field, here[0] if len(here) == 1 else "")
        yield from _kind(line, SALESFORCE, sent, there, line.facts(SALESFORCE)[0])
    targets = line.targets(SERVICENOW)
    if line.writes(SERVICENOW) and len(targets) == 1:
        yield from _kind(
            line, SERVICENOW, made_back(line.field, there), family(SERVICENOW, targets[0]), targets[0]
        )


def _kind(line: Line, side: str, sent: str, target: str, facts: FieldFacts | None) -> Iterator[Finding]:
    found = verdict(sent, target)
    if not found or facts is None:
        return
    depends = " unless it happens to read as one" if found == WARNING else ""
    yield Finding(
        "type_mismatch", found,
        f"{line.label}: {_NOUNS[sent]} goes to {facts.name} of {SYSTEMS[side]}, which is {_NOUNS[target]} "
        f"({facts.type}) and refuses it{depends}.",
        _advice(sent, target),
        line.field.id, side, _filled(line, other(side)), _other_transform(line, sent, target, facts) or one_way(line, side),
    )  # fmt: skip


_NOUNS = {
    "text": "text", "choice": "a choice", "number": "a number", "boolean": "true or false", "date": "a date",
    "stamp": "a date and time of ServiceNow", "moment": "a date and time", "time": "a time of day", "duration": "a duration",
    "reference": "a reference", "list": "a list", "person": "a user or queue", "linked": "a linked record", "journal": "a journal",
}  # fmt: skip


def _advice(sent: str, target: str) -> str:
    name = _transform(sent, target)
    if name:
        return f"Carry it over by {name}."
    if target == "reference":
        return "Carry people over by user, and records that another flow links by link."
    return "Write a formula that makes one, or take another field."


def _transform(sent: str, target: str) -> str:
    """The function that makes the one of the other."""
    if sent in ("date", "stamp", "moment") and target in ("moment", "stamp"):
        return "datetime"
    if sent in ("stamp", "moment") and target == "date":
        return "date"
    return {"number": "number", "boolean": "boolean"}.get(target, "") if sent in ("text", "choice") else ""


def _other_transform(line: Line, sent: str, target: str, facts: FieldFacts) -> Fix | None:
    if line.field.transform != "copy" or len(line.field.servicenow) != 1 or line.field.reverse:
        return None
    owners = sent == target == "reference" and {"User", "Group", "sys_user"} & {*facts.reference_to}
    name = "user" if owners else _transform(sent, target)
    if not name or (name == "date" and line.both):
        return None
    return Fix("row", f"Carry it over by {name}", line.field.id, {"transform": name})


def lengths(line: Line) -> Iterator[Finding]:
    """Tried with the longest text that the source can hold: what does not fit is cut."""
    for side in (SALESFORCE, SERVICENOW):
        if not line.writes(side):
            continue
        sources = line.facts(other(side))
        if not sources or any(family(other(side), each) not in _TEXT or not each.length for each in sources if each) or None in sources:  # fmt: skip
            continue
        for facts, made_of in _longest(line, side, [each for each in sources if each is not None]):
            if facts.length and made_of > facts.length and family(side, facts) == "text":
                yield _too_long(line, side, facts, made_of, sources[0])


def _longest(line: Line, side: str, sources: list[FieldFacts]) -> Iterator[tuple[FieldFacts, int]]:
    """Of each field written, how many characters the longest source makes."""
    texts = ["a" * min(each.length, _LONGEST) for each in sources]
    try:
        if side == SALESFORCE:
            sent: Any = line.unbounded.to_salesforce(texts[0] if len(texts) == 1 else texts).value
        else:
            sent = line.unbounded.to_servicenow(texts[0]).value
    except ValueError:
        return
    for facts in line.targets(side):
        names = line.compiled.columns if side == SERVICENOW else (line.field.salesforce,)
        part = sent[names.index(facts.name)] if isinstance(sent, list) and facts.name in names else sent
        if isinstance(part, str):
            yield facts, length(part)


def _too_long(line: Line, side: str, facts: FieldFacts, made_of: int, source: FieldFacts | None) -> Finding:
    fix = None
    column = line.field.servicenow[0] if len(line.field.servicenow) == 1 else ""
    if line.compiled.direction is Direction.TO_SALESFORCE and line.field.transform == "copy" and column:
        fix = Fix(
            "row", f"Say so: cut to {facts.length}", line.field.id, {"transform": f"truncate({column}, {facts.length})"}
        )  # fmt: skip
    elif line.both and side == SERVICENOW:
        fix = one_way(line, side)
    hit = None
    if source is not None and not calls(line.field, "truncate"):
        hit = Hit(other(side), "longer", column=source.name, length=facts.length)
    return Finding(
        "length_loss", WARNING,
        f"{line.label}: up to {made_of:,} characters go to {facts.name} of {SYSTEMS[side]}, which holds {facts.length:,}: "
        "the rest is cut off.",
        "Lengthen the field, or say with truncate where to cut. A text that was cut never flows back by itself.",
        line.field.id, side, hit, fix,
    )  # fmt: skip


def may_be_empty(line: Line) -> Iterator[Finding]:
    """A new record needs the field, and its source may hold nothing."""
    for side in (SALESFORCE, SERVICENOW):
        end = line.ground.end(side)
        if not end.creates or (side == SALESFORCE and line.field.default):
            continue
        sources = line.facts(other(side))
        optional = [
            each for each in sources if each is not None and not each.required and each.type != "boolean"
        ]
        for facts in line.targets(side):
            if facts.required and len(sources) == 1 and optional and _sends_nothing(line, side):
                name = optional[0].name
                yield Finding(
                    "required_may_be_empty", WARNING,
                    f"A new {end.name} of {SYSTEMS[side]} needs {facts.name}, and {name} may be empty.",
                    "Give the row a default." if side == SALESFORCE else "Let enter ask that it is filled.",
                    line.field.id, side, Hit(other(side), "values", (((name, ""),),)),
                )  # fmt: skip


def _sends_nothing(line: Line, side: str) -> bool:
    try:
        sent = line.compiled.to_salesforce("") if side == SALESFORCE else line.compiled.to_servicenow(None)
    except ValueError:
        return False  # refused here, with a reason of its own
    return sent.value in (None, "")


def _filled(line: Line, side: str) -> Hit | None:
    """Records of a side that have something to send; all, where the row reads nothing or several columns."""
    names = line.compiled.columns if side == SERVICENOW else (line.field.salesforce,)
    if any("." in name for name in names):
        return None
    return Hit(side, "filled", column=names[0]) if len(names) == 1 else Hit(side, "all")
