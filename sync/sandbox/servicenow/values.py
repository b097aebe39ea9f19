"""What a stored value looks like to a person, and what a sent value becomes when it is stored."""

from __future__ import annotations

import re
from collections.abc import Callable

from sync.sandbox.servicenow import stamps
from sync.sandbox.servicenow.schema import DATE_TYPES, DAY_TYPES, JOURNAL_TYPES, NUMBER_TYPES, Column, Table
from sync.sandbox.servicenow.store import Store

_INTEGER = re.compile(r"[+-]?\d+")
_DECIMAL = re.compile(r"[+-]?\d+(\.\d*)?")


def display(store: Store, table: Table, column: Column, value: str, time_zone: str) -> str:
    """The display value: a choice's label, a reference's name, a date in the user's zone."""
    if not value:
        return ""
    if column.reference:
        return reference_name(store, column.reference, value)
    if column.choices:
        return store.choices(table, column.name).get(value, value)
    if column.kind == "sys_class_name":
        named = store.registry.get(value)
        return named.label if named else value
    if column.kind in DATE_TYPES:
        return stamps.local(value, time_zone)
    return value


def reference_name(store: Store, table_name: str, sys_id: str) -> str:
    """The display value of the row pointed at; "" for a row that is gone."""
    row = store.find(table_name, sys_id)
    table = store.registry.get(table_name)
    if row is None or table is None:
        return ""
    index = table.position[table.display]
    column = table.columns[index]
    return reference_name(store, column.reference, row[index]) if column.reference else row[index]


def as_text(value: object) -> str:
    """A JSON value as the platform takes it: null is empty, and true is the word."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):  # what a reference reads as may be sent back
        return as_text(value.get("value", value.get("display_value", "")))
    return str(value)


def _boolean(text: str) -> str:
    return "true" if text.lower() in ("true", "1", "yes") else "false"


def _integer(text: str) -> str:
    text = text.strip()
    return str(int(text)) if _INTEGER.fullmatch(text) else ""


def _decimal(text: str) -> str:
    text = text.strip()
    return text if _DECIMAL.fullmatch(text) else ""


def _date(text: str) -> str:
    # An ISO stamp is not understood and stored empty, unless a switch has made it one of these before.
    moment = stamps.parse(text)
    return stamps.stamp(moment) if moment else ""


def _day(text: str) -> str:
    return _date(text).partition(" ")[0]


_STORED: dict[str, Callable[[str], str]] = {
    "boolean": _boolean,
    **dict.fromkeys(NUMBER_TYPES - {"float", "decimal"}, _integer),
    **dict.fromkeys(("float", "decimal"), _decimal),
    **dict.fromkeys(DATE_TYPES, _date),
    **dict.fromkeys(DAY_TYPES, _day),
}


def stored(column: Column, text: str) -> str:
    """The text as the column holds it, cut to its length without a word."""
    if not text:
        return ""
    convert = _STORED.get(column.kind)
    if convert is not None:
        return convert(text)
    return text if column.kind in JOURNAL_TYPES else text[: column.max_length]


def from_display(store: Store, table: Table, column: Column, text: str, time_zone: str) -> str:
    """Input with sysparm_input_display_value: names for references, labels for choices, the user's own time."""
    if not text:
        return ""
    if column.reference:
        return _named(store, column.reference, text)
    if column.choices:
        by_label = {label: value for value, label in store.choices(table, column.name).items()}
        return by_label.get(text, text)
    return stamps.from_local(text, time_zone) if column.kind in DATE_TYPES else text


def _named(store: Store, table_name: str, text: str) -> str:
    table = store.registry.get(table_name)
    if table is None or store.find(table_name, text) is not None:
        return text
    row = store.first(table_name, table.display, text)
    return row[0] if row is not None else ""
