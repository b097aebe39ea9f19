"""Applying connections, value maps and user tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.db import models
from django.utils import timezone

from mappings.models import UserTable, ValueMap
from mappings.models.usertable import Kind
from mappings.models.valuemap import parse_along
from sync import services
from sync.configuration import columns
from sync.configuration.documents import ConnectionDoc, PairDoc, UserTableDoc, ValueMapDoc
from sync.configuration.plan import Plan, bring
from sync.models import Connection
from sync.models.connection import ConnectionHealth


def apply_connection(doc: ConnectionDoc, environ: Mapping[str, str], plan: Plan) -> None:
    """Secrets come from the environment; a variable that is unset keeps what is stored, and says so."""
    brought = bring(Connection, doc.name, columns.connection_columns(doc))
    stored = brought.row.secrets or {}
    new: dict[str, str] = {}
    for secret, variable in sorted(doc.secrets.items()):
        value = environ.get(variable, "")
        if not value:
            state = (
                "the stored secret is kept" if stored.get(secret) else "none is stored, so calls will fail"
            )
            plan.notices.append(f"connections[{doc.name}].secrets.{secret}: {variable} is not set: {state}.")
        elif value != stored.get(secret):
            new[secret] = value
    if brought.after and not brought.created:
        # Another address or user: what was proved and cached holds no longer.
        services.forget_token(brought.row)
        Connection.objects.filter(pk=brought.row.pk).update(
            health=ConnectionHealth.UNKNOWN, health_message="", health_at=timezone.now()
        )
    brought.noted(plan, [f"{secret}: set anew" for secret in new])
    if new:
        services.set_secrets(connection=brought.row, secrets=new, by=None)


def apply_value_map(doc: ValueMapDoc, plan: Plan) -> None:
    brought = bring(ValueMap, doc.name, columns.value_map_columns(doc))
    brought.noted(plan, _replace_entries(brought.row.entries, doc.entries, _value_entry, ordered=True))


def apply_user_table(doc: UserTableDoc, plan: Plan) -> None:
    brought = bring(UserTable, doc.name, columns.user_table_columns(doc))
    # The ids of a fallback belong to its name; the next run looks a new name up.
    stale = [
        name.replace("_to_salesforce", "_salesforce_id").replace("_to_servicenow", "_servicenow_id")
        for name in brought.after
    ]
    if stale and not brought.created:
        UserTable.objects.filter(pk=brought.row.pk).update(**dict.fromkeys(stale, ""))
    brought.noted(plan, _replace_entries(brought.row.entries, doc.entries, _person_entry, ordered=False))


def _pair(entry: Any) -> dict[str, str]:
    return {name: getattr(entry, name) for name in ("servicenow", "salesforce", "direction")}


def _value_entry(entry: Any) -> dict[str, str]:
    """`along` as lines in one way of writing, so that spaces are no change."""
    along = parse_along(entry.along) if isinstance(entry.along, str) else entry.along
    return {**_pair(entry), "along": "\n".join(f"{name}={value}" for name, value in along.items())}


def _person_entry(entry: Any) -> dict[str, str]:
    return {**_pair(entry), "kind": entry.kind}


def _replace_entries(
    manager: Any, wanted: Iterable[PairDoc], columns_of: Callable[[Any], dict[str, str]], *, ordered: bool
) -> list[str]:
    """Keep equal entries (and what was resolved for them), remove the others first, then add what is new.

    Removing first matters: the database allows one answer per value, and an answer may have moved.
    """
    held: dict[tuple[str, ...], models.Model] = {
        tuple(columns_of(row).values()): row for row in manager.all()
    }
    asked = {tuple(columns_of(entry).values()): columns_of(entry) for entry in wanted}
    gone = [key for key in held if key not in asked]
    manager.filter(pk__in=[held[key].pk for key in gone]).delete()
    details = [f"entry removed: {_shown(key)}" for key in gone]
    for position, (key, values) in enumerate(asked.items()):
        place = {"position": position} if ordered else {}
        if key not in held:
            manager.create(**values, **place)
            details.append(f"entry added: {_shown(key)}")
        elif ordered and held[key].position != position:  # type: ignore[attr-defined]
            manager.filter(pk=held[key].pk).update(**place)
    return details


def _shown(key: tuple[str, ...]) -> str:
    """An entry in words; last stands its kind, or what goes along with its value."""
    servicenow, salesforce, direction, last = key
    pair = f"{servicenow!r} – {salesforce!r} ({direction})"
    if last in Kind.values:
        return f"{last} {pair}"
    return f"{pair}, along with {', '.join(last.splitlines())}" if last else pair
