"""Rows of one object and the indexes that find them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from sync.sandbox.commits import Commits
from sync.sandbox.salesforce.ids import series
from sync.sandbox.salesforce.schema import Field, SObject

# How a value rests: a date-time as seconds since 1970 UTC, a date as YYYY-MM-DD, an id in its long form.
Stored: TypeAlias = str | int | float | bool | None
Values: TypeAlias = list[Stored]


@dataclass(frozen=True, slots=True)
class Change:
    """One field's edit, as the platform's field history keeps it. `at` is in seconds since 1970 UTC."""

    field: str
    old: Stored
    new: Stored
    by: str
    at: int


class Row:
    """One record. `values` is replaced, never changed, so that an undo needs only the old list."""

    __slots__ = ("history", "values")

    def __init__(self, values: Values) -> None:
        self.values = values
        self.history: tuple[Change, ...] = ()


# A row as it was: itself, its values, its history.
Version: TypeAlias = tuple[Row, Values, tuple[Change, ...]]


class Table:
    """All rows of an object, deleted ones included, in slots that follow the object's fields.

    `by_stamp` is sorted by (SystemModstamp, Id) and may hold stale entries: removing from the middle of
    a long list costs more than skipping. `scan` skips them, `_compact` sweeps when they outnumber the rows.
    """

    def __init__(self, sobject: SObject) -> None:
        self.sobject = sobject
        self.slots = {field.name: slot for slot, field in enumerate(sobject.fields)}
        self.stamp_slot = self.slots["SystemModstamp"]
        self.deleted_slot = self.slots["IsDeleted"]
        self.rows: dict[str, Row] = {}
        self.in_id_order = True  # rows come in the order of their ids, as long as nobody chose an id
        self.bin_blocks = False  # whether deleted rows keep their unique values from others
        self._last_id = ""
        self.ids = series(sobject.prefix)
        self.by_stamp: list[tuple[int, str]] = []
        self.purged: list[tuple[int, str]] = []  # when deleted and which id, of rows gone from the bin too
        self.indexes: dict[str, dict[str, tuple[Row, ...]]] = {
            field.name: {} for field in sobject.fields if _is_indexed(field)
        }
        self.commits: Commits | None = None  # is told of every new version of a row
        self._indexed = [(self.slots[name], index) for name, index in self.indexes.items()]
        self.references: dict[str, dict[str, dict[str, Row]]] = {
            field.name: {} for field in sobject.fields if field.on_delete
        }
        self._referring = [(self.slots[name], index) for name, index in self.references.items()]

    @property
    def name(self) -> str:
        return self.sobject.name

    def add(self, row: Row) -> None:
        if self.commits is not None:
            self.commits.written(self, str(row.values[0]), None)
        row_id = str(row.values[0])
        self.in_id_order = self.in_id_order and row_id > self._last_id
        self._last_id = row_id
        self.rows[row_id] = row
        self._index(row)

    def remove(self, row: Row) -> None:
        """Forget a row as if it had never been: for undoing a create only."""
        self._unindex(row)
        del self.rows[str(row.values[0])]

    def in_bin(self) -> list[Row]:
        return [row for row in self.rows.values() if row.values[self.deleted_slot]]

    def purge(self, row: Row) -> None:
        """Forget one deleted row, but not that it was deleted."""
        if self.rows.pop(str(row.values[0]), None) is not None:
            self.purged.append((int(row.values[self.stamp_slot] or 0), str(row.values[0])))

    def replace(self, row: Row, values: Values) -> None:
        """Give a row new values and move it in every index."""
        if self.commits is not None:
            self.commits.written(self, str(row.values[0]), (row, row.values, row.history))
        old, deleted = row.values, self.deleted_slot
        row_id = str(values[0])
        if old[deleted] or values[deleted]:
            self._unindex(row)
            row.values = values
            self._index(row)
            return
        row.values = values
        for slot, index in self._indexed:
            if old[slot] != values[slot]:
                _drop(index, old[slot], row)
                _file(index, values[slot], row)
        for slot, referring in self._referring:
            if old[slot] != values[slot]:
                _unlink(referring, old[slot], row_id)
                _link(referring, values[slot], row_id, row)
        self._stamp(int(values[self.stamp_slot] or 0), row_id)

    def version_of(self, key: str) -> Version | None:
        row = self.rows.get(key)
        return None if row is None else (row, row.values, row.history)

    def show(self, key: str, version: Version | None) -> None:
        """Put a row back to a version it had, or has; None takes it out of sight."""
        present = self.rows.get(key)
        if version is None:
            if present is not None:
                self.remove(present)
            return
        row, values, history = version
        if present is not None:
            self.replace(present, values)
        else:
            row.values = values
            self.add(row)
        row.history = history

    def find(self, field: str, value: str) -> tuple[Row, ...]:
        """Return the living rows whose indexed field equals `value`, upper and lower case alike."""
        return self.indexes[field].get(value.lower(), ())

    def holders(self, field: str, value: str) -> Iterator[Row]:
        """Yield the rows that keep others from a unique value: the living ones, and those in the bin if they do."""
        yield from self.find(field, value)
        if self.bin_blocks:
            slot, key = self.slots[field], value.lower()
            deleted = (row for row in self.rows.values() if row.values[self.deleted_slot])
            yield from (row for row in deleted if str(row.values[slot] or "").lower() == key)

    def referring(self, field: str, row_id: str) -> Iterable[Row]:
        """Return the living rows whose reference `field`, one with an `on_delete`, leads to a row."""
        return self.references[field].get(row_id, {}).values()

    def scan(self, low: int) -> Iterator[Row]:
        """Yield rows in the order of (SystemModstamp, Id), from `low` on."""
        rows, slot = self.rows, self.stamp_slot
        for position in range(bisect_left(self.by_stamp, (low, "")), len(self.by_stamp)):
            stamp, row_id = self.by_stamp[position]
            row = rows.get(row_id)
            if row is not None and row.values[slot] == stamp:
                yield row

    def duplicates(self) -> dict[str, int]:
        """Count the rows beyond the first that share an external id, by field."""
        fields = (field.name for field in self.sobject.fields if field.external_id)
        return {name: sum(len(rows) - 1 for rows in self.indexes[name].values()) for name in fields}

    def _index(self, row: Row) -> None:
        values, row_id = row.values, str(row.values[0])
        if not values[self.deleted_slot]:
            for slot, index in self._indexed:
                _file(index, values[slot], row)
            for slot, referring in self._referring:
                _link(referring, values[slot], row_id, row)
        self._stamp(int(values[self.stamp_slot] or 0), row_id)

    def _unindex(self, row: Row) -> None:
        values, row_id = row.values, str(row.values[0])
        if values[self.deleted_slot]:
            return
        for slot, index in self._indexed:
            _drop(index, values[slot], row)
        for slot, referring in self._referring:
            _unlink(referring, values[slot], row_id)

    def _stamp(self, stamp: int, row_id: str) -> None:
        entry, entries = (stamp, row_id), self.by_stamp
        if not entries or entries[-1] < entry:
            entries.append(entry)
        else:
            position = bisect_left(entries, entry)
            if position == len(entries) or entries[position] != entry:
                insort(entries, entry)
        if len(entries) > 2 * len(self.rows) + 1000:
            self._compact()

    def _compact(self) -> None:
        slot = self.stamp_slot
        self.by_stamp = sorted((int(row.values[slot] or 0), row_id) for row_id, row in self.rows.items())


def _file(index: dict[str, tuple[Row, ...]], value: Stored, row: Row) -> None:
    if value is not None:
        key = _key(value)
        index[key] = (*index.get(key, ()), row)


def _drop(index: dict[str, tuple[Row, ...]], value: Stored, row: Row) -> None:
    if value is None:
        return
    key = _key(value)
    others = tuple(other for other in index[key] if other is not row)
    if others:
        index[key] = others
    else:
        del index[key]


def _link(referring: dict[str, dict[str, Row]], value: Stored, row_id: str, row: Row) -> None:
    if value is not None:
        referring.setdefault(str(value), {})[row_id] = row


def _unlink(referring: dict[str, dict[str, Row]], value: Stored, row_id: str) -> None:
    if value is None:
        return
    rows = referring[str(value)]
    del rows[row_id]
    if not rows:
        del referring[str(value)]


def _key(value: Stored) -> str:
    """Return a value's key in an index: itself where it has no upper case, to keep one string and not two."""
    text = str(value)
    lowered = text.lower()
    return text if lowered == text else lowered


def _is_indexed(field: Field) -> bool:
    return field.name != "Id" and (field.unique or field.external_id or field.id_lookup)
