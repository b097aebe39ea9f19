"""Creating, updating and deleting rows by the platform's rules, with an undo for all-or-none calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sync.sandbox.salesforce import record_types, rules, tracking
from sync.sandbox.salesforce.automating import automate
from sync.sandbox.salesforce.duplicates import DuplicateHeader, refuse_duplicate
from sync.sandbox.salesforce.org import Org, View
from sync.sandbox.salesforce.parsing import apply
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.schema import Field
from sync.sandbox.salesforce.store import Change, Row, Stored, Table, Values
from sync.sandbox.trouble import Trouble

# Stamps say when and by whom; a history of them would repeat what each of its entries says.
_NOT_IN_HISTORY = frozenset({"LastModifiedDate", "LastModifiedById", "SystemModstamp", "Comments"})
_NO_HEADER = DuplicateHeader()
_HISTORY = 200  # entries kept of a row, the newest
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
    `trouble` is what a fault orders for some of the records, `duplicates` what the call said of duplicate rules.
    """

    def __init__(
        self,
        org: Org,
        user_id: str,
        *,
        auto_assign: bool = False,
        person: bool = False,
        trouble: Trouble | None = None,
        duplicates: DuplicateHeader = _NO_HEADER,
    ) -> None:
        self.org = org
        self._trouble = trouble
        self._duplicates = duplicates
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
        self._meet_trouble("")
        values = view.defaults.copy()
        fields = apply(self.org, view, values, sent, creating=True)
        now = self.org.now()
        if rules.OWNER in view.table.slots and values[view.slot(rules.OWNER)] is None:
            values[view.slot(rules.OWNER)] = self._user_id
        if self.org.settings.default_record_types and record_types.FIELD in view.table.slots:
            slot = view.slot(record_types.FIELD)
            values[slot] = values[slot] or rules.default_record_type(self.org, view.name)
        self._check(view, values, None, fields, now)
        same = self._same(view, values)
        if same is not None:
            if view.sobject.updateable:
                self.update(
                    view, same, {field.name: sent[field.name] for field in fields if field.updateable}
                )
            return same
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
        self._follow_up(view, row)
        return row

    def _same(self, view: View, values: Values) -> Row | None:
        """The row that a new one would repeat, of an object that has one of each."""
        table, slots = view.table, [view.slot(name) for name in view.sobject.one_of_each]
        if not slots:
            return None
        rows = table.referring(view.sobject.one_of_each[0], str(values[slots[0]]))
        return next((row for row in rows if all(row.values[slot] == values[slot] for slot in slots)), None)

    # What the platform itself writes beside what was sent: no rule is asked, and it is undone with the rest

    def put(self, sobject: str, fields: Mapping[str, Stored]) -> Row:
        row = self.org.seed(sobject, fields, by=self._user_id)
        self._undo.append(lambda: self.org.tables[sobject].remove(row))
        return row

    def amend(self, table: Table, row: Row, fields: Mapping[str, Stored]) -> None:
        """Change fields of a row as an edit does: with its stamps and its history."""
        values = row.values.copy()
        for name, value in fields.items():
            values[table.slots[name]] = value
        self._put(table, row, values, self.org.now())

    def of_administrator(self) -> Writer:
        """Return a writer for what the org does on its own, later."""
        return Writer(self.org, self.org.administrator_id, person=True)

    def on_undo(self, undo: Callable[[], None]) -> None:
        self._undo.append(undo)

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
        self._meet_trouble(str(row.values[0]))
        self._refuse_if_locked(str(row.values[0]))
        values = row.values.copy()
        fields = apply(self.org, view, values, sent, creating=False)
        now = self.org.now()
        self._check(view, values, row, fields, now)
        if values != row.values or self.org.dialect.equal_update_moves_stamps:
            self._put(view.table, row, values, now)
        self.updated += 1
        self._follow_up(view, row)

    def delete(self, view: View, row: Row) -> None:
        """Move a row and what hangs on it to the recycle bin, where unique values no longer block others."""
        if not view.sobject.deletable:
            raise Refusal("INSUFFICIENT_ACCESS_OR_READONLY", f"entity type cannot be deleted: {view.name}")
        self._meet_trouble(str(row.values[0]))
        self._refuse_if_locked(str(row.values[0]))
        self.org.cascades.delete(self, view.table, row)
        values = row.values.copy()
        values[view.table.deleted_slot] = True
        self._put(view.table, row, values, self.org.now())
        self.deleted += 1

    def hard_delete(self, view: View, row: Row) -> None:
        """Delete a row past the recycle bin; only bulk jobs do, and they are never undone."""
        self.delete(view, row)
        self.org.cascades.purge(view.table, row)

    def undelete(self, view: View, row: Row) -> None:
        """Take a row back out of the recycle bin; its unique values must still be free."""
        values = row.values.copy()
        deleted_at = int(values[view.table.stamp_slot] or 0)
        now = self.org.now()
        in_bin = values[view.table.deleted_slot] and not self.org.cascades.followed_another(row)
        if not in_bin or now - deleted_at > RECYCLE_BIN_LIFE:
            raise Refusal("UNDELETE_FAILED", "Entity is not in the recycle bin")
        values[view.table.deleted_slot] = False
        for field in view.unique:
            rules.check_unique(view, field, values, row)
        self._put(view.table, row, values, now)
        self.org.cascades.undelete(self, row)

    def rollback(self) -> None:
        """Undo everything this writer did, newest first."""
        while self._undo:
            self._undo.pop()()
        self.created = self.updated = self.deleted = 0

    def _follow_up(self, view: View, row: Row) -> None:
        if view.sobject.after_save is not None:
            view.sobject.after_save(self, row)
        if self.org.settings.automations:
            automate(self, view, row)

    def _put(self, table: Table, row: Row, values: Values, now: int) -> None:
        """Stamp and store new values."""
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
        row.history = (history + changes)[-_HISTORY:]

        def undo() -> None:
            table.replace(row, old)
            row.history = history

        self._undo.append(undo)
        self._track(table, row, changes)

    def _track(self, table: Table, row: Row, changes: tuple[Change, ...]) -> None:
        """Write the entries of the field history, as rows of the object that holds it."""
        name = tracking.history_object(table.name)
        if name not in self.org.tables or not self.org.settings.tracked_fields:
            return
        for each in tracking.entries(self.org, table, changes):
            told = {
                "Field": each.field,
                "DataType": each.data_type,
                "OldValue": each.old,
                "NewValue": each.new,
            }
            self.put(name, {f"{table.name}Id": row.values[0], **told})

    def _check(self, view: View, values: Values, row: Row | None, fields: list[Field], now: int) -> None:
        """Run the platform's order: required, references, assignment, derived fields, rules, uniqueness."""
        rules.require(view, values)
        for field in fields:
            if field.reference_to:
                rules.check_reference(self.org, view, field, values)
        rules.check_record_type(self.org, view, values, fields)
        if self._auto_assign and view.sobject.auto_assign:
            rules.assign(self.org, view, values)
        if view.sobject.before_save is not None:
            old = row.values if row else None
            view.sobject.before_save(Save(self.org, view.table, values, old, now))
        for slot, refused, message in view.rules:
            if values[slot] == refused:
                raise Refusal("FIELD_CUSTOM_VALIDATION_EXCEPTION", message)
        for field in view.unique:
            rules.check_unique(view, field, values, row)
        if self.org.settings.duplicate_rules:
            refuse_duplicate(self.org, view, values, row, fields, self._duplicates)
        if row is None and self.org.dialect.lock_fraction:
            self._refuse_if_locked("")

    def _meet_trouble(self, record_id: str) -> None:
        if self._trouble is not None and self._trouble.strikes(record_id):
            raise Refusal(self._trouble.code, self._trouble.text(record_id))

    def _refuse_if_locked(self, record_id: str) -> None:
        rules.refuse_if_approving(self.org, record_id, self._user_id)
        dialect = self.org.dialect
        if self._meets_locks and (
            record_id in dialect.locked_ids
            or (dialect.lock_fraction and self.org.random.random() < dialect.lock_fraction)
        ):
            raise Refusal(
                "UNABLE_TO_LOCK_ROW",
                f"unable to obtain exclusive access to this record or 1 records: {record_id}",
            )
