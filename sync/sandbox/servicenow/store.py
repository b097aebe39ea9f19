"""The rows of the instance, by primary key and in the order of their last change.

The second index makes a keyset page cost the page and not the table. Callers hold the platform's lock.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence

from sync.sandbox.servicenow.schema import SYS_ID, UPDATED_ON, Registry, Row, Table

Stamp = tuple[str, str]  # (sys_updated_on, sys_id)


class TableData:
    """The rows of one class."""

    __slots__ = ("_remembered", "by_id", "changed", "table", "version")

    def __init__(self, table: Table) -> None:
        self.table = table
        self.by_id: dict[str, Row] = {}
        self.changed: list[Stamp] = []
        self.version = 0  # grows with every write, so that caches know when they are stale
        self._remembered: tuple[int, str, Sequence[int]] = (-1, "", ())

    def load(self, rows: Iterable[Row]) -> None:
        """Add many new rows at once; sorting once costs less than placing each."""
        for row in rows:
            self.by_id[row[SYS_ID]] = row
            self.changed.append((row[UPDATED_ON], row[SYS_ID]))
        self.changed.sort()
        self.version += 1

    def put(self, row: Row) -> None:
        """Insert a row or replace the one with its sys_id."""
        old = self.by_id.get(row[SYS_ID])
        stamp = (row[UPDATED_ON], row[SYS_ID])
        if old is None:
            self._place(stamp)
        elif old[UPDATED_ON] != row[UPDATED_ON]:
            self._drop((old[UPDATED_ON], old[SYS_ID]))
            self._place(stamp)
        self.by_id[row[SYS_ID]] = row
        self.version += 1

    def remove(self, sys_id: str) -> None:
        row = self.by_id.pop(sys_id)
        self._drop((row[UPDATED_ON], sys_id))
        self.version += 1

    def remembered(self, key: str, reckon: Callable[[], Sequence[int]]) -> Sequence[int]:
        """The last answer for `key`, reckoned again after any write."""
        version, known, answer = self._remembered
        if (version, known) != (self.version, key):
            answer = reckon()
            self._remembered = (self.version, key, answer)
        return answer

    def _place(self, stamp: Stamp) -> None:
        if not self.changed or stamp > self.changed[-1]:
            self.changed.append(stamp)
        else:
            insort(self.changed, stamp)

    def _drop(self, stamp: Stamp) -> None:
        del self.changed[bisect_left(self.changed, stamp)]

    def between(self, low: Stamp, high: str) -> tuple[int, int]:
        """Positions in `changed` from `low` up to and including every stamp at `high` ("" means no end)."""
        start = bisect_left(self.changed, low)
        end = bisect_right(self.changed, (high, "~")) if high else len(self.changed)
        return start, max(start, end)


class Store:
    """All tables of the instance."""

    def __init__(self, registry: Registry, seed: int) -> None:
        self.registry = registry
        self._random = random.Random(f"servicenow-{seed}")  # noqa: S311 - reproducible ids, not secrets
        self._data = {table.name: TableData(table) for table in registry}
        self._families = {
            table.name: [self._data[member.name] for member in registry.family(table) if not member.abstract]
            for table in registry
        }

        self.contents: dict[str, bytes] = {}  # of attachments, by the sys_id of their row
        self._choices: dict[tuple[str, str], dict[str, str]] = {}
        self._choices_version = -1

    def choices(self, table: Table, element: str) -> dict[str, str]:
        """Value to label of the active choices, those of the nearest class that has any for the column."""
        data = self._data["sys_choice"]
        if self._choices_version != data.version:
            self._choices = _choice_lists(data)
            self._choices_version = data.version
        keys = ((each.name, element) for each in table.lineage())
        return next((self._choices[key] for key in keys if key in self._choices), {})

    def setting(self, name: str) -> str:
        """The value of a system property; "" when it is not set."""
        row = self.first("sys_properties", "name", name)
        return row[self.registry["sys_properties"].position["value"]] if row is not None else ""

    def new_id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"

    def data(self, name: str) -> TableData:
        return self._data[name]

    def family(self, name: str) -> list[TableData]:
        """The data of the table and of all that extend it."""
        return self._families[name]

    def find(self, name: str, sys_id: str) -> Row | None:
        """A row by id, also through the table its class extends."""
        for data in self._families.get(name, ()):
            row = data.by_id.get(sys_id)
            if row is not None:
                return row
        return None

    def every(self, name: str) -> Iterator[Row]:
        for data in self._families[name]:
            yield from data.by_id.values()

    def first(self, name: str, column: str, value: str) -> Row | None:
        """The first row whose column has this value: for small tables."""
        index = self.registry[name].position[column]
        return next((row for row in self.every(name) if row[index] == value), None)


def _choice_lists(data: TableData) -> dict[tuple[str, str], dict[str, str]]:
    at = data.table.position
    lists: dict[tuple[str, str], dict[str, str]] = {}
    for row in data.by_id.values():
        if row[at["inactive"]] != "true":
            found = lists.setdefault((row[at["name"]], row[at["element"]]), {})
            found[row[at["value"]]] = row[at["label"]]
    return lists
