import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from sync.sandbox.wire import Request, parse_query

INCIDENTS = "/api/now/table/incident"
SOLVED = {"close_code": "Solution provided", "close_notes": "Toner replaced."}


def wait_until(condition, seconds=10.0):
    pause, tries = threading.Event(), int(seconds / 0.01)
    assert any(condition() or pause.wait(0.01) for _ in range(tries)), "it did not happen in time"


def add(pair, **fields):
    return pair.servicenow.add("incident", **fields)


def one(answer):
    return answer.json()["result"]


def test_an_insert_answers_201_with_number_location_and_computed_priority(api, clock):
    answer = api.call("POST", INCIDENTS, json={"short_description": "VPN", "impact": 1, "urgency": "2"})

    row = one(answer)
    assert answer.status_code == 201
    assert answer.headers["Location"].endswith(f"{INCIDENTS}/{row['sys_id']}")
    assert row["number"] == "INC0010001"
    assert (row["priority"], row["state"], row["incident_state"], row["active"]) == ("2", "1", "1", "true")
    assert (row["sys_mod_count"], row["sys_created_by"]) == ("0", "sync.user")
    assert row["sys_created_on"] == clock.now().strftime("%Y-%m-%d %H:%M:%S")


def test_put_and_patch_both_merge(api, pair):
    row = add(pair, short_description="VPN", description="Since Monday")
    path = f"{INCIDENTS}/{row['sys_id']}"

    put = api.call("PUT", path, json={"short_description": "VPN slow"})
    patch = api.call("PATCH", path, json={"urgency": "1"})

    assert (put.status_code, patch.status_code) == (200, 200)
    stored = one(patch)
    assert (stored["short_description"], stored["description"]) == ("VPN slow", "Since Monday")
    assert stored["sys_mod_count"] == "2"


def test_an_update_that_changes_nothing_stamps_nothing(api, pair, clock):
    row = add(pair, short_description="VPN")
    clock.advance(seconds=60)

    stored = one(api.call("PATCH", f"{INCIDENTS}/{row['sys_id']}", json={"short_description": "VPN"}))

    assert stored["sys_updated_on"] == row["sys_updated_on"]
    assert stored["sys_mod_count"] == "0"


def test_what_is_unknown_protected_or_not_in_the_list_is_dropped_in_silence(api):
    answer = api.call(
        "POST",
        INCIDENTS,
        json={
            "short_description": "x" * 200,
            "no_such_field": "1",
            "sys_mod_count": "77",
            "sys_created_by": "mallory",
            "priority": "1",
            "urgency": "9",
            "opened_at": "2026-03-01T10:00:00Z",
        },
    )

    row = one(answer)
    assert answer.status_code == 201
    assert len(row["short_description"]) == 160
    assert "no_such_field" not in row
    assert (row["sys_mod_count"], row["sys_created_by"]) == ("0", "sync.user")
    assert (row["priority"], row["urgency"]) == ("5", "3")
    assert row["opened_at"] == row["sys_created_on"]


def test_an_empty_string_clears_any_field_but_a_choice(api, pair):
    row = add(pair, short_description="VPN", description="Text", contact_type="email")
    path = f"{INCIDENTS}/{row['sys_id']}"

    stored = one(api.call("PATCH", path, json={"description": "", "contact_type": ""}))

    assert (stored["description"], stored["contact_type"]) == ("", "email")


def test_a_new_choice_is_accepted_once_it_is_in_the_list(api, pair):
    row = add(pair, short_description="VPN")
    path = f"{INCIDENTS}/{row['sys_id']}"
    assert one(api.call("PATCH", path, json={"category": "robots"}))["category"] == "inquiry"

    pair.servicenow.add("sys_choice", name="incident", element="category", value="robots", label="Robots")

    assert one(api.call("PATCH", path, json={"category": "robots"}))["category"] == "robots"


def test_a_property_lets_any_choice_in(api, pair):
    name = "glide.rest.choice.allow_non_existing_value"
    setting = pair.servicenow.rows("sys_properties", name=name)[0]
    pair.servicenow.edit("sys_properties", setting["sys_id"], value="true")

    assert one(api.call("POST", INCIDENTS, json={"category": "robots"}))["category"] == "robots"


