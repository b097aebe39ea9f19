"""Field history: what the org keeps of edits to the fields that its administrator has chosen to track.

Source: Object Reference, "CaseHistory": values of at most 255 characters, two entries for a reference (the name and the
id), field-level security of the parent; Help, "Field History Tracking": a long text area is told without values.
The names of `DataType` are unverified.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.sandbox.salesforce.schema import Field
from sync.sandbox.salesforce.store import Change, Stored, Table
from sync.sandbox.salesforce.values import render

if TYPE_CHECKING:
    from sync.sandbox.salesforce.org import Org

MAX_VALUE = 255  # characters
_DATA_TYPES = {
    "picklist": "DynamicEnum",
    "textarea": "TextArea",
    "boolean": "Boolean",
    "datetime": "DateTime",
    "date": "DateOnly",
}


@dataclass(frozen=True, slots=True)
class Entry:
    field: str
    data_type: str
    old: Stored
    new: Stored


def history_object(sobject: str) -> str:
    return f"{sobject}History"


def name_in_history(field: Field) -> str:
    """What the history calls a field: Owner for OwnerId."""
    return field.relationship if field.relationship and not field.custom else field.name


def entries(org: Org, table: Table, changes: Iterable[Change]) -> Iterator[Entry]:
    """What the history says of the changes to tracked fields of one row."""
    by_name = {field.name: field for field in table.sobject.fields}
    for change in changes:
        if f"{table.name}.{change.field}" not in org.settings.tracked_fields:
            continue
        field = by_name[change.field]
        name = name_in_history(field)
        if field.long:
            yield Entry(name, _DATA_TYPES["textarea"], None, None)
            continue
        if field.reference_to:
            yield Entry(name, "Text", _name_of(org, change.old), _name_of(org, change.new))
        kind = "EntityId" if field.reference_to else _DATA_TYPES.get(field.type, "Text")
        yield Entry(name, kind, _short(field, change.old), _short(field, change.new))


def _short(field: Field, value: Stored) -> Stored:
    shown = render(field, value)
    return shown[:MAX_VALUE] if isinstance(shown, str) else shown


def _name_of(org: Org, record_id: Stored) -> Stored:
    row, table = org.row(record_id), org.table_of(str(record_id))
    if row is None or table is None:
        return None
    names = (field.name for field in table.sobject.fields if field.name_field)
    return row.values[table.slots[next(names, "Id")]]
