"""A mapping compiled to functions: what a value becomes on the other side, and when two values are the same.

Compiled once per run; applying it touches no database and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mappings.cells import Cell, CellError, Reference, compile_cell, way_back_missing
from mappings.spec import Direction, Environment, FieldSpec, MappingSpec
from mappings.text import clean, spelled
from mappings.values import LEAVE, Projected, Step, Unmapped


class MappingError(Exception):
    """A mapping that cannot be compiled; the message names the row and what to change. `part`: of the row, or ""."""

    def __init__(self, message: str, *, part: str = "") -> None:
        super().__init__(message)
        self.part = part


def canonical(raw: Any) -> Any:
    """The form in which a raw value is compared: text cleaned, empty in any form None, numbers and booleans as text.

    As text, because what was sent as "5" or "true" is a number or a boolean when Salesforce gives it back.
    """
    if raw is None or raw == "" or raw == []:
        return None
    if isinstance(raw, str):
        return clean(raw) or None
    if isinstance(raw, list):
        parts = tuple(canonical(part) for part in raw)
        return parts if any(part is not None for part in parts) else None
    if isinstance(raw, bool | int | float):
        return spelled(raw)
    return raw


@dataclass(frozen=True, slots=True)
class CompiledRow:
    """One row, ready to run. `read(values)` takes the raw ServiceNow value out of a record's values.

    `one_way`: the only side it writes to, "salesforce" or "servicenow", or None if it goes both ways. What every record
    asks of a row is a plain attribute.
    """

    spec: FieldSpec
    direction: Direction
    read: Callable[[Mapping[str, Any]], Any]
    forward: Step
    backward: Step | None
    id: str
    target: str  # the Salesforce field
    conflict: str
    to_salesforce: Step  # raises Unmapped
    one_way: str | None
    columns: tuple[str, ...]  # of ServiceNow
    along: Mapping[str, Mapping[str, str]]  # ServiceNow value -> columns that go with it where they are empty
    references: tuple[Reference, ...] = ()  # to records that other flows have linked

    def to_servicenow(self, raw: Any, over: Any = None) -> Projected:
        """Raises Unmapped. `over`: what stands in the row's columns now, for those that the value leaves as they are."""
        if self.backward is None:
            raise Unmapped(f"{self.spec.salesforce} has no way back to ServiceNow.", code="NO_INVERSE")
        projected = self.backward(raw)
        if isinstance(projected.value, list) and LEAVE in projected.value:
            present = over if isinstance(over, list) else [""] * len(self.columns)
            kept = [old if new is LEAVE else new for new, old in zip(projected.value, present, strict=True)]
            return Projected(kept, projected.note)
        return projected


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    rows: tuple[CompiledRow, ...]
    servicenow_fields: tuple[str, ...]  # the columns to read
    salesforce_fields: tuple[str, ...]

    def row(self, row_id: str) -> CompiledRow | None:
        return next((row for row in self.rows if row.id == row_id), None)


def compile_mapping(spec: MappingSpec, env: Environment) -> CompiledMapping:
    """Build the functions of each row. Raises MappingError naming the first row that cannot work."""
    rows = tuple(_compile_row(field, spec, env) for field in spec.fields)
    columns = [name for row in rows for name in row.columns]
    columns += [name for row in rows for extra in row.along.values() for name in extra]
    return CompiledMapping(
        rows=rows,
        servicenow_fields=tuple(dict.fromkeys(columns)),
        salesforce_fields=tuple(dict.fromkeys(row.spec.salesforce for row in rows)),
    )


def _compile_row(field: FieldSpec, spec: MappingSpec, env: Environment) -> CompiledRow:
    where = f"The row for {field.salesforce}"
    direction = field.direction or spec.direction
    if direction.writes_salesforce and "." in field.salesforce:
        raise MappingError(
            f"{where} cannot go to Salesforce: {field.salesforce} lies behind a reference. Make it to_servicenow.",
            part="salesforce",
        )
    try:
        cell = compile_cell(field, spec, env)
    except CellError as error:
        raise MappingError(f"{where} cannot work. {error.message}", part=error.part) from None
    if not direction.within(spec.direction):
        raise MappingError(
            f"{where} goes {direction}, which is wider than its flow's {spec.direction}.", part="direction"
        )
    if direction.writes_servicenow:
        _check_way_back(field, cell, where)
    one_way = None if direction is Direction.BOTH else direction.removeprefix("to_")
    return CompiledRow(
        field, direction, _reader(cell.reads, field), cell.forward, cell.backward,
        field.id, field.salesforce, field.conflict, _filled(field, cell), one_way, cell.reads,
        _along(cell, spec) if direction.writes_servicenow else {},
        cell.references,
    )  # fmt: skip


def _filled(field: FieldSpec, cell: Cell) -> Step:
    """To Salesforce: an empty source takes the row's default; empty and required raises Unmapped."""
    forward = cell.forward
    if not field.default and not field.required:
        return forward

    def fill(raw: Any) -> Projected:
        projected = forward(raw)
        if projected.value is not None:
            return projected
        if field.default:
            return Projected(field.default)
        raise Unmapped(
            f"{field.salesforce} is required and {', '.join(cell.reads) or 'its source'} is empty.",
            code="REQUIRED_SOURCE_EMPTY",
            advice="Fill the field in ServiceNow, or give the row a default, then retry.",
        )

    return fill


def _check_way_back(field: FieldSpec, cell: Cell, where: str) -> None:
    if cell.backward is None:
        raise MappingError(f"{where} cannot go to ServiceNow: {way_back_missing(field)}")
    if behind := next((column for column in field.servicenow if "." in column), None):
        raise MappingError(
            f"{where} cannot go to ServiceNow: {behind} lies behind a reference. Make it to_salesforce.",
            part="servicenow",
        )


def _along(cell: Cell, spec: MappingSpec) -> Mapping[str, Mapping[str, str]]:
    """What entries of its value map take along: only where the map stands next to the column is an entry what is written."""
    return spec.value_maps[cell.value_maps[0]].along if len(cell.value_maps) == 1 else {}


def _reader(names: tuple[str, ...], field: FieldSpec) -> Callable[[Mapping[str, Any]], Any]:
    """A column that was not sent is empty: ServiceNow leaves out what lies behind an empty reference."""
    if not names:
        constant = field.value or field.transform
        return lambda values: constant
    if len(names) == 1:
        name = names[0]
        return lambda values: values.get(name, "")
    if len(names) == 2:  # without the frame that a comprehension takes
        one, other = names
        return lambda values: [values.get(one, ""), values.get(other, "")]
    return lambda values: [values.get(name, "") for name in names]
