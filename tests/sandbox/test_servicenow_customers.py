"""Companies, accounts and contacts; assets and configuration items; what a change touches and who approves it."""

import pytest


def create(client, table, **fields):
    answer = client.call("POST", f"/api/now/table/{table}", json=fields)
    assert answer.status_code == 201, answer.text
    return answer.json()["result"]


def test_an_account_is_a_company_and_its_contact_a_user(api):
    account = create(api, "customer_account", name="Acme", city="Berlin", industry="Banking")
    contact = create(
        api, "customer_contact", first_name="Alice", last_name="Archer", account=account["sys_id"]
    )

    assert (account["number"], account["customer"]) == ("ACCT0010001", "true")
    assert [row["name"] for row in api.rows("core_company", f"sys_id={account['sys_id']}")] == ["Acme"]
    (user,) = api.rows("sys_user", f"sys_id={contact['sys_id']}", fields="name,sys_class_name")
    assert user == {"name": "Alice Archer", "sys_class_name": "customer_contact"}
    assert [row["name"] for row in api.rows("customer_contact", "account.name=Acme")] == ["Alice Archer"]


def test_a_contact_that_is_renamed_has_its_new_name_everywhere(api):
    contact = create(api, "customer_contact", first_name="Alice", last_name="Archer")

    answer = api.call(
        "PATCH", f"/api/now/table/customer_contact/{contact['sys_id']}", json={"last_name": "Bowman"}
    )

    assert answer.json()["result"]["name"] == "Alice Bowman"


def test_an_asset_belongs_to_a_company_and_may_lie_in_another(api):
    acme = create(api, "customer_account", name="Acme")
    rack = create(api, "alm_hardware", display_name="Rack 1", company=acme["sys_id"])
    server = create(
        api,
        "alm_hardware",
        display_name="Server 1",
        company=acme["sys_id"],
        parent=rack["sys_id"],
        warranty_expiration="2027-05-31",
        install_status="7",
    )
    (row,) = api.rows(
        "alm_asset",
        "company.name=Acme^parentISNOTEMPTY^warranty_expirationRELATIVEGE@year@ago@50",
        fields="display_name,parent.display_name,warranty_expiration",
        display_value="true",
    )

    assert server["warranty_expiration"] == "2027-05-31"
    assert row == {
        "display_name": "Server 1",
        "parent.display_name": "Rack 1",
        "warranty_expiration": "2027-05-31",
    }


def test_a_day_keeps_no_time_and_refuses_what_is_no_day(api):
    dates = ("2027-05-31 23:30:00", "soon", "")

    assets = [create(api, "alm_hardware", display_name=text, warranty_expiration=text) for text in dates]

    assert [each["warranty_expiration"] for each in assets] == ["2027-05-31", "", ""]


def test_classes_of_configuration_items_are_found_under_what_they_extend(api, pair):
    create(api, "cmdb_ci_server", name="db-1")
    create(api, "cmdb_ci_netgear", name="switch-1")
    router, server = (
        api.rows("cmdb_ci", f"name={name}", fields="sys_id")[0] for name in ("switch-1", "db-1")
    )
    kind = pair.servicenow.add("cmdb_rel_type", name="Connects to::Connected by")
    create(api, "cmdb_rel_ci", parent=server["sys_id"], child=router["sys_id"], type=kind["sys_id"])

    assert [row["name"] for row in api.rows("cmdb_ci_computer")] == ["db-1"]
    assert {row["name"] for row in api.rows("cmdb_ci_hardware")} == {"db-1", "switch-1"}
    assert api.rows("cmdb_rel_ci", "parent.name=db-1", fields="child.name,type.name") == [
        {"child.name": "switch-1", "type.name": "Connects to::Connected by"}
    ]


