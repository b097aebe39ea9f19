import pytest


def create(client, table, **fields):
    answer = client.call("POST", f"/api/now/table/{table}", json=fields)
    assert answer.status_code == 201, answer.text
    return answer.json()["result"]


def patch(client, table, row, **fields):
    answer = client.call("PATCH", f"/api/now/table/{table}/{row['sys_id']}", json=fields)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    ("table", "number"),
    [
        ("problem", "PRB0010001"),
        ("change_request", "CHG0010001"),
        ("sc_request", "REQ0010001"),
        ("sc_req_item", "RITM0010001"),
        ("sc_task", "SCTASK0010001"),
        ("kb_knowledge", "KB0010001"),
    ],
)
def test_each_kind_has_a_series_of_numbers(api, table, number):
    assert create(api, table, short_description="VPN")["number"] == number


def test_all_kinds_of_task_are_found_as_tasks(api):
    for table in ("incident", "problem", "change_request", "sc_task"):
        create(api, table, short_description="VPN")

    found = api.rows("task", "short_description=VPN")

    assert {row["sys_class_name"] for row in found} == {"incident", "problem", "change_request", "sc_task"}
    assert all("caller_id" not in row for row in found)


def test_a_state_means_what_its_class_says(api):
    query = {"sysparm_display_value": "true", "sysparm_fields": "state,sys_class_name"}
    kinds = (("problem", "New", "Problem"), ("change_request", "New", "Change Request"))
    for table, label, kind in (*kinds, ("sc_task", "Open", "Catalog Task")):
        row = create(api, table, short_description="VPN")
        shown = api.call("GET", f"/api/now/table/{table}/{row['sys_id']}", params=query).json()["result"]
        assert shown == {"state": label, "sys_class_name": kind}


def test_the_table_api_cannot_move_a_problem_but_a_person_can(api, pair):
    problem = create(api, "problem", short_description="VPN", impact="1", urgency="1")
    status, answer = patch(api, "problem", problem, state="102")
    moved = pair.servicenow.edit("problem", problem["sys_id"], state="107")

    assert status == 403
    assert "was aborted by Business Rule 'Problem Model" in answer["error"]["detail"]
    assert patch(api, "problem", problem, workaround="Restart")[0] == 200
    assert (moved["problem_state"], moved["active"], moved["priority"]) == ("107", "false", "1")


def test_a_change_moves_step_by_step_and_closes_with_its_result(api):
    change = create(api, "change_request", short_description="New firewall")

    assert patch(api, "change_request", change, state="-1")[0] == 403
    for state in ("-4", "-3", "-2", "-1", "0"):
        assert patch(api, "change_request", change, state=state)[0] == 200
    status, refused = patch(api, "change_request", change, state="3")
    assert (status, "Close code, Close notes" in refused["error"]["detail"]) == (403, True)
    status, closed = patch(
        api, "change_request", change, state="3", close_code="successful", close_notes="Done"
    )
    assert (status, closed["result"]["active"]) == (200, "false")
    assert closed["result"]["closed_at"] != ""
    assert patch(api, "change_request", change, state="4")[0] == 403


@pytest.mark.parametrize(("kind", "first"), [("standard", "-2"), ("emergency", "-3")])
def test_other_types_of_change_skip_steps_and_any_can_be_canceled(api, kind, first):
    change = create(api, "change_request", short_description="Patch", type=kind)

    assert patch(api, "change_request", change, state=first)[0] == 200
    status, canceled = patch(api, "change_request", change, state="4")
    assert (status, canceled["result"]["active"]) == (200, "false")


def test_a_requested_item_reaches_its_request_by_a_dot(api):
    request = create(api, "sc_request", short_description="Laptop")
    item = create(api, "sc_req_item", request=request["sys_id"], cat_item="Laptop", quantity=2)
    done = patch(api, "sc_req_item", item, state="3")[1]["result"]

    assert api.rows(
        "sc_req_item", f"request.number={request['number']}", fields="quantity,request.number"
    ) == [{"quantity": "2", "request.number": request["number"]}]
    assert done["active"] == "false"


def test_a_configuration_item_and_its_asset_have_different_lists_under_one_name(api):
    item = create(api, "cmdb_ci_computer", name="lap-1", install_status="100", ram="16384")
    asset = create(api, "alm_hardware", display_name="Laptop 1", install_status="100", ci=item["sys_id"])

    assert (item["install_status"], asset["install_status"]) == ("100", "1")
    assert [row["sys_class_name"] for row in api.rows("cmdb_ci", "name=lap-1")] == ["cmdb_ci_computer"]
    assert [row["ci.name"] for row in api.rows("alm_asset", fields="ci.name")] == ["lap-1"]


def test_an_article_keeps_its_html(api):
    text = "<p>Hold the <b>power</b> button &amp; wait</p>" * 100

    assert create(api, "kb_knowledge", short_description="Reset", text=text)["text"] == text
