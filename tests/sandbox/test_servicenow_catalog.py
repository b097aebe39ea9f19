"""Ordering from the service catalog, as the vendor's Service Catalog API page tells it."""

import pytest

ITEMS = "/api/sn_sc/servicecatalog/items"


@pytest.fixture
def vpn(pair):
    """An item with a mandatory question, a question with a default, and a choice."""
    side = pair.servicenow
    group = side.rows("sys_user_group", name="Network")[0]["sys_id"]
    catalog = side.add("sc_catalog", title="Service Catalog")["sys_id"]
    category = side.add("sc_category", title="Connections", sc_catalog=catalog)["sys_id"]
    item = side.add(
        "sc_cat_item",
        name="Site-to-site VPN",
        short_description="A tunnel between two sites",
        category=category,
        sc_catalogs=catalog,
        price="499.5",
        group=group,
    )
    ask = {"cat_item": item["sys_id"]}
    side.add("item_option_new", name="account", question_text="Account", mandatory="true", order="1", **ask)
    size = side.add(
        "item_option_new",
        name="size",
        question_text="Size",
        type="5",
        default_value="small",
        order="2",
        **ask,
    )
    side.add("question_choice", question=size["sys_id"], text="Small", value="small")
    return item


def order(api, item, body):
    return api.call("POST", f"{ITEMS}/{item['sys_id']}/order_now", json=body)


def test_an_order_makes_a_request_its_item_the_answers_and_a_task(api, pair, vpn):
    answer = order(api, vpn, {"sysparm_quantity": 2, "variables": {"account": "Acme", "colour": "red"}})

    placed = answer.json()["result"]
    assert answer.status_code == 200
    assert placed["number"] == placed["request_number"] == "REQ0010001"
    assert (placed["sys_id"], placed["table"]) == (placed["request_id"], "sc_request")
    (request,) = api.rows("sc_request", fields="number,approval,request_state,price,requested_for.user_name")
    assert request == {
        "number": "REQ0010001",
        "approval": "approved",
        "request_state": "in_process",
        "price": "999.0",
        "requested_for.user_name": "sync.user",
    }
    (item,) = api.rows("sc_req_item", f"request={placed['sys_id']}", fields="quantity,cat_item.name,stage")
    assert item == {"quantity": "2", "cat_item.name": "Site-to-site VPN", "stage": "fulfillment"}
    (task,) = api.rows("sc_task", fields="request.number,assignment_group.name")
    assert task == {"request.number": "REQ0010001", "assignment_group.name": "Network"}
    fields = "sc_item_option.item_option_new.name,sc_item_option.value"
    query = f"request_item.request={placed['sys_id']}^ORDERBYsc_item_option.order"
    assert [tuple(row.values()) for row in api.rows("sc_item_option_mtom", query, fields=fields)] == [
        ("account", "Acme"),
        ("size", "small"),
    ]


def test_ordering_twice_is_two_orders(api, vpn):
    body = {"sysparm_quantity": "1", "variables": {"account": "Acme"}, "special_instructions": "mark 7"}

    first, second = (order(api, vpn, body).json()["result"] for _ in range(2))

    assert first["number"] != second["number"]
    assert len(api.rows("sc_request", "special_instructions=mark 7")) == 2


@pytest.mark.parametrize("quantity", [None, "two", -1, 1.5, True])
def test_a_quantity_that_is_no_number_is_refused(api, vpn, quantity):
    answer = order(api, vpn, {"sysparm_quantity": quantity, "variables": {"account": "Acme"}})

    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "Invalid Quantity value")
    assert api.rows("sc_request") == []


def test_a_mandatory_variable_that_is_missing_refuses_the_order_without_naming_it(api, vpn):
    answer = order(api, vpn, {"sysparm_quantity": 1, "variables": {"account": ""}})

    assert (answer.status_code, answer.json()) == (
        400,
        {"error": {"message": "Mandatory Variables are required", "detail": ""}, "status": "failure"},
    )
    assert api.rows("sc_req_item") == []


