import pytest

STATS = "/api/now/stats/incident"


@pytest.fixture(autouse=True)
def incidents(pair):
    """Four incidents: three of impact 1, 1 and 3 in state New, one of impact 2 In Progress."""
    for impact, state in (("1", "1"), ("1", "1"), ("3", "1"), ("2", "2")):
        pair.servicenow.add("incident", short_description="VPN", impact=impact, state=state)


def ask(client, **params):
    answer = client.call("GET", STATS, params={f"sysparm_{name}": value for name, value in params.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


def states(groups):
    return [group["groupby_fields"][0]["value"] for group in groups]


def test_a_count_is_a_string(api):
    assert ask(api, count="true") == {"stats": {"count": "4"}}
    assert ask(api, count="true", query="impact=1") == {"stats": {"count": "2"}}


def test_figures_are_strings_and_averages_have_four_decimals(api):
    result = ask(
        api, avg_fields="impact", sum_fields="impact", min_fields="impact,number", max_fields="impact"
    )

    assert result == {
        "stats": {
            "avg": {"impact": "1.7500"},
            "sum": {"impact": "7"},
            "min": {"impact": "1", "number": "INC0010001"},
            "max": {"impact": "3"},
        }
    }


def test_groups_say_what_they_share(api):
    groups = ask(api, count="true", avg_fields="impact", group_by="state")

    assert groups == [
        {
            "stats": {"count": "3", "avg": {"impact": "1.6667"}},
            "groupby_fields": [{"field": "state", "value": "1"}],
        },
        {
            "stats": {"count": "1", "avg": {"impact": "2.0000"}},
            "groupby_fields": [{"field": "state", "value": "2"}],
        },
    ]


def test_groups_can_be_shown_as_people_read_them(api):
    shown = ask(api, count="true", group_by="state", display_value="true")
    both = ask(api, count="true", group_by="state", display_value="all")

    assert states(shown) == ["New", "In Progress"]
    assert both[0]["groupby_fields"] == [{"field": "state", "value": "1", "display_value": "New"}]


@pytest.mark.parametrize(
    ("having", "kept"),
    [("count^state^>^1", ["1"]), ("avg^impact^>=^2", ["2"]), ("count^state^>^9", []), ("broken", ["1", "2"])],
)
def test_groups_can_be_left_out_by_their_figures(api, having, kept):
    assert states(ask(api, count="true", group_by="state", having=having)) == kept


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("state^DESC", ["2", "1"]),
        ("COUNT", ["2", "1"]),
        ("COUNT^DESC", ["1", "2"]),
        ("AVG^impact^DESC", ["2", "1"]),
    ],
)
def test_groups_stand_in_the_order_asked_for(api, order, found):
    assert states(ask(api, count="true", group_by="state", order_by=order)) == found


def test_a_group_may_be_named_through_a_reference(api, pair):
    beth = pair.servicenow.rows("sys_user", user_name="beth.anglin")[0]
    pair.servicenow.add("incident", short_description="Mine", assigned_to=beth["sys_id"])
    groups = ask(api, count="true", group_by="assigned_to.name", query="assigned_toISNOTEMPTY")

    assert states(groups) == ["Beth Anglin"]


def test_an_unknown_table_is_said_and_an_unreadable_one_counts_nothing(pair, api, anonymous):
    assert api.call("GET", "/api/now/stats/nonsense").status_code == 400
    demo = pair.credentials.servicenow
    anonymous.login(demo.no_role_username, demo.no_role_password)
    assert ask(anonymous, count="true") == {"stats": {"count": "0"}}
