"""`backup` and `restore`: what is in the file, what is refused, and that nothing is written before all of it was checked."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import connection as database
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from mappings.models import FieldRow
from sync import audit, services
from sync.actor import Actor, acting_as
from sync.backup.catalog import LEFT_OUT, TABLES
from sync.backup.saving import leaves, one_snapshot
from sync.backup.sealed import FRAME, LENGTH, MAGIC, Reader, Writer
from sync.encryption import keyring
from sync.engine.occasions import data_key
from sync.models import AuditEntry, Connection, Event, Flow, RecordLink, Run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def console(incidents_flow: Flow) -> Flow:
    """A small console as people have it: accounts, roles, a flow, a few links, an audit log."""
    alice = User.objects.create_user("alice", password="correct horse", email="alice@acme.example")
    alice.groups.add(Group.objects.get(name="operator"))
    alice.user_permissions.add(Permission.objects.get(codename="view_auditentry"))
    Group.objects.get(name="viewer").permissions.remove(Permission.objects.get(codename="view_worker"))
    with acting_as(Actor(user_id=alice.pk, name="alice", ip="192.0.2.7")):
        services.set_secrets(
            connection=incidents_flow.servicenow_connection, secrets={"password": "hunter2"}, by=None
        )
    data_key()
    row = FieldRow.objects.get()
    for number in range(3):
        link(incidents_flow, number, base={str(row.pk): [f"Printer {number}", f"Printer {number}"]})
    run = Run.objects.create(flow=incidents_flow, kind="manual", revision=incidents_flow.revision)
    Event.objects.create(
        flow=incidents_flow,
        run=run,
        at=run.created_at,
        side="salesforce",
        operation="create",
        outcome="created",
    )
    return incidents_flow


def link(flow: Flow, number: int, base: dict[str, list[str]]) -> RecordLink:
    made = RecordLink(
        flow=flow, born_in="servicenow", servicenow_connection=flow.servicenow_connection, servicenow_table="incident",
        servicenow_id=f"{number:032x}", salesforce_connection=flow.salesforce_connection, salesforce_object="Case",
        salesforce_id=f"500{number:015}", claim_token="a worker's",
    )  # fmt: skip
    made.base = base
    made.save()
    return made


def empty() -> None:
    """The installation is lost; a new database takes its place."""
    call_command("flush", interactive=False, verbosity=0)


def everything() -> dict[str, list[Any]]:
    """All rows of all tables that a backup holds, as the database gives them."""
    return {
        table.label: list(table.model._base_manager.order_by("pk").values_list(*table.columns))
        for table in TABLES
        if not table.history and table.label not in ("sync.Run", "sync.AuditEntry", "sync.Flow")
    }


def test_every_table_is_in_a_backup_or_left_out_with_a_reason() -> None:
    every = {model._meta.label for model in apps.get_models(include_auto_created=True)}

    assert every == {table.label for table in TABLES} | LEFT_OUT.keys()


def test_an_empty_console_becomes_the_one_that_was_backed_up(
    command: Any, console: Flow, tmp_path: Path
) -> None:
    file = tmp_path / "console.backup"
    RecordLink.objects.update(claim_token="")
    before = everything()

    made = command("backup", str(file))
    empty()
    data_key()  # as migrations leave one: the file's takes its place
    ended = command("restore", str(file))

    assert (made.status, ended.status) == (0, 0)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert everything() == before
    assert ended.data["rows"] == made.data["rows"]
    assert Connection.objects.get(system="servicenow").secrets == {"password": "hunter2"}
    row = str(FieldRow.objects.get().pk)
    assert ["Printer 0"] * 2 in [link.base[row] for link in RecordLink.objects.all()]
    alice = User.objects.get()
    assert alice.check_password("correct horse")
    assert alice.has_perm("sync.run_flow")
    assert alice.has_perm("sync.view_auditentry")
    assert not Group.objects.get(name="viewer").permissions.filter(codename="view_worker").exists()
    assert not Event.objects.exists()


def test_flows_come_back_paused_and_the_audit_log_goes_on(
    command: Any, console: Flow, tmp_path: Path
) -> None:
    file = tmp_path / "console.backup"
    last_run = Run.objects.get().pk
    command("backup", str(file))
    entries = AuditEntry.objects.count() - 1  # the backup's own entry comes after its snapshot
    empty()

    ended = command("restore", str(file))

    flow = Flow.objects.get()
    assert ended.data["flows"] == ["incidents-to-cases"]
    assert flow.paused_reason.startswith("Restored from the backup of")
    assert list(audit.verify()) == []
    last = AuditEntry.objects.order_by("-number")[0]
    assert (last.number, last.action) == (entries + 1, "console.restored")
    assert f"after entry {entries}" in last.after["note"]
    assert command("run_flow", flow.name, "--resume").status == 0
    assert Flow.objects.get().paused_reason == ""
    # Numbers of runs go on, although the runs were left behind.
    assert services.request_run(flow=Flow.objects.get(), by=None, enqueue=False).pk == last_run + 1


def test_the_history_comes_along_when_asked_for(command: Any, console: Flow, tmp_path: Path) -> None:
    file = tmp_path / "console.backup"
    command("backup", str(file), "--events")
    empty()

    command("restore", str(file), "--resume")

    assert Event.objects.get().run == Run.objects.get()
    assert (Run.objects.get().status, Run.objects.get().error_code) == ("cancelled", "restored")
    assert Flow.objects.get().paused_reason == ""


def test_a_console_in_use_is_left_alone(command: Any, console: Flow, tmp_path: Path) -> None:
    file = tmp_path / "console.backup"
    command("backup", str(file))
    entries = AuditEntry.objects.count()

    ended = command("restore", str(file))

    assert ended.status == 2
    assert "users, connections" in ended.told
    assert "Let DATABASE_URL name a new database" in ended.told
    assert AuditEntry.objects.count() == entries


def test_a_file_is_not_overwritten_unless_asked(command: Any, console: Flow, tmp_path: Path) -> None:
    file = tmp_path / "console.backup"
    file.write_text("something precious")

    refused = command("backup", str(file))

    assert (refused.status, file.read_text()) == (2, "something precious")
    assert command("backup", str(file), "--force").status == 0
    assert [each.name for each in tmp_path.iterdir()] == ["console.backup"]
    assert command("restore", str(file), "--check").data["rows"]["sync.RecordLink"] == 3


def _cut(data: bytes) -> bytes:
    return data[:-1]


def _flipped(data: bytes) -> bytes:
    return data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]


def _other_header(data: bytes) -> bytes:
    return data.replace(b'"history":false', b'"history": true'[: len(b'"history":false')], 1)


def _longer(data: bytes) -> bytes:
    return data + b"x"


def _swapped(data: bytes) -> bytes:
    """Its first two parts change places."""
    begins = len(MAGIC) + LENGTH.size + LENGTH.unpack(data[len(MAGIC) : len(MAGIC) + LENGTH.size])[0]
    one = begins + LENGTH.size + LENGTH.unpack(data[begins : begins + LENGTH.size])[0]
    two = one + LENGTH.size + LENGTH.unpack(data[one : one + LENGTH.size])[0]
    return data[:begins] + data[one:two] + data[begins:one] + data[two:]


@pytest.mark.parametrize(
    "damage", [_cut, _flipped, _other_header, _longer, _swapped, lambda data: b"", lambda data: data[:90]]
)
def test_a_damaged_file_is_refused_whole(
    command: Any,
    console: Flow,
    tmp_path: Path,
    damage: Callable[[bytes], bytes],
) -> None:
    file = tmp_path / "console.backup"
    command("backup", str(file))
    rewritten(file, {}, frame=2000)  # a small console is one part otherwise
    file.write_bytes(damage(file.read_bytes()))
    empty()

    ended = command("restore", str(file))

    assert ended.status == 2
    assert any(word in ended.told for word in ("altered", "cut short", "no backup of this console"))
    assert not User.objects.exists()
    assert not AuditEntry.objects.exists()


def test_other_keys_are_named(command: Any, console: Flow, tmp_path: Path, settings: Any) -> None:
    file = tmp_path / "console.backup"
    command("backup", str(file))
    empty()
    right, other = settings.ENCRYPTION_KEYS, base64.b64encode(os.urandom(32)).decode()

    settings.ENCRYPTION_KEYS = f"{keyring().first}:{other}"
    assert "is another one than" in command("restore", str(file)).told
    settings.ENCRYPTION_KEYS = f"new:{other}"
    assert (
        "needs the encryption key 'test', which ENCRYPTION_KEYS does not list"
        in command("restore", str(file)).told
    )
    assert not User.objects.exists()

    settings.ENCRYPTION_KEYS = f"new:{other},{right}"
    assert command("restore", str(file)).status == 0
    assert Connection.objects.get(system="servicenow").secrets == {"password": "hunter2"}
    assert list(audit.verify()) == []


def test_a_value_under_a_key_that_is_gone_is_told_before_anything_is_written(
    command: Any, console: Flow, tmp_path: Path, settings: Any
) -> None:
    """The file is sealed under the new key, the rows in it still under the old one."""
    old, new = settings.ENCRYPTION_KEYS, f"new:{base64.b64encode(os.urandom(32)).decode()}"
    settings.ENCRYPTION_KEYS = f"{new},{old}"
    file = tmp_path / "console.backup"
    made = command("backup", str(file))
    empty()
    settings.ENCRYPTION_KEYS = new

    ended = command("restore", str(file))

    assert made.data["keys"] == ["new", "test"]
    assert "needs the encryption key 'test'" in ended.told
    assert not User.objects.exists()


def rewritten(
    file: Path, header: dict[str, Any], change: Callable[[Any], Any] = lambda line: line, frame: int = FRAME
) -> None:
    """The same file as another release would have written it."""
    from sync import jsons

    reader = Reader(file)
    lines = list(reader.lines())
    with file.open("wb") as new:
        writer = Writer(new, {**reader.header, **header}, frame)
        for line in lines:
            if (changed := change(line)) is not None:
                writer.write(jsons.dumps(changed))
        writer.close()


def test_a_file_of_a_newer_release_is_refused(command: Any, console: Flow, tmp_path: Path) -> None:
    file = tmp_path / "console.backup"
    command("backup", str(file))
    rewritten(file, {"migrations": {**leaves(), "sync": "0999_of_tomorrow"}})
    empty()

    ended = command("restore", str(file))

    assert ended.status == 2
    assert "newer release of the console (it has sync.0999_of_tomorrow" in ended.told
    assert not User.objects.exists()


def test_a_file_of_an_older_release_is_migrated_on_the_way(
    command: Any, console: Flow, tmp_path: Path
) -> None:
    """It lacks what migrations have added since then."""
    file = tmp_path / "console.backup"
    command("backup", str(file))
    loader = MigrationExecutor(database).loader
    before = {**leaves(), "sync": "0025_lists_by_index"}
    rewritten(file, {"migrations": before}, Older(loader.project_state(list(before.items())).apps))
    empty()
    try:
        ended = command("restore", str(file))
    finally:
        call_command("migrate", verbosity=0)

    assert ended.status == 0, ended.told
    flow = Flow.objects.get()
    assert flow.revision is not None
    assert flow.restored_from is not None


class Older:
    """Lines as a release wrote them that had these models; none for what it had not."""

    def __init__(self, models: Any) -> None:
        self._known = {
            model._meta.label: {column.attname for column in model._meta.local_concrete_fields}
            for model in models.get_models()
        }
        self._kept: list[int] | None = []

    def __call__(self, line: Any) -> Any:
        if isinstance(line, list):
            return None if self._kept is None else self._of(line)
        if "end" in line:
            rows = {label: count for label, count in line["end"]["rows"].items() if label in self._known}
            return {"end": {**line["end"], "rows": rows}}
        if "table" not in line:
            return line
        known = self._known.get(line["table"])
        self._kept = (
            None if known is None else [at for at, name in enumerate(line["columns"]) if name in known]
        )
        return None if known is None else {**line, "columns": self._of(line["columns"])}

    def _of(self, values: list[Any]) -> list[Any]:
        return [values[at] for at in self._kept or ()]


def test_a_backup_shows_one_moment_and_holds_nobody_up(command: Any, console: Flow) -> None:
    with one_snapshot():
        assert RecordLink.objects.count() == 3
        beside = connections.create_connection("default")
        with beside.cursor() as cursor:
            cursor.execute("DELETE FROM sync_recordlink")
        beside.close()
        assert RecordLink.objects.count() == 3
    assert RecordLink.objects.count() == 0