def test_a_retired_item_looks_like_one_that_is_not_there(api, pair, vpn):
    pair.servicenow.edit("sc_cat_item", vpn["sys_id"], active="false")

    answers = [order(api, {"sys_id": each}, {"sysparm_quantity": 1}) for each in (vpn["sys_id"], "0" * 32)]

    assert {answer.status_code for answer in answers} == {400}
    assert {answer.json()["error"]["message"] for answer in answers} == {
        "Security constraints prevent ordering of Item"
    }
    assert api.call("GET", f"{ITEMS}/{vpn['sys_id']}").status_code == 400
    assert api.call("GET", ITEMS).json()["result"] == []


def test_items_are_found_by_words_and_category_and_tell_their_variables(api, vpn):
    found = api.call("GET", ITEMS, params={"sysparm_text": "TUNNEL"}).json()["result"]
    other = api.call("GET", ITEMS, params={"sysparm_text": "laptop"}).json()["result"]
    item = api.call("GET", f"/api/sn_sc/v1/servicecatalog/items/{vpn['sys_id']}").json()["result"]
    variables = api.call("GET", f"{ITEMS}/{vpn['sys_id']}/variables").json()["result"]

    assert [each["name"] for each in found] == ["Site-to-site VPN"]
    assert (found[0]["price"], found[0]["category"]["title"]) == ("$499.50", "Connections")
    assert other == []
    assert item["variables"] == variables
    assert [(each["name"], each["mandatory"], each["friendly_type"]) for each in variables] == [
        ("account", True, "single_line_text"),
        ("size", False, "select_box"),
    ]
    assert variables[1]["choices"] == [{"label": "Small", "value": "small"}]


def test_a_dear_order_waits_until_the_owner_of_its_item_approves(api, pair, vpn):
    side = pair.servicenow
    owner = side.rows("sys_user", user_name="fred.luddy")[0]["sys_id"]
    side.edit("sc_cat_item", vpn["sys_id"], price="5000", owner=owner)
    order(api, vpn, {"sysparm_quantity": 1, "variables": {"account": "Acme"}})
    waiting = api.rows("sc_request", fields="approval,request_state")
    (asked,) = side.rows("sysapproval_approver")

    side.edit("sysapproval_approver", asked["sys_id"], state="approved")

    assert waiting == [{"approval": "requested", "request_state": "requested"}]
    assert api.rows("sc_request", fields="approval,request_state") == [
        {"approval": "approved", "request_state": "in_process"}
    ]
    assert len(side.rows("sc_task")) == 1


@pytest.mark.parametrize(
    ("end", "state", "said"), [("3", "3", "closed_complete"), ("4", "4", "closed_incomplete")]
)
def test_closing_the_last_task_closes_its_item_and_the_request(api, pair, vpn, end, state, said):
    order(api, vpn, {"sysparm_quantity": 1, "variables": {"account": "Acme"}})
    (task,) = pair.servicenow.rows("sc_task")

    pair.servicenow.edit("sc_task", task["sys_id"], by="beth.anglin", state=end)

    assert api.rows("sc_req_item", fields="state,active") == [{"state": state, "active": "false"}]
    assert api.rows("sc_request", fields="state,request_state,closed_by.user_name") == [
        {"state": state, "request_state": said, "closed_by.user_name": "beth.anglin"}
    ]


def test_whoever_orders_for_somebody_else_says_who(api, pair, vpn):
    abel = pair.servicenow.rows("sys_user", user_name="abel.tuter")[0]["sys_id"]
    body = {"sysparm_quantity": 1, "variables": {"account": "Acme"}, "sysparm_requested_for": abel}

    order(api, vpn, body)
    unknown = order(api, vpn, {**body, "sysparm_requested_for": "1" * 32})

    assert api.rows("sc_request", fields="requested_for.name,opened_by.user_name") == [
        {"requested_for.name": "Abel Tuter", "opened_by.user_name": "sync.user"}
    ]
    assert (unknown.status_code, unknown.json()["error"]["message"]) == (404, "Invalid Request")
