"""`config`, `test_connection`, `rotate_keys` and `verify_audit`, as an operator meets them."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from textwrap import indent

import pytest
from django.db import connection as database

from sync import audit
from sync.encryption import keyring, sealed_attributes
from sync.management.commands.demo import FILE, variables
from sync.models import AuditEntry, Connection, Flow
from sync.recipes.shelf import SHELF
from sync.sandbox.cli import describe

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def demo_file(tmp_path, pair) -> Path:
    """The demo's file with the sandbox's addresses; its secrets are references to variables that are not set.

    Its table and fields are written out, so that there is something to slip in.
    """
    rows = (SHELF / "incident-case.yaml").read_text().partition("  fields:\n")[2]
    text = FILE.read_text().replace("servicenow, enter:", "servicenow, table: incident, enter:")
    people = "    user_table: acme-people\n"
    text = text.replace(people, f"{people}    fields:\n{indent(rows, '  ')}")
    for name, value in variables(describe(pair)).items():
        if name.endswith(("_URL", "_BUNDLE")):
            text = text.replace("${" + name + "}", value)
    file = tmp_path / "demo.yaml"
    file.write_text(text)
    return file


def test_a_file_is_applied_and_exported_again(command, demo_file):
    assert command("config", "apply", str(demo_file), "--offline", "--reason", "It begins").status == 0
    exported = command("config", "export").data["configuration"]
    demo_file.write_text(exported)

    ended = command("config", "apply", str(demo_file), "--offline")

    assert (ended.status, ended.data["changes"]) == (0, [])


def test_a_dry_run_lists_the_changes_and_makes_none(command, demo_file):
    ended = command("config", "apply", str(demo_file), "--offline", "--dry-run")

    assert "would create flow incidents-to-cases" in ended.told
    assert not Flow.objects.exists()


def test_what_the_linter_warns_of_is_listed_and_applied_with_a_reason_alone(command, demo_file):
    shown = command("config", "diff", str(demo_file), "--offline")
    assert (shown.status, shown.data["needs_reason"]) == (0, True)
    assert f"Warning: {shown.data['warnings'][0]}" in shown.told

    ended = command("config", "apply", str(demo_file), "--offline")
    assert (ended.status, ended.data["code"]) == (2, "refused")
    assert shown.data["warnings"][0] in ended.told
    assert not Flow.objects.exists()

    long = command("config", "apply", str(demo_file), "--offline", "--reason", "because " * 40)
    assert (long.status, long.data["code"]) == (2, "usage")
    assert command("config", "apply", str(demo_file), "--offline", "--reason", "It begins").status == 0
    flow = Flow.objects.get(name="incidents-to-cases")
    assert (flow.revision.author_name.endswith("(command line)"), flow.revision.reason) == (True, "It begins")


def test_a_diff_shows_what_differs(command, demo_file):
    command("config", "apply", str(demo_file), "--offline", "--reason", "It begins")
    demo_file.write_text(demo_file.read_text().replace("table: incident,", "table: problem,"))

    ended = command("config", "diff", str(demo_file), "--offline")

    assert "servicenow_table: 'incident' → 'problem'" in ended.told
    assert Flow.objects.get(name="incidents-to-cases").servicenow_table == "incident"


def test_unknown_names_are_found_by_asking_the_platforms(command, demo_flow, demo_file):
    text = demo_file.read_text()
    for right, wrong in (
        ("Subject", "Subjekt"),
        ("short_description", "short_descripton"),
        ("active=true", "aktive=true"),
    ):
        text = text.replace(right, wrong, 1)
    demo_file.write_text(text)

    ended = command("config", "apply", str(demo_file))

    assert ended.status == 2
    found = {problem["path"].partition(".")[2]: problem["problem"] for problem in ended.data["problems"]}
    assert found == {
        "servicenow.enter": "incident has no field 'aktive'. Did you mean 'active'?",
        "fields[1].servicenow": "incident has no field 'short_descripton'. Did you mean 'short_description'?",
        "fields[1].salesforce": "Case has no field 'Subjekt'. Did you mean 'Subject'?",
    }
    assert Flow.objects.get(name="incidents-to-cases").servicenow_enter == "active=true"


def test_slips_of_the_file_and_unknown_names_are_told_together(command, demo_flow, demo_file):
    slips = {"version: 1": "version: 1\nconections: []", "salesforce: Subject,": "salesforce: Subjekt,"}
    for right, wrong in slips.items():
        demo_file.write_text(demo_file.read_text().replace(right, wrong))

    ended = command("config", "apply", str(demo_file))

    assert ended.status == 2
    assert [problem["path"] for problem in ended.data["problems"]] == [
        "",
        "flows[incidents-to-cases].fields[1].salesforce",
    ]


def test_an_unknown_table_is_found_by_asking_the_platform(command, demo_flow, demo_file):
    demo_file.write_text(demo_file.read_text().replace("table: incident,", "table: incidents,"))

    ended = command("config", "validate", str(demo_file))

    assert ended.status == 2
    assert ended.data["problems"][0]["path"] == "flows[incidents-to-cases].servicenow.table"


def test_a_platform_that_does_not_answer_is_a_notice(command, demo_flow, demo_file, pair):
    text = demo_file.read_text().replace(pair.salesforce.url, "https://127.0.0.1:1")
    demo_file.write_text(text)

    ended = command("config", "apply", str(demo_file))

    assert ended.status == 0
    assert any(
        "acme-salesforce]: tables and fields were not checked" in notice for notice in ended.data["notices"]
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"version: 1\nflow: []", "Did you mean 'flows'?"),
    ],
)
def test_a_file_that_cannot_be_used_ends_with_2(command, tmp_path, content, sentence):
    file = tmp_path / "acme.yaml"
    if content is not None:
        file.write_bytes(content)

    ended = command("config", "validate", str(file))

    assert ended.status == 2
    assert sentence in ended.told


def test_a_good_connection_passes_its_test(command, demo_flow):
    ended = command("test_connection", "acme-salesforce")

    assert (ended.status, ended.data["ok"]) == (0, True)


def test_a_connection_with_a_wrong_secret_fails_its_test(command, demo_flow):
    wrong = Connection.objects.get(name="acme-salesforce")
    wrong.secrets = {**wrong.secrets, "client_secret": "wrong"}
    wrong.save()

    ended = command("test_connection", "acme-salesforce")

    assert (ended.status, ended.data["ok"]) == (1, False)


def test_an_unknown_connection_is_told(command, db):
    ended = command("test_connection", "acme")

    assert (ended.status, ended.data["error"]) == (2, "There is no connection 'acme'. There is none yet.")


def test_a_whole_audit_log_is_verified(command, demo_flow):
    ended = command("verify_audit")

    assert (ended.status, ended.data["whole"]) == (0, True)
    assert ended.data["entries"] == AuditEntry.objects.count()


def test_an_edited_audit_entry_is_found(command, demo_flow):
    with database.cursor() as cursor:
        cursor.execute("UPDATE sync_auditentry SET actor_name = 'Bob' WHERE number = 2")

    ended = command("verify_audit")

    assert ended.status == 1
    assert ended.data["faults"] == [{"entry": 2, "fault": "was edited after it was written"}]


@pytest.fixture
def new_key(settings) -> str:
    """A new first key; the old one still opens."""
    key = base64.b64encode(os.urandom(32)).decode()
    settings.ENCRYPTION_KEYS = f"new:{key},{settings.ENCRYPTION_KEYS}"
    return f"new:{key}"


def under(connection: Connection) -> str:
    return keyring().key_id(Connection.objects.get(pk=connection.pk).secrets_sealed)


def test_after_a_rotation_the_old_key_can_go(command, demo_flow, new_key, settings):
    before = {row.name: row.secrets for row in Connection.objects.all()}

    ended = command("rotate_keys")

    assert (ended.status, ended.data["columns"]["sync_connection.secrets_sealed"]) == (0, 2)
    settings.ENCRYPTION_KEYS = new_key
    assert {row.name: row.secrets for row in Connection.objects.all()} == before


def test_a_second_rotation_finds_nothing_to_do(command, demo_flow, new_key):
    command("rotate_keys")

    assert command("rotate_keys").data["rotated"] == 0


def test_a_rotation_never_overwrites_what_a_worker_wrote_meanwhile(demo_flow, new_key):
    from sync.rotation import rotate_row

    read_before = Connection.objects.get(name="acme-salesforce")
    newer = Connection.objects.get(name="acme-salesforce")
    newer.secrets = {"client_secret": "newer"}
    newer.save()

    assert rotate_row(read_before, sealed_attributes(Connection)["secrets"]) == 0

    assert Connection.objects.get(name="acme-salesforce").secrets == {"client_secret": "newer"}


def test_a_missing_key_is_told_in_one_sentence(command, demo_flow, settings):
    settings.ENCRYPTION_KEYS = f"other:{base64.b64encode(os.urandom(32)).decode()}"

    ended = command("run_flow", "incidents-to-cases")

    assert ended.status == 2
    assert "encrypted with key 'test'" in ended.told


def test_who_ran_a_command_is_in_the_audit_log(command, incidents_flow):
    command("test_connection", "acme-servicenow")

    entry = AuditEntry.objects.get(action="connection.tested")
    assert entry.actor_name.endswith("(command line)")
    assert list(audit.verify()) == []


def test_another_key_under_the_old_id_is_noticed_before_anything_is_done(command, demo_flow, settings):
    entries = AuditEntry.objects.count()
    other = base64.b64encode(os.urandom(32)).decode()
    settings.ENCRYPTION_KEYS = f"{keyring().first}:{other}"

    ended = command("run_flow", "incidents-to-cases")

    assert ended.status == 2
    assert "Restore the original ENCRYPTION_KEYS" in ended.told
    assert AuditEntry.objects.count() == entries