def test_a_chosen_sys_id_is_kept_and_a_second_insert_under_it_refused(api, pair):
    chosen = "0123456789abcdef0123456789abcdef"
    first = api.call("POST", INCIDENTS, json={"sys_id": chosen, "short_description": "Once"})
    second = api.call("POST", INCIDENTS, json={"sys_id": chosen, "short_description": "Twice"})

    assert one(first)["sys_id"] == chosen
    assert (second.status_code, second.json()["error"]["message"]) == (403, "Operation Failed")
    assert [row["short_description"] for row in pair.servicenow.rows("incident")] == ["Once"]


def test_resolving_needs_a_code_and_notes_in_the_same_request(api, pair):
    path = f"{INCIDENTS}/{add(pair, short_description='Printer')['sys_id']}"

    refused = api.call("PATCH", path, json={"state": "6"})
    resolved = api.call("PATCH", path, json={"state": "6", **SOLVED})
    closed = api.call("PATCH", path, json={"incident_state": "7"})

    assert refused.status_code == 403
    assert refused.json()["error"]["message"] == "Operation Failed"
    assert refused.json()["error"]["detail"].startswith("Data Policy Exception: ")
    assert (one(resolved)["incident_state"], one(resolved)["active"]) == ("6", "true")
    assert one(resolved)["resolved_at"]
    assert (one(closed)["state"], one(closed)["active"]) == ("7", "false")


def test_a_reopened_incident_counts_it_and_forgets_its_resolution(api, pair):
    row = add(pair, short_description="Printer", state="6", **SOLVED)

    stored = one(api.call("PATCH", f"{INCIDENTS}/{row['sys_id']}", json={"state": "2"}))

    assert (stored["reopen_count"], stored["resolved_at"], stored["resolved_by"]) == ("1", "", "")


def test_every_change_of_a_value_is_told_by_the_audit(api, pair, clock):
    row = add(pair, short_description="VPN", urgency="3")
    clock.advance(seconds=60)
    pair.servicenow.edit("incident", row["sys_id"], by="beth.anglin", urgency="1")

    told = api.rows("sys_audit", f"documentkey={row['sys_id']}^fieldname=urgency")

    assert [(each["oldvalue"], each["newvalue"], each["user"]) for each in told] == [
        ("3", "1", "beth.anglin")
    ]
    assert told[0]["sys_created_on"] == clock.now().strftime("%Y-%m-%d %H:%M:%S")


def test_itil_cannot_delete_and_an_administrators_delete_is_audited(api, pair):
    row = add(pair, short_description="Old")
    path = f"{INCIDENTS}/{row['sys_id']}"

    assert api.call("DELETE", path).status_code == 403
    demo = pair.credentials.servicenow
    api.login(demo.admin_username, demo.admin_password)
    assert (api.call("DELETE", path).status_code, api.call("GET", path).status_code) == (204, 404)
    gone = api.rows("sys_audit_delete", f"documentkey={row['sys_id']}")
    assert [(each["tablename"], each["display_value"]) for each in gone] == [("incident", row["number"])]


@pytest.mark.parametrize(
    ("display", "plain", "state", "assigned", "empty"),
    [
        ("false", "false", "2", {"link": "L", "value": "V"}, ""),
        ("false", "true", "2", "V", ""),
        ("true", "false", "In Progress", {"display_value": "Beth Anglin", "link": "L"}, ""),
        ("true", "true", "In Progress", "Beth Anglin", ""),
        (
            "all",
            "false",
            {"display_value": "In Progress", "value": "2"},
            {"display_value": "Beth Anglin", "link": "L", "value": "V"},
            {"display_value": "", "value": ""},
        ),
        (
            "all",
            "true",
            {"display_value": "In Progress", "value": "2"},
            {"display_value": "Beth Anglin", "value": "V"},
            {"display_value": "", "value": ""},
        ),
    ],
)
def test_values_take_the_documented_shapes(api, pair, display, plain, state, assigned, empty):
    beth = pair.servicenow.rows("sys_user", user_name="beth.anglin")[0]["sys_id"]
    add(pair, state="2", assigned_to=beth)
    link = f"{pair.servicenow.url}/api/now/table/sys_user/{beth}"

    (row,) = api.rows("incident", display_value=display, exclude_reference_link=plain)

    def spelled(shape):
        if isinstance(shape, dict):
            return {key: spelled(value) for key, value in shape.items()}
        return {"L": link, "V": beth}.get(shape, shape)

    assert row["state"] == spelled(state)
    assert row["assigned_to"] == spelled(assigned)
    assert row["caller_id"] == empty


