import base64
import json

import pytest

BATCH = "/api/now/v1/batch"
INCIDENTS = "/api/now/table/incident"
JSON = [
    {"name": "Content-Type", "value": "application/json"},
    {"name": "Accept", "value": "application/json"},
]


def item(identity, method, url, body=None, **more):
    encoded = base64.b64encode(json.dumps(body).encode()).decode() if body is not None else ""
    return {"id": identity, "method": method, "url": url, "headers": JSON, "body": encoded, **more}


def send(client, *items, **more):
    body = {"batch_request_id": 7, "rest_requests": list(items)}
    answer = client.call("POST", BATCH, json=body, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def content(answer):
    return json.loads(base64.b64decode(answer["body"]))


def test_each_item_has_an_answer_of_its_own_and_the_outer_200_says_nothing(api, pair):
    answer = send(
        api,
        item(1, "POST", f"{INCIDENTS}?sysparm_fields=sys_id,number", {"short_description": "VPN"}),
        item("gone", "GET", f"{INCIDENTS}/{'0' * 32}"),
        item("nowhere", "GET", "/api/now/nothing"),
    )

    created, gone, nowhere = answer["serviced_requests"]
    assert answer["batch_request_id"] == "7"
    assert answer["unserviced_requests"] == []
    assert (created["id"], created["status_code"], created["status_text"]) == ("1", 201, "Created")
    assert content(created)["result"]["number"] == "INC0010001"
    assert (gone["status_code"], nowhere["status_code"]) == (404, 400)
    assert [row["short_description"] for row in pair.servicenow.rows("incident")] == ["VPN"]


def test_a_later_item_sees_what_an_earlier_one_wrote_and_nothing_is_rolled_back(api, pair):
    chosen = "0123456789abcdef0123456789abcdef"
    answer = send(
        api,
        item("1", "POST", INCIDENTS, {"sys_id": chosen, "short_description": "VPN"}),
        item("2", "PATCH", f"{INCIDENTS}/{chosen}", {"state": "6"}),
        item("3", "PATCH", f"{INCIDENTS}/{chosen}", {"urgency": "1"}),
    )

    assert [each["status_code"] for each in answer["serviced_requests"]] == [201, 403, 200]
    assert pair.servicenow.rows("incident", sys_id=chosen)[0]["urgency"] == "1"


def test_an_answer_without_content_has_no_body_and_headers_can_be_left_out(api, pair):
    demo = pair.credentials.servicenow
    api.login(demo.admin_username, demo.admin_password)
    row = pair.servicenow.add("incident", short_description="Old")
    path = f"{INCIDENTS}/{row['sys_id']}"
    read, gone = send(api, item("1", "GET", path), item("2", "DELETE", path, exclude_response_headers=True))[
        "serviced_requests"
    ]

    assert {"name": "Content-Type", "value": "application/json;charset=UTF-8"} in read["headers"]
    assert (gone["status_code"], gone["headers"], "body" in gone) == (204, [], False)


def test_what_does_not_fit_into_the_time_is_not_done_and_listed(api, pair):
    name = "sandbox.batch.items_within_time"
    pair.servicenow.add("sys_properties", name=name, value="1")
    answer = send(api, *(item(n, "POST", INCIDENTS, {"short_description": str(n)}) for n in range(3)))

    assert [each["id"] for each in answer["serviced_requests"]] == ["0"]
    assert answer["unserviced_requests"] == ["1", "2"]
    assert len(pair.servicenow.rows("incident")) == 1


def test_a_smaller_bound_on_the_output_ends_the_batch_early(api, pair):
    pair.servicenow.add("incident", short_description="VPN")
    read = [item(n, "GET", INCIDENTS) for n in range(2)]
    answer = send(api, *read, headers={"X-BATCHREQUEST-MAX-OUTPUT-SIZE": "100"})

    assert answer["unserviced_requests"] == ["1"]


@pytest.mark.parametrize(
    "wrong", [{"url": "https://evil.example/api/now/table/incident"}, {"url": BATCH}, {"body": "%%%"}]
)
def test_an_item_that_is_no_request_fails_alone(api, wrong):
    first, second = send(api, item("1", "GET", INCIDENTS) | wrong, item("2", "GET", INCIDENTS))[
        "serviced_requests"
    ]

    assert (first["status_code"], second["status_code"]) == (400, 200)


def test_an_item_speaks_for_the_caller_of_the_batch_whoever_it_names(api, pair):
    demo = pair.credentials.servicenow
    other = base64.b64encode(f"{demo.admin_username}:{demo.admin_password}".encode()).decode()
    named = [*JSON, {"name": "Authorization", "value": f"Basic {other}"}]
    create = item("1", "POST", INCIDENTS, {"short_description": "VPN"}) | {"headers": named}

    row = content(send(api, create)["serviced_requests"][0])["result"]

    assert row["sys_created_by"] == "sync.user"


def test_a_batch_is_one_call_and_as_many_writes_as_it_carries(api, pair):
    pair.servicenow.reset_counters()
    send(api, *(item(n, "POST", INCIDENTS, {"short_description": str(n)}) for n in range(5)))

    counters = pair.servicenow.counters
    assert (counters.calls, counters.writes) == (1, 5)
    assert counters.calls_to(f"POST {BATCH}") == 1


def test_a_body_that_is_no_batch_is_refused_whole(api):
    assert api.call("POST", BATCH, json={"rest_requests": "all"}).status_code == 400
    assert api.call("POST", BATCH, data=b"{").status_code == 400
