"""Writing rows: what of a request is taken, what the rules make of it, stamps, history.

Callers hold the platform's lock.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sync.sandbox.servicenow import articles, errors
from sync.sandbox.servicenow.access import SYSTEM, Access, Principal
from sync.sandbox.servicenow.effects import EFFECTS, Deed
from sync.sandbox.servicenow.rules import RULES, Change, change_needs_result
from sync.sandbox.servicenow.schema import (
    CREATED_BY,
    CREATED_ON,
    DATE_TYPES,
    DAY_TYPES,
    JOURNAL_TYPES,
    MOD_COUNT,
    STRING_TYPES,
    SYS_CLASS,
    SYS_ID,
    UPDATED_BY,
    UPDATED_ON,
    Column,
    Row,
    Table,
)
from sync.sandbox.servicenow.stamps import from_iso, stamp
from sync.sandbox.servicenow.store import Store
from sync.sandbox.servicenow.tables.task import CLOSED
from sync.sandbox.servicenow.values import as_text, from_display, reference_name, stored
from sync.sandbox.servicenow.written_rules import obey_written

_SYS_ID = re.compile(r"[0-9A-Fa-f]{32}")
_FIRST_NUMBER = 10001
_XML_UNFIT = re.compile(
    "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)  # XML 1.0 has no way to write these
Journal = list[tuple[str, str]]  # (column, entry)
# A business rule that updates the record again after an update: from table and row to the columns that it sets.
Afterwards = Callable[[Table, Row], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Input:
    """Who writes what. `form`: a person on the platform's own form, who may also clear a choice."""

    principal: Principal
    fields: Mapping[str, object]
    display_values: bool = False
    form: bool = False


