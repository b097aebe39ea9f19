"""A backup into an empty database: all that is in the file is checked first, then written in one transaction.

Of an older release's file the database is first brought to that release's migrations, and migrated forward once the rows
stand, so that the migrations treat them as they would have treated the rows of an installation that was updated.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from django.core.management import call_command
from django.db import DataError, IntegrityError, connection, models, transaction
from django.db.migrations.executor import MigrationExecutor

from sync.backup.catalog import TABLES
from sync.backup.saving import APPS, Progress, numbered
from sync.backup.sealed import BackupError, Reader
from sync.engine import bulk, tokens
from sync.models import Connection, Flow

AT_ONCE = 1000  # rows inserted
UNFINISHED = (
    "This console is being restored. If that ended before its time, restore once more, into a new database."
)
REPLACED = frozenset(table.label for table in TABLES if table.replaces)
T = TypeVar("T")
Decode = Callable[[Any], Any]


@dataclass(slots=True)
class Contents:
    """What a file holds, once all of it was found to be as it was written."""

    file: str
    made_at: datetime
    history: bool
    migrations: dict[str, str]
    rows: dict[str, int] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.rows.values())


def check(path: Path, *, progress: Progress) -> Contents:
    """Read the whole file and write nothing. Raises BackupError for one that cannot be restored here."""
    reader = Reader(path)
    header = reader.header
    found = Contents(
        str(path),
        datetime.fromisoformat(header["made_at"]),
        bool(header["history"]),
        dict(header["migrations"]),
    )
    _refuse_newer(path, found.migrations)
    counted: dict[str, int] = {}
    end: dict[str, Any] = {}
    done = 0
    for table, line in _told_apart(reader.lines()):
        if isinstance(line, list):
            counted[table] += 1
            done += 1
            if done % AT_ONCE == 0:
                progress(done, int(header["total"]))
        elif "table" in line:
            counted[line["table"]] = 0
        end = line.get("end", {}) if isinstance(line, dict) else {}
    progress(done, done)
    if end.get("rows") != counted:
        raise BackupError(f"{path} does not hold what it says it holds: take another copy.")
    reader.require_keys(end["keys"])
    found.rows, found.ids = counted, end["ids"]
    return found


def restore(found: Contents, *, progress: Progress) -> None:
    """Write what `check` found. Raises BackupError if the console is not empty; then, as after any fault, nothing was written.

    Flows come back paused, with `UNFINISHED` as the reason until `finish` has set theirs.
    """
    refuse_if_used()
    executor = MigrationExecutor(connection)
    targets = sorted(found.migrations.items())
    executor.migrate(targets)
    state = MigrationExecutor(connection).loader.project_state(targets)
    try:
        with transaction.atomic(durable=True):
            refuse_if_used()
            _Loading(state.apps, found, progress)()
            connection.check_constraints()
    except (IntegrityError, DataError) as error:
        raise BackupError(
            f"The database refuses what the file holds: {_first_line(error)}. Nothing was written."
        ) from error
    call_command("migrate", verbosity=0)


def finish(found: Contents, *, reason: str) -> list[str]:
    """Inside the caller's transaction: tell the engine what its bases are worth, and the flows why they are paused (not at
    all for an empty reason). Returns the names of the flows that were in use."""
    for each in Connection.objects.all():
        tokens.forget_access(each)
    Flow.objects.update(restored_from=found.made_at)
    held = Flow.objects.filter(paused_reason=UNFINISHED)
    names = list(held.order_by("name").values_list("name", flat=True))
    held.update(paused_reason=reason, health="paused" if reason else "healthy", health_message="")
    return names


def refuse_if_used() -> None:
    """Raises BackupError unless the tables that a backup fills are empty, or not there yet."""
    there = set(connection.introspection.table_names())
    models_there = dict.fromkeys(
        table.model for table in TABLES if table.model._meta.db_table in there and not table.replaces
    )
    used = [
        str(model._meta.verbose_name_plural)
        for model in models_there
        if models.QuerySet(model).values_list("pk").exists()
    ]
    if used:
        raise BackupError(
            f"This console is in use (it has {', '.join(used)}), and a backup is restored into an empty one. "
            "Let DATABASE_URL name a new database, run manage.py migrate, and try again."
        )


def _refuse_newer(path: Path, migrations: dict[str, str]) -> None:
    known = MigrationExecutor(None).loader.graph.nodes
    newer = [
        f"{app}.{name}" for app, name in migrations.items() if app not in APPS or (app, name) not in known
    ]
    if newer:
        raise BackupError(
            f"{path} was made by a newer release of the console (it has {', '.join(newer)}, which this one does not know). "
            "Install that release, or a later one, and restore there."
        )


def _told_apart(lines: Iterator[Any]) -> Iterator[tuple[str, Any]]:
    """Each line with the table that it belongs to."""
    table = ""
    for line in lines:
        if isinstance(line, dict):
            table = str(line.get("table", ""))
        yield table, line


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class _Loading:
    """All rows of a file into the tables of a project state."""

    def __init__(self, apps: Any, found: Contents, progress: Progress) -> None:
        self._apps, self._found, self._progress = apps, found, progress
        self._done = 0

    def __call__(self) -> None:
        self._insert: Callable[[list[Any]], None] = lambda rows: None
        rows: list[Any] = []
        for _, line in _told_apart(Reader(Path(self._found.file)).lines()):
            if isinstance(line, list):
                rows.append(line)
            if len(rows) >= AT_ONCE or (isinstance(line, dict) and rows):
                self._insert(rows)
                self._done += len(rows)
                self._progress(self._done, self._found.total)
                rows = []
            if isinstance(line, dict) and "table" in line:
                self._insert = self._inserting(line["table"], line["columns"])
            elif isinstance(line, dict) and "access" in line:
                self._grant(line["access"])
        self._count_on()

    def _inserting(self, label: str, columns: list[str]) -> Callable[[list[Any]], None]:
        model = self._apps.get_model(label)
        if label in REPLACED:
            model.objects.all().delete()
        fields = {column.attname: column for column in model._meta.local_concrete_fields}
        decoders = [_decoder(fields[name]) for name in columns]
        paused = columns.index("paused_reason") if label == "sync.Flow" else None

        def insert(rows: list[Any]) -> None:
            if paused is not None:
                for row in rows:
                    row[paused] = row[paused] or UNFINISHED
            decoded = [
                [
                    decode(value) if decode and value is not None else value
                    for decode, value in zip(decoders, row, strict=True)
                ]
                for row in rows
            ]
            bulk.insert(model, tuple(columns), decoded)

        return insert

    def _grant(self, access: dict[str, Any]) -> None:
        """Roles as they were, in place of those that migrations have made."""
        groups, users = self._apps.get_model("auth", "Group"), self._apps.get_model("auth", "User")
        groups.objects.all().delete()
        made = {name: groups.objects.create(name=name) for name, _ in access["groups"]}
        for name, permissions in access["groups"]:
            made[name].permissions.set([self._permission(*each) for each in permissions])
        for pk, names in access["members"]:
            users.objects.get(pk=pk).groups.set([made[name] for name in names])
        for pk, permissions in access["users"]:
            users.objects.get(pk=pk).user_permissions.set([self._permission(*each) for each in permissions])

    def _permission(self, app: str, model: str, codename: str, name: str) -> Any:
        kind, _ = self._apps.get_model("contenttypes", "ContentType").objects.get_or_create(
            app_label=app, model=model
        )
        permissions = self._apps.get_model("auth", "Permission").objects
        return permissions.get_or_create(content_type=kind, codename=codename, defaults={"name": name})[0]

    def _count_on(self) -> None:
        """Each table goes on counting where it had come to, also where its rows are not in the file."""
        for model in numbered():
            if model._meta.db_table in self._tables:
                _set_last_id(model, self._found.ids.get(model._meta.label, 0))

    @property
    def _tables(self) -> set[str]:
        return {model._meta.db_table for model in self._apps.get_models()}


def _decoder(column: Any) -> Decode | None:
    """How a value comes back from its line; None: as it is."""
    if isinstance(column, models.ForeignKey):
        return _decoder(column.target_field)
    for kind, decode in _DECODERS:
        if isinstance(column, kind):
            return decode
    return None


def _without_nul(value: Any) -> Any:
    """SQLite keeps NUL in a text, PostgreSQL refuses it."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(inner) for name, inner in value.items()}
    return [_without_nul(inner) for inner in value] if isinstance(value, list) else value


_DECODERS: tuple[tuple[Any, Decode], ...] = (
    (models.DateTimeField, datetime.fromisoformat),
    (models.UUIDField, UUID),
    (models.BinaryField, base64.b64decode),
    ((models.CharField, models.TextField, models.JSONField), _without_nul),
)


def _set_last_id(model: type[models.Model], last: int) -> None:
    key: Any = model._meta.pk
    highest = models.QuerySet(model).order_by("-pk").values_list("pk", flat=True).first()
    last = max(last, int(highest or 0))
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [model._meta.db_table])
            cursor.execute(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [model._meta.db_table, last]
            )
        elif last:
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, %s), %s)",
                [f'"{model._meta.db_table}"', key.column, last],
            )