def test_display_values_of_dates_are_in_the_callers_zone(api, pair):
    add(pair, short_description="VPN")

    (row,) = api.rows("incident", display_value="all", fields="sys_created_on")

    # 08:00 UTC is midnight in the Pacific winter, where sync.user lives.
    assert row["sys_created_on"] == {"display_value": "2026-03-02 00:00:00", "value": "2026-03-02 08:00:00"}


def test_dot_walked_fields_come_under_their_own_name_and_unknown_ones_not_at_all(api, pair):
    beth = pair.servicenow.rows("sys_user", user_name="beth.anglin")[0]["sys_id"]
    add(pair, assigned_to=beth)

    (row,) = api.rows("incident", fields="assigned_to.email,nonsense,assigned_to.nonsense")

    assert row == {"assigned_to.email": "beth.anglin@acme.example"}


def test_names_and_labels_are_taken_as_input_when_asked(api):
    body = {"assigned_to": "Beth Anglin", "state": "In Progress", "due_date": "2026-03-02 00:00:00"}
    answer = api.call("POST", INCIDENTS, params={"sysparm_input_display_value": "true"}, json=body)

    row = one(answer)
    assert row["assigned_to"]["value"]
    assert (row["state"], row["due_date"]) == ("2", "2026-03-02 08:00:00")


def test_pages_tell_the_total_and_link_their_neighbours(api, pair):
    for number in range(5):
        add(pair, short_description=f"Number {number}")
    params = {"sysparm_limit": 2, "sysparm_offset": 2, "sysparm_query": "ORDERBYnumber"}

    answer = api.call("GET", INCIDENTS, params=params)
    quiet = api.call("GET", INCIDENTS, params={**params, "sysparm_suppress_pagination_header": "true"})
    whole = api.call("GET", INCIDENTS)

    assert [row["short_description"] for row in one(answer)] == ["Number 2", "Number 3"]
    assert answer.headers["X-Total-Count"] == "5"
    queries = {rel: parse_query(urlsplit(link["url"]).query) for rel, link in answer.links.items()}
    assert {rel: query["sysparm_offset"] for rel, query in queries.items()} == {
        "first": "0",
        "prev": "0",
        "next": "4",
        "last": "4",
    }
    assert {query["sysparm_query"] for query in queries.values()} == {"ORDERBYnumber"}
    assert "Link" not in quiet.headers
    assert "Link" not in whole.headers


def test_hidden_rows_leave_a_short_page_that_is_not_the_last(api, pair):
    rows = [add(pair, short_description=f"Number {number}") for number in range(4)]
    hidden = rows[0]["sys_id"]
    pair.servicenow.platform.access.hidden_rows.add(hidden)

    answer = api.call("GET", INCIDENTS, params={"sysparm_limit": 2, "sysparm_query": "ORDERBYnumber"})

    assert len(one(answer)) == 1
    assert answer.headers["X-Total-Count"] == "4"
    assert api.call("GET", f"{INCIDENTS}/{hidden}").status_code == 404
    assert api.call("PATCH", f"{INCIDENTS}/{hidden}", json={"urgency": "1"}).status_code == 404


def test_hidden_fields_are_absent_and_frozen_ones_ignore_a_write(api, pair):
    row = add(pair, short_description="VPN", description="Secret")
    pair.servicenow.platform.access.hidden_fields.add(("incident", "description"))
    pair.servicenow.platform.access.frozen_fields.add(("incident", "short_description"))

    answer = api.call("PATCH", f"{INCIDENTS}/{row['sys_id']}", json={"short_description": "New"})

    assert answer.status_code == 200
    assert "description" not in one(answer)
    assert one(answer)["short_description"] == "VPN"