class Records:
    def __init__(self, store: Store, access: Access, now: Callable[[], datetime]) -> None:
        self._store = store
        self._access = access
        self._now = now
        self._numbers: dict[str, int] = {}
        self.afterwards: list[Afterwards] = []  # a test adds to them

    def insert(self, table: Table, given: Input) -> Row:
        """Raises Refused: no right, a sys_id that is taken, a data policy."""
        if not given.principal.has(table.writers) or table.abstract:
            raise errors.acl("Insert")
        now = stamp(self._now())
        row = self._blank(table, self._chosen_id(table, given), given.principal.user_name, now)
        journal = self._take(table, row, given)
        articles.number(self._store, table, row, now)
        if table.number_prefix and not row[table.position["number"]]:
            row[table.position["number"]] = self.next_number(table)
        self._obey(Change(table, None, row, given.principal.user_id, now, _named(journal), given.form))
        self._store.data(table.name).put(row)
        self._overtake(table, row, given.principal.user_name, now)
        self._write_journal(table, row, journal, given.principal, now)
        self._echo(table, None, row, given.principal)
        return row

    def update(self, table: Table, old: Row, given: Input) -> Row:
        """Merge the fields; a change that changes nothing stamps nothing, unless the dialect does. Raises Refused."""
        if not given.principal.has(table.writers) or self._frozen(table, old, given.principal):
            raise errors.acl("Update")
        now = stamp(self._now())
        row = list(old)
        journal = self._take(table, row, given)
        articles.stamp_published(table, row, now)
        self._obey(Change(table, old, row, given.principal.user_id, now, _named(journal), given.form))
        if row == old and not journal and not self._store.dialect.update_that_changes_nothing_stamps:
            return old
        self._stamp(row, given.principal.user_name, now)
        if table.name == "kb_knowledge" and self._store.dialect.article_edit_makes_new_row:
            row[SYS_ID], row[CREATED_ON], row[MOD_COUNT] = self._store.new_id(), now, "0"
        self._audit(table, old, row, given.principal.user_name, now)
        self._store.data(table.name).put(row)
        self._overtake(table, row, given.principal.user_name, now)
        self._write_journal(table, row, journal, given.principal, now)
        for rule in self.afterwards:
            row = self._update_again(table, row, rule(table, row), given.principal.user_name, now)
        self._echo(table, old, row, given.principal)
        return row

    def _overtake(self, table: Table, row: Row, by: str, at: str) -> None:
        """What the platform changes in an article's other versions, as whoever caused it."""
        for other, values in articles.overtaken(self._store, table, row):
            self._update_again(table, other, values, by, at)

    def _echo(self, table: Table, old: Row | None, row: Row, principal: Principal) -> None:
        """Let the records that depend on this one follow it, as the platform's own doing."""
        for each in table.lineage():
            for effect in EFFECTS.get(each.name, ()):
                effect(Deed(self, self._store, table, old, row, principal.as_platform()))

    def _update_again(self, table: Table, old: Row, values: Mapping[str, str], by: str, at: str) -> Row:
        """What a business rule sets in an update of its own, as whoever caused it."""
        row = list(old)
        for name, value in values.items():
            row[table.position[name]] = value
        if row != old:
            self._stamp(row, by, at)
            self._audit(table, old, row, by, at)
            self._store.data(table.name).put(row)
        return row

    def delete(self, table: Table, row: Row, principal: Principal) -> None:
        """Raises Refused without the right; itil cannot delete incidents."""
        if not self._deletes(table, principal):
            raise errors.acl("Delete")
        obey_written(self._store, table, row, "delete", self._now())
        now = stamp(self._now())
        self._store.data(table.name).remove(row[SYS_ID])
        self._drop_files(row[SYS_ID])
        if not table.audited:
            return
        self._history(table, row, principal.user_name, now, [("DELETED", "DELETED", "DELETED")])
        shown = reference_name(self._store, table.name, row[SYS_ID]) or row[table.position[table.display]]
        self.system_row(
            "sys_audit_delete",
            {
                "tablename": table.name,
                "documentkey": row[SYS_ID],
                "display_value": shown,
                "payload": _payload(table, row),
            },
            by=principal.user_name,
            at=now,
        )

    def touch(self, table: Table, old: Row, principal: Principal) -> Row:
        """Stamp a row as a write does, and change nothing else."""
        row = list(old)
        self._stamp(row, principal.user_name, stamp(self._now()))
        self._store.data(table.name).put(row)
        return row

    def _frozen(self, table: Table, row: Row, principal: Principal) -> bool:
        closed = table.name == "incident" and row[table.position["state"]] == CLOSED
        return closed and self._store.dialect.closed_incident_is_frozen and not principal.admin

    def _deletes(self, table: Table, principal: Principal) -> bool:
        itil_may = table.name == "incident" and self._store.dialect.itil_deletes_incidents
        return principal.has(table.deleters | {"itil"} if itil_may else table.deleters)

    def _drop_files(self, sys_id: str) -> None:
        """The bytes of a deleted attachment go, and the attachments of any other deleted record."""
        self._store.contents.pop(sys_id, None)
        files = self._store.data("sys_attachment")
        at = files.table.position["table_sys_id"]
        for gone in [row[SYS_ID] for row in files.by_id.values() if row[at] == sys_id]:
            files.remove(gone)
            self._store.contents.pop(gone, None)

    def raw(self, table: Table, values: Mapping[str, str]) -> Row:
        """Store a row as a migration does: past rules, computed fields and automatic stamps.

        The row with the given sys_id is merged, if there is one; what changed is audited under the given person and time.
        """
        old = self._store.data(table.name).by_id.get(values.get("sys_id", ""))
        by = values.get("sys_updated_by", SYSTEM.user_name)
        at = values.get("sys_updated_on") or stamp(self._now())
        row = list(old) if old is not None else self._blank(table, self._store.new_id(), by, at)
        for name, value in values.items():
            row[table.position[name]] = value
        if old is not None:
            self._audit(table, old, row, by, at)
        self._store.data(table.name).put(row)
        return row

    def load(self, table: Table, rows: Iterable[Mapping[str, str]]) -> None:
        """Many new rows at once, as `raw` stores them."""
        self._store.data(table.name).load(self._ready(table, values) for values in rows)

    def _ready(self, table: Table, values: Mapping[str, str]) -> Row:
        row = self._blank(table, values.get("sys_id") or self._store.new_id(), SYSTEM.user_name, "")
        for name, value in values.items():
            row[table.position[name]] = value
        return row

    def system_row(self, table_name: str, values: Mapping[str, str], *, by: str, at: str) -> Row:
        """A row the platform itself writes."""
        stamps = {"sys_created_on": at, "sys_updated_on": at, "sys_created_by": by, "sys_updated_by": by}
        return self.raw(self._store.registry[table_name], {**stamps, **values})

    def _chosen_id(self, table: Table, given: Input) -> str:
        chosen = as_text(
            given.fields.get("sys_id", "")
        )  # kept in its case: PySNC's suite, test_insert_custom_guid
        if not _SYS_ID.fullmatch(chosen) or not self._store.dialect.client_chosen_sys_id:
            return self._store.new_id()
        if self._store.find(table.name, chosen) is not None:
            raise errors.unique_key(table.name, self._store.dialect.second_insert_under_one_sys_id)
        return chosen

    def _blank(self, table: Table, sys_id: str, by: str, at: str) -> Row:
        row = list(table.defaults)
        row[SYS_ID], row[SYS_CLASS], row[MOD_COUNT] = sys_id, table.name, "0"
        row[CREATED_ON] = row[UPDATED_ON] = at
        row[CREATED_BY] = row[UPDATED_BY] = by
        return row

    def _take(self, table: Table, row: Row, given: Input) -> Journal:
        """Put into the row what the platform accepts; drop the rest without a word."""
        journal: Journal = []
        for name, value in given.fields.items():
            column = table.by_name.get(name)
            if column is None or not self._writable(table, column, given.principal):
                continue
            text = as_text(value)
            if given.display_values:
                text = from_display(self._store, table, column, text, given.principal.time_zone)
            if column.kind in JOURNAL_TYPES:
                journal += [(name, text)] if text else []
            elif not column.choices or self._choosable(table, column, text, form=given.form):
                row[table.position[name]] = self._stored(column, text)
        return journal

    def _stored(self, column: Column, text: str) -> str:
        """Raises Refused where the dialect refuses what others cut."""
        dialect = self._store.dialect
        if column.kind in DATE_TYPES | DAY_TYPES and not dialect.iso_stamp_written_becomes_empty:
            text = from_iso(text)
        if column.kind in STRING_TYPES and not dialect.overlong_text_is_cut and len(text) > column.max_length:
            raise errors.too_long(column.label, column.max_length)
        return stored(column, text)

    def _writable(self, table: Table, column: Column, principal: Principal) -> bool:
        if column.system or column.read_only or column.computed:
            return False
        return self._access.writes_field(principal, table, column)

    def _choosable(self, table: Table, column: Column, text: str, *, form: bool) -> bool:
        if not text:
            return form
        known = text in self._store.choices(table, column.name)
        return known or self._store.setting("glide.rest.choice.allow_non_existing_value") == "true"

    def _obey(self, change: Change) -> None:
        for table in change.table.lineage():
            for rule in RULES.get(table.name, ()):
                if rule is not change_needs_result or self._store.dialect.closing_change_needs_result:
                    rule(change)
        action = "insert" if change.old is None else "update"
        obey_written(self._store, change.table, change.new, action, self._now())

    def _stamp(self, row: Row, by: str, at: str) -> None:
        row[UPDATED_ON], row[UPDATED_BY] = at, by
        row[MOD_COUNT] = str(int(row[MOD_COUNT]) + 1)

    def _audit(self, table: Table, old: Row, new: Row, by: str, at: str) -> None:
        if table.audited:
            changes = [
                (column.name, before, after)
                for column, before, after in zip(table.columns, old, new, strict=True)
                if before != after and not column.system
            ]
            self._history(table, new, by, at, changes)

    def _history(self, table: Table, row: Row, by: str, at: str, changes: list[tuple[str, str, str]]) -> None:
        for name, before, after in changes:
            self.system_row(
                "sys_audit",
                {
                    "tablename": table.name,
                    "documentkey": row[SYS_ID],
                    "fieldname": name,
                    "oldvalue": before,
                    "newvalue": after,
                    "user": by,
                    "record_checkpoint": row[MOD_COUNT],
                },
                by=by,
                at=at,
            )

    def _write_journal(self, table: Table, row: Row, journal: Journal, principal: Principal, at: str) -> None:
        for element, text in journal:
            self.system_row(
                "sys_journal_field",
                {"name": table.name, "element": element, "element_id": row[SYS_ID], "value": text},
                by=principal.user_name,
                at=at,
            )

    def next_number(self, table: Table) -> str:
        taken = self._numbers.get(table.name)
        if taken is None:
            taken = self._highest_number(table)
        self._numbers[table.name] = taken + 1
        return f"{table.number_prefix}{taken + 1:07d}"

    def _highest_number(self, table: Table) -> int:
        """The highest number in use: loaded rows brought their own."""
        at, prefix = table.position["number"], len(table.number_prefix)
        used = (row[at][prefix:] for row in self._store.every(table.name))
        return max((int(digits) for digits in used if digits.isdigit()), default=_FIRST_NUMBER - 1)


def _named(journal: Journal) -> frozenset[str]:
    return frozenset(element for element, _ in journal)


def _payload(table: Table, row: Row) -> str:
    """A deleted row as the platform keeps it: XML, an element for each column."""
    root = ET.Element(table.name)
    for column, value in zip(table.columns, row, strict=True):
        ET.SubElement(root, column.name).text = _XML_UNFIT.sub("", value)
    return ET.tostring(root, encoding="unicode")
