"""On PostgreSQL and Redis: what SQLite cannot show."""

from __future__ import annotations

import threading

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection, connections, transaction
from django_q.brokers import get_broker

from mappings.models import ValueMap
from sync import audit, drafts, services
from sync.core.records import FieldSchema, Schema
from sync.engine.schemas import remember_schema
from sync.models import AuditEntry, Flow, Run
from sync.recipes import shipped
from sync.recipes.use import use_recipe
from tests.console.test_configuration import change_url, form_of
from tests.engine.killing import await_that

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

WRITERS = 6


def beside_each_other(work) -> list[services.Refused]:
    """Run `work` in several threads at once; returns the refusals. Any other exception fails the test."""
    raised: list[services.Refused] = []
    start = threading.Barrier(WRITERS)

    def one() -> None:
        start.wait()
        try:
            work()
        except services.Refused as error:
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_the_lane_runs_on_what_it_says():
    assert connection.vendor == "postgresql"
    assert "redis" in settings.CACHES["default"]["BACKEND"]
    assert type(get_broker()).__name__ == "Redis"


def test_audit_entries_written_at_once_form_one_chain():
    assert beside_each_other(lambda: audit.record("flow.changed", label="at once")) == []

    assert AuditEntry.objects.count() == WRITERS
    assert list(audit.verify()) == []


def test_of_many_runs_asked_for_at_once_one_is_queued(incidents_flow):
    refused = beside_each_other(lambda: services.request_run(flow=incidents_flow, by=None, enqueue=False))

    assert Run.objects.count() == 1
    assert len(refused) == WRITERS - 1


def test_of_a_recipe_used_many_times_at_once_under_one_name_one_flow_is_made(incidents_flow):
    ends = {side: getattr(incidents_flow, f"{side}_connection") for side in ("servicenow", "salesforce")}

    refused = beside_each_other(
        lambda: use_recipe(recipe=shipped()["progress-notices"], name="notices", by=None, **ends)
    )

    assert Flow.objects.filter(name="notices").count() == 1
    assert len(refused) == WRITERS - 1
    assert all("notices" in str(each) for each in refused)


def test_what_is_published_is_what_was_looked_at_though_somebody_edits_a_value_map_meanwhile(incidents_flow):
    states = ValueMap.objects.create(name="incident-state")
    states.entries.create(servicenow="1", salesforce="New")
    incidents_flow.rows.create(
        servicenow="state", salesforce="Status", transform="value_map", value_map=states
    )
    offered = FieldSchema("Status", "picklist", length=40, restricted=True, choices=("New",))
    names = (FieldSchema("Subject", "string", length=255), offered, FieldSchema("ServiceNow_Sys_Id__c", "string", length=80, unique=True))  # fmt: skip
    remember_schema(incidents_flow.salesforce_connection, Schema("Case", {each.name: each for each in names}))
    refused: list[services.Refused] = []

    def publish() -> None:
        try:
            services.publish_flow(flow=incidents_flow, by=None)
        except services.Refused as error:
            refused.append(error)
        finally:
            connections.close_all()

    publishing = threading.Thread(target=publish)
    with transaction.atomic():
        ValueMap.objects.select_for_update().get(pk=states.pk)  # as each form, file and mend of a map does
        publishing.start()
        await_that(is_anybody_waiting)
        states.entries.create(servicenow="2", salesforce="Gone", direction="to_salesforce")
    publishing.join()

    assert ["Gone" in str(error) for error in refused] == [True]
    assert Flow.objects.get().revision.number == 1


@pytest.mark.filterwarnings("ignore:No directory at")
def test_a_flow_and_its_value_map_saved_at_once_are_both_saved(incidents_flow, client, admin_user):
    """The log's writers take turns as well: whoever has written to it must not wait for a map then."""
    states = ValueMap.objects.create(name="incident-state")
    states.entries.create(servicenow="1", salesforce="New")
    incidents_flow.rows.create(
        servicenow="state", salesforce="Status", transform="value_map", value_map=states
    )
    client.force_login(admin_user)
    sent = form_of(client, change_url(incidents_flow)) | {"conflict": "ask", "reason": "Both count"}
    replies: list[int] = []

    def save() -> None:
        try:
            replies.append(client.post(change_url(incidents_flow), sent).status_code)
        finally:
            connections.close_all()

    saving = threading.Thread(target=save)
    with transaction.atomic():
        ValueMap.objects.select_for_update().get(pk=states.pk)
        saving.start()
        await_that(is_anybody_waiting)
        states.entries.create(servicenow="2", salesforce="Working")
        audit.record("value_map.changed", states)
    saving.join()

    assert replies == [302]
    snapshot = Flow.objects.get().revision.snapshot
    assert (snapshot["conflict"], snapshot["value_maps"]["incident-state"]["to_salesforce"]) == (
        "ask",
        {"1": "New", "2": "Working"},
    )


def is_anybody_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_of_those_who_publish_at_once_none_waits_for_another_in_a_circle(incidents_flow):
    """Two flows that use two maps, each in the other order."""
    one, two = (ValueMap.objects.create(name=name) for name in ("one", "two"))
    other = Flow.objects.create(
        name="others-to-cases", enabled=False, salesforce_key_field="Other__c",
        servicenow_connection=incidents_flow.servicenow_connection, salesforce_connection=incidents_flow.salesforce_connection,
    )  # fmt: skip
    for flow, maps in ((incidents_flow, (one, two)), (other, (two, one))):
        for value_map, field in zip(maps, ("Status", "Priority"), strict=True):
            value_map.entries.get_or_create(servicenow="1", salesforce="New")
            flow.rows.create(servicenow="state", salesforce=field, transform="value_map", value_map=value_map)
    digests = {flow.pk: drafts.draft_of(flow).digest for flow in (incidents_flow, other)}

    def publish() -> None:
        drafts.publish_together(seen=digests, by=None, reason="Because")

    assert beside_each_other(publish) == []
    assert {flow.revision.number for flow in Flow.objects.all()} == {1, 2}


def test_the_cache_is_shared():
    cache.set("greeting", "hello", 60)

    assert cache.get("greeting") == "hello"