def test_a_field_the_caller_cannot_see_is_unknown_to_queries_dot_walks_and_figures(api, pair):
    caller = pair.servicenow.rows("sys_user", user_name="abel.tuter")[0]
    add(pair, short_description="VPN", description="Secret", caller_id=caller["sys_id"])
    add(pair, short_description="Printer", description="Open")
    hidden = pair.servicenow.platform.access.hidden_fields
    asked = {"query": "descriptionLIKESecret", "fields": "short_description,caller_id.email"}
    assert api.rows("incident", asked["query"]) == api.rows("incident", "short_description=VPN")

    hidden |= {("incident", "description"), ("sys_user", "email")}
    rows = api.rows("incident", asked["query"], fields=asked["fields"])
    figures = api.call("GET", "/api/now/stats/incident?sysparm_count=true&sysparm_group_by=description")

    assert [row["short_description"] for row in rows] == ["VPN", "Printer"]
    assert all("caller_id.email" not in row for row in rows)
    assert "Secret" not in figures.text


def test_a_user_without_a_role_sees_no_rows_and_may_not_write(api, pair):
    row = add(pair, short_description="VPN")
    demo = pair.credentials.servicenow
    api.login(demo.no_role_username, demo.no_role_password)

    answer = api.call("GET", INCIDENTS)
    refused = api.call("POST", INCIDENTS, json={"short_description": "Mine"})

    assert (answer.status_code, one(answer), answer.headers["X-Total-Count"]) == (200, [], "1")
    assert api.call("GET", f"{INCIDENTS}/{row['sys_id']}").status_code == 404
    assert refused.status_code == 403
    assert refused.json()["error"]["detail"] == "ACL Exception Insert Failed due to security constraints"
    assert [user["user_name"] for user in api.rows("sys_user")] == ["no.role"]


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/api/now/table/no_table", 400, "Invalid table no_table"),
        ("GET", f"{INCIDENTS}/{'0' * 32}", 404, "No Record found"),
        ("GET", "/api/now/nothing", 400, "Requested URI does not represent any resource"),
        ("DELETE", INCIDENTS, 405, "Method not allowed"),
        ("POST", INCIDENTS, 400, "Exception while reading request"),
    ],
)
def test_errors_have_the_platforms_shape(api, method, path, status, message):
    headers = {"Content-Type": "application/json"}
    answer = api.call(method, path, data=b"{" if method == "POST" else None, headers=headers)

    assert answer.status_code == status
    assert answer.json()["error"]["message"] == message
    assert answer.json()["status"] == "failure"


def test_an_empty_list_is_404_in_version_1_alone(api):
    assert api.call("GET", "/api/now/v1/table/incident").status_code == 404
    assert one(api.call("GET", "/api/now/v2/table/incident")) == []


def test_a_body_above_ten_megabytes_is_refused(api):
    answer = api.call("POST", INCIDENTS, json={"description": "x" * (10 * 1024 * 1024)})

    assert answer.status_code == 400
    assert "Max allowed: 10485760 bytes." in answer.json()["error"]["detail"]


def test_the_parent_table_finds_rows_of_its_children_with_its_own_columns(api, pair):
    row = add(pair, short_description="VPN", category="network")

    found = one(api.call("GET", f"/api/now/table/task/{row['sys_id']}"))

    assert found["sys_class_name"] == "incident"
    assert found["short_description"] == "VPN"
    assert "category" not in found


def test_the_dictionary_lists_a_tables_own_columns_and_its_parent(api):
    own = {row["element"] for row in api.rows("sys_dictionary", "name=incident")}
    (table,) = api.rows("sys_db_object", "name=incident", fields="super_class.name")
    inherited = api.rows("sys_dictionary", "name=task^element=short_description")

    assert "caller_id" in own
    assert "short_description" not in own
    assert table == {"super_class.name": "task"}
    assert (inherited[0]["internal_type"], inherited[0]["max_length"]) == ("string", "160")


