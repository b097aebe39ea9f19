"""What an operator can ask for: each service asks for its permission, leaves an audit row, and refuses in a sentence."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from sync import audit, services
from sync.actor import Actor, acting_as
from sync.core.records import Side
from sync.errors import SyncError
from sync.models import (
    ActionRun,
    ActionStep,
    AuditEntry,
    Conflict,
    Connection,
    ConnectionToken,
    DeadLetter,
    Flow,
    Question,
    RecordLink,
    Revision,
    Run,
    Schedule,
    Waiting,
)

pytestmark = pytest.mark.django_db

SYS_ID, CASE_ID = "a" * 32, "500000000000001AAA"


@dataclass
class World:
    """One of each thing that a service is about."""

    flow: Flow
    connection: Connection
    link: RecordLink
    run: Run
    letter: DeadLetter
    step: ActionStep

    def request(self, by: User | None, **asked: Any) -> Run:
        return services.request_run(flow=self.flow, by=by, **{"kind": "resync", **asked})


@pytest.fixture
def world(incidents_flow: Flow) -> World:
    flow, now = incidents_flow, timezone.now()
    link = RecordLink.objects.create(
        flow=flow, born_in="servicenow", servicenow_connection=flow.servicenow_connection, servicenow_table="incident",
        servicenow_id=SYS_ID, salesforce_connection=flow.salesforce_connection, salesforce_object="Case", salesforce_id=CASE_ID,
    )  # fmt: skip
    letter = DeadLetter.objects.create(
        flow=flow, side="salesforce", record_id=SYS_ID, record_number="INC0010001", operation="create",
        code="UNMAPPED_VALUE", first_at=now, last_at=now, content={"value": "Printer on fire"},
    )  # fmt: skip
    run = Run.objects.create(flow=flow, kind="manual", revision=flow.revision)
    Conflict.objects.create(link=link, row=uuid4(), field="Subject", at=now)
    Flow.objects.filter(pk=flow.pk).update(deletions_paused="60 records disappeared from servicenow at once.")
    Schedule.objects.create(flow=flow, cron="*/5 * * * *")
    action = ActionRun.objects.create(
        flow=flow, revision=flow.revision, action="order-services", trigger="entered", side="servicenow", record_id=SYS_ID,
        occasion="entered", status="in_doubt", since=now, created_at=now,
    )  # fmt: skip
    step = ActionStep.objects.create(
        action_run=action, position=0, name="order", kind="order", status="in_doubt"
    )
    return World(flow, flow.servicenow_connection, link, run, letter, step)


def rename(flow: Flow) -> Flow:
    Flow.objects.filter(pk=flow.pk).update(servicenow_scope="active=true")
    return Flow.objects.get(pk=flow.pk)


def resolved(world: World, by: User | None) -> None:
    conflicts = Conflict.objects.filter(link=world.link)
    services.resolve_conflicts(conflicts=conflicts, side=Side.SERVICENOW, by=by)


def probed(world: World, by: User | None) -> None:
    """Nothing answers there: it was asked all the same."""
    with suppress(SyncError):
        services.probe_connection(connection=world.connection, by=by)


@dataclass(frozen=True)
class Service:
    permission: str
    action: str
    call: Callable[[World, User | None], Any]


SERVICES = {
    "request_run": Service("resync_flow", "run.started", World.request),
    "count_run": Service("resync_flow", "flow.counted", lambda w, by: services.count_run(flow=w.flow, by=by)),
    "reconcile": Service("run_flow", "run.started", lambda w, by: services.reconcile(flow=w.flow, by=by)),
    "cancel_run": Service("cancel_run", "run.cancelled", lambda w, by: services.cancel_run(run=w.run, by=by)),
    "sync_record": Service("sync_recordlink", "run.started", lambda w, by: services.sync_record(link=w.link, by=by)),
    "sync_named": Service("sync_recordlink", "run.started", lambda w, by: services.sync_named(flow=w.flow, name="INC0010001", by=by)),
    "publish_flow": Service("publish_flow", "flow.published", lambda w, by: services.publish_flow(flow=rename(w.flow), by=by)),
    "pause_flow": Service("pause_flow", "flow.paused", lambda w, by: services.pause_flow(flow=w.flow, by=by, reason="Storm")),
    "resume_flow": Service("pause_flow", "flow.resumed", lambda w, by: services.resume_flow(flow=w.flow, by=by)),
    "resolve_conflicts": Service("resolve_conflict", "conflicts.resolved", resolved),
    "allow_deletions": Service(
        "pause_flow", "deletions.allowed", lambda w, by: services.allow_deletions(flow=w.flow, by=by)
    ),
    "set_secrets": Service(
        "change_connection", "connection.secrets_changed",
        lambda w, by: services.set_secrets(connection=w.connection, secrets={"password": "hunter2"}, by=by),
    ),
    "test_connection": Service(
        "test_connection", "connection.tested", lambda w, by: services.test_connection(connection=w.connection, by=by)
    ),
    "check_recipe": Service(
        "check_recipe", "recipe.checked",
        lambda w, by: services.check_recipe(
            recipe="incident-case", servicenow=w.connection, salesforce=w.flow.salesforce_connection, by=by
        ),
    ),
    "probe_connection": Service("test_connection", "connection.probed", probed),
    "retry_dead_letters": Service(
        "retry_deadletter", "dead_letters.retried", lambda w, by: services.retry_dead_letters(letters=[w.letter], by=by)
    ),
    "resync_dead_letters": Service(
        "resync_flow", "run.started", lambda w, by: services.resync_dead_letters(letters=[w.letter], by=by)
    ),
    "ignore_dead_letters": Service(
        "ignore_deadletter", "dead_letters.ignored",
        lambda w, by: services.ignore_dead_letters(letters=[w.letter], by=by, reason="A duplicate."),
    ),
    "say_action_happened": Service(
        "decide_action", "action.happened", lambda w, by: services.say_action_happened(step=w.step, by=by, number="REQ0010001")
    ),
    "do_action_again": Service("decide_action", "action.repeated", lambda w, by: services.do_action_again(step=w.step, by=by)),
    "drop_action": Service(
        "decide_action", "action.dropped", lambda w, by: services.drop_action(action=w.step.action_run, by=by, reason="Too late.")
    ),
    "look_at_payload": Service("view_payload", "payload.opened", lambda w, by: services.look_at_payload(target=w.letter, by=by)),
}  # fmt: skip


def person(*permissions: str) -> User:
    alice = User.objects.create_user("alice", is_staff=True)
    found = Permission.objects.filter(codename__in=permissions, content_type__app_label="sync")
    assert {one.codename for one in found} == set(permissions), (
        "a permission that exists nowhere can be given to nobody"
    )
    alice.user_permissions.add(*found)
    return User.objects.get(pk=alice.pk)  # without the cache of permissions


def everything() -> list[Any]:
    models = (
        ActionRun,
        ActionStep,
        AuditEntry,
        Connection,
        ConnectionToken,
        DeadLetter,
        Flow,
        Question,
        RecordLink,
        Revision,
        Run,
        Schedule,
        Waiting,
    )
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_every_service_that_a_person_can_ask_for_is_tested_here() -> None:
    asked_by = {
        name
        for name, function in inspect.getmembers(services, inspect.isfunction)
        if function.__module__ == services.__name__ and "by" in inspect.signature(function).parameters
    }

    assert asked_by - {"require"} == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_who_may_not_is_refused_and_nothing_is_left_behind(world: World, name: str) -> None:
    every_other = {service.permission for service in SERVICES.values()} - {SERVICES[name].permission}
    alice = person(*every_other, "view_flow")
    if name == "publish_flow":
        rename(world.flow)
    before = everything()

    with pytest.raises(PermissionDenied, match=SERVICES[name].permission):
        SERVICES[name].call(world, alice)

    assert everything() == before


@pytest.mark.parametrize("name", SERVICES)
def test_who_may_does_it_and_stands_in_the_audit_log(world: World, name: str) -> None:
    alice = person(SERVICES[name].permission)
    before = AuditEntry.objects.count()

    with acting_as(Actor(alice.pk, "alice", "192.0.2.7")):
        SERVICES[name].call(world, alice)

    made = AuditEntry.objects.filter(number__gt=before, action=SERVICES[name].action).get()
    assert (made.actor_id, made.actor_name, made.ip) == (alice.pk, "alice", "192.0.2.7")
    assert list(audit.verify()) == []


def test_an_inactive_person_may_nothing(world: World) -> None:
    alice = person("pause_flow")
    alice.is_active = False

    with pytest.raises(PermissionDenied):
        services.pause_flow(flow=world.flow, by=alice, reason="Storm")


def test_the_command_line_need_not_ask(world: World) -> None:
    services.pause_flow(flow=world.flow, by=None, reason="Storm")

    assert Flow.objects.get().paused_reason == "Storm"


# Runs


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"enabled": False}, "incidents-to-cases is disabled. Enable it first."),
        ({"paused_reason": "Storm."}, "incidents-to-cases is paused: Storm. Resume it first."),
        ({"revision": None}, "incidents-to-cases has no published revision. Save it to publish one."),
    ],
)
def test_a_flow_that_must_not_run_says_why(world: World, change: dict[str, Any], said: str) -> None:
    Flow.objects.update(**change)
    world.flow.refresh_from_db()
    before = everything()

    with pytest.raises(services.Refused) as raised:
        world.request(None)

    assert str(raised.value) == said
    assert everything() == before


def test_a_second_run_in_the_lane_is_refused_by_the_number_of_the_first(world: World) -> None:
    before = everything()

    with pytest.raises(
        services.Refused, match=rf"Run {world.run.pk:,} \(manual\) of incidents-to-cases is active"
    ):
        world.request(None, kind="manual")

    assert everything() == before


def test_a_resync_works_beside_the_live_lane_and_asks_for_its_own_permission(world: World) -> None:
    alice = person("run_flow")

    with pytest.raises(PermissionDenied):
        world.request(alice)
    assert world.request(None).lane == "backfill"


def test_a_run_remembers_what_was_asked_and_the_revision_it_works_by(world: World) -> None:
    since = datetime(2026, 11, 23, tzinfo=UTC)

    with acting_as(Actor(name="command line")):
        run = world.request(None, since=since, ids=["a"])

    assert run.params == {"since": "2026-11-23T00:00:00+00:00", "ids": ["a"]}
    assert run.revision == world.flow.revision
    assert AuditEntry.objects.filter(action="run.started").get().after["ids"] == ["a"]


def test_what_nobody_asked_for_does_not_fill_the_audit_log(world: World) -> None:
    world.request(None)

    assert not AuditEntry.objects.filter(action="run.started").exists()


def test_a_queued_run_ends_at_once_and_a_running_one_is_asked_to(world: World) -> None:
    running = Run.objects.create(flow=world.flow, kind="resync", lane="backfill", status="running")

    services.cancel_run(run=world.run, by=None)
    services.cancel_run(run=running, by=None)

    world.run.refresh_from_db()
    running.refresh_from_db()
    assert (world.run.status, bool(world.run.finished_at)) == ("cancelled", True)
    assert (running.status, running.cancel_requested) == ("running", True)


def test_a_run_that_has_ended_is_not_cancelled_and_the_log_does_not_say_so(world: World) -> None:
    Run.objects.update(status="succeeded")
    before = everything()

    with pytest.raises(services.Refused, match=f"Run {world.run.pk:,} has ended already"):
        services.cancel_run(run=world.run, by=None)

    assert everything() == before


# Flows


def test_a_paused_flow_is_resumed(world: World) -> None:
    services.pause_flow(flow=world.flow, by=None, reason="")
    paused = Flow.objects.get()
    assert (paused.health, paused.paused_reason) == ("paused", "Paused by a person.")

    services.resume_flow(flow=paused, by=None)
    resumed = Flow.objects.get()
    assert (resumed.health, resumed.paused_reason) == ("healthy", "")


def test_publishing_what_did_not_change_writes_nothing(world: World) -> None:
    before = everything()

    assert services.publish_flow(flow=world.flow, by=None) == world.flow.revision
    assert everything() == before


# Connections


def test_a_secret_shows_up_nowhere(world: World, caplog: pytest.LogCaptureFixture) -> None:
    services.set_secrets(
        connection=world.connection, secrets={"password": "hunter2", "client_id": ""}, by=None
    )

    held = Connection.objects.get(pk=world.connection.pk)
    assert held.secrets == {"password": "hunter2"}
    shown = [repr(held), repr(world.connection), str(everything()), caplog.text, str(held.secrets_set)]
    assert not any("hunter2" in text for text in shown)
    entry = AuditEntry.objects.get(action="connection.secrets_changed")
    assert entry.after == {"secrets": ["client_id", "password"]}


def test_two_people_who_set_different_secrets_keep_both(world: World) -> None:
    one, other = (Connection.objects.get(pk=world.connection.pk) for _ in range(2))

    services.set_secrets(connection=one, secrets={"client_id": "console"}, by=None)
    services.set_secrets(connection=other, secrets={"password": "hunter2"}, by=None)

    held = Connection.objects.get(pk=world.connection.pk)
    assert held.secrets == {"client_id": "console", "password": "hunter2"}
    assert set(held.secrets_set) == {"client_id", "password"}
    assert other.secrets == held.secrets


def test_an_empty_secret_is_removed_and_the_cached_token_forgotten(world: World) -> None:
    ConnectionToken.objects.create(connection=world.connection, token={"access_token": "t"})
    services.set_secrets(connection=world.connection, secrets={"password": "hunter2"}, by=None)
    services.set_secrets(connection=world.connection, secrets={"password": ""}, by=None)

    held = Connection.objects.get(pk=world.connection.pk)
    assert (held.secrets, held.secrets_set) == ({}, {})
    assert ConnectionToken.objects.get().token is None


# Dead letters


def test_a_retried_letter_waits_for_the_next_run_which_is_queued(world: World) -> None:
    Run.objects.all().delete()

    assert services.retry_dead_letters(letters=[world.letter], by=None) == 1

    waiting = Waiting.objects.get()
    assert (waiting.side, waiting.record_id, waiting.reason) == ("servicenow", SYS_ID, "retry")
    assert DeadLetter.objects.get().state == "retried"
    assert Run.objects.get().kind == "retry"


def test_what_else_the_database_refuses_is_not_told_as_another_run(world: World) -> None:
    with pytest.raises(IntegrityError, match="mode"), transaction.atomic():
        world.request(None, mode=None)


def test_a_retry_beside_an_active_run_is_left_to_it(world: World) -> None:
    assert services.retry_dead_letters(letters=[world.letter], by=None) == 1

    assert Waiting.objects.count() == 1
    assert Run.objects.get() == world.run


def test_a_closed_letter_is_neither_retried_nor_ignored(world: World) -> None:
    services.ignore_dead_letters(letters=[world.letter], by=None, reason="A duplicate.")
    world.letter.refresh_from_db()

    assert services.retry_dead_letters(letters=[world.letter], by=None) == 0
    assert services.ignore_dead_letters(letters=[world.letter], by=None, reason="Again.") == 0
    assert not Waiting.objects.exists()
    assert DeadLetter.objects.get().state == "ignored"


def test_a_letter_that_closed_while_the_page_was_open_stays_closed(world: World) -> None:
    DeadLetter.objects.update(state="closed")  # its cause went away; the page still shows it open

    assert services.retry_dead_letters(letters=[world.letter], by=None) == 0
    assert services.ignore_dead_letters(letters=[world.letter], by=None, reason="A duplicate.") == 0
    assert DeadLetter.objects.get().state == "closed"


def test_looks_at_one_record_are_noted_once_an_hour_for_each_person(world: World) -> None:
    alice = person("view_payload")
    with acting_as(Actor(alice.pk, "alice")):
        for _ in range(3):
            services.look_at_payload(target=world.letter, by=alice)
        services.look_at_payload(target=world.link, by=alice)

    seen = AuditEntry.objects.filter(action="payload.opened").order_by("number")
    assert [entry.object_type for entry in seen] == ["sync.deadletter", "sync.recordlink"]
    assert "Printer on fire" not in str(seen.values())
