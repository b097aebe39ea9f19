"""What the operators of a query work on: a table, the columns a dot-walk reaches, and one condition's parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from sync.sandbox.servicenow.schema import STRING_TYPES, Column, Row, Table
from sync.sandbox.servicenow.scripts import Caller
from sync.sandbox.servicenow.store import Store
from sync.sandbox.servicenow.values import display

Getter = Callable[[Row], str]
Test = Callable[[Row], bool]
Sees = Callable[[Table, Column], bool]  # whether the asker may read a column


@dataclass(frozen=True, slots=True)
class Operand:
    """A column, perhaps at the end of a dot-walk: how to read it from a row, and how a person sees it."""

    column: Column
    get: Getter
    show: Getter

    @property
    def text(self) -> bool:
        return self.column.kind in STRING_TYPES and not self.column.choices


def _sees_all(table: Table, column: Column) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Scope:
    """The table that a query is asked of, within its instance, and who asks: what they cannot see is unknown to them."""

    store: Store
    table: Table
    caller: Caller
    sees: Sees = _sees_all

    def resolve(self, path: str) -> Operand | None:
        return resolve(self.store, self.table, self.caller.time_zone, path, self.sees)

    def beside(self, name: str) -> Scope | None:
        """Another table, asked by the same person; None if there is no such table."""
        table = self.store.registry.get(name)
        return None if table is None else replace(self, table=table)

    def rows(self) -> Iterator[Row]:
        return self.store.every(self.table.name)


@dataclass(frozen=True, slots=True)
class Term:
    """What an operator is given."""

    operand: Operand
    value: str
    scope: Scope

    @property
    def caller(self) -> Caller:
        return self.scope.caller


Operator = Callable[[Term], Test | None]  # None: the term makes no sense and is dropped


def resolve(store: Store, table: Table, time_zone: str, path: str, sees: Sees = _sees_all) -> Operand | None:
    """A column of the table, or of what a dot-walk reaches; None when a name on the way is unknown or not seen."""
    name, _, rest = path.partition(".")
    column = table.by_name.get(name)
    if column is None or not sees(table, column):
        return None
    index = table.position[name]
    if not rest:
        return Operand(column, lambda row: row[index], partial(_show, store, table, index, time_zone))
    target = store.registry.get(column.reference)
    inner = resolve(store, target, time_zone, rest, sees) if target else None
    if target is None or inner is None:
        return None
    return Operand(
        inner.column,
        _walk(store, target, index, inner.get),
        _walk(store, target, index, inner.show),
    )


def groups_of(store: Store, user_id: str) -> tuple[str, ...]:
    """The sys_ids of the groups a user is a member of."""
    at = store.registry["sys_user_grmember"].position
    return tuple(row[at["group"]] for row in store.every("sys_user_grmember") if row[at["user"]] == user_id)


def _show(store: Store, table: Table, index: int, time_zone: str, row: Row) -> str:
    return display(store, table, table.columns[index], row[index], time_zone)


def _walk(store: Store, target: Table, index: int, inner: Getter) -> Getter:
    def get(row: Row) -> str:
        reached = store.find(target.name, row[index]) if row[index] else None
        return inner(reached) if reached is not None else ""

    return get
