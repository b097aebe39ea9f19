"""The recipe Assets over the demo customers: machines under their Accounts, parents before children, retired ones marked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sync import services
from sync.models import DeadLetter, Flow, Run, Waiting
from sync.recipes import shipped
from sync.recipes.use import use_recipe
from sync.sandbox.customers import key
from sync.sandbox.pair import Pair, PairConfig, start_pair
from tests.engine.conftest import run_now, salesforce, servicenow

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair(PairConfig(customers=True)) as pair:
        yield pair


@pytest.fixture
def flows(pair: Pair) -> dict[str, Flow]:
    made = use_recipe(
        recipe=shipped()["assets"], name="assets", servicenow=servicenow(pair), salesforce=salesforce(pair), by=None
    )  # fmt: skip
    for flow in made:
        Flow.objects.filter(pk=flow.pk).update(enabled=True)
        services.publish_flow(flow=flow, by=None)
    return {flow.name.removeprefix("assets-"): Flow.objects.get(pk=flow.pk) for flow in made}


def run_all(flows: dict[str, Flow]) -> dict[str, Run]:
    return {part: run_now(flow) for part, flow in flows.items()}


def asset(pair: Pair, table: str, name: str) -> dict[str, Any]:
    rows = pair.salesforce.rows("Asset", ServiceNow_Sys_Id__c=key(table, name))
    return dict(rows[0]) if rows else {}


def test_machines_stand_under_their_customers_accounts(pair: Pair, flows: dict[str, Flow]) -> None:
    before = {row["Id"] for row in pair.salesforce.rows("Account")}

    runs = run_all(flows)

    assert {part: (run.status, run.created) for part, run in runs.items()} == {
        "customers": ("succeeded", 0),
        "hardware": ("succeeded", 10),
        "items": ("succeeded", 1),
    }
    assert {row["Id"] for row in pair.salesforce.rows("Account")} == before
    (acme,) = pair.salesforce.rows("Account", Name="Acme")
    server, rack = (asset(pair, "alm_hardware", name) for name in ("acme-mail-1", "acme-rack-1"))
    (row,) = pair.servicenow.rows("alm_hardware", sys_id=key("alm_hardware", "acme-mail-1"))
    assert (server["AccountId"], server["ParentId"], server["SerialNumber"], server["Status"]) == (
        acme["Id"], rack["Id"], "NW-S3-1002", "Installed",
    )  # fmt: skip
    assert (server["UsageEndDate"], server["PurchaseDate"]) == (
        row["warranty_expiration"],
        row["purchase_date"],
    )
    assert (server["InstallDate"], server["ServiceNow_Number__c"]) == (
        row["install_date"][:10],
        row["asset_tag"],
    )
    assert row["sys_id"] in server["ServiceNow_URL__c"]
    assert asset(pair, "alm_hardware", "acme-gw-0")["Status"] == "Obsolete"
    assert asset(pair, "cmdb_ci_server", "edge-vm-1")["Name"] == "edge-vm-1"
    again = run_all(flows)
    assert {part: run.updated + run.created for part, run in again.items()} == dict.fromkeys(flows, 0)


def test_a_machine_that_is_retired_or_deleted_is_marked_and_kept(pair: Pair, flows: dict[str, Flow]) -> None:
    run_all(flows)
    gateway, laptop = key("alm_hardware", "acme-gw-1"), key("alm_hardware", "hotel-desk-1")
    pair.servicenow.edit("alm_hardware", gateway, install_status="7", retired="2026-11-30")
    pair.servicenow.delete("alm_hardware", laptop)

    run = run_now(flows["hardware"])

    assert run.status == "succeeded"
    assert asset(pair, "alm_hardware", "acme-gw-1")["Status"] == "Obsolete"
    assert asset(pair, "alm_hardware", "hotel-desk-1")["Status"] == "Obsolete"


def test_hardware_waits_for_its_customer_and_for_what_it_lies_in(pair: Pair, flows: dict[str, Flow]) -> None:
    """The customer's own flow has not run yet, and the parent is no customer's."""
    shelf = pair.servicenow.add("alm_hardware", display_name="Shelf")
    acme = key("customer_account", "Acme")
    inside = pair.servicenow.add("alm_hardware", display_name="Switch", company=acme, parent=shelf["sys_id"])

    first = run_now(flows["hardware"])
    run_now(flows["customers"])
    second = run_now(flows["hardware"])

    assert (first.waiting, first.created) == (11, 0)
    assert (second.created, Waiting.objects.get().record_id) == (10, inside["sys_id"])
    pair.servicenow.edit("alm_hardware", shelf["sys_id"], company=acme)
    run_now(flows["hardware"])

    (switch,) = pair.salesforce.rows("Asset", ServiceNow_Sys_Id__c=inside["sys_id"])
    (parent,) = pair.salesforce.rows("Asset", ServiceNow_Sys_Id__c=shelf["sys_id"])
    assert switch["ParentId"] == parent["Id"]
    assert not Waiting.objects.exists()


def test_a_state_that_nobody_mapped_is_a_dead_letter_and_goes_on_when_it_is(
    pair: Pair, flows: dict[str, Flow]
) -> None:
    run_now(flows["customers"])
    pair.servicenow.add("sys_choice", name="alm_asset", element="install_status", value="12", label="On loan")
    lent = key("alm_hardware", "hotel-desk-2")
    pair.servicenow.edit("alm_hardware", lent, install_status="12")

    run = run_now(flows["hardware"])

    assert (run.status, run.created, run.failed) == ("partial", 9, 1)
    letter = DeadLetter.objects.get(state="open")
    assert (letter.record_id, letter.code) == (lent, "UNMAPPED_VALUE")
    pair.servicenow.edit("alm_hardware", lent, install_status="1")
    run_now(flows["hardware"])

    assert asset(pair, "alm_hardware", "hotel-desk-2")["Status"] == "Installed"
    assert not DeadLetter.objects.filter(state="open").exists()


def test_an_account_that_was_merged_away_takes_its_machines_along(pair: Pair, flows: dict[str, Flow]) -> None:
    """What was there has moved with the merge and stays; a new machine of that customer waits for a person."""
    run_all(flows)
    winner = pair.salesforce.add("Account", Name="Acme Group")["Id"]
    (acme,) = pair.salesforce.rows("Account", Name="Acme")
    pair.salesforce.merge("Account", winner, acme["Id"])
    run_all(flows)
    late = pair.servicenow.add(
        "alm_hardware", display_name="Late", company=key("customer_account", "Acme"), install_status="1"
    )

    run = run_now(flows["hardware"])

    assert asset(pair, "alm_hardware", "acme-mail-1")["AccountId"] == winner
    letter = DeadLetter.objects.get(state="open")
    assert (run.failed, letter.record_id) == (1, late["sys_id"])
    assert letter.code == "INVALID_CROSS_REFERENCE_KEY"
