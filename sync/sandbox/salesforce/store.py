"""Rows of one object and the indexes that find them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

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
        self.ids = series(sobject.prefix)
        self.by_stamp: list[tuple[int, str]] = []
        self.purged: list[tuple[int, str]] = []  # when deleted and which id, of rows gone from the bin too
        self.indexes: dict[str, dict[str, tuple[Row, ...]]] = {
            field.name: {} for field in sobject.fields if _is_indexed(field)
        }
        self._indexed = [(self.slots[name], index) for name, index in self.indexes.items()]

    def add(self, row: Row) -> None:
        self.rows[str(row.values[0])] = row
        self._index(row)

    def remove(self, row: Row) -> None:
        """Forget a row as if it had never been: for undoing a create only."""
        self._unindex(row)
        del self.rows[str(row.values[0])]

    def empty_bin(self) -> int:
        """Forget the deleted rows, but not that they were deleted; the number of them."""
        deleted = [row for row in self.rows.values() if row.values[self.deleted_slot]]
        for row in deleted:
            self.purged.append((int(row.values[self.stamp_slot] or 0), str(row.values[0])))
            del self.rows[str(row.values[0])]
        return len(deleted)

    def replace(self, row: Row, values: Values) -> None:
        """Give a row new values and move it in every index."""
        self._unindex(row)
        row.values = values
        self._index(row)

    def find(self, field: str, value: str) -> tuple[Row, ...]:
        """Return the living rows whose indexed field equals `value`, upper and lower case alike."""
        return self.indexes[field].get(value.lower(), ())

    def scan(self, low: int) -> Iterator[Row]:
        """Yield rows in the order of (SystemModstamp, Id), from `low` on."""
        rows, slot = self.rows, self.stamp_slot
        for position in range(bisect_left(self.by_stamp, (low, "")), len(self.by_stamp)):
            stamp, row_id = self.by_stamp[position]
            row = rows.get(row_id)
            if row is not None and row.values[slot] == stamp:
                yield row

    def duplicates(self) -> int:
        """Count the rows beyond the first that share an external id."""
        fields = (field.name for field in self.sobject.fields if field.external_id)
        return sum(len(rows) - 1 for name in fields for rows in self.indexes[name].values())

    def _index(self, row: Row) -> None:
        values = row.values
        if not values[self.deleted_slot]:
            for slot, index in self._indexed:
                value = values[slot]
                if value is not None:
                    key = _key(value)
                    index[key] = (*index.get(key, ()), row)
        self._stamp(int(values[self.stamp_slot] or 0), str(values[0]))

    def _unindex(self, row: Row) -> None:
        values = row.values
        if values[self.deleted_slot]:
            return
        for slot, index in self._indexed:
            value = values[slot]
            if value is None:
                continue
            key = _key(value)
            others = tuple(other for other in index[key] if other is not row)
            if others:
                index[key] = others
            else:
                del index[key]

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


def _key(value: Stored) -> str:
    """Return a value's key in an index: itself where it has no upper case, to keep one string and not two."""
    text = str(value)
    lowered = text.lower()
    return text if lowered == text else lowered


def _is_indexed(field: Field) -> bool:
    return field.name != "Id" and (field.unique or field.external_id or field.id_lookup)
