"""`run_flow`: exit statuses and the JSON that scripts read."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from django.db import connection
from django.utils import timezone

from mappings.models import ValueMapEntry
from sync import services
from sync.engine import lease as leases
from sync.models import AuditEntry, Connection, DeadLetter, Flow, Run
from tests.test_processes import await_true

pytestmark = pytest.mark.django_db(transaction=True)


def keys(pair):
    """Of the incidents that have a Case."""
    cases = pair.salesforce.rows("Case")
    return [case["ServiceNow_Sys_Id__c"] for case in cases if case["ServiceNow_Sys_Id__c"]]


def test_a_run_says_what_it_did(command, demo_flow, pair):
    ended = command("run_flow", "incidents-to-cases")

    active = [row for row in pair.servicenow.rows("incident") if row["active"] == "true"]
    assert ended.status == 0
    assert ended.data["created"] == len(active) == len(keys(pair))
    assert set(ended.data) == {
        "flow", "run", "kind", "status", "read", "created", "updated", "adopted", "deleted", "unchanged",
        "conflicts", "waiting", "failed", "in_doubt", "api_calls", "seconds", "directions",
    }  # fmt: skip


def test_a_second_run_with_nothing_changed_writes_nothing(command, demo_flow, pair):
    command("run_flow", "incidents-to-cases")

    again = command("run_flow", "incidents-to-cases").data

    assert (again["created"], again["updated"], again["failed"]) == (0, 0, 0)


def test_a_dry_run_writes_nothing_anywhere(command, demo_flow, pair):
    ended = command("run_flow", "incidents-to-cases", "--dry-run")

    assert ended.status == 0
    assert "dry run: nothing is written" in ended.told
    assert ended.data["created"] > 0
    assert keys(pair) == []


def test_a_record_can_be_asked_for_by_its_number(command, demo_flow, pair):
    one = next(row for row in pair.servicenow.rows("incident") if row["active"] == "true")

    ended = command("run_flow", "incidents-to-cases", "--ids", one["number"])

    assert (ended.status, ended.data["created"]) == (0, 1)
    assert keys(pair) == [one["sys_id"]]


def test_a_number_that_nobody_knows_is_told(command, demo_flow):
    ended = command("run_flow", "incidents-to-cases", "--ids", "INC9999999")

    assert (ended.status, ended.data["failed"]) == (1, 1)
    assert "Not found: INC9999999." in ended.told


def test_how_many_records_a_resync_would_look_at_is_told_before(command, demo_flow, pair):
    ended = command("run_flow", "incidents-to-cases", "--resync", "--count")

    active = [row for row in pair.servicenow.rows("incident") if row["active"] == "true"]
    assert ended.status == 0
    assert (ended.data["sides"][0]["name"], ended.data["linked"]) == ("incident", 0)
    assert ended.data["sides"][0]["entering"] == len(active)
    assert not Run.objects.exists()


def test_a_flow_is_paused_and_resumed(command, incidents_flow):
    paused = command("run_flow", "incidents-to-cases", "--pause", "Maintenance.")
    refused = command("run_flow", "incidents-to-cases")
    resumed = command("run_flow", "incidents-to-cases", "--resume")

    assert paused.data == {"flow": "incidents-to-cases", "paused": True, "reason": "Maintenance."}
    assert (refused.status, refused.data["code"]) == (2, "refused")
    assert resumed.data == {"flow": "incidents-to-cases", "paused": False, "reason": ""}
    assert list(AuditEntry.objects.filter(action__in=("flow.paused", "flow.resumed")).values_list("action", flat=True).order_by("id")) == ["flow.paused", "flow.resumed"]  # fmt: skip


def test_an_active_run_is_cancelled(command, incidents_flow):
    run = services.request_run(flow=incidents_flow, by=None, enqueue=False)

    ended = command("run_flow", "incidents-to-cases", "--cancel")

    run.refresh_from_db()
    assert (ended.data["cancelled"], run.status) == ([run.pk], "cancelled")


def test_only_the_records_asked_for_are_run(command, demo_flow, pair):
    one = next(row for row in pair.servicenow.rows("incident") if row["active"] == "true")

    ended = command("run_flow", "incidents-to-cases", "--ids", one["sys_id"])

    assert ended.data["created"] == 1
    assert keys(pair) == [one["sys_id"]]


def test_a_record_that_fails_ends_the_command_with_1(command, demo_flow, pair):
    unmapped = next(row for row in pair.servicenow.rows("incident") if row["active"] == "true")
    ValueMapEntry.objects.filter(
        value_map__name="incident-state-case-status", servicenow=unmapped["state"]
    ).delete()
    services.publish_flow(flow=demo_flow, by=None)

    ended = command("run_flow", "incidents-to-cases")

    assert (ended.status, ended.data["status"]) == (1, "partial")
    assert unmapped["sys_id"] in DeadLetter.objects.values_list("record_id", flat=True)
    assert ended.data["failed"] == DeadLetter.objects.count()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["incident-to-case"], "There is no flow 'incident-to-case'. Did you mean 'incidents-to-cases'?"),
        (["incidents-to-cases", "--since", "2026-11-23T08:00:00"], "has no offset"),
        (["incidents-to-cases", "--until", "yesterday"], "is not a time"),
    ],
)
def test_what_cannot_run_ends_with_2_and_a_sentence(command, incidents_flow, arguments, sentence):
    ended = command("run_flow", *arguments)

    assert (ended.status, ended.data["flow"]) == (2, arguments[0])
    assert sentence in ended.told
    assert sentence in ended.data["error"]
    assert not Run.objects.exists()


def test_a_disabled_flow_is_not_run(command, incidents_flow):
    Flow.objects.update(enabled=False)

    ended = command("run_flow", "incidents-to-cases")

    sentence = "incidents-to-cases is disabled. Enable it first."
    assert ended.status == 2
    assert ended.data == {"flow": "incidents-to-cases", "error": sentence, "code": "refused", "advice": ""}
    assert ended.told.startswith(sentence)


def test_a_second_run_waits_for_the_first_and_then_gives_up(command, incidents_flow):
    services.request_run(flow=incidents_flow, by=None, enqueue=False)
    assert leases.take(incidents_flow, "live", timezone.now()) is not None

    ended = command("run_flow", "incidents-to-cases", "--wait", "0.3")

    assert ended.status == 2
    assert "waiting up to 0 s for its end" in ended.told
    assert "is active in the live lane. Wait for its end, or cancel it." in ended.told


def test_a_run_that_nobody_works_on_is_ended_first(command, demo_flow):
    left = services.request_run(flow=demo_flow, by=None, enqueue=False)

    ended = command("run_flow", "incidents-to-cases")

    left.refresh_from_db()
    assert (ended.status, left.status) == (0, "succeeded")
    assert left.created > 0
    assert ended.data["created"] == 0


def test_a_run_that_is_told_to_stop_is_left_to_whoever_comes_next(command, demo_flow, pair):
    pair.salesforce.slow_down(0.2)

    def tell() -> None:
        await_true(lambda: pair.salesforce.counters.calls > 0)
        os.kill(os.getpid(), signal.SIGTERM)

    telling = threading.Thread(target=tell)
    telling.start()
    stopped = command("run_flow", "incidents-to-cases")
    telling.join()

    run = Run.objects.get()
    assert (stopped.status, stopped.data["code"], run.status) == (2, "stopped", "running")
    assert "A worker goes on with it." in stopped.told
    pair.salesforce.slow_down(0)
    again = command("run_flow", "incidents-to-cases")
    run.refresh_from_db()
    assert (again.status, run.status) == (0, "succeeded")
    assert len(keys(pair)) == run.created > 0


def test_a_wrong_password_is_told_in_one_sentence(command, demo_flow):
    services.set_secrets(
        connection=Connection.objects.get(name="acme-salesforce"), secrets={"client_secret": "wrong"}, by=None
    )  # fmt: skip

    ended = command("run_flow", "incidents-to-cases")

    assert (ended.status, ended.data["status"]) == (2, "failed")
    assert "Salesforce" in ended.told
    assert "wrong" not in ended.told.split("acme-salesforce")[0]


def test_an_unreachable_platform_is_told_in_one_sentence(command, incidents_flow):
    ended = command("run_flow", "incidents-to-cases")

    assert ended.status == 2
    assert "Traceback" not in ended.told


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite can be told that its disk is full")
def test_a_full_disk_is_told_in_one_sentence_and_nothing_is_created_twice_afterwards(
    command, demo_flow, pair
):
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # no free page is left
        cursor.execute("PRAGMA page_count")
        pages = cursor.fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages}")

    full = command("run_flow", "incidents-to-cases")

    with connection.cursor() as cursor:
        cursor.execute("PRAGMA max_page_count = 1073741823")
    again = command("run_flow", "incidents-to-cases")
    assert (full.status, "The disk of the database is full" in full.told) == (2, True)
    cases = keys(pair)
    active = [row["sys_id"] for row in pair.servicenow.rows("incident") if row["active"] == "true"]
    assert again.status == 0
    assert sorted(cases) == sorted(active)
