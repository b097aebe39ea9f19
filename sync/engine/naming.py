"""Which records a person means: sys_ids, Salesforce Ids of 15 or 18 characters, and numbers, in any mixture."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sync.connectors.base import Connector
from sync.connectors.salesforce.ids import to_18
from sync.core.records import Side
from sync.engine.context import Context
from sync.engine.known import Known

_SYS_ID = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
_SALESFORCE_ID = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")
_NUMBER = re.compile(r"[A-Z]{2,8}\d+|\d+")  # INC0010004, 00001001; no Salesforce Id looks like it


@dataclass(slots=True)
class Named:
    """Ids by side, each once, in the order they were named; and the names of no record."""

    ids: dict[Side, list[str]] = field(default_factory=lambda: {side: [] for side in Side})
    unknown: list[str] = field(default_factory=list)


def side_of(name: str) -> Side | None:
    """The side whose id `name` is; None for a number."""
    if _SYS_ID.fullmatch(name):
        return Side.SERVICENOW
    if _SALESFORCE_ID.fullmatch(name) and not _NUMBER.fullmatch(name):
        return Side.SALESFORCE
    return None


def find_named(
    names: Iterable[str], context: Context, known: Known, connectors: Mapping[Side, Connector]
) -> Named:
    """Ids as they are; numbers by the links, and those of no link by both platforms."""
    found = Named()
    numbers: list[str] = []
    for name in dict.fromkeys(names):
        side = side_of(name)
        if side is Side.SERVICENOW:
            found.ids[side].append(name.lower())
        elif side is Side.SALESFORCE:
            found.ids[side].append(to_18(name))
        else:
            numbers.append(name)
    linked = known.numbered(numbers)
    found.ids[Side.SERVICENOW] += linked.values()
    _ask(found, [number for number in numbers if number not in linked], context, connectors)
    found.ids = {side: list(dict.fromkeys(ids)) for side, ids in found.ids.items()}
    return found


def _ask(found: Named, numbers: list[str], context: Context, connectors: Mapping[Side, Connector]) -> None:
    met: set[str] = set()
    for side in Side:
        column = context.number_field(side)
        if not numbers or not column:
            continue
        shown = connectors[side].find(context.name(side), column, numbers, (), column)
        for number, records in shown.items():
            met.add(number)
            found.ids[side] += [record.id for record in records]
    found.unknown += [number for number in numbers if number not in met]
