"""The rows of the instance, by primary key and in the order of their last change.

The second index makes a keyset page cost the page and not the table. Callers hold the platform's lock.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from copy import copy

from sync.sandbox.commits import Commits
from sync.sandbox.servicenow.dialect import Dialect
from sync.sandbox.servicenow.schema import SYS_CLASS, SYS_ID, UPDATED_ON, Registry, Row, Table

Stamp = tuple[str, str]  # (sys_updated_on, sys_id)


class TableData:
    """The rows of one class."""

    __slots__ = ("_remembered", "by_id", "changed", "commits", "keeps_past", "past", "table", "version")

    def __init__(self, table: Table) -> None:
        self.table = table
        self.by_id: dict[str, Row] = {}
        self.changed: list[Stamp] = []
        self.version = 0  # grows with every write, so that caches know when they are stale
        self._remembered: tuple[int, str, Sequence[int]] = (-1, "", ())
        self.commits: Commits | None = None  # is told of every new version of a row
        self.keeps_past = False
        self.past: dict[str, list[Row]] = {}  # what rows were before, oldest first, while that is kept

    @property
    def name(self) -> str:
        return self.table.name

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
        if self.commits is not None:
            self.commits.written(self, row[SYS_ID], old)
        stamp = (row[UPDATED_ON], row[SYS_ID])
        if old is None:
            self._place(stamp)
        elif old[UPDATED_ON] != row[UPDATED_ON]:
            self._drop((old[UPDATED_ON], old[SYS_ID]))
            self._place(stamp)
        if self.keeps_past and old is not None:
            self.past.setdefault(row[SYS_ID], []).append(old)
        self.by_id[row[SYS_ID]] = row
        self.version += 1

    def as_of(self, moment: str) -> TableData:
        """The rows as they were at a stamp; of those deleted since, none."""
        before = TableData(self.table)
        then = ([*self.past.get(sys_id, ()), row] for sys_id, row in self.by_id.items())
        newest = (next((row for row in reversed(rows) if row[UPDATED_ON] <= moment), None) for rows in then)
        before.load(row for row in newest if row is not None)
        return before

    def remove(self, sys_id: str) -> None:
        row = self.by_id.pop(sys_id)
        if self.commits is not None:
            self.commits.written(self, sys_id, row)
        self._drop((row[UPDATED_ON], sys_id))
        self.version += 1

    def version_of(self, key: str) -> Row | None:
        return self.by_id.get(key)

    def show(self, key: str, version: Row | None) -> None:
        """Put a row back to a version it had, or has; None takes it out of sight."""
        present = self.by_id.get(key)
        if present is not None:
            self._drop((present[UPDATED_ON], key))
        if version is not None:
            self._place((version[UPDATED_ON], key))
            self.by_id[key] = version
        elif present is not None:
            del self.by_id[key]
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
        self.dialect = Dialect()
        self._random = random.Random(f"servicenow-{seed}")  # noqa: S311 - reproducible ids, not secrets
        self._data = {table.name: TableData(table) for table in registry}
        self._families = self._gathered()
        self.contents: dict[str, bytes] = {}  # of attachments, by the sys_id of their row
        self._choices: dict[tuple[str, str], dict[str, str]] = {}
        self._choices_version = -1

    def _gathered(self) -> dict[str, list[TableData]]:
        return {
            table.name: [self._data[each.name] for each in self.registry.family(table) if not each.abstract]
            for table in self.registry
        }

    def drop(self, names: Collection[str]) -> None:
        """Be an instance without these tables: their rows become rows of what they extended, or go with them."""
        before, self.registry = self.registry, self.registry.without(names)
        for gone in [table for table in before if self.registry.get(table.name) is None]:
            rows = self._data.pop(gone.name).by_id.values()
            kept = next((each for each in gone.lineage() if self.registry.get(each.name) is not None), None)
            if kept is not None and not kept.abstract:
                self._data[kept.name].load(_as_rows_of(kept, rows))
            for name, column in (
                ("sys_db_object", "name"),
                ("sys_dictionary", "name"),
                ("sys_choice", "name"),
            ):
                data, at = self._data[name], self.registry[name].position[column]
                for sys_id in [row[SYS_ID] for row in data.by_id.values() if row[at] == gone.name]:
                    data.remove(sys_id)
        self._families = self._gathered()

    def turn(self, dialect: Dialect) -> None:
        """Answer under another dialect from now on; what was remembered under the old one is forgotten."""
        self.dialect = dialect
        for data in self._data.values():
            data.version += 1
            data.keeps_past = dialect.reads_own_writes_late > 0

    def as_of(self, name: str, moment: str) -> Store:
        """A view in which a table is as it was at a stamp: what a replica shows that lags behind."""
        view = copy(self)
        view._families = {**self._families, name: [data.as_of(moment) for data in self._families[name]]}
        return view

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

    def watched_by(self, commits: Commits) -> None:
        for data in self._data.values():
            data.commits = commits

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


def _as_rows_of(table: Table, rows: Iterable[Row]) -> Iterator[Row]:
    """Rows of a class that extended the table, without what that added."""
    for row in rows:
        kept = row[: len(table.columns)]
        kept[SYS_CLASS] = table.name
        yield kept


def _choice_lists(data: TableData) -> dict[tuple[str, str], dict[str, str]]:
    at = data.table.position
    lists: dict[tuple[str, str], dict[str, str]] = {}
    for row in data.by_id.values():
        if row[at["inactive"]] != "true":
            found = lists.setdefault((row[at["name"]], row[at["element"]]), {})
            found[row[at["value"]]] = row[at["label"]]
    return lists
