"""A mapping compiled to functions: what a value becomes on the other side, and when two values are the same.

Compiled once per run; applying it touches no database and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mappings.spec import Direction, Environment, FieldSpec, MappingSpec
from mappings.text import clean, spelled
from mappings.transforms import LEAVE, TRANSFORMS, Projected, Step, Unmapped


class MappingError(Exception):
    """A mapping that cannot be compiled; the message names the row and what to change."""


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
    one_way: str | None
    columns: tuple[str, ...]  # of ServiceNow
    along: Mapping[str, Mapping[str, str]]  # ServiceNow value -> columns that go with it where they are empty

    def to_salesforce(self, raw: Any) -> Projected:
        """Raises Unmapped. An empty source takes the row's default; empty and required raises."""
        projected = self.forward(raw)
        if projected.value is None:
            if self.spec.default:
                return Projected(self.spec.default)
            if self.spec.required:
                raise Unmapped(
                    f"{self.spec.salesforce} is required and {', '.join(self.spec.servicenow)} is empty.",
                    code="REQUIRED_SOURCE_EMPTY",
                    advice="Fill the field in ServiceNow, or give the row a default, then retry.",
                )
        return projected

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
    transform = TRANSFORMS.get(field.transform)
    where = f"The row for {field.salesforce}"
    if transform is None:
        raise MappingError(f"{where} uses the unknown transform {field.transform!r}.")
    if transform.needs_value_map and field.value_map not in spec.value_maps:
        raise MappingError(
            f"{where} uses the value map {field.value_map!r}, which this revision does not hold."
        )
    if transform.needs_source and not field.servicenow:
        raise MappingError(f"{where} names no ServiceNow column.")
    if len(field.servicenow) > 1 and not transform.several_sources:
        raise MappingError(f"{where} names several ServiceNow columns, but {field.transform} takes one.")
    direction = field.direction or spec.direction
    if not direction.within(spec.direction):
        raise MappingError(f"{where} goes {direction}, which is wider than its flow's {spec.direction}.")
    try:
        steps = transform.build(field, spec, env)
    except (KeyError, ValueError, OSError):  # what ZoneInfo raises, depending on how the name is wrong
        raise MappingError(f"{where} needs a time zone, and {spec.time_zone!r} is none.") from None
    if direction.writes_servicenow and steps.backward is None:
        raise MappingError(
            f"{where} cannot go to ServiceNow: {field.transform} has no inverse. Make it to_salesforce."
        )
    one_way = None if direction is Direction.BOTH else direction.removeprefix("to_")
    carries_along = transform.needs_value_map and direction.writes_servicenow
    return CompiledRow(
        field, direction, _reader(field), steps.forward, steps.backward,
        field.id, field.salesforce, field.conflict, one_way, field.servicenow,
        spec.value_maps[field.value_map].along if carries_along else {},
    )  # fmt: skip


def _reader(field: FieldSpec) -> Callable[[Mapping[str, Any]], Any]:
    if not field.servicenow:
        constant = field.value
        return lambda values: constant
    if len(field.servicenow) == 1:
        name = field.servicenow[0]
        return lambda values: values.get(name, "")
    names = field.servicenow
    return lambda values: [values.get(name, "") for name in names]
