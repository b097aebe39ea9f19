"""Parameters of list calls beyond the query: views, short filters by what people read, shortened addresses."""

import pytest

INCIDENTS = "/api/now/table/incident"


@pytest.fixture(autouse=True)
def incidents(pair):
    beth = pair.servicenow.rows("sys_user", user_name="beth.anglin")[0]
    group = pair.servicenow.rows("sys_user_group", name="Network")[0]
    pair.servicenow.add(
        "incident",
        short_description="VPN",
        urgency="1",
        state="2",
        assigned_to=beth["sys_id"],
        assignment_group=group["sys_id"],
    )
    pair.servicenow.add("incident", short_description="Printer", urgency="3")


def subjects(api, **params):
    answer = api.call("GET", INCIDENTS, params=params)
    assert answer.status_code == 200
    return sorted(row["short_description"] for row in answer.json()["result"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "In Progress"),
        ("state", "in progress"),
        ("state", "2"),
        ("assigned_to", "Beth Anglin"),
        ("assigned_to", "beth.anglin"),
        ("assignment_group", "Network"),
    ],
)
def test_a_short_filter_takes_what_people_read(api, name, value):
    assert subjects(api, **{name: value}) == ["VPN"]
    assert subjects(api, **{name: value, "urgency": "3"}) == []
    assert subjects(api, **{name: "Nonsense"}) == []


def test_a_view_says_which_columns_come_and_named_fields_win(api, pair):
    params = {"sysparm_view": "mobile", "sysparm_query": "urgency=1"}
    mobile = api.call("GET", INCIDENTS, params=params).json()["result"][0]
    named = api.call("GET", INCIDENTS, params={**params, "sysparm_fields": "urgency"}).json()["result"]
    unknown = api.call("GET", INCIDENTS, params={**params, "sysparm_view": "no_such"}).json()["result"][0]

    assert list(mobile) == ["number", "short_description", "state", "priority", "assigned_to"]
    assert named == [{"urgency": "1"}]
    assert len(unknown) > 40


def test_the_list_of_a_view_is_configured_in_rows_and_inherited(api, pair):
    layout = pair.servicenow.add("sys_ui_list", name="task", view="desk")
    for place, element in enumerate(["short_description", "assigned_to.email"]):
        pair.servicenow.add(
            "sys_ui_list_element", list_id=layout["sys_id"], element=element, position=str(place)
        )

    rows = api.rows("incident", "urgency=1", view="desk")

    assert rows == [{"short_description": "VPN", "assigned_to.email": "beth.anglin@acme.example"}]


def test_a_long_query_travels_under_a_short_key(api):
    query = "urgency=1^" + "^".join(f"short_description!=Word {number}" for number in range(500))

    made = api.call("POST", "/api/now/tinyurl", json={"url": f"incident_list.do?sysparm_query={query}"})

    page, _, key = made.json()["result"].partition("?sysparm_tiny=")
    assert (made.status_code, page, len(key)) == (201, "incident_list.do", 32)
    assert subjects(api, sysparm_tiny=key) == ["VPN"]
    assert subjects(api, sysparm_tiny=key, sysparm_query="urgency=3") == ["Printer"]
    assert subjects(api, sysparm_tiny="f" * 32) == ["Printer", "VPN"]
    counted = api.call(
        "GET", "/api/now/stats/incident", params={"sysparm_tiny": key, "sysparm_count": "true"}
    )
    assert counted.json()["result"] == {"stats": {"count": "1"}}


def test_nothing_to_shorten_is_refused(api):
    assert api.call("POST", "/api/now/tinyurl", json={"url": 7}).status_code == 400
    assert api.call("POST", "/api/now/tinyurl", json={}).status_code == 400


def test_a_join_and_a_related_list_are_asked_over_the_wire(api):
    join = "JOINsys_user.sys_id=incident.assigned_to!urgency=1"
    related = "RLQUERYincident.assigned_to,>0,m2m^urgency=1^ENDRLQUERY"

    assert [row["user_name"] for row in api.rows("sys_user", join)] == ["beth.anglin"]
    assert [row["user_name"] for row in api.rows("sys_user", related)] == ["beth.anglin"]
