"""A flow from incidents to Cases over the sandbox pair, on a real socket and a real database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mappings.models import FieldRow, UserTable, UserTableEntry, ValueMap, ValueMapEntry
from sync import services
from sync.engine.execute import execute
from sync.models import Connection, Flow, Run
from sync.sandbox.pair import Pair, PairConfig, start_pair
from sync.sandbox.people import GROUPS, PEOPLE

STATES = {"1": "New", "2": "Working", "3": "On Hold", "6": "Resolved", "7": "Closed"}
PRIORITIES = {"1": "Critical", "2": "High", "3": "Medium", "4": "Low"}
ROWS = (
    ("short_description", "Subject", "copy", ""),
    ("description", "Description", "copy", ""),
    ("state", "Status", "value_map", "incident-state"),
    ("priority", "Priority", "value_map", "incident-priority"),
    ("assigned_to, assignment_group", "OwnerId", "user", ""),
    ("number", "ServiceNow_Number__c", "copy", ""),
    ("sys_id", "ServiceNow_URL__c", "record_url", ""),
)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair(PairConfig()) as running:
        yield running


@pytest.fixture
def make_flow(transactional_db: None, pair: Pair) -> Callable[..., Flow]:
    def make(name: str = "incidents-to-cases", **changes: Any) -> Flow:
        flow = Flow(
            name=name, servicenow_connection=servicenow(pair), salesforce_connection=salesforce(pair),
            user_table=people(), overlap=changes.pop("overlap", 300), **changes,
        )  # fmt: skip
        flow.save()
        maps = {
            "incident-state": value_map("incident-state", STATES),
            "incident-priority": value_map("incident-priority", PRIORITIES),
        }
        for position, (source, target, how, map_name) in enumerate(ROWS):
            FieldRow.objects.create(
                mapping=flow,
                position=position,
                servicenow=source,
                salesforce=target,
                transform=how,
                value_map=maps.get(map_name),
            )
        FieldRow.objects.create(
            mapping=flow, position=99, salesforce="Origin", transform="constant", value="ServiceNow"
        )
        services.publish_flow(flow=flow, by=None)
        return flow

    return make


@pytest.fixture
def flow(make_flow: Callable[..., Flow]) -> Flow:
    return make_flow()


def servicenow(pair: Pair) -> Connection:
    return connection(
        pair, "acme-servicenow", "servicenow", pair.servicenow.url,
        {"client_id": pair.credentials.servicenow.client_id, "client_secret": pair.credentials.servicenow.client_secret},
    )  # fmt: skip


def salesforce(pair: Pair) -> Connection:
    held = pair.credentials.salesforce
    return connection(
        pair, "acme-salesforce", "salesforce", pair.salesforce.url,
        {"client_id": held.client_id, "client_secret": held.client_secret},
    )  # fmt: skip


def connection(pair: Pair, name: str, system: str, url: str, secrets: dict[str, str]) -> Connection:
    made, fresh = Connection.objects.get_or_create(
        name=name, defaults={"system": system, "url": url, "ca_bundle": str(pair.ca_file), "concurrency": 8}
    )
    if fresh:
        services.set_secrets(connection=made, secrets=secrets, by=None)
    return made


def value_map(name: str, entries: dict[str, str]) -> ValueMap:
    made, fresh = ValueMap.objects.get_or_create(name=name)
    if fresh:
        for source, target in entries.items():
            ValueMapEntry.objects.create(value_map=made, servicenow=source, salesforce=target)
        if name == "incident-priority":
            ValueMapEntry.objects.create(
                value_map=made, servicenow="5", salesforce="Low", direction="to_salesforce"
            )
    return made


def people() -> UserTable:
    table, fresh = UserTable.objects.get_or_create(
        name="acme-people", defaults={"fallback_to_salesforce": "Service_Desk"}
    )
    if fresh:
        for person in PEOPLE:
            UserTableEntry.objects.create(
                table=table, kind="user", servicenow=person.user_name, salesforce=person.email
            )
        for group in GROUPS:
            UserTableEntry.objects.create(
                table=table, kind="group", servicenow=group.name, salesforce=group.developer_name
            )
    return table


def run_now(flow: Flow, **asked: Any) -> Run:
    flow = Flow.objects.get(pk=flow.pk)
    return execute(services.request_run(flow=flow, by=None, enqueue=False, **asked).pk)
