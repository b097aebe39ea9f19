"""Rows as JSON: plain values, display values, or both; references with their link or without.

Links name the instance's configured address, whatever host the request was sent to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sync.sandbox.servicenow.access import Access, Principal
from sync.sandbox.servicenow.schema import CREATED_BY, CREATED_ON, JOURNAL_TYPES, SYS_ID, Row, Table
from sync.sandbox.servicenow.stamps import local
from sync.sandbox.servicenow.store import Store
from sync.sandbox.servicenow.terms import Operand, resolve

Render = Callable[[Row], object]


@dataclass(frozen=True, slots=True)
class Shape:
    """How the caller wants values: `display` is false, true or all, as in sysparm_display_value."""

    fields: tuple[str, ...] = ()  # none: every column
    display: str = "false"
    plain_references: bool = False


def fields_of(store: Store, table: Table, view: str) -> tuple[str, ...]:
    """The columns that the list of a view shows, the list of a parent if the table has none; () for an unknown view."""
    lists, elements = (store.registry[name].position for name in ("sys_ui_list", "sys_ui_list_element"))
    by_table = {
        row[lists["name"]]: row[SYS_ID]
        for row in store.every("sys_ui_list")
        if view and row[lists["view"]] == view
    }
    found = next((by_table[each.name] for each in table.lineage() if each.name in by_table), "")
    rows = [row for row in store.every("sys_ui_list_element") if found and row[elements["list_id"]] == found]
    rows.sort(key=lambda row: int(row[elements["position"]] or 0))
    return tuple(row[elements["element"]] for row in rows)


class View:
    """Renders rows of one table for one caller; built once for a page."""

    def __init__(
        self, store: Store, access: Access, table: Table, principal: Principal, shape: Shape, url: str
    ) -> None:
        self._store, self._table, self._shape, self._url = store, table, shape, url
        self._zone = principal.time_zone
        self._entries: dict[tuple[str, str], str] | None = None
        names = shape.fields or tuple(column.name for column in table.columns)
        self._renders: list[tuple[str, Render]] = []
        for name in names:
            operand = resolve(store, table, principal.time_zone, name, partial(access.sees, principal))
            if operand is not None:
                self._renders.append((name, self._render(operand)))

    def render(self, row: Row) -> dict[str, object]:
        return {name: render(row) for name, render in self._renders}

    def _render(self, operand: Operand) -> Render:
        if operand.column.kind in JOURNAL_TYPES:
            return self._journal_render(operand.column.name)
        if operand.column.reference:
            return self._reference_render(operand)
        get, show = operand.get, operand.show
        return {
            "true": show,
            "all": lambda row: {"display_value": show(row), "value": get(row)},
        }.get(self._shape.display, get)

    def _reference_render(self, operand: Operand) -> Render:
        get, show, mode = operand.get, operand.show, self._shape.display
        if self._shape.plain_references:
            return {
                "true": show,
                "all": lambda row: {"display_value": show(row), "value": get(row)},
            }.get(mode, get)
        base = f"{self._url}/api/now/table/{operand.column.reference}/"

        def linked(row: Row) -> object:
            value = get(row)
            if mode == "all":
                parts = {"display_value": show(row), "value": value}
                return {**parts, "link": base + value} if value else parts
            if not value:
                return ""
            if mode == "true":
                return {"display_value": show(row), "link": base + value}
            return {"link": base + value, "value": value}

        return linked

    def _journal_render(self, element: str) -> Render:
        """Reading a journal column gives "" as a value, and its whole history as a display value."""
        if self._shape.display == "false":
            return lambda row: ""
        return partial(self._journal, element)

    def _journal(self, element: str, row: Row) -> object:
        text = self._history().get((row[SYS_ID], element), "")
        return {"display_value": text, "value": ""} if self._shape.display == "all" else text

    def _history(self) -> dict[tuple[str, str], str]:
        """The entries of every record, newest first, gathered once for the page."""
        if self._entries is None:
            at = self._store.registry["sys_journal_field"].position
            self._entries = {}
            for entry in self._store.every("sys_journal_field"):
                key = (entry[at["element_id"]], entry[at["element"]])
                head = (
                    f"{local(entry[CREATED_ON], self._zone)} - {entry[CREATED_BY]} ({entry[at['element']]})"
                )
                older = self._entries.get(key, "")
                self._entries[key] = f"{head}\n{entry[at['value']]}\n\n{older}"
        return self._entries
