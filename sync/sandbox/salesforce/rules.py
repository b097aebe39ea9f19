"""The rules a row must keep to be saved: required fields, references, owners, unique values.

Each raises Refusal; in which order they are asked, the Writer knows.
"""

from __future__ import annotations

from sync.sandbox.salesforce import record_types
from sync.sandbox.salesforce.ids import to15
from sync.sandbox.salesforce.org import Org, View
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.schema import Field
from sync.sandbox.salesforce.store import Row, Table, Values
from sync.sandbox.salesforce.values import bad_value

OWNER = "OwnerId"


def require(view: View, values: Values) -> None:
    missing = [field.name for field in view.required if values[view.slot(field.name)] is None]
    if missing:
        raise Refusal(
            "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", *missing
        )


def check_reference(org: Org, view: View, field: Field, values: Values) -> None:
    target_id = values[view.slot(field.name)]
    if target_id is None:
        if field.name == OWNER:
            raise Refusal("INVALID_CROSS_REFERENCE_KEY", "Owner ID: owner cannot be blank", field.name)
        return
    table = org.table_of(str(target_id))
    if table is None or table.sobject.name not in field.reference_to:
        raise Refusal("MALFORMED_ID", f"{field.label}: id value of incorrect type: {target_id}", field.name)
    target = table.rows.get(str(target_id))
    if target is None or target.values[table.deleted_slot]:
        raise Refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    values[view.slot(field.name)] = target.values[0]  # one string for all rows that refer to it
    if field.name == OWNER:
        _check_owner(org, view, table, target)


def _check_owner(org: Org, view: View, table: Table, owner: Row) -> None:
    owner_id = str(owner.values[0])
    if table.sobject.name == "Group":
        if not org.queue_serves(owner_id, view.name):
            raise Refusal(
                "FIELD_INTEGRITY_EXCEPTION", "Queue not associated with this SObject type: Owner ID", OWNER
            )
    elif not owner.values[table.slots["IsActive"]]:
        raise Refusal(
            "INACTIVE_OWNER_OR_USER",
            f"operation performed with inactive user [{to15(owner_id)}] as owner of {view.name.lower()}",
        )


def default_record_type(org: Org, name: str) -> str | None:
    """The id of the record type that a new row gets which names none; None: the master's."""
    return next(
        (
            id
            for id, each in org.record_types.items()
            if each.sobject == name and f"{name}.{each.developer_name}" in org.settings.default_record_types
        ),
        None,
    )


def check_record_type(org: Org, view: View, values: Values, fields: list[Field]) -> None:
    """Refuse a record type of another object, and values that the row's record type does not offer."""
    slot = view.table.slots.get(record_types.FIELD)
    record_type_id = None if slot is None else values[slot]
    if record_type_id is None:
        return
    record_type = org.record_types[str(record_type_id)]
    for field in fields:
        value = values[view.slot(field.name)]
        if field.name == record_types.FIELD and not (record_type.active and record_type.sobject == view.name):
            raise Refusal(
                "INVALID_CROSS_REFERENCE_KEY",
                f"Record Type ID: this ID value isn't valid for the user: {record_type_id}",
                field.name,
            )
        offered = record_type.offers.get(field.name)
        if field.restricted and offered is not None and value is not None and value not in offered:
            raise bad_value(field, str(value))


def assign(org: Org, view: View, values: Values) -> None:
    """Give the row to the queue of the assignment rule, if the org has one."""
    queue = org.dialect.assignment_queue
    row = org.find("Group", "DeveloperName", queue) if queue else None
    if row is not None:
        values[view.slot(OWNER)] = row.values[0]


def check_unique(view: View, field: Field, values: Values, row: Row | None) -> None:
    value = values[view.slot(field.name)]
    if value is None:
        return
    for other in view.table.holders(field.name, str(value)):
        if other is not row:
            raise Refusal(
                "DUPLICATE_VALUE",
                f"duplicate value found: {field.name} duplicates value on record with id: "
                f"{to15(str(other.values[0]))}",
            )


def refuse_if_approving(org: Org, record_id: str, user_id: str) -> None:
    """Refuse a write to a row that waits for an approval, to everybody but the administrator."""
    if record_id in org.approval_locks and user_id != org.administrator_id:
        raise Refusal(
            "ENTITY_IS_LOCKED", "This record is locked. If you need to edit it, contact your admin."
        )
