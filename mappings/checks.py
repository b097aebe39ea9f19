"""What rows and entries must keep to beside one another: told alike by the console's forms and the configuration file.

Pure. `name` says what the reader calls the row at a position (counted from 0): entries[2], or row 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mappings.spec import Direction, FieldSpec, ValueMapSpec

Name = Callable[[int], str]


class Entry(Protocol):
    """An entry of a value map or (then with a `kind`) of a user table."""

    @property
    def servicenow(self) -> str: ...
    @property
    def salesforce(self) -> str: ...
    @property
    def direction(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Trouble:
    """`index`: the row it is told of; `part`: which of its fields is wrong."""

    index: int
    part: str
    text: str


# The side whose value must be alone, the direction in which it need not be, and where its entry leads.
_ANSWERS = (
    ("servicenow", Direction.TO_SERVICENOW, "to Salesforce"),
    ("salesforce", Direction.TO_SALESFORCE, "to ServiceNow"),
)


def contradictions(entries: Sequence[Entry], name: Name) -> Iterator[Trouble]:
    """One answer per ServiceNow value going out, and one per Salesforce value coming back."""
    seen: dict[tuple[str, ...], int] = {}
    for index, entry in enumerate(entries):
        for side, exempt, way in _ANSWERS:
            if entry.direction == exempt:
                continue
            value = getattr(entry, side)
            first = seen.setdefault((side, getattr(entry, "kind", ""), value), index)
            if first != index:
                text = f"{value!r} has an entry {way} already: {name(first)}. Make one of them one-way."
                yield Trouble(index, side, text)


def companions(sent: Sequence[tuple[str, Mapping[str, str]]], name: Name) -> Iterator[Trouble]:
    """One ServiceNow value takes one set of columns along. `sent`: (ServiceNow value, what goes with it) an entry."""
    first: dict[str, int] = {}
    for index, (value, along) in enumerate(sent):
        if not along:
            continue
        other = first.setdefault(value, index)
        if sent[other][1] != along:
            text = f"{value!r} takes other columns along in {name(other)}; give both entries the same."
            yield Trouble(index, "along", text)


def twice_written(rows: Sequence[FieldSpec], flow: Direction, name: Name) -> Iterator[Trouble]:
    """A Salesforce field, and a ServiceNow column, is written by one row."""
    seen: dict[tuple[str, str], int] = {}
    for index, row in enumerate(rows):
        way = row.direction or flow
        there = [("salesforce", row.salesforce)] if way.writes_salesforce else []
        here = [("servicenow", column) for column in row.servicenow] if way.writes_servicenow else []
        for side, field in (*there, *here):
            first = seen.setdefault((side, field.casefold()), index)
            if first != index:
                yield Trouble(index, side, f"{name(first)} writes {field} already.")


def uneven_parts(rows: Sequence[FieldSpec], maps: Mapping[str, ValueMapSpec]) -> Iterator[Trouble]:
    """Of several columns each entry of the value map holds one part a column, joined by commas."""
    for index, row in enumerate(rows):
        spec = maps.get(row.value_map)
        if spec is None or len(row.servicenow) < 2:
            continue
        held = [*spec.to_salesforce, *spec.to_servicenow.values()]
        wrong = next((value for value in held if value and _parts(value) != len(row.servicenow)), None)
        if wrong is not None:
            columns = ", ".join(row.servicenow)
            text = (
                f"The value map {spec.name} holds {wrong!r} for {len(row.servicenow)} columns ({columns}): "
                "write one part a column, joined by commas."
            )
            yield Trouble(index, "value_map", text)


def _parts(value: Any) -> int:
    return str(value).count(",") + 1
