"""What a ServiceNow instance says of its tables and people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sync.connectors.parallel import Workers
from sync.connectors.servicenow import query
from sync.connectors.servicenow.instance import Instance
from sync.connectors.servicenow.reading import all_rows, rows_by_key
from sync.core.records import FieldSchema, Person, Schema
from sync.errors import ConfigurationError, SchemaError

_MAX_DEPTH = 20  # of table inheritance; a loop in the data must not become one here
_DICTIONARY = (
    "sys_id", "name", "element", "column_label", "internal_type", "max_length", "mandatory", "read_only", "reference",
    "unique",
)  # fmt: skip
_CHOICES = ("sys_id", "name", "element", "value", "label", "language", "sequence")
_PEOPLE = {"user": ("sys_user", "user_name"), "group": ("sys_user_group", "name")}


def describe(instance: Instance, name: str) -> Schema:
    """Columns of a table with those it inherits; a table's own entry wins."""
    chain = inheritance(instance, name)
    tables = query.one_of("name", chain)
    rank = {table: depth for depth, table in enumerate(chain)}
    entries = list(
        all_rows(instance, "sys_dictionary", _DICTIONARY, query.every(tables, "elementISNOTEMPTY"))
    )
    if not entries:
        raise ConfigurationError(
            f"The user may not read the dictionary of {name}.",
            code="hidden_dictionary",
            advice="Let the integration user read sys_db_object, sys_dictionary and sys_choice.",
        )
    choices = _choices(instance, tables, rank)
    entries.sort(key=lambda row: rank.get(row["name"], len(rank)), reverse=True)
    return Schema(name, {row["element"]: _field(row, choices.get(row["element"], {})) for row in entries})


def inheritance(instance: Instance, name: str) -> list[str]:
    """The table and those it extends, nearest first."""
    chain: list[str] = []
    wanted = f"name={query.name(name)}"
    while wanted and len(chain) < _MAX_DEPTH:
        rows = instance.rows("sys_db_object", wanted, ("sys_id", "name", "super_class"), limit=1).rows
        if not rows:
            break
        chain.append(rows[0]["name"])
        wanted = f"sys_id={rows[0]['super_class']}" if rows[0].get("super_class") else ""
    if chain and chain[0] == name:
        return chain
    return [_existing(instance, name)]


def _existing(instance: Instance, name: str) -> str:
    """The name of a table that sys_db_object does not show; SchemaError if there is none."""
    try:
        instance.rows(name, "", ("sys_id",), limit=1)
    except SchemaError as error:
        raise SchemaError(
            f"There is no table {name}.",
            code="unknown_table",
            advice="Check its name.",
            request_id=error.request_id,
        ) from error
    return name


def _choices(instance: Instance, tables: str, rank: dict[str, int]) -> dict[str, dict[str, str]]:
    """Active values with their labels by column, in their order. Choices of the nearest table replace inherited ones."""
    rows = all_rows(instance, "sys_choice", _CHOICES, query.every(tables, "inactive=false"))
    by_column: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for row in rows:
        by_column.setdefault(row["element"], {}).setdefault(rank.get(row["name"], len(rank)), []).append(row)
    return {
        element: {
            row["value"]: row.get("label") or row["value"]
            for row in sorted(tables[min(tables)], key=_in_order)
        }
        for element, tables in by_column.items()
    }


def _in_order(row: dict[str, Any]) -> tuple[int, bool]:
    """By sequence; of a choice in several languages the English label last, which stays."""
    text = str(row.get("sequence") or "")
    return int(text) if text.lstrip("-").isdigit() else 0, row.get("language") == "en"


def _field(row: dict[str, Any], choices: dict[str, str]) -> FieldSchema:
    writable = row.get("read_only") != "true" and not (
        row["element"].startswith("sys_") and row["element"] != "sys_id"
    )
    length = str(row.get("max_length") or "")
    return FieldSchema(
        name=row["element"],
        type=str(row.get("internal_type") or "string"),
        label=row.get("column_label") or "",
        length=int(length) if length.isdigit() else 0,
        required=row.get("mandatory") == "true",
        createable=writable,
        updateable=writable and row["element"] != "sys_id",
        unique=row.get("unique") == "true" or row["element"] == "sys_id",
        restricted=bool(choices),
        choices=tuple(choices),
        labels=tuple(choices.values()),
        reference_to=(row["reference"],) if row.get("reference") else (),
    )


def people(instance: Instance, workers: Workers, kind: str, keys: Sequence[str]) -> dict[str, Person]:
    """Users by user_name, groups by name."""
    table, key_field = _PEOPLE[kind]
    names = list(dict.fromkeys(("sys_id", key_field, "active", "email", "name")))
    asked = {key.casefold(): key for key in keys}
    found: dict[str, Person] = {}
    for row in rows_by_key(instance, workers, table, key_field, keys, names):
        key = asked[row[key_field].casefold()]
        active = row.get("active", "true") == "true"
        if key not in found or active:  # of two with one name, the active one
            label = row.get("name") or key
            found[key] = Person(kind, row[key_field], row["sys_id"], active, row.get("email") or "", label)
    return found
