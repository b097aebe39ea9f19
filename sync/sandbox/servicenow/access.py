"""Who calls, and what they may see and do.

Rows a caller may not read vanish without a word, after the limit was applied; fields likewise.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sync.sandbox.servicenow.schema import SYS_ID, Column, Row, Table
from sync.sandbox.servicenow.store import Store


@dataclass(frozen=True, slots=True)
class Principal:
    user_id: str
    user_name: str
    time_zone: str = "UTC"
    roles: frozenset[str] = frozenset()

    @property
    def admin(self) -> bool:
        return "admin" in self.roles

    def has(self, roles: frozenset[str]) -> bool:
        return self.admin or not self.roles.isdisjoint(roles)

    def as_platform(self) -> Principal:
        """The same person, for what the platform itself writes in consequence of a deed."""
        return replace(self, roles=self.roles | {"admin"})


SYSTEM = Principal("", "system", roles=frozenset({"admin"}))


@dataclass(slots=True)
class Access:
    """Access rules beyond the roles of a table; a test adds to the sets, or orders them. Admin is above them.

    `by_user`: further rules for one user alone, by user name.
    """

    hidden_rows: set[str] = field(default_factory=set)  # sys_ids
    closed_tables: set[str] = field(
        default_factory=set
    )  # whose rows only admin reads, whatever roles they name
    hidden_fields: set[tuple[str, str]] = field(default_factory=set)  # (table, column)
    frozen_fields: set[tuple[str, str]] = field(default_factory=set)  # readable, a write is ignored
    by_user: dict[str, Access] = field(default_factory=dict)

    def reads(self, principal: Principal, table: Table, row: Row) -> bool:
        if principal.admin or row[SYS_ID] == principal.user_id:
            return True  # everybody reads their own user record
        own = self.by_user.get(principal.user_name)
        allowed = self._shows(table, row) and (own is None or own._shows(table, row))
        return allowed and principal.has(table.readers)

    def sees(self, principal: Principal, table: Table, column: Column) -> bool:
        key = (table.name, column.name)
        return principal.admin or all(key not in each.hidden_fields for each in self._of(principal))

    def writes_field(self, principal: Principal, table: Table, column: Column) -> bool:
        key = (table.name, column.name)
        frozen = any(key in each.frozen_fields for each in self._of(principal))
        return principal.admin or (self.sees(principal, table, column) and not frozen)

    def _shows(self, table: Table, row: Row) -> bool:
        return table.name not in self.closed_tables and row[SYS_ID] not in self.hidden_rows

    def _of(self, principal: Principal) -> tuple[Access, ...]:
        own = self.by_user.get(principal.user_name)
        return (self,) if own is None else (self, own)


def principal_of(store: Store, user: Row) -> Principal:
    """The caller as the user's row and roles say at this moment."""
    at = store.registry["sys_user"].position
    return Principal(
        user_id=user[SYS_ID],
        user_name=user[at["user_name"]],
        time_zone=user[at["time_zone"]] or "UTC",
        roles=_roles(store, user[SYS_ID]),
    )


def _roles(store: Store, user_id: str) -> frozenset[str]:
    at = store.registry["sys_user_has_role"].position
    name = store.registry["sys_user_role"].position["name"]
    held = (row[at["role"]] for row in store.every("sys_user_has_role") if row[at["user"]] == user_id)
    return frozenset(role[name] for each in held if (role := store.find("sys_user_role", each)) is not None)
