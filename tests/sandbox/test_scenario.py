"""What goes wrong as a file, and the same orders over the control routes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from sync.sandbox.inprocess import World, in_process
from sync.sandbox.pair import Pair, PairConfig, start_pair
from sync.sandbox.platform import ControlError
from sync.sandbox.scenario_file import BadScenario, parse_scenario, read_scenario
from tests.sandbox.conftest import Client

Control = Callable[..., requests.Response]
STORY = """
seed: 7
servicenow:
  - fault: {kind: status, status: 503, path: /table/, probability: 0.3, times: 0}
  - commit_late: {table: incident, seconds: 20, share: 0.5, by: people}
  - after: 600
    clock: {offset_seconds: 90}
  - after: 900
    clear_faults: {}
salesforce:
  - fault: {kind: locks, method: PATCH, share: 0.2, times: 0}
  - set_up: {rotates_refresh_tokens: true}
  - after: 60
    spend_budget: {remaining: 3}
"""


@pytest.fixture
def story(tmp_path: Path) -> Path:
    path = tmp_path / "story.yaml"
    path.write_text(STORY)
    return path


@pytest.fixture
def org(pair: Pair, anonymous: Client) -> Control:
    """Control calls to Salesforce."""

    def control(method: str, path: str, order: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {pair.control_token}"}
        url = f"{pair.salesforce.url}/__sandbox__/{path}"
        return anonymous.session.request(method, url, json=order, headers=headers, timeout=20)

    return control


def statuses(world: World) -> list[int]:
    door = world.doors[world.servicenow.url]
    return [door.call("GET", "/api/now/table/incident").status for _ in range(30)]


def test_a_scenario_runs_by_the_clock_and_repeats(story: Path) -> None:
    one, two = (in_process(scenario=read_scenario(story)) for _ in range(2))

    met = statuses(one)
    assert met == statuses(two)
    assert {401, 503} == set(met)
    assert one.salesforce.platform.app.rotates_refresh_tokens
    one.clock.advance(seconds=60)
    budget = one.salesforce.platform.budget
    assert budget.maximum - budget.used == 3
    one.clock.advance(timedelta(minutes=20))
    assert one.servicenow.platform.clock.offset == timedelta(seconds=90)
    assert set(statuses(one)) == {401}


def test_rules_without_a_seed_differ_from_each_other() -> None:
    rule = {"fault": {"kind": "status", "status": 503, "probability": 0.5}}
    scenario = parse_scenario({"seed": 3, "servicenow": [rule, rule]})

    assert [order["fault"]["seed"] for order in scenario.orders["servicenow"]] == [3, 4]


def test_a_pair_on_sockets_starts_with_its_scenario(story: Path) -> None:
    with start_pair(PairConfig(scenario=story)) as pair:
        [fault] = pair.salesforce.server.gate.faults.pending()
        [late] = pair.servicenow.platform.commits.pending()

    assert (fault.kind, fault.seed, late.table) == ("locks", 7, "incident")


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([], "a scenario is a mapping"),
        ({"salesforce ": []}, "unknown keys: salesforce "),
        ({"servicenow": {}, "seed": "seven"}, "seed is a whole number"),
        ({"servicenow": [{"flood": {}}]}, "servicenow, order 1: An order is one of fault,"),
        (
            {"servicenow": [{"after": 1, "fault": {"kind": "fire"}}]},
            "'fire' is no kind of fault; there are status, delay",
        ),
        ({"servicenow": [{"after": 1, "fault": {"kind": "locks"}}]}, "no row locks"),
        ({"salesforce": [{"fault": {"kind": "hang", "colour": 1}}]}, "unknown keys: colour"),
        (
            {"salesforce": [{"fault": {"kind": "empty", "times": "often"}}]},
            "times is a whole number, not 'often'",
        ),
        ({"salesforce": [{"clock": {"offset_seconds": 1e30}}]}, "1e\\+30 is no number of seconds"),
        ({"salesforce": [{"after": float("inf"), "expire_tokens": {}}]}, "inf is no number of seconds"),
        ({"salesforce": [{"commit_late": {"table": "Cse", "seconds": 5}}]}, "There is no object Cse"),
        (
            {"servicenow": [{"after": 60, "delay": {"seconds": 90}}]},
            "seconds and jitter must be between 0 and 60",
        ),
        ({"salesforce": [{"dialect": {"no_such_switch": True}}]}, "There is no switch no_such_switch"),
        ({"salesforce": [{"set_up": {"pkce_required": "maybe"}}]}, "pkce_required does not take 'maybe'"),
        ({"salesforce": [{"set_up": {"colour": 1}}]}, "There is no setting colour"),
    ],
)
def test_a_scenario_that_cannot_be_followed_says_where(data: Any, complaint: str) -> None:
    with pytest.raises(BadScenario, match=complaint):
        in_process(scenario=parse_scenario(data, file="story.yaml"))


# The same over the control routes


def test_orders_come_over_the_control_route_too(pair: Pair, api: Client) -> None:
    orders = [{"fault": {"kind": "status", "status": 503}}, {"after": 3600, "expire_tokens": None}]

    assert api.control("POST", "orders", json={"orders": orders}).status_code == 201
    assert api.call("GET", "/api/now/table/incident").status_code == 503
    assert api.control("POST", "orders", json={"commit_late": {"table": "incident"}}).status_code == 400
    assert api.control("POST", "commit_late", json={"table": "incident", "seconds": 5}).status_code == 201
    assert api.control("GET", "state").json()["late_commits"][0]["seconds"] == 5
    assert api.control("DELETE", "commit_late").status_code == 204
    assert pair.servicenow.platform.commits.pending() == []


@pytest.mark.parametrize(
    ("route", "order", "complaint"),
    [
        ("orders", {"clock": {"offset_seconds": -1e12}}, "no number of seconds"),
        ("clock", {"offset_seconds": 1e30}, "no number of seconds"),
        ("clock", {"offset": 60}, "unknown keys: offset"),
        ("delay", {"secs": 3}, "unknown keys: secs"),
        ("commit_late", {"table": "incidnt", "seconds": 5}, "There is no table incidnt."),
        ("faults", {"kind": "status", "status": 503, "body": {"a": 1}}, "body is a text"),
        ("faults", {"kind": "status", "status": 503, "headers": {"Retry-After": 5}}, "headers are texts"),
        ("faults", {"kind": "status", "status": "503"}, "status is a whole number, not '503'"),
        ("faults", {"kind": "spend_budget", "order": 5}, "order is a mapping"),
        ("faults", {"kind": "records", "code": "X", "ids": "abc"}, "ids is a list"),
        ("faults", {}, "missing: kind"),
    ],
)
def test_an_order_that_would_break_or_do_nothing_is_refused(
    api: Client, route: str, order: Any, complaint: str
) -> None:
    refused = api.control("POST", route, json=order)

    assert (refused.status_code, complaint in refused.json()["error"]) == (400, True)
    assert api.call("GET", "/api/now/table/incident").status_code == 200


def test_json_nested_too_deep_is_refused_like_any_other_that_is_none(api: Client) -> None:
    deep = "[" * 100_000

    assert api.control("POST", "dialect", data=deep).json() == {"error": "The JSON is nested too deep."}
    assert api.call("POST", "/api/now/table/incident", data=deep).status_code == 400


def test_spending_the_budget_spends_all_of_it_unless_told_otherwise(api: Client) -> None:
    assert api.control("POST", "spend_budget").json()["left"] == 0
    assert api.call("GET", "/api/now/table/incident").status_code == 429
    assert api.control("POST", "spend_budget", json={"limit": 0}).status_code == 200
    assert api.call("GET", "/api/now/table/incident").status_code == 200


def test_system_properties_are_set_by_name(pair: Pair, api: Client) -> None:
    order = {"glide.invalid_query.returns_no_rows": True, "acme.region": "EMEA"}
    told = api.control("PATCH", "settings", json=order).json()

    assert (told["glide.invalid_query.returns_no_rows"], told["acme.region"]) == ("true", "EMEA")
    pair.servicenow.add("incident", short_description="Printer on fire")
    assert api.rows("incident", "no_such_column=1") == []


def test_access_rules_are_ordered_for_one_user_and_taken_back(pair: Pair, api: Client) -> None:
    shown, secret = (pair.servicenow.add("incident", short_description=name) for name in ("VPN", "Salary"))
    rules = {
        "user": "sync.user",
        "hidden_rows": [secret["sys_id"]],
        "hidden_fields": ["incident.urgency"],
        "frozen_fields": ["incident.impact"],
    }
    told = api.control("PATCH", "settings", json={"access": rules}).json()
    row = f"/api/now/table/incident/{shown['sys_id']}"
    written = api.call("PATCH", row, json={"urgency": "1", "impact": "1"}).json()["result"]

    assert told["access"] == [rules]
    assert [each["short_description"] for each in api.rows("incident")] == ["VPN"]
    assert ("urgency" in written, written["impact"]) == (False, "3")
    assert len(_another_users_client(pair, api).rows("incident", fields="urgency")) == 2

    api.login(pair.credentials.servicenow.username, pair.credentials.servicenow.password)
    api.control("PATCH", "settings", json={"access": {"user": "sync.user", "hidden_rows": []}})
    assert len(api.rows("incident")) == 2


def _another_users_client(pair: Pair, api: Client) -> Client:
    """The user without a role, who gets the one of the integration's user."""
    demo, instance = pair.credentials.servicenow, pair.servicenow
    user = instance.rows("sys_user", user_name=demo.no_role_username)[0]["sys_id"]
    role = instance.rows("sys_user_role", name="itil")[0]["sys_id"]
    instance.add("sys_user_has_role", user=user, role=role)
    return api.login(demo.no_role_username, demo.no_role_password)


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ([], "access is a mapping"),
        ({"hidden_things": []}, "unknown keys: hidden_things"),
        ({"hidden_fields": ["incident.colour"]}, "no column incident.colour"),
        ({"frozen_fields": ["urgency"]}, "no column urgency"),
        ({"closed_tables": ["no_such_table"]}, "no table no_such_table"),
        ({"hidden_rows": "all"}, "hidden_rows does not take 'all'"),
    ],
)
def test_access_rules_of_what_is_not_there_are_refused(pair: Pair, api: Client, order: Any, why: str) -> None:
    refused = api.control("PATCH", "settings", json={"access": order})
    assert refused.status_code == 400
    assert why in refused.json()["error"]
    assert pair.servicenow.platform.settings_shown()["access"] == []


