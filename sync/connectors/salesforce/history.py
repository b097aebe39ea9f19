"""Who changed which field when: the rows of CaseHistory and its like.

Source: Object Reference, "CaseHistory" and "StandardObjectNameHistory": tracked fields alone, values of at most 255
characters, none of long text, two rows for a reference (the name and the id), field-level security of the parent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sync.connectors.parallel import Workers
from sync.connectors.salesforce import soql
from sync.connectors.salesforce.ids import to_18
from sync.connectors.salesforce.org import Org
from sync.connectors.salesforce.reading import all_rows
from sync.core.records import Change

MAX_VALUE = 255  # characters that the platform keeps of a value
# How a new owner is told where it was not just an edit of the field.
_OWNER = ("Owner", "ownerAssignment", "ownerAccepted", "ownerEscalated")


def history(
    org: Org, workers: Workers, name: str, ids: Sequence[str], fields: Sequence[str], since: datetime | None
) -> list[Change]:
    """Entries of these records and fields, oldest first. A field that is not tracked has none.

    Raises SchemaError where there is no such history, or our user may not see it.
    """
    table, parent = _object(name)
    told_as = {alias: field for field in fields if "." not in field for alias in _aliases(field)}
    if not ids or not told_as:
        return []
    names = ("Id", parent, "Field", "OldValue", "NewValue", "CreatedById", "CreatedDate")
    after = f"CreatedDate >= {soql.stamp(since.replace(microsecond=0))}" if since else ""
    condition = soql.both(soql.one_of("Field", sorted(told_as)), after)

    def read(chunk: Sequence[str]) -> list[dict[str, Any]]:
        return list(all_rows(org, table, names, soql.both(condition, soql.one_of(parent, chunk))))

    parts = list(soql.chunks(dict.fromkeys(ids)))
    rows = [row for answer in workers.map(read, parts) for row in answer]
    rows.sort(key=lambda row: (row["CreatedDate"], row["Id"]))
    return [
        _change(row, parent, told_as[row["Field"]])
        for row in rows
        if row["Field"] in told_as and not _tells_names(row, told_as[row["Field"]])
    ]


def _object(name: str) -> tuple[str, str]:
    """The object that holds an object's history, and its field that names the record."""
    if name.endswith("__c"):
        return f"{name.removesuffix('__c')}__History", "ParentId"
    return ("OpportunityFieldHistory" if name == "Opportunity" else f"{name}History"), f"{name}Id"


def _aliases(field: str) -> tuple[str, ...]:
    """The names under which the history tells a field."""
    if field == "OwnerId":
        return _OWNER
    return (field.removesuffix("Id"),) if _is_reference(field) else (field,)


def _is_reference(field: str) -> bool:
    return field.endswith("Id") and field != "Id"


def _tells_names(row: dict[str, Any], field: str) -> bool:
    """Of the two rows of a reference, the one for people."""
    values = (row["OldValue"], row["NewValue"])
    return _is_reference(field) and any(value is not None and not _is_id(value) for value in values)


def _is_id(value: Any) -> bool:
    if not isinstance(value, str) or not value.isalnum() or not value[0].isdigit():
        return False
    return len(value) == 15 or (len(value) == 18 and to_18(value[:15]) == value)


def _change(row: dict[str, Any], parent: str, field: str) -> Change:
    old, new = (
        to_18(value) if _is_reference(field) and isinstance(value, str) else value
        for value in (row["OldValue"], row["NewValue"])
    )
    return Change(
        record_id=row[parent],
        field=field,
        old=old,
        new=new,
        by=row["CreatedById"] or "",
        at=datetime.fromisoformat(row["CreatedDate"][:19]).replace(tzinfo=UTC),
        told=not (old is None and new is None),
    )
