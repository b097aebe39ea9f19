"""Transform maps: what becomes of a staging row.

Maps are rows, so an administrator may add one, change one or switch one off; without scripts, which are not run. A map copies columns; where its coalesce columns find a row, that row is updated, else one is inserted. References and
choices may be named by what people read, empty values are copied where the map says so, and rows are written past access rules but not
past business rules. Source: the platform's pages on import sets and transform maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sync.sandbox.servicenow.access import SYSTEM, Principal
from sync.sandbox.servicenow.errors import Refused
from sync.sandbox.servicenow.records import Input, Records
from sync.sandbox.servicenow.schema import SYS_ID, Row, Table
from sync.sandbox.servicenow.store import Store


@dataclass(frozen=True, slots=True)
class TransformMap:
    """`columns`: staging to target. `coalesce` names target columns; without any, or with one empty, nothing matches."""

    sys_id: str
    name: str
    target: str
    columns: Mapping[str, str]
    coalesce: tuple[str, ...]
    copies_empty: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status`: inserted, updated, ignored or error; `target` is the row written or found, if any."""

    status: str
    target: Row | None = None
    comment: str = ""


def maps_of(store: Store, staging: str) -> list[TransformMap]:
    """The active maps of a staging table, in the order they run."""
    at = store.registry["sys_transform_map"].position
    rows = [row for row in store.every("sys_transform_map") if row[at["source_table"]] == staging]
    active = [row for row in rows if row[at["active"]] == "true"]
    return [
        _read(store, row) for row in sorted(active, key=lambda row: (int(row[at["order"]] or 0), row[SYS_ID]))
    ]


def map_named(store: Store, sys_id: str) -> TransformMap | None:
    row = store.find("sys_transform_map", sys_id)
    return _read(store, row) if row is not None else None


def _read(store: Store, row: Row) -> TransformMap:
    """A map with those of its entries that name columns the target has."""
    at, entry = (store.registry[name].position for name in ("sys_transform_map", "sys_transform_entry"))
    target = store.registry.get(row[at["target_table"]])
    known = target.position if target else {}
    entries = [
        each
        for each in store.every("sys_transform_entry")
        if each[entry["map"]] == row[SYS_ID] and each[entry["target_field"]] in known
    ]
    return TransformMap(
        sys_id=row[SYS_ID],
        name=row[at["name"]],
        target=row[at["target_table"]],
        columns={each[entry["source_field"]]: each[entry["target_field"]] for each in entries},
        coalesce=tuple(each[entry["target_field"]] for each in entries if each[entry["coalesce"]] == "true"),
        copies_empty=row[at["copy_empty_fields"]] == "true",
    )


def transform(
    store: Store, records: Records, mapped: TransformMap, staged: Table, row: Row, principal: Principal
) -> Outcome:
    """Write what the row says. A refusal is an outcome, as the platform answers 201 for it too."""
    target = store.registry.get(mapped.target)
    if target is None:
        return Outcome("error", None, f"Invalid table {mapped.target}")  # UNVERIFIED wording
    values = {
        goal: text
        for source, goal in mapped.columns.items()
        if (text := row[staged.position[source]] if source in staged.position else "") or mapped.copies_empty
    }
    given = Input(replace(principal, roles=SYSTEM.roles), values, display_values=True)
    old = _matching(store, target, mapped.coalesce, values)
    try:
        if old is None:
            return Outcome("inserted", records.insert(target, given))
        new = records.update(target, old, given)
    except Refused as refused:
        return Outcome("error", old, str(refused))
    return Outcome("updated", new) if new != old else Outcome("ignored", old, "No field values changed")


def _matching(store: Store, target: Table, keys: tuple[str, ...], values: Mapping[str, str]) -> Row | None:
    if not keys or not all(values.get(key) for key in keys):
        return None
    wanted = [(target.position[key], values[key]) for key in keys]
    rows = (
        row for row in store.data(target.name).by_id.values() if all(row[at] == value for at, value in wanted)
    )
    return min(rows, key=lambda row: row[SYS_ID], default=None)