def test_the_orgs_rules_are_set_by_name_and_its_switches_are_not(pair: Pair, org: Control) -> None:
    rule = {"sobject": "Case", "field": "Priority", "value": "Low", "message": "We have no time for this."}
    told = org("PATCH", "settings", {"validation_rules": [rule], "required_fields": ["Case.Reason"]}).json()
    switch = org("PATCH", "settings", {"trims_text": True})

    assert (told["validation_rules"], told["required_fields"]) == ([rule], ["Case.Reason"])
    assert "trims_text" not in told
    with pytest.raises(ControlError, match="no time for this"):
        pair.salesforce.add("Case", Subject="Printer on fire", Reason="Other", Priority="Low")
    with pytest.raises(ControlError, match="Required fields are missing"):
        pair.salesforce.add("Case", Subject="Printer on fire")
    assert switch.status_code == 400


def test_the_orgs_settings_are_shown_and_set_by_name(pair: Pair, org: Control) -> None:
    rule = {"sobject": "Case", "field": "Priority", "value": "High", "after_seconds": 5}
    told = org("PATCH", "settings", {"automations": [rule], "bulk_queued_seconds": 2}).json()
    refused = org("PATCH", "settings", {"automations": [{"sobject": "Case", "colour": 1}]})

    assert (told["automations"][0]["field"], told["bulk_queued_seconds"]) == ("Priority", 2.0)
    assert pair.salesforce.platform.settings.automations[0].after_seconds == 5.0
    assert (refused.status_code, refused.json()) == (400, {"error": "automations: unknown keys: colour"})


