"""Lists as files: what is in them, what a spreadsheet does with it, and that somebody took them."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from integration_console.theme.exporting import RUNS, cell
from sync import audit
from sync.models import AuditEntry, DeadLetter, RecordLink

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")
EXPORT_QUERIES = 13


def table(reply) -> list[dict[str, str]]:
    assert reply.status_code == 200
    return list(csv.DictReader(io.StringIO(reply.content.decode("utf-8-sig"))))


@pytest.mark.parametrize("name", ["recordlink", "run", "deadletter", "conflict", "waiting", "actionrun", "remotecall",
                                  "flow", "connection", "reconciliation", "worker"])  # fmt: skip
def test_each_main_list_leaves_as_a_file_with_a_bounded_number_of_queries(root, in_use, name):
    with CaptureQueriesContext(connection) as asked:
        reply = root.get(reverse(f"admin:sync_{name}_csv"))

    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in reply.headers["Content-Disposition"]
    assert "<" not in reply.content.decode()
    assert len(asked) <= EXPORT_QUERIES, [query["sql"][:100] for query in asked]


def test_an_export_holds_what_the_filter_shows_with_moments_in_utc(root, in_use):
    rows = table(root.get(reverse("admin:sync_recordlink_csv"), {"q": "INC0010007"}))

    assert [row["ServiceNow"] for row in rows] == ["INC0010007"]
    assert rows[0]["in step"].endswith("+00:00")
    assert (
        'href="export.csv?q=INC0010007"'
        in root.get(reverse("admin:sync_recordlink_changelist"), {"q": "INC0010007"}).content.decode()
    )
    entry = AuditEntry.objects.order_by("-number").first()
    assert (entry.action, entry.object_label, entry.after) == (
        "list.exported", "records", {"as": "csv", "filter": "q=INC0010007"},
    )  # fmt: skip


def test_a_number_that_is_a_formula_does_not_run_in_a_spreadsheet(root, in_use):
    letter = DeadLetter.objects.first()
    link = RecordLink.objects.first()
    for row, column in ((letter, "record_number"), (link, "servicenow_number")):
        type(row).objects.filter(pk=row.pk).update(**{column: '=HYPERLINK("http://evil.example")'})

    for name in ("deadletter", "recordlink"):
        cells = [
            value for row in table(root.get(reverse(f"admin:sync_{name}_csv"))) for value in row.values()
        ]
        evil = [value for value in cells if "HYPERLINK" in value]
        assert evil
        assert all(value.startswith("'=") for value in evil)


@given(st.text())
def test_no_text_begins_like_a_formula(text):
    assert not cell(text).startswith(RUNS)


def test_a_negative_number_stays_a_number():
    assert cell(-5) == "-5"


def test_the_audit_log_leaves_as_json_lines_with_the_newest_link_of_the_chain(root, in_use):
    url = reverse("admin:sync_auditentry_jsonl")
    lines = [
        json.loads(line) for line in root.get(url, {"q": "flow.published"}).content.decode().splitlines()
    ]

    *entries, last = lines
    assert {entry["action"] for entry in entries} == {"flow.published"}
    assert entries[0]["after"]
    newest = AuditEntry.objects.order_by("-number").first()
    assert newest.action == "list.exported"  # the link vouches for the note of the export itself
    assert last == {"newest": newest.number, "at": newest.at.isoformat(), "mac": newest.mac}
    assert not list(audit.verify())


def test_the_audit_log_as_csv_ends_with_the_newest_link_too(root, in_use):
    rows = table(root.get(reverse("admin:sync_auditentry_csv")))

    assert rows[-1]["action"] == "newest link of the chain"
    assert rows[-1]["mac"] == AuditEntry.objects.order_by("-number").first().mac
    assert rows[0]["number"] == rows[-1]["number"]


def test_a_failed_login_with_a_formula_for_a_name_is_harmless_in_the_export(root, browser, in_use):
    browser().post("/admin/login/", {"username": "@SUM(1+1)*cmd|' /C calc'!A0", "password": "x"})

    rows = table(root.get(reverse("admin:sync_auditentry_csv"), {"action__exact": "login.failed"}))
    assert rows[0]["object_label"].startswith("'@SUM")


def test_no_password_is_in_an_export_of_people(root, in_use):
    User.objects.create_user("dave", password="correct horse")

    assert "md5" not in root.get(reverse("admin:auth_user_csv")).content.decode()
