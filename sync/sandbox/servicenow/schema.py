"""Tables and columns as the platform's dictionary knows them, and the registry new tables join.

A child table's columns are its parent's followed by its own, so a row of a child reads as a row of the parent.
A row is a list of strings in the order of its table's columns: everything is a string here, and null is "".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

Row = list[str]

STRING_TYPES = frozenset({"string", "translated_text", "email", "html", "url", "phone_number_e164"})
DATE_TYPES = frozenset({"glide_date_time", "due_date"})
DAY_TYPES = frozenset({"glide_date"})  # without a time, and so in no zone
NUMBER_TYPES = frozenset({"integer", "float", "decimal", "longint"})
JOURNAL_TYPES = frozenset({"journal", "journal_input"})


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Column:
    """One `sys_dictionary` entry. `max_length` counts characters; `reference` names the table pointed at."""

    name: str
    label: str
    kind: str = "string"  # internal_type
    max_length: int = 40
    reference: str = ""
    mandatory: bool = False
    read_only: bool = False
    default: str = ""
    choices: tuple[Choice, ...] = ()
    computed: bool = False  # writable in the dictionary, but rules decide what is stored

    @property
    def system(self) -> bool:
        return self.name.startswith("sys_")


@dataclass(frozen=True)
class Table:
    """One `sys_db_object` entry; `own` are the columns it adds to its parent's.

    `readers`, `writers`, `deleters`: any one of the roles is enough; admin always is, none means admin alone.
    """

    name: str
    label: str
    own: tuple[Column, ...]
    parent: Table | None = None
    display: str = "name"
    number_prefix: str = ""
    audited: bool = False
    abstract: bool = False  # holds no rows of its own: a view over its children
    readers: frozenset[str] = frozenset()
    writers: frozenset[str] = frozenset()
    deleters: frozenset[str] = frozenset()
    overrides: dict[str, str] = field(default_factory=dict)  # defaults that differ from the parent's
    choice_sets: dict[str, tuple[Choice, ...]] = field(default_factory=dict)  # likewise, of inherited columns

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        return (self.parent.columns if self.parent else SYSTEM_COLUMNS) + self.own

    @cached_property
    def defaults(self) -> tuple[str, ...]:
        """What a new row holds, column by column."""
        return tuple(self.default(column) for column in self.columns)

    @cached_property
    def position(self) -> dict[str, int]:
        """Where a column's value stands in a row."""
        return {column.name: index for index, column in enumerate(self.columns)}

    @cached_property
    def by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    def lineage(self) -> Iterator[Table]:
        """This table, its parent, and so on."""
        table: Table | None = self
        while table is not None:
            yield table
            table = table.parent

    def default(self, column: Column) -> str:
        return self.overrides.get(column.name, column.default)


SYSTEM_COLUMNS: tuple[Column, ...] = (
    Column("sys_id", "Sys ID", "GUID", 32, read_only=True),
    Column("sys_class_name", "Class", "sys_class_name", 80, read_only=True),
    Column("sys_created_on", "Created", "glide_date_time", read_only=True),
    Column("sys_created_by", "Created by", read_only=True),
    Column("sys_updated_on", "Updated", "glide_date_time", read_only=True),
    Column("sys_updated_by", "Updated by", read_only=True),
    Column("sys_mod_count", "Updates", "integer", read_only=True),
    Column("sys_domain", "Domain", "domain_id", 32, read_only=True, default="global"),
    Column("sys_tags", "Tags", "related_tags", 40, read_only=True),
)

# Positions of the system columns, equal in every table.
SYS_ID, SYS_CLASS, CREATED_ON, CREATED_BY, UPDATED_ON, UPDATED_BY, MOD_COUNT = range(7)


class Registry:
    """The tables of the instance; each module of `tables/` adds its own."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}
        self._families: dict[str, list[Table]] = {}

    def add(self, table: Table) -> Table:
        if table.name in self._tables:
            raise ValueError(f"table {table.name} is registered already")
        self._tables[table.name] = table
        for ancestor in table.lineage():
            self._families.setdefault(ancestor.name, []).append(table)
        return table

    def get(self, name: str) -> Table | None:
        return self._tables.get(name)

    def __getitem__(self, name: str) -> Table:
        return self._tables[name]

    def __iter__(self) -> Iterator[Table]:
        return iter(self._tables.values())

    def family(self, table: Table) -> list[Table]:
        """The table and all that extend it, directly or not."""
        return list(self._families.get(table.name, ()))

    def without(self, names: Collection[str]) -> Registry:
        """The tables of an instance that lacks some, and with them those that extend them."""
        found = Registry()
        for table in self:
            if not {each.name for each in table.lineage()} & set(names):
                found.add(table)
        return found


REGISTRY = Registry()


def to(table: str, name: str, label: str) -> Column:
    """A reference to a table."""
    return Column(name, label, "reference", 32, reference=table)


def choices(*pairs: tuple[str, str]) -> tuple[Choice, ...]:
    return tuple(Choice(value, label) for value, label in pairs)


def labels(names: Iterable[str]) -> tuple[Choice, ...]:
    """Choices whose label is their value."""
    return tuple(Choice(name, name) for name in names)