def test_deleted_rows_come_back_or_go_for_good(pair: Pair, api: Client, org: Control) -> None:
    kept, gone = (pair.salesforce.add("Case", Subject=name)["Id"] for name in ("Kept", "Gone"))
    for case in (kept, gone):
        pair.salesforce.delete("Case", case)
    incident = pair.servicenow.add("incident", short_description="Printer on fire")
    pair.servicenow.delete("incident", incident["sys_id"])

    assert org("POST", f"rows/Case/{kept}/undelete").json()["row"]["Subject"] == "Kept"
    assert org("DELETE", "recycle_bin/Case").json() == {"forgotten": 1}
    assert org("POST", f"rows/Case/{gone}/undelete").status_code == 400
    back = api.control("POST", f"rows/incident/{incident['sys_id']}/undelete", json={}).json()["row"]

    assert back["number"] == incident["number"]
    pair.servicenow.delete("incident", incident["sys_id"])
    assert api.control("DELETE", "recycle_bin/incident").json() == {"forgotten": 1}
    assert api.control("DELETE", "recycle_bin/no_such_table").status_code == 400
    assert api.control("POST", f"rows/incident/{incident['sys_id']}/undelete").status_code == 400


def test_a_person_merges_accounts_by_a_control_call(pair: Pair, api: Client, org: Control) -> None:
    winner, loser = (pair.salesforce.add("Account", Name=name)["Id"] for name in ("Acme", "Acme GmbH"))

    merged = org("POST", f"rows/Account/{winner}/merge", {"losers": [loser]}).json()["row"]

    assert merged["Id"] == winner
    assert [row["Id"] for row in pair.salesforce.rows("Account", Id=loser)] == []
    assert org("POST", f"rows/Account/{winner}/merge").status_code == 400
    assert api.control("POST", "rows/core_company/1/merge", json={"losers": ["2"]}).status_code == 400
