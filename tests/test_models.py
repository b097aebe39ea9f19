"""Rules for every model, walked so that a new one cannot forget: keys of sealed rows, words, and who may change history."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from sync.core.records import Operation, Outcome, Side
from sync.encryption import sealed_attributes
from sync.models import AuditEntry, Conflict, Flow, Intent, RecordLink, Run
from sync.models.base import time_ordered_uuid

MODELS = [model for label in ("sync", "mappings") for model in apps.get_app_config(label).get_models()]
SEALED = [model for model in MODELS if sealed_attributes(model)]

WORDS = {
    "sync.Run.status": "queued running succeeded partial failed cancelled deferred",
    "sync.Run.kind": "poll event manual resync retry heal apply reconcile",
    "sync.Run.mode": "write dry",
    "sync.Run.lane": "live backfill",
    "sync.LaneLease.lane": "live backfill",
    "sync.Flow.health": "healthy behind failing paused disabled",
    "sync.Flow.adopt": "servicenow salesforce newest ask refuse",
    "sync.Flow.on_leave": "keep unlink close",
    "sync.Flow.drift": "leave restore",
    "mappings.Mapping.conflict": "newest servicenow salesforce ask",
    "mappings.Mapping.direction": "to_salesforce to_servicenow both",
    "mappings.ValueMap.unmapped_to_salesforce": "fail pass default",
    "mappings.ValueMap.unmapped_to_servicenow": "fail pass default",
    "mappings.UserTableEntry.kind": "user group",
    "sync.Connection.system": "servicenow salesforce",
    "sync.Event.operation": "create update adopt delete skip",
    "sync.Event.outcome": "created updated adopted deleted unchanged conflict waiting failed in_doubt deferred",
}
LINK_STATES = ["active", "deleted in ServiceNow", "deleted in Salesforce", "unlinked", "blocked"]


def chosen_fields() -> list[models.Field[Any, Any]]:
    return [field for model in MODELS for field in model._meta.local_fields if field.choices]


def values(name: str) -> list[str]:
    return [
        value
        for value, _ in apps.get_model(name.rpartition(".")[0])
        ._meta.get_field(name.rpartition(".")[2])
        .flatchoices
    ]


# Sealed columns


def test_there_are_sealed_columns_to_walk() -> None:
    assert {"RecordLink", "Event", "DeadLetter", "Conflict", "Intent", "Connection", "ConnectionToken"} <= {
        model.__name__ for model in SEALED
    }


@pytest.mark.parametrize("model", SEALED, ids=lambda model: model.__name__)
def test_a_row_with_sealed_columns_has_a_key_that_we_make_before_it_is_saved(
    model: type[models.Model],
) -> None:
    key = model._meta.pk

    assert isinstance(key, models.UUIDField)
    assert key.default is time_ordered_uuid
    assert model().pk != model().pk


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_binary_column_is_sealed_and_every_sealed_one_is_binary(model: type[models.Model]) -> None:
    binary = {field.name for field in model._meta.local_fields if isinstance(field, models.BinaryField)}

    assert {sealed.column for sealed in sealed_attributes(model).values()} == binary
    assert all(name == f"{attribute}_sealed" for attribute, name in (
        (attribute, sealed.column) for attribute, sealed in sealed_attributes(model).items()
    ))  # fmt: skip


def test_keys_rise_with_time_and_are_of_version_7() -> None:
    before = time.time_ns() // 1_000_000
    keys = [time_ordered_uuid() for _ in range(1000)]

    assert len(set(keys)) == 1000
    assert {(key.version, key.variant) for key in keys} == {(7, uuid.RFC_4122)}
    assert all(before <= key.int >> 80 <= time.time_ns() // 1_000_000 for key in keys)
    assert [key.int >> 80 for key in keys] == sorted(key.int >> 80 for key in keys)


# Words


@pytest.mark.parametrize("name", WORDS)
def test_choices_are_the_words_of_the_design(name: str) -> None:
    assert values(name) == WORDS[name].split()


def test_links_are_in_one_of_five_states() -> None:
    assert [label for _, label in RecordLink._meta.get_field("state").flatchoices] == LINK_STATES


def test_the_database_and_the_engine_use_the_same_words() -> None:
    assert values("sync.Event.operation") == list(Operation)
    assert values("sync.Event.outcome") == list(Outcome)
    assert values("sync.Event.side") == list(Side)


@pytest.mark.parametrize("field", chosen_fields(), ids=str)
def test_a_choice_fits_its_column_and_the_default_is_one(field: models.Field[Any, Any]) -> None:
    offered = [value for value, _ in field.flatchoices]

    assert all(0 < len(value) <= field.max_length for value in offered)
    assert not field.has_default() or field.get_default() in [*offered, ""]


@pytest.mark.parametrize(
    "field", [f for f in chosen_fields() if f.name in ("side", "operation", "outcome", "lane")], ids=str
)
def test_a_column_of_one_name_has_the_same_words_everywhere(field: models.Field[Any, Any]) -> None:
    first = next(other for other in chosen_fields() if other.name == field.name)

    assert field.flatchoices == first.flatchoices


# Names and history


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_says_what_it_is(model: type[models.Model]) -> None:
    shown_nowhere = model._meta.default_permissions == ()

    assert shown_nowhere or model.__str__ is not models.Model.__str__


HISTORY = "AuditEntry Event RemoteCall Revision Run RecordLink DeadLetter Conflict Waiting Question".split()


@pytest.mark.parametrize("name", HISTORY)
def test_nobody_can_be_given_the_right_to_edit_history(name: str) -> None:
    assert not {"add", "change", "delete"} & set(apps.get_model("sync", name)._meta.default_permissions)


def test_the_audit_log_is_one_chain() -> None:
    """One table, numbered without a second sequence: neither a model beside it nor an entry can start another."""
    assert [
        model for model in MODELS if {"mac", "previous_mac"} & {field.name for field in model._meta.fields}
    ] == [AuditEntry]
    assert AuditEntry._meta.get_field("number").unique


@pytest.mark.django_db
@pytest.mark.parametrize("user_gone", ["asked_by", "actor", "author", "closed_by", "resolved_by"])
def test_a_person_who_is_deleted_takes_no_history_along(user_gone: str) -> None:
    found = [field for model in MODELS for field in model._meta.local_fields if field.name == user_gone]

    assert found
    assert all(field.remote_field.on_delete is models.SET_NULL for field in found)


# What the database refuses


@pytest.fixture
def link(incidents_flow: Flow) -> RecordLink:
    return RecordLink.objects.create(**ends(incidents_flow))


def ends(
    flow: Flow, servicenow_id: str = "a" * 32, salesforce_id: str = "500000000000001AAA"
) -> dict[str, Any]:
    return {
        "flow": flow, "born_in": "servicenow", "servicenow_connection": flow.servicenow_connection,
        "servicenow_table": "incident", "servicenow_id": servicenow_id,
        "salesforce_connection": flow.salesforce_connection, "salesforce_object": "Case", "salesforce_id": salesforce_id,
    }  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("other", [("a" * 32, "500000000000002AAA"), ("b" * 32, "500000000000001AAA")])
@pytest.mark.parametrize("state", ["active", "deleted_sn", "deleted_sf", "unlinked", "blocked"])
def test_a_record_is_linked_once_even_to_a_tombstone(
    link: RecordLink, state: str, other: tuple[str, str]
) -> None:
    RecordLink.objects.update(state=state)

    with pytest.raises(IntegrityError), transaction.atomic():
        RecordLink.objects.create(**ends(link.flow, *other))


@pytest.mark.django_db
@pytest.mark.parametrize("first", ["queued", "running"])
@pytest.mark.parametrize("second", ["queued", "running"])
def test_one_run_is_active_in_a_lane(incidents_flow: Flow, first: str, second: str) -> None:
    Run.objects.create(flow=incidents_flow, kind="manual", status=first)
    Run.objects.create(flow=incidents_flow, kind="resync", lane="backfill", status=second)
    Run.objects.create(flow=incidents_flow, kind="manual", status="failed")

    with pytest.raises(IntegrityError), transaction.atomic():
        Run.objects.create(flow=incidents_flow, kind="poll", status=second)


@pytest.mark.django_db
def test_one_request_without_condition_is_open_for_a_record(link: RecordLink) -> None:
    def intend(**changes: Any) -> Intent:
        given = {
            "flow": link.flow,
            "side": "salesforce",
            "operation": "update",
            "source_id": link.servicenow_id,
        }
        return Intent.objects.create(**given, at=timezone.now(), lease_token="t", **changes)

    intend()
    intend(conditional=True)
    intend(settled_at=timezone.now())

    with pytest.raises(IntegrityError), transaction.atomic():
        intend()
    assert Intent.objects.open().count() == 2


@pytest.mark.django_db
def test_one_conflict_is_open_for_a_field(link: RecordLink) -> None:
    row = uuid.uuid4()
    Conflict.objects.create(link=link, row=row, field="Status", at=timezone.now(), state="resolved")
    Conflict.objects.create(link=link, row=row, field="Status", at=timezone.now())

    with pytest.raises(IntegrityError), transaction.atomic():
        Conflict.objects.create(link=link, row=row, field="Status", at=timezone.now())
