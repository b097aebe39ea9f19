"""The demo customers: the same on both platforms, complete, and ready for what the recipes do with them."""

import re

import pytest

from sync.sandbox.clock import ManualClock
from sync.sandbox.customers import CUSTOMERS, FAX, PRODUCTS, VPN, key
from sync.sandbox.pair import PairConfig, start_pair
from sync.sandbox.planned_changes import PlannedChanges
from sync.sandbox.servicenow.instance import user_id

ORDER = "/api/sn_sc/servicecatalog/items/{}/order_now"


@pytest.fixture
def pair():
    with start_pair(PairConfig(customers=True, incidents=60, clock=ManualClock())) as pair:
        yield pair


def test_every_reference_leads_to_a_row(pair):
    store = pair.servicenow.platform.store
    lost = [
        (table.name, column.name, row[at])
        for table in store.registry
        if not table.abstract
        for row in store.data(table.name).by_id.values()
        for at, column in enumerate(table.columns)
        if column.reference and row[at] and store.find(column.reference, row[at]) is None
    ]

    assert lost == []


def test_every_choice_is_one_of_its_list(pair):
    store = pair.servicenow.platform.store
    odd = [
        (table.name, column.name, row[at])
        for table in store.registry
        if not table.abstract
        for row in store.data(table.name).by_id.values()
        for at, column in enumerate(table.columns)
        if column.choices and row[at] and row[at] not in store.choices(table, column.name)
    ]

    assert odd == []


def test_a_customer_of_servicenow_has_one_account_with_its_key(pair):
    there = {row["sys_id"]: row["name"] for row in pair.servicenow.rows("customer_account")}
    here = {row["ServiceNow_Sys_Id__c"]: row["Name"] for row in pair.salesforce.rows("Account")}
    new = here.keys() - there.keys()

    assert there == {each: name for each, name in here.items() if each}
    assert new == {None}
    assert len(pair.salesforce.rows("Account", Name="Acme")) == 1
    assert {row["sys_id"] for row in pair.servicenow.rows("customer_contact")} == {
        row["ServiceNow_Sys_Id__c"] for row in pair.salesforce.rows("Contact") if row["ServiceNow_Sys_Id__c"]
    }


def test_each_account_has_an_owner_a_team_and_an_opportunity(pair):
    accounts = pair.salesforce.rows("Account")

    assert {row["Name"] for row in accounts} == {customer.name for customer in CUSTOMERS}
    for account in accounts:
        team = pair.salesforce.rows("AccountTeamMember", AccountId=account["Id"])
        deals = pair.salesforce.rows("Opportunity", AccountId=account["Id"])
        assert account["OwnerId"] in {member["UserId"] for member in team}
        assert len(deals) == 1


def test_one_won_account_waits_to_be_taken_on(pair):
    won = {row["AccountId"] for row in pair.salesforce.rows("Opportunity") if row["IsWon"]}
    waiting = [
        row["Name"]
        for row in pair.salesforce.rows("Account")
        if row["Id"] in won and not row["ServiceNow_Sys_Id__c"]
    ]

    assert waiting == ["Burlington Textiles"]


def test_its_products_can_be_ordered_and_the_retired_one_cannot(pair, api):
    body = {"sysparm_quantity": 1, "variables": {"account": key("customer_account", "Acme")}}

    sold = api.call("POST", ORDER.format(key("sc_cat_item", VPN)), json=body)
    retired = api.call("POST", ORDER.format(key("sc_cat_item", FAX)), json=body)

    assert (sold.status_code, retired.status_code) == (200, 400)
    products = {row["Name"]: row["IsActive"] for row in pair.salesforce.rows("Product2")}
    assert products == {product.name: product.active for product in PRODUCTS}


def test_the_change_that_waits_is_approved_by_a_person(pair, api):
    (asked,) = pair.servicenow.rows("sysapproval_approver")

    pair.servicenow.edit("sysapproval_approver", asked["sys_id"], by="fred.luddy", state="approved")

    (change,) = api.rows("change_request", f"sys_id={asked['sysapproval']}", fields="number,approval,state")
    assert asked["approver"] == user_id("fred.luddy")
    assert change == {"number": "CHG0030001", "approval": "approved", "state": "-2"}
    touched = api.rows("task_ci", "task.number=CHG0030001", fields="ci_item.company.name")
    assert touched == [{"ci_item.company.name": "Edge Communications"}]


def test_parents_of_assets_belong_to_the_same_customer(pair):
    assets = {row["sys_id"]: row for row in pair.servicenow.rows("alm_hardware")}
    within = [row for row in assets.values() if row["parent"]]

    assert within
    assert all(row["company"] == assets[row["parent"]]["company"] for row in within)
    assert {row["retired"] != "" for row in assets.values() if row["install_status"] == "7"} == {True}


def test_an_open_incident_is_behind_a_problem_with_a_workaround(api):
    found = api.rows(
        "incident", "problem_idISNOTEMPTY", fields="problem_id.workaround,cmdb_ci.name,company.name,active"
    )

    assert found
    assert all(all(row.values()) and row["active"] == "true" for row in found)


def test_the_picture_of_an_article_is_shown(api):
    (article,) = api.rows("kb_knowledge", "number=KB0020001^latest=true")
    (address,) = re.findall(r'src="([^"]+)"', article["text"])

    shown = api.call("GET", address)

    assert (shown.status_code, shown.content[:4]) == (200, b"\x89PNG")


def test_numbers_go_on_after_those_of_the_demo(pair, api):
    made = api.call("POST", "/api/now/table/change_request", json={"short_description": "Next"}).json()

    assert made["result"]["number"] == "CHG0030005"


def test_while_a_demo_runs_changes_are_approved_moved_and_called_off_and_asked_for(pair):
    life = PlannedChanges(pair.servicenow.platform)
    seen = []
    for _ in range(8):
        life.step()
        seen.append([(row["state"], row["approval"]) for row in pair.servicenow.rows("change_request")])

    waits = pair.servicenow.rows("change_request", number="CHG0030001")[0]
    assert (waits["state"], waits["approval"]) == ("4", "approved")
    assert [sum(row == ("4", "approved") for row in rows) for rows in seen] == [0, 0, 1, 1, 1, 1, 2, 2]
    assert len(seen[-1]) == len(seen[0]) + 2
    asked = pair.servicenow.rows("change_request", type="emergency")
    assert all(pair.servicenow.rows("task_ci", task=row["sys_id"]) for row in asked)