def test_the_choices_of_an_incidents_state_are_readable(api):
    rows = api.rows("sys_choice", "name=incident^element=state^ORDERBYsequence")

    assert [(row["value"], row["label"]) for row in rows][:3] == [
        ("1", "New"),
        ("2", "In Progress"),
        ("3", "On Hold"),
    ]


def test_the_callers_own_roles_and_zone_are_readable(api):
    (user,) = api.rows("sys_user", "user_name=sync.user")
    roles = api.rows("sys_user_has_role", "user.user_name=sync.user", fields="role.name")

    assert user["time_zone"] == "US/Pacific"
    assert "itil" in {row["role.name"] for row in roles}


def test_comments_are_entries_of_their_own_and_bump_the_record(api, pair):
    row = add(pair, short_description="VPN")
    path = f"{INCIDENTS}/{row['sys_id']}"

    stored = one(api.call("PATCH", path, json={"comments": "Please call me"}))
    entries = api.rows("sys_journal_field", f"element_id={row['sys_id']}^element=comments")
    shown = one(api.call("GET", path, params={"sysparm_display_value": "true"}))

    assert (stored["comments"], stored["sys_mod_count"]) == ("", "1")
    assert [entry["value"] for entry in entries] == ["Please call me"]
    assert "Please call me" in shown["comments"]


def test_a_rate_rule_refuses_what_is_above_it_until_the_next_clock_hour(api, pair, clock):
    clock.advance(seconds=600)
    pair.servicenow.spend_budget(user="sync.user", limit=3, used=1)

    answers = [api.call("GET", INCIDENTS) for _ in range(3)]
    clock.advance(seconds=3000)
    later = api.call("GET", INCIDENTS)

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["X-RateLimit-Limit"] == "3"
    assert answers[2].headers["Retry-After"] == "3000"
    assert answers[2].json()["error"]["message"] == "Rate limit exceeded"
    assert later.status_code == 200


def test_a_kept_cookie_serialises_calls_and_drops_those_past_ten_waiting(pair, api):
    cookie = api.call("GET", INCIDENTS).headers["Set-Cookie"].partition(";")[0]
    request = Request("GET", INCIDENTS, headers={"cookie": cookie})
    sessions = pair.servicenow.platform.sessions

    def call(_=None):
        return api.call("GET", INCIDENTS, headers={"Cookie": cookie})

    with ThreadPoolExecutor(10) as pool:
        with sessions.admit(request):
            waiting = [pool.submit(call) for _ in range(10)]
            wait_until(lambda: sessions.queued(request) == 11)
            dropped = call()
            assert not any(each.done() for each in waiting)
        served = [each.result().status_code for each in waiting]

    assert (dropped.status_code, dropped.content) == (202, b"")
    assert served == [200] * 10


def test_a_client_without_cookies_is_never_dropped(pair, api):
    codes = [api.call("GET", INCIDENTS).status_code for _ in range(15)]

    assert set(codes) == {200}


def test_no_response_body_is_sent_when_the_client_wants_none(api):
    headers = {"X-no-response-body": "true"}
    answer = api.call("POST", INCIDENTS, json={"short_description": "Quiet"}, headers=headers)

    assert (answer.status_code, answer.content) == (201, b"")


def test_a_keyset_walk_meets_every_row_once_though_stamps_are_shared(api, pair, clock):
    for number in range(25):
        add(pair, short_description=f"Number {number}", active="true")
        if number % 7 == 0:
            clock.advance(seconds=1)
    seen, at, last = [], "2026-01-01 00:00:00", ""
    for _ in itertools.repeat(None, 20):
        query = (
            f"active=true^sys_updated_on>{at}^NQactive=true^sys_updated_on={at}^sys_id>{last}"
            "^ORDERBYsys_updated_on^ORDERBYsys_id"
        )
        page = api.rows("incident", query, limit="4", fields="sys_id,sys_updated_on")
        if not page:
            break
        seen += [row["sys_id"] for row in page]
        at, last = page[-1]["sys_updated_on"], page[-1]["sys_id"]

    assert sorted(seen) == sorted(row["sys_id"] for row in pair.servicenow.rows("incident"))
    assert len(seen) == len(set(seen)) == 25
