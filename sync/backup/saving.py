"""The database as lines of a backup, from one snapshot, beside running workers.

First line of a table: {"table": label, "columns": [...]}, then a list per row; then {"access": ...} and, as the last line
of the file, {"end": ...}: how many rows of each table, the last ids given out, and the keys that values are sealed under.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from sync import jsons
from sync.backup.catalog import Table, tables
from sync.backup.sealed import Writer, save_as
from sync.encryption import keyring

AT_ONCE = 2000  # rows fetched
APPS = ("contenttypes", "auth", "mappings", "sync")  # whose tables are in it

Progress = Callable[[int, int], None]  # rows done, rows in all


@dataclass(slots=True)
class Summary:
    """What a backup holds. `rows`: by table."""

    file: str
    made_at: datetime
    history: bool
    rows: dict[str, int] = field(default_factory=dict)
    key: str = ""
    keys: list[str] = field(
        default_factory=list
    )  # that its values are sealed and its audit entries signed under
    bytes: int = 0

    @property
    def total(self) -> int:
        return sum(self.rows.values())


def save(path: Path, *, history: bool, replace: bool, progress: Progress) -> Summary:
    """Write the file. Raises BackupError where it cannot be, ImproperlyConfigured for a database that is not migrated."""
    with one_snapshot():
        _refuse_other_schema()
        found = Summary(str(path), timezone.now(), history, key=keyring().first)
        chosen = tables(history=history)
        total = sum(table.rows(_all(table.model)).count() for table in chosen)
        header = {
            "made_at": found.made_at.isoformat(), "history": history, "key": found.key, "migrations": leaves(),
            "total": total,
        }  # fmt: skip
        with save_as(path, header, replace=replace) as writer:
            for table in chosen:
                found.rows[table.label] = _save_table(writer, table, found, progress, total)
            writer.write(jsons.dumps({"access": _access()}))
            writer.write(jsons.dumps({"end": {"rows": found.rows, "ids": _last_ids(), "keys": found.keys}}))
    found.bytes = path.stat().st_size
    return found


@contextmanager
def one_snapshot() -> Iterator[None]:
    """All reads see the database as it was at the first one, and stand in nobody's way.

    A transaction of Django's would lock SQLite's database against all writers (it begins IMMEDIATE).
    """
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")
        return
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def leaves() -> dict[str, str]:
    """The newest migration that this release has of each app whose tables are in a backup."""
    return dict(sorted(node for node in MigrationExecutor(None).loader.graph.leaf_nodes() if node[0] in APPS))


def _refuse_other_schema() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise ImproperlyConfigured("The database is older than this release: run manage.py migrate first.")


def _save_table(writer: Writer, table: Table, found: Summary, progress: Progress, total: int) -> int:
    writer.write(jsons.dumps({"table": table.label, "columns": table.columns}))
    to_line, keys = _line_maker(table, found), _key_columns(table)
    done, count = found.total, 0
    rows = table.rows(_all(table.model)).order_by("pk").values_list(*table.columns)
    for row in rows.iterator(chunk_size=AT_ONCE):
        for place, key_of in keys:
            if row[place] and (key := key_of(row[place])) not in found.keys:
                found.keys.append(key)
        writer.write(to_line(row))
        count += 1
        if count % AT_ONCE == 0:
            progress(done + count, total)
    progress(done + count, total)
    return count


def _all(model: type[models.Model]) -> models.QuerySet[Any]:
    return models.QuerySet(model)  # not a manager that leaves some out


def _line_maker(table: Table, found: Summary) -> Callable[[tuple[Any, ...]], bytes]:
    blank = {**dict.fromkeys(() if found.history else table.of_run), **table.blank}
    fixed = [(table.columns.index(name), value) for name, value in blank.items()]
    binary = [table.columns.index(column.attname) for column in _binary(table.model)]

    def to_line(values: tuple[Any, ...]) -> bytes:
        row = list(values)
        for place in binary:
            row[place] = None if row[place] is None else base64.b64encode(bytes(row[place])).decode()
        for place, value in fixed:
            row[place] = value
        if table.mend is not None:
            named = dict(zip(table.columns, row, strict=True))
            table.mend(named, found.made_at)
            row = list(named.values())
        return jsons.dumps([each if type(each) in PLAIN else _plain(each) for each in row])

    return to_line


PLAIN = frozenset({str, int, bool, float, type(None), dict, list})


def _plain(value: Any) -> Any:
    """Stamps, keys and addresses as the text that their columns read."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _binary(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    return [column for column in model._meta.local_concrete_fields if isinstance(column, models.BinaryField)]


def _key_columns(table: Table) -> list[tuple[int, Callable[[Any], str]]]:
    """Where a row tells under which key something of it is sealed or signed."""
    sealed = [(table.columns.index(column.attname), keyring().key_id) for column in _binary(table.model)]
    signed = [(table.columns.index("key_id"), str)] if table.label == "sync.AuditEntry" else []
    return [*sealed, *signed]


def _access() -> dict[str, Any]:
    """Roles, who has them, and what either may do: by name, because the ids of permissions differ between databases."""
    permissions = Permission.objects.select_related("content_type")

    def names(chosen: Any) -> list[list[str]]:
        return [
            [each.content_type.app_label, each.content_type.model, each.codename, each.name]
            for each in permissions.filter(pk__in=chosen.values("pk")).order_by("pk")
        ]

    return {
        "groups": [[group.name, names(group.permissions.all())] for group in Group.objects.order_by("pk")],
        "members": [[user.pk, list(user.groups.values_list("name", flat=True))] for user in _with("groups")],
        "users": [[user.pk, names(user.user_permissions.all())] for user in _with("user_permissions")],
    }


def _with(relation: str) -> models.QuerySet[User]:
    return User.objects.filter(**{f"{relation}__isnull": False}).distinct().order_by("pk")


def _last_ids() -> dict[str, int]:
    """The last id given out in each of our tables: numbers of runs go on, so that the audit log names no two by one."""
    return {model._meta.label: last for model in numbered() if (last := _last_id(model))}


def numbered() -> list[type[models.Model]]:
    """Models of these apps whose keys the database counts."""
    from django.apps import apps

    return [
        model
        for model in apps.get_models(include_auto_created=False)
        if model._meta.app_label in APPS and model._meta.auto_field in model._meta.local_fields
    ]


def _last_id(model: type[models.Model]) -> int:
    table, column = model._meta.db_table, str(getattr(model._meta.pk, "column", ""))
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        else:
            cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [f'"{table}"', column])
            sequence = cursor.fetchone()[0]
            cursor.execute(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")  # noqa: S608
        row = cursor.fetchone()
    return int(row[0]) if row else 0
