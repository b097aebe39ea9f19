"""Creating, updating and deleting rows by the platform's rules, with an undo for all-or-none calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sync.sandbox.salesforce.ids import to15
from sync.sandbox.salesforce.org import Org, View
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.schema import Field
from sync.sandbox.salesforce.store import Change, Row, Stored, Table, Values
from sync.sandbox.salesforce.values import parse

# Stamps say when and by whom; a history of them would repeat what each of its entries says.
_NOT_IN_HISTORY = frozenset({"LastModifiedDate", "LastModifiedById", "SystemModstamp"})
_OWNER = "OwnerId"
RECYCLE_BIN_LIFE = 15 * 24 * 3600  # seconds; the help article on the recycle bin says 15 days


@dataclass(slots=True)
class Save:
    """One row on its way into the table, as an object's `before_save` sees it. `now` is in whole seconds."""

    org: Org
    table: Table
    values: Values
    old: Values | None
    now: int

    @property
    def is_new(self) -> bool:
        return self.old is None

    def get(self, name: str) -> Stored:
        return self.values[self.table.slots[name]]

    def set(self, name: str, value: Stored) -> None:
        self.values[self.table.slots[name]] = value

    def is_changed(self, name: str) -> bool:
        slot = self.table.slots[name]
        return self.old is None or self.old[slot] != self.values[slot]


