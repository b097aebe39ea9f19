"""Values to try a row with: every one that a field can hold where it lists them, else some of each kind. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from mappings.linting.families import calls, family
from mappings.linting.ground import SALESFORCE, SERVICENOW, FieldFacts, Line
from mappings.spec import PeopleSpec
from mappings.text import cut

STRANGER = "anybody else"  # whom the user table does not know
MOST = 2000  # combinations of several columns that are tried
_TEXTS = (
    "", "Printer on fire", "  indented", "two\nlines", "Zürich – 東京 🔥", "a, b; c", "0", "true", "<b>bold & more</b>",
    "O'Brien \"said\" \\ so", "2026-02-28", "34",
    # Signs that HTML spells longer, so that a short field cuts one of them in two, wherever that is.
    *("abc"[:shift] + "<>" * 40 for shift in range(4)),
)  # fmt: skip
_SAMPLES: dict[tuple[str, str], tuple[Any, ...]] = {
    (SERVICENOW, "number"): ("", "0", "1", "-3", "1200000", "2.5"),
    (SALESFORCE, "number"): (None, 0, 1, -3, 1_200_000, 2.5),
    (SERVICENOW, "boolean"): ("true", "false"),
    (SALESFORCE, "boolean"): (True, False),
    (SERVICENOW, "date"): ("", "2024-02-29", "2026-12-31"),
    (SALESFORCE, "date"): (None, "2024-02-29", "2026-12-31"),
    (SERVICENOW, "stamp"): ("", "2024-02-29 23:59:59", "2026-03-29 01:30:00"),
    (SALESFORCE, "moment"): (None, "2024-02-29T23:59:59.000+0000", "2026-03-29T01:30:00.000+0000"),
}


def enumerated(line: Line, side: str) -> list[Any]:
    """Every value that the row's fields of this side can hold, raw; [] where they list none, or too many."""
    facts = line.facts(side)
    if not facts or any(not _listed(side, each) for each in facts):
        return []
    parts = [_choices(side, each) for each in facts if each is not None]
    size = 1
    for each in parts:
        size *= len(each)
    if size > MOST:
        return []
    return list(parts[0]) if len(parts) == 1 else [list(each) for each in product(*parts)]


def _listed(side: str, facts: FieldFacts | None) -> bool:
    return facts is not None and (bool(facts.choices) or family(side, facts) == "boolean")


def _choices(side: str, facts: FieldFacts) -> Sequence[Any]:
    return facts.choices or _SAMPLES[side, "boolean"]


def tried(line: Line, side: str) -> list[Any]:
    """What a round trip of the row is tried with, beginning on this side."""
    if found := enumerated(line, side):
        return found if len(line.facts(side)) > 1 else [*found, None if side == SALESFORCE else ""]
    if calls(line.field, "user"):
        return [*_known_both_ways(line.ground.people, side), STRANGER]
    if calls(line.field, "link"):
        return []
    if maps := [name for name in line.maps if name in line.ground.spec.value_maps]:
        return _mapped(line, side, maps[0])
    facts = line.facts(side)
    if len(facts) != 1:
        return [[text] * len(facts) for text in _TEXTS] if side == SERVICENOW else []
    return list(_SAMPLES.get((side, family(side, facts[0])), ())) or _texts(facts[0])


def _texts(facts: FieldFacts | None) -> list[str]:
    """Such as the field can hold."""
    return [cut(text, facts.length, "")[0] for text in _TEXTS] if facts is not None else list(_TEXTS)


def _known_both_ways(people: PeopleSpec, side: str) -> list[str]:
    """Whoever is missing on one side is told by a rule of its own."""
    there, back = people.to_salesforce, people.to_servicenow
    if side == SALESFORCE:
        there, back = back, there
    return [id for id, other in there.items() if other in back]


def _mapped(line: Line, side: str, name: str) -> list[Any]:
    """What the value map knows on this side, where the field does not list its values."""
    spec = line.ground.spec.value_maps[name]
    held = spec.to_salesforce if side == SERVICENOW else spec.to_servicenow
    several = side == SERVICENOW and len(line.compiled.columns) > 1
    return [value.split(",") if several else value for value in held]