def test_the_customers_that_a_change_touches_are_found_by_its_services(api):
    acme = create(api, "customer_account", name="Acme")
    mail = create(api, "cmdb_ci_service", name="Mail")
    gold = create(api, "service_offering", name="Mail gold", parent=mail["sys_id"])
    create(api, "service_subscribe_company", service_offering=gold["sys_id"], core_company=acme["sys_id"])
    change = create(api, "change_request", short_description="New mail server")
    create(api, "task_cmdb_ci_service", task=change["sys_id"], cmdb_ci_service=mail["sys_id"])
    create(api, "task_service_offering", task=change["sys_id"], service_offering=gold["sys_id"])
    server = create(api, "cmdb_ci_server", name="mail-1", company=acme["sys_id"])
    create(api, "task_ci", task=change["sys_id"], ci_item=server["sys_id"])

    query = f"task={change['sys_id']}"
    assert api.rows("task_cmdb_ci_service", query, fields="cmdb_ci_service.name") == [
        {"cmdb_ci_service.name": "Mail"}
    ]
    assert api.rows("task_ci", query, fields="ci_item.company.name") == [{"ci_item.company.name": "Acme"}]
    assert api.rows(
        "service_subscribe_company", "service_offering.parent.name=Mail", fields="core_company.name"
    ) == [{"core_company.name": "Acme"}]


@pytest.mark.parametrize(
    ("before", "word", "approval", "after"),
    [
        ("-4", "approved", "requested", "-3"),
        ("-3", "approved", "approved", "-2"),
        ("-3", "rejected", "rejected", "-5"),
    ],
)
def test_an_approver_moves_a_change_on_or_back(api, pair, before, word, approval, after):
    change = create(api, "change_request", short_description="New mail server")
    for step in ("-4", "-3")[: 1 if before == "-4" else 2]:
        pair.servicenow.edit("change_request", change["sys_id"], state=step)
    fred = pair.servicenow.rows("sys_user", user_name="fred.luddy")[0]["sys_id"]
    asked = pair.servicenow.add("sysapproval_approver", sysapproval=change["sys_id"], approver=fred)
    waiting = api.rows("change_request", fields="approval")

    pair.servicenow.edit("sysapproval_approver", asked["sys_id"], state=word)

    assert waiting == [{"approval": "requested"}]
    (row,) = api.rows("change_request", fields="approval,state")
    assert row == {"approval": approval, "state": after}


def test_canceling_a_change_ends_its_asking(api, pair):
    change = create(api, "change_request", short_description="New mail server")
    pair.servicenow.edit("change_request", change["sys_id"], state="-4")

    pair.servicenow.edit("change_request", change["sys_id"], state="4")

    assert api.rows("change_request", fields="approval") == [{"approval": "cancelled"}]


def test_an_incident_reaches_its_problem_item_and_company(api):
    acme = create(api, "customer_account", name="Acme")
    server = create(api, "cmdb_ci_server", name="mail-1")
    problem = create(
        api, "problem", short_description="Disk", workaround="<p>Restart it</p>", known_error="true"
    )
    create(
        api,
        "incident",
        short_description="No mail",
        problem_id=problem["sys_id"],
        cmdb_ci=server["sys_id"],
        company=acme["sys_id"],
    )

    assert api.rows("incident", fields="problem_id.workaround,cmdb_ci.name,company.name") == [
        {"problem_id.workaround": "<p>Restart it</p>", "cmdb_ci.name": "mail-1", "company.name": "Acme"}
    ]


def test_an_instance_without_customer_service_has_its_customers_as_companies_and_users(api, pair):
    account = create(api, "customer_account", name="Acme", city="Berlin")
    contact = create(
        api, "customer_contact", first_name="Alice", last_name="Archer", account=account["sys_id"]
    )

    told = api.control("PATCH", "settings", json={"absent_tables": ["customer_account", "customer_contact"]})

    assert told.json()["absent_tables"] == ["customer_account", "customer_contact"]
    answer = api.call("GET", "/api/now/table/customer_account")
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "Invalid table customer_account")
    (company,) = api.rows("core_company", f"sys_id={account['sys_id']}")
    assert (company["name"], company["sys_class_name"], "number" in company) == (
        "Acme",
        "core_company",
        False,
    )
    assert [row["name"] for row in api.rows("sys_user", f"sys_id={contact['sys_id']}")] == ["Alice Archer"]
    assert api.rows("sys_dictionary", "nameSTARTSWITHcustomer_") == []
    for wrong in ("customer_account", ["nonsense"], ["sys_user"]):
        assert api.control("PATCH", "settings", json={"absent_tables": wrong}).status_code == 400