class Writer:
    """Writes of one call by one user. Raises Refusal for a record that breaks a rule; nothing of it stays.

    `auto_assign` runs the assignment rule on objects that have one; it may overwrite the owner that was sent.
    A `person` sees fields that are hidden from the API and never meets the locks that the dialect orders.
    """

    def __init__(self, org: Org, user_id: str, *, auto_assign: bool = False, person: bool = False) -> None:
        self.org = org
        self._user_id = user_id
        self._auto_assign = auto_assign
        self._meets_locks = not person
        self._views = org.people_views if person else org.views
        self._undo: list[Callable[[], None]] = []
        self.created = self.updated = self.deleted = 0

    def view(self, sobject: str) -> View:
        """Raises Refusal (INVALID_TYPE)."""
        view = self._views.get(sobject.lower())
        if view is None:
            raise Refusal("INVALID_TYPE", f"sObject type '{sobject}' is not supported.")
        return view

    def insert(self, view: View, sent: Mapping[str, Any]) -> Row:
        if not view.sobject.createable:
            raise Refusal(
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
                f"entity type cannot be inserted: {view.sobject.label}",
            )
        values = view.defaults.copy()
        fields = self._apply(view, values, sent, creating=True)
        now = self.org.now()
        if _OWNER in view.table.slots and values[view.slot(_OWNER)] is None:
            values[view.slot(_OWNER)] = self._user_id
        self._check(view, values, None, fields, now)
        row_id = next(view.table.ids)
        values[0] = row_id
        slots = view.table.slots
        for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp"):
            values[slots[name]] = now
        for name in ("CreatedById", "LastModifiedById"):
            values[slots[name]] = self._user_id
        row = Row(values)
        view.table.add(row)
        self.created += 1
        self._undo.append(lambda: view.table.remove(row))
        if view.sobject.after_insert is not None:
            view.sobject.after_insert(self, row)
        return row

    # What the platform itself writes beside what was sent: no rule is asked, and it is undone with the rest

    def put(self, sobject: str, fields: Mapping[str, Stored]) -> Row:
        row = self.org.seed(sobject, fields, by=self._user_id)
        self._undo.append(lambda: self.org.tables[sobject].remove(row))
        return row

    def revise(self, sobject: str, row: Row, fields: Mapping[str, Stored]) -> None:
        """Change fields of a row and no stamp that is not among them."""
        table, old = self.org.tables[sobject], row.values
        values = old.copy()
        for name, value in fields.items():
            values[table.slots[name]] = value
        table.replace(row, values)
        self._undo.append(lambda: table.replace(row, old))

    def update(self, view: View, row: Row, sent: Mapping[str, Any]) -> None:
        if not view.sobject.updateable:
            raise Refusal(
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be updated: {view.sobject.label}"
            )
        self._refuse_if_locked(str(row.values[0]))
        values = row.values.copy()
        fields = self._apply(view, values, sent, creating=False)
        now = self.org.now()
        self._check(view, values, row, fields, now)
        self._put(view.table, row, values, now)
        self.updated += 1

    def delete(self, view: View, row: Row) -> None:
        """Move a row to the recycle bin, where its unique values no longer block others."""
        if not view.sobject.deletable:
            raise Refusal("INSUFFICIENT_ACCESS_OR_READONLY", f"entity type cannot be deleted: {view.name}")
        self._refuse_if_locked(str(row.values[0]))
        values = row.values.copy()
        values[view.table.deleted_slot] = True
        self._put(view.table, row, values, self.org.now())
        self.deleted += 1

    def undelete(self, view: View, row: Row) -> None:
        """Take a row back out of the recycle bin; its unique values must still be free."""
        values = row.values.copy()
        deleted_at = int(values[view.table.stamp_slot] or 0)
        now = self.org.now()
        if not values[view.table.deleted_slot] or now - deleted_at > RECYCLE_BIN_LIFE:
            raise Refusal("UNDELETE_FAILED", "Entity is not in the recycle bin")
        values[view.table.deleted_slot] = False
        for field in view.unique:
            self._check_unique(view, field, values, row)
        self._put(view.table, row, values, now)

    def rollback(self) -> None:
        """Undo everything this writer did, newest first."""
        while self._undo:
            self._undo.pop()()
        self.created = self.updated = self.deleted = 0

    def _put(self, table: Table, row: Row, values: Values, now: int) -> None:
        """Stamp and store new values; equal ones move the stamps too, as on the platform."""
        old, history = row.values, row.history
        slots = table.slots
        values[slots["LastModifiedDate"]] = values[slots["SystemModstamp"]] = now
        values[slots["LastModifiedById"]] = self._user_id
        changes = tuple(
            Change(field.name, before, after, self._user_id, now)
            for field, before, after in zip(table.sobject.fields, old, values, strict=True)
            if before != after and field.name not in _NOT_IN_HISTORY
        )
        table.replace(row, values)
        row.history = history + changes

        def undo() -> None:
            table.replace(row, old)
            row.history = history

        self._undo.append(undo)

    # What was sent

    def _apply(self, view: View, values: Values, sent: Mapping[str, Any], *, creating: bool) -> list[Field]:
        """Parse what was sent into `values`; return the fields it named."""
        fields: list[Field] = []
        trims = self.org.dialect.trims_text
        slots = view.table.slots
        for name, value in sent.items():
            if name == "attributes":
                continue
            if isinstance(value, dict) and name.lower() in view.by_relationship:
                field, value = self._by_external_id(view, name, value)
            else:
                field = self._field(view, name)
            if not (field.createable if creating else field.updateable):
                raise Refusal(
                    "INVALID_FIELD_FOR_INSERT_UPDATE",
                    f"Unable to create/update fields: {field.name}. Please check the security settings of "
                    "this field and verify that it is read/write for your profile or permission set.",
                    field.name,
                )
            if trims and isinstance(value, str):
                value = value.strip()
            values[slots[field.name]] = parse(field, value)
            fields.append(field)
        return fields

    def _field(self, view: View, name: str) -> Field:
        field = view.field(name)
        if field is None:
            raise Refusal("INVALID_FIELD", f"No such column '{name}' on sobject of type {view.name}", name)
        return field

    def _by_external_id(self, view: View, name: str, key: Mapping[str, Any]) -> tuple[Field, str]:
        """Resolve `{"Contact": {"Ext__c": "x"}}` to the reference field and the id it means."""
        field = view.by_relationship[name.lower()]
        named = {column: value for column, value in key.items() if column != "attributes"}
        target = str(key.get("attributes", {}).get("type") or field.reference_to[-1])
        (column, value), *rest = named.items() or [("", "")]
        table = self.org.tables.get(target)
        if rest or table is None or column not in table.indexes:
            raise Refusal("INVALID_FIELD", f"Invalid foreign key relationship {name}: {column}", name)
        rows = table.find(column, str(value))
        if len(rows) != 1:
            raise Refusal(
                "INVALID_FIELD",
                f"Foreign key external ID: {value} not found for field {column} in entity {target}",
            )
        return field, str(rows[0].values[0])

    # The rules

    def _check(self, view: View, values: Values, row: Row | None, fields: list[Field], now: int) -> None:
        """Run the platform's order: required, references, assignment, derived fields, rules, uniqueness."""
        self._require(view, values)
        for field in fields:
            if field.reference_to:
                self._check_reference(view, field, values)
        if self._auto_assign and view.sobject.auto_assign:
            self._assign(view, values)
        if view.sobject.before_save is not None:
            old = row.values if row else None
            view.sobject.before_save(Save(self.org, view.table, values, old, now))
        for slot, refused, message in view.rules:
            if values[slot] == refused:
                raise Refusal("FIELD_CUSTOM_VALIDATION_EXCEPTION", message)
        for field in view.unique:
            self._check_unique(view, field, values, row)
        if row is None and self.org.dialect.lock_fraction:
            self._refuse_if_locked("")

    def _require(self, view: View, values: Values) -> None:
        missing = [field.name for field in view.required if values[view.slot(field.name)] is None]
        if missing:
            raise Refusal(
                "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", *missing
            )

    def _check_reference(self, view: View, field: Field, values: Values) -> None:
        target_id = values[view.slot(field.name)]
        if target_id is None:
            if field.name == _OWNER:
                raise Refusal("INVALID_CROSS_REFERENCE_KEY", "Owner ID: owner cannot be blank", field.name)
            return
        table = self.org.table_of(str(target_id))
        if table is None or table.sobject.name not in field.reference_to:
            raise Refusal(
                "MALFORMED_ID", f"{field.label}: id value of incorrect type: {target_id}", field.name
            )
        target = table.rows.get(str(target_id))
        if target is None or target.values[table.deleted_slot]:
            raise Refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        values[view.slot(field.name)] = target.values[0]  # one string for all rows that refer to it
        if field.name == _OWNER:
            self._check_owner(view, table, target)

    def _check_owner(self, view: View, table: Table, owner: Row) -> None:
        owner_id = str(owner.values[0])
        if table.sobject.name == "Group":
            if not self.org.queue_serves(owner_id, view.name):
                raise Refusal(
                    "FIELD_INTEGRITY_EXCEPTION",
                    "Queue not associated with this SObject type: Owner ID",
                    _OWNER,
                )
        elif not owner.values[table.slots["IsActive"]]:
            raise Refusal(
                "INACTIVE_OWNER_OR_USER",
                f"operation performed with inactive user [{to15(owner_id)}] as owner of {view.name.lower()}",
            )

    def _assign(self, view: View, values: Values) -> None:
        queue = self.org.dialect.assignment_queue
        row = self.org.find("Group", "DeveloperName", queue) if queue else None
        if row is not None:
            values[view.slot(_OWNER)] = row.values[0]

    def _check_unique(self, view: View, field: Field, values: Values, row: Row | None) -> None:
        value = values[view.slot(field.name)]
        if value is None:
            return
        for other in view.table.find(field.name, str(value)):
            if other is not row:
                raise Refusal(
                    "DUPLICATE_VALUE",
                    f"duplicate value found: {field.name} duplicates value on record with id: "
                    f"{to15(str(other.values[0]))}",
                )

    def _refuse_if_locked(self, record_id: str) -> None:
        dialect = self.org.dialect
        if self._meets_locks and (
            record_id in dialect.locked_ids
            or (dialect.lock_fraction and self.org.random.random() < dialect.lock_fraction)
        ):
            raise Refusal(
                "UNABLE_TO_LOCK_ROW",
                f"unable to obtain exclusive access to this record or 1 records: {record_id}",
            )
