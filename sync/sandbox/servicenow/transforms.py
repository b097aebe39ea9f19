"""Transform maps: what becomes of a staging row.

A map copies columns; where its coalesce columns find a row, that row is updated, else one is inserted. References and
choices may be named by what people read, empty values are not copied, and rows are written past access rules but not
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
from sync.sandbox.servicenow.tables.imports import IMP_USER, U_INCIDENT_IMPORT


@dataclass(frozen=True, slots=True)
class TransformMap:
    """`columns`: staging to target. `coalesce` names target columns; a row with one of them empty matches nothing."""

    name: str
    target: str
    columns: Mapping[str, str]
    coalesce: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status`: inserted, updated, ignored or error; `target` is the row written or found, if any."""

    status: str
    target: Row | None = None
    comment: str = ""


_INCIDENT = {f"u_{name}": name for name in ("correlation_id", "correlation_display", "short_description")}
_INCIDENT |= {f"u_{name}": name for name in ("description", "state", "impact", "urgency", "category")}
_INCIDENT |= {f"u_{name}": name for name in ("assigned_to", "assignment_group", "close_code", "close_notes")}
_INCIDENT |= {"u_caller": "caller_id", "u_comments": "comments", "u_work_notes": "work_notes"}

TRANSFORMS: dict[str, TransformMap] = {
    IMP_USER.name: TransformMap(
        "User",
        "sys_user",
        {column.name: column.name for column in IMP_USER.own},
        coalesce=("user_name",),
    ),
    U_INCIDENT_IMPORT.name: TransformMap("Incident", "incident", _INCIDENT, coalesce=("correlation_id",)),
}


def transform(
    store: Store, records: Records, mapped: TransformMap, staged: Table, row: Row, principal: Principal
) -> Outcome:
    """Write what the row says. A refusal is an outcome, as the platform answers 201 for it too."""
    target = store.registry[mapped.target]
    values = {
        goal: text
        for source, goal in mapped.columns.items()
        if (text := row[staged.position[source]])  # "Copy empty fields" is off, as it is by default
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
    if not all(values.get(key) for key in keys):
        return None
    wanted = [(target.position[key], values[key]) for key in keys]
    rows = (
        row for row in store.data(target.name).by_id.values() if all(row[at] == value for at, value in wanted)
    )
    return min(rows, key=lambda row: row[SYS_ID], default=None)
