"""The org: its objects as seen through the dialect, its tables, its clock and its people."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import RLock

from sync.sandbox.clock import OffsetClock
from sync.sandbox.salesforce.cascades import Cascades
from sync.sandbox.salesforce.dialect import Dialect
from sync.sandbox.salesforce.ids import to18
from sync.sandbox.salesforce.objects import load
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.record_types import RecordType
from sync.sandbox.salesforce.schema import Field, SObject
from sync.sandbox.salesforce.settings import Settings
from sync.sandbox.salesforce.store import Row, Stored, Table, Values
from sync.sandbox.salesforce.tracking import name_in_history


class View:
    """An object as somebody sees it: the fields the dialect leaves, over the table that holds all."""

    def __init__(self, sobject: SObject, table: Table, rules: tuple[tuple[int, str, str], ...]) -> None:
        self.sobject = sobject
        self.name = sobject.name
        self.table = table
        self._exact = {field.name: field for field in sobject.fields}
        self.by_name = {field.name.lower(): field for field in sobject.fields}
        self.by_relationship = {
            field.relationship.lower(): field for field in sobject.fields if field.relationship
        }
        self.required = tuple(field for field in sobject.fields if field.required)
        self.unique = tuple(field for field in sobject.fields if field.unique)
        self.rules = rules  # (slot, refused value, message)
        self.told: frozenset[Stored] | None = None  # of a history: the names of the fields that may be seen
        self._told_slot = table.slots.get("Field", 0)
        self.defaults = [_default(field) for field in table.sobject.fields]

    def field(self, name: str) -> Field | None:
        return self._exact.get(name) or self.by_name.get(name.lower())

    def slot(self, name: str) -> int:
        return self.table.slots[name]

    def shows(self, values: Values) -> bool:
        """Whether field-level security lets a row of a history be seen; other rows are."""
        return self.told is None or values[self._told_slot] in self.told


def _default(field: Field) -> Stored:
    if field.type == "boolean":
        return False
    return next((choice.value for choice in field.choices if choice.default), None)


class Org:
    """State of one simulated org. Everything that reads or writes it holds `lock`.

    `views` is what API users see, `people_views` what persons see, who have field-level security for all.
    """

    def __init__(self, clock: OffsetClock, url: str, dialect: Dialect) -> None:
        self.clock = clock
        self.url = url
        self.lock = RLock()
        self.tables = {name: Table(sobject) for name, sobject in load().items()}
        self._by_prefix = {table.sobject.prefix: table for table in self.tables.values()}
        self._numbers: Counter[str] = Counter()
        self.cascades = Cascades(self.tables)
        self.settings = Settings()
        self.approval_locks: set[str] = set()
        self.record_types: dict[str, RecordType] = {}  # by 18-character id
        self.administrator_id = ""  # known once the org is seeded
        self.dialect = dialect

    @property
    def dialect(self) -> Dialect:
        return self._dialect

    @dialect.setter
    def dialect(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.schema_changed = self.now()
        self.random = random.Random(dialect.seed)  # noqa: S311 - reproducible, not secret
        for table in self.tables.values():
            table.bin_blocks = dialect.recycle_bin_blocks_unique_values
        self.people_views = self._make_views(dialect.absent_fields)
        hidden = dialect.hidden_fields - dialect.absent_fields
        views = self._make_views(dialect.absent_fields | hidden) if hidden else self.people_views
        self.views = {name: view for name, view in views.items() if not view.sobject.people_only}

    def _make_views(self, missing: frozenset[str]) -> dict[str, View]:
        views = {}
        for name, table in self.tables.items():
            gone = frozenset(item.partition(".")[2] for item in missing if item.partition(".")[0] == name)
            sobject = table.sobject.without(gone | table.sobject.internal)
            fields = tuple(self._altered(name, field) for field in sobject.fields)
            rules = tuple(
                (table.slots[rule.field], rule.value, rule.message)
                for rule in self._dialect.validation_rules
                if rule.sobject == name
            )
            views[name.lower()] = View(replace(sobject, fields=fields), table, rules)
        for view in views.values():
            if view.sobject.history_of:
                parent = views[view.sobject.history_of.lower()]
                view.told = frozenset(name_in_history(field) for field in parent.sobject.fields)
        return views

    def _altered(self, sobject: str, field: Field) -> Field:
        name = f"{sobject}.{field.name}"
        if name in self._dialect.non_unique_fields:
            field = replace(field, unique=False)
        if name in self._dialect.required_fields:
            field = replace(field, nillable=False)
        return field

    def now(self) -> int:
        """Return the org's time in whole seconds: the resolution of every stamp."""
        return int(self.clock.now().timestamp())

    def next_number(self, sobject: str) -> int:
        """Return the next number of an auto-number series; failed saves leave gaps, as on the platform."""
        self._numbers[sobject] += 1
        return self._numbers[sobject] + 1000

    def view(self, name: str) -> View:
        """Return the object as the API shows it. Raises Refusal (NOT_FOUND)."""
        view = self.views.get(name.lower())
        if view is None:
            raise Refusal("NOT_FOUND", "The requested resource does not exist")
        return view

    def table_of(self, record_id: str) -> Table | None:
        return self._by_prefix.get(record_id[:3])

    def row(self, record_id: Stored) -> Row | None:
        """Return any row by its 18-character id, deleted or not."""
        if not isinstance(record_id, str):
            return None
        table = self.table_of(record_id)
        return table.rows.get(record_id) if table else None

    def living(self, view: View, record_id: object) -> Row:
        """Return a row of one object. Raises Refusal (MALFORMED_ID, NOT_FOUND, ENTITY_IS_DELETED)."""
        full = to18(record_id)
        if full is None or full[:3] != view.sobject.prefix:
            raise Refusal(
                "MALFORMED_ID", f"{view.sobject.label} ID: id value of incorrect type: {record_id}", "Id"
            )
        row = view.table.rows.get(full)
        if row is None or not view.shows(row.values):
            raise Refusal("NOT_FOUND", "The requested resource does not exist")
        if row.values[view.table.deleted_slot]:
            raise Refusal("ENTITY_IS_DELETED", "entity is deleted")
        return row

    def seed(self, sobject: str, fields: Mapping[str, Stored], *, by: str = "") -> Row:
        """Put a row there without any rule, as set-up does."""
        table = self.tables[sobject]
        values: Values = [_default(field) for field in table.sobject.fields]
        now = self.now()
        record_id = str(fields.get("Id") or next(table.ids))
        author = by or record_id
        stamps = {"CreatedDate": now, "LastModifiedDate": now, "SystemModstamp": now}
        people = {"CreatedById": author, "LastModifiedById": author}
        for name, value in {**stamps, **people, **fields, "Id": record_id}.items():
            values[table.slots[name]] = value
        row = Row(values)
        table.add(row)
        return row

    def find(self, sobject: str, field: str, value: Stored) -> Row | None:
        """Return the first living row whose field equals `value` exactly; a scan, for small tables."""
        table = self.tables[sobject]
        slot = table.slots[field]
        return next(
            (
                row
                for row in table.rows.values()
                if row.values[slot] == value and not row.values[table.deleted_slot]
            ),
            None,
        )

    def duplicates(self) -> dict[str, int]:
        """Rows beyond the first that share an external id, by `Object.Field`."""
        return {
            f"{name}.{field}": number
            for name, table in self.tables.items()
            for field, number in table.duplicates().items()
        }

    def queue_serves(self, queue_id: str, sobject: str) -> bool:
        table = self.tables["QueueSobject"]
        queue, kind, deleted = table.slots["QueueId"], table.slots["SobjectType"], table.deleted_slot
        rows: Sequence[Values] = [row.values for row in table.rows.values()]
        return any(row[queue] == queue_id and row[kind] == sobject and not row[deleted] for row in rows)
