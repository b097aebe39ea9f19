"""Access rules as orders: what a user may not see or write, by the names of tables and columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sync.sandbox.platform import ControlError
from sync.sandbox.servicenow.access import Access
from sync.sandbox.servicenow.schema import Registry
from sync.sandbox.setting_up import changed


@dataclass(frozen=True, slots=True)
class Hiding:
    """Rows by sys_id, columns as `table.column`; `user`: a user name, "" for everybody but administrators."""

    user: str = ""
    hidden_rows: frozenset[str] = frozenset()
    closed_tables: frozenset[str] = frozenset()
    hidden_fields: frozenset[str] = frozenset()
    frozen_fields: frozenset[str] = frozenset()


def hide(access: Access, registry: Registry, order: object) -> None:
    """Put the sets that an order names in the place of those there are; an empty one takes the rules back.

    Raises ControlError for what is unknown or of another kind; nothing has changed then.
    """
    if not isinstance(order, Mapping):
        raise ControlError("access is a mapping.")
    if unknown := [name for name in order if name not in {each.name for each in fields(Hiding)}]:
        raise ControlError(f"access: unknown keys: {', '.join(map(str, unknown))}")
    wanted = changed(Hiding(), order)
    if missing := [name for name in wanted.closed_tables if registry.get(name) is None]:
        raise ControlError(f"There is no table {', '.join(sorted(missing))}.")
    columns = {
        name: {_column(registry, each) for each in getattr(wanted, name)}
        for name in ("hidden_fields", "frozen_fields")
    }
    rules = access.by_user.setdefault(wanted.user, Access()) if wanted.user else access
    for name in order:
        if name != "user":
            setattr(rules, name, columns.get(name) or set(getattr(wanted, name)))


def hidden(access: Access) -> list[dict[str, Any]]:
    """The rules there are, as orders that would make them."""
    return [order for user, rules in _all(access) if len(order := _shown(user, rules)) > 1]


def _all(access: Access) -> Iterator[tuple[str, Access]]:
    yield "", access
    yield from access.by_user.items()


def _shown(user: str, rules: Access) -> dict[str, Any]:
    sets = {
        "hidden_rows": sorted(rules.hidden_rows),
        "closed_tables": sorted(rules.closed_tables),
        "hidden_fields": sorted(".".join(each) for each in rules.hidden_fields),
        "frozen_fields": sorted(".".join(each) for each in rules.frozen_fields),
    }
    return {"user": user, **{name: each for name, each in sets.items() if each}}


def _column(registry: Registry, text: str) -> tuple[str, str]:
    name, _, column = text.partition(".")
    table = registry.get(name)
    if table is None or column not in table.by_name:
        raise ControlError(f"There is no column {text}; columns are named table.column.")
    return name, column
