"""Every switch under each of its readings, as a client of the platform sees it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from sync.sandbox.clock import ManualClock, OffsetClock
from sync.sandbox.credentials import Credentials
from sync.sandbox.dialects import BadSwitch, Value, switches, turned
from sync.sandbox.pair import PairConfig, start_pair
from sync.sandbox.platform import PlatformContext
from sync.sandbox.salesforce.dialect import Dialect as SalesforceSwitches
from sync.sandbox.servicenow import build
from sync.sandbox.servicenow.dialect import Dialect as ServiceNowSwitches
from sync.sandbox.wire import Request, Response
from tests.sandbox.salesforce_org import BASE, CASES, COLLECTION, KEY, InProcess

ID = "f" * 32
ROOT = Path(__file__).resolve().parents[2]


class Instance:
    """Calls an instance in process as the integration's user, under a clock that stands still."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        credentials = Credentials()
        self.demo = credentials.servicenow
        context = PlatformContext("https://acme.example", OffsetClock(self.clock), credentials)
        self.platform = build(context)

    def call(self, method: str, target: str, body: Any = None, **headers: str) -> Response:
        login = base64.b64encode(f"{self.demo.username}:{self.demo.password}".encode()).decode()
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Basic {login}", "Content-Type": "application/json", **headers}
        return self.platform.handle(Request.build(method, target, headers=sent, body=data))

    def rows(self, query: str = "", table: str = "incident", **more: str) -> list[dict[str, Any]]:
        params = urlencode({"sysparm_query": query, **more})
        return list(self.call("GET", f"/api/now/table/{table}?{params}").data()["result"])

    def descriptions(self, query: str) -> list[str]:
        return [row["short_description"] for row in self.rows(query)]

    def create(self, **fields: str) -> dict[str, Any]:
        return dict(self.call("POST", "/api/now/table/incident", fields).data()["result"])

    def update(self, sys_id: str, **fields: str) -> Response:
        return self.call("PATCH", f"/api/now/table/incident/{sys_id}", fields)

    def oauth(self, page: str, **form: str) -> Response:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode(form).encode()
        return self.platform.handle(Request.build("POST", f"/{page}.do", headers=headers, body=body))

    def token(self, **form: str) -> Response:
        client = {"client_id": self.demo.client_id, "client_secret": self.demo.client_secret}
        return self.oauth("oauth_token", **client, **form)


def unknown_field(here: Instance) -> int:
    here.create(short_description="Printer on fire")
    return len(here.rows("no_such_field=1"))


def not_equal(here: Instance) -> list[str]:
    here.create(short_description="known", correlation_id="x")
    here.create(short_description="unknown")
    query = "correlation_id!=a^correlation_idNOT INb,c^correlation_idNOT LIKEd"
    return here.descriptions(query + "^short_descriptionENDSWITHknown^ORDERBYshort_description")


def compared_text(here: Instance) -> list[int]:
    here.create(short_description="PRINTER on fire")
    queries = ("=printer on fire", "LIKEprinter", "INprinter on fire", "STARTSWITHprinter")
    return [len(here.rows("short_description" + query)) for query in queries]


def order_of_a_union(here: Instance) -> list[str]:
    for name in "ab":
        here.create(short_description=name)
    return here.descriptions("short_description=b^NQshort_description=a^ORDERBYshort_description")


def counted_hidden_row(here: Instance) -> str:
    row = here.create(short_description="secret")
    here.platform.access.hidden_rows.add(row["sys_id"])
    target = f"/api/now/stats/incident?sysparm_count=true&sysparm_query=sys_id={row['sys_id']}"
    return str(here.call("GET", target).data()["result"]["stats"]["count"])


def total_without_count(here: Instance) -> str:
    here.create(short_description="one")
    query = quote("short_description=one")
    answer = here.call("GET", f"/api/now/table/incident?sysparm_no_count=true&sysparm_query={query}")
    return answer.headers.get("X-Total-Count", "none")


def seen_after_writing(here: Instance) -> list[list[str]]:
    """What a list shows after an edit, and what it shows four and eight seconds later."""
    here.create(sys_id=ID, short_description="old")
    here.clock.advance(timedelta(seconds=60))
    here.update(ID, short_description="new")
    seen = []
    for _ in range(3):
        seen.append(here.descriptions(f"sys_id={ID}"))
        here.clock.advance(timedelta(seconds=4))
    return seen


def own_sys_id(here: Instance) -> bool:
    return bool(here.create(sys_id=ID)["sys_id"] == ID)


def second_insert(here: Instance) -> tuple[int, bool]:
    here.create(sys_id=ID)
    answer = here.call("POST", "/api/now/table/incident", {"sys_id": ID})
    return answer.status, "Unique Key violation" in answer.data()["error"]["detail"]


def written_iso_stamp(here: Instance) -> str:
    return str(here.create(due_date="2026-03-02T09:30:00+01:00")["due_date"])


def overlong_text(here: Instance) -> tuple[int, int]:
    answer = here.call("POST", "/api/now/table/incident", {"short_description": "x" * 161})
    return answer.status, len(answer.data().get("result", {}).get("short_description", ""))


def equal_update(here: Instance) -> tuple[str, bool]:
    made = here.create(sys_id=ID, short_description="same")
    here.clock.advance(timedelta(seconds=60))
    now = here.update(ID, short_description="same").data()["result"]
    return now["sys_mod_count"], now["sys_updated_on"] > made["sys_updated_on"]


def unknown_choice(here: Instance) -> tuple[str, str]:
    here.create(sys_id=ID)
    name = "glide.rest.choice.allow_non_existing_value"
    told = here.rows(f"name={name}", "sys_properties")[0]["value"]
    return here.update(ID, state="42").data()["result"]["state"], told


def closed_incident(here: Instance) -> int:
    here.create(sys_id=ID, state="7", close_code="Duplicate", close_notes="See the other one")
    return here.update(ID, short_description="again").status


def deleted_incident(here: Instance) -> int:
    here.create(sys_id=ID)
    return here.call("DELETE", f"/api/now/table/incident/{ID}").status


def attached_file(here: Instance) -> str:
    here.create(sys_id=ID)
    place = urlencode({"file_name": "a.txt", "table_name": "incident", "table_sys_id": ID})
    answer = here.call("POST", f"/api/now/attachment/file?{place}", b"a", **{"Content-Type": "text/plain"})
    assert answer.status == 201
    return str(here.rows(f"sys_id={ID}")[0]["sys_mod_count"])


def undeleted(here: Instance) -> bool:
    made = here.create(sys_id=ID)
    here.platform.delete("incident", ID)
    here.clock.advance(timedelta(seconds=60))
    return bool(here.platform.undelete("incident", ID)["sys_updated_on"] > made["sys_updated_on"])


def edited_article(here: Instance) -> tuple[bool, list[str]]:
    """Whether an edit keeps the sys_id, and what is stored under the number then."""
    made = here.platform.add("kb_knowledge", {"short_description": "old"})
    answer = here.call("PATCH", f"/api/now/table/kb_knowledge/{made['sys_id']}", {"short_description": "new"})
    rows = here.rows(f"number={made['number']}^ORDERBYDESCshort_description", "kb_knowledge")
    kept = answer.data()["result"]["sys_id"] == made["sys_id"]
    return kept, [row["short_description"] for row in rows]


def closed_change(here: Instance) -> int:
    change = here.platform.add("change_request", {"type": "standard"})
    for state in ("-2", "-1", "0"):
        here.platform.edit("change_request", change["sys_id"], {"state": state})
    return here.call("PATCH", f"/api/now/table/change_request/{change['sys_id']}", {"state": "3"}).status


def imported_row(here: Instance) -> int:
    """The integration's user has the role import_transformer alone of the two."""
    return here.call("POST", "/api/now/import/u_incident_import", {"u_number": "x"}).status


def refused_logins(here: Instance) -> list[tuple[int, str]]:
    wrong_secret = here.oauth("oauth_token", client_id=here.demo.client_id, client_secret="x")
    answers = [wrong_secret, here.token(grant_type="magic"), here.token(grant_type="password")]
    return [(answer.status, answer.data()["error"]) for answer in answers]


def client_by_basic(here: Instance) -> int:
    client = base64.b64encode(f"{here.demo.client_id}:{here.demo.client_secret}".encode()).decode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {client}"}
    body = b"grant_type=client_credentials"
    return here.platform.handle(Request.build("POST", "/oauth_token.do", headers=headers, body=body)).status


def machine_login(here: Instance) -> int:
    return here.token(grant_type="client_credentials").status


def machine_refresh_token(here: Instance) -> bool:
    return "refresh_token" in here.token(grant_type="client_credentials").data()


def revoked_twice(here: Instance) -> list[int]:
    token = here.token(grant_type="client_credentials").data()["access_token"]
    return [here.oauth("oauth_revoke_token", token=token).status for _ in range(2)]


def late_code(here: Instance) -> int:
    """The status of redeeming a code 90 seconds after it was given."""
    asked = {
        "client_id": here.demo.client_id,
        "redirect_uri": "http://127.0.0.1/back",
        "response_type": "code",
    }
    person = {"user_name": here.demo.admin_username, "user_password": here.demo.admin_password}
    sent_back = here.oauth("oauth_auth", **asked, **person, decision="allow").headers["Location"]
    here.clock.advance(timedelta(seconds=90))
    code = sent_back.partition("code=")[2]
    return here.token(grant_type="authorization_code", code=code, redirect_uri=asked["redirect_uri"]).status


def batch_under_a_rate_rule(here: Instance) -> list[int]:
    """The statuses of three items when the rule leaves three calls."""
    here.platform.spend_budget({"user": here.demo.username, "limit": 3})
    items = [{"id": str(n), "method": "GET", "url": "/api/now/table/incident"} for n in range(3)]
    answer = here.call("POST", "/api/now/v1/batch", {"batch_request_id": "b", "rest_requests": items})
    return [item["status_code"] for item in answer.data()["serviced_requests"]]


def turned_away(here: Instance) -> tuple[bool, bool]:
    """Whether a second and a third call at once are turned away, with no place to wait but one."""
    if here.platform.dialect.semaphore_queue:
        return False, False  # they would wait; what waits is told over real sockets below
    request = Request.build("GET", "/api/now/table/incident")
    admit = here.platform.admit
    with admit(request), admit(request) as second, admit(request) as third:
        return second is not None, third is not None


def no_place_to_wait(here: Instance) -> tuple[bool, bool]:
    here.platform.dialect = turned(here.platform.dialect, {"semaphore_queue": 0})
    return turned_away(here)


def one_slot(here: Instance) -> tuple[bool, bool]:
    here.platform.dialect = turned(here.platform.dialect, {"semaphore_slots": 1})
    return turned_away(here)


def full_queue(here: Instance) -> tuple[int, str]:
    here.platform.dialect = turned(here.platform.dialect, {"semaphore_slots": 1, "semaphore_queue": 0})
    request = Request.build("GET", "/api/now/table/incident")
    with here.platform.admit(request), here.platform.admit(request) as refusal:
        assert refusal is not None
        assert "Retry-After" not in refusal.headers
        return refusal.status, refusal.headers.get("Content-Type", "none").partition(";")[0]


def long_url(here: Instance) -> tuple[int, str]:
    answer = here.call("GET", f"/api/now/table/incident?sysparm_query=sys_idIN{'a' * 4000}")
    return answer.status, answer.headers["Content-Type"].partition(";")[0]


def refused_long_url(here: Instance) -> tuple[int, str]:
    here.platform.dialect = turned(here.platform.dialect, {"longest_url": 2048})
    return long_url(here)


def unknown_path(here: Instance) -> int:
    return here.call("GET", "/api/now/no_such_api").status


Readings = dict[Value, object]  # reading -> what a client sees under it

SERVICENOW: dict[str, tuple[Callable[[Instance], object], Readings]] = {
    "invalid_query_returns_no_rows": (unknown_field, {False: 1, True: 0}),
    "not_equal_returns_empty": (not_equal, {True: ["known", "unknown"], False: ["known"]}),
    "string_comparison_case_sensitive": (compared_text, {False: [1, 1, 1, 1], True: [0, 0, 0, 0]}),
    "order_spans_union": (order_of_a_union, {True: ["a", "b"], False: ["b", "a"]}),
    "aggregates_count_hidden_rows": (counted_hidden_row, {True: "1", False: "0"}),
    "no_count_omits_total": (total_without_count, {True: "none", False: "1"}),
    "reads_own_writes_late": (
        seen_after_writing,
        {0: [["new"], ["new"], ["new"]], 6: [["old"], ["old"], ["new"]]},
    ),
    "client_chosen_sys_id": (own_sys_id, {True: True, False: False}),
    "second_insert_under_one_sys_id": (
        second_insert,
        {"unique_key": (403, True), "plain": (403, False), "conflict": (409, True)},
    ),
    "iso_stamp_written_becomes_empty": (written_iso_stamp, {True: "", False: "2026-03-02 08:30:00"}),
    "overlong_text_is_cut": (overlong_text, {True: (201, 160), False: (403, 0)}),
    "update_that_changes_nothing_stamps": (equal_update, {False: ("0", False), True: ("1", True)}),
    "choice_allows_unknown": (unknown_choice, {False: ("1", "false"), True: ("42", "true")}),
    "closed_incident_is_frozen": (closed_incident, {False: 200, True: 403}),
    "itil_deletes_incidents": (deleted_incident, {False: 403, True: 204}),
    "attachment_touches_record": (attached_file, {False: "0", True: "1"}),
    "undelete_stamps_record": (undeleted, {False: False, True: True}),
    "article_edit_makes_new_row": (
        edited_article,
        {False: (True, ["new"]), True: (False, ["old", "new"])},
    ),
    "closing_change_needs_result": (closed_change, {True: 403, False: 200}),
    "import_set_role": (
        imported_row,
        {"either": 201, "import_set_loader": 403, "import_transformer": 201},
    ),
    "oauth_failures_name_their_cause": (
        refused_logins,
        {
            False: [(401, "server_error")] * 3,
            True: [(401, "invalid_client"), (400, "unsupported_grant_type"), (400, "invalid_grant")],
        },
    ),
    "client_may_come_by_basic": (client_by_basic, {True: 200, False: 401}),
    "web_only_users_have_client_credentials": (machine_login, {True: 200, False: 401}),
    "client_credentials_gives_refresh_token": (machine_refresh_token, {False: False, True: True}),
    "revoked_unknown_token_status": (revoked_twice, {200: [200, 200], 400: [200, 400]}),
    "authorization_code_seconds": (late_code, {60: 401, 120: 200}),
    "batch_items_count_against_rate_rule": (
        batch_under_a_rate_rule,
        {True: [200, 200, 429], False: [200, 200, 200]},
    ),
    "semaphore_slots": (no_place_to_wait, {0: (False, False), 1: (True, True), 2: (False, True)}),
    "semaphore_queue": (one_slot, {50: (False, False), 0: (True, True)}),
    "full_queue_answers": (
        full_queue,
        {"html": (429, "text/html"), "json": (429, "application/json"), "empty": (429, "none")},
    ),
    "longest_url": (long_url, {0: (200, "application/json"), 2048: (414, "text/html")}),
    "long_url_status": (refused_long_url, {414: (414, "text/html"), 400: (400, "text/html")}),
    "unknown_path_status": (unknown_path, {400: 400, 404: 404}),
}


def sent_unknown_field(org: InProcess) -> tuple[int, object]:
    records = [{"attributes": {"type": "Case"}, "Subject": "a", **more} for more in ({}, {"Nope__c": 1})]
    answer = org.call("POST", COLLECTION, {"records": records})
    return answer.status, [each.get("success") for each in answer.data()]


def kept_blanks(org: InProcess) -> tuple[str, bool]:
    case = org.create(Subject="  Printer  ")
    org.call("PATCH", f"{CASES}/{KEY}/{quote(' key ')}", {"Subject": "b"})
    return org.case(case)["Subject"], bool(org.subjects(f"{KEY} = 'key'"))


def commented_case(org: InProcess) -> tuple[bool, bool]:
    case = org.create(Subject="a")
    before = org.case(case)
    org.clock.advance(timedelta(seconds=60))
    org.call("POST", f"{BASE}/sobjects/CaseComment", {"ParentId": case, "CommentBody": "c"})
    after = org.case(case)
    return tuple(after[name] != before[name] for name in ("SystemModstamp", "LastModifiedDate"))  # type: ignore[return-value]


def updated_equally(org: InProcess) -> bool:
    case = org.create(Subject="same")
    before = org.case(case)
    org.clock.advance(timedelta(seconds=60))
    assert org.call("PATCH", f"{CASES}/{case}", {"Subject": "same"}).status == 204
    return bool(org.case(case)["SystemModstamp"] != before["SystemModstamp"])


def key_of_a_deleted_case(org: InProcess) -> int:
    case = org.create(Subject="a", **{KEY: "x"})
    org.call("DELETE", f"{CASES}/{case}")
    return org.call("POST", CASES, {"Subject": "b", KEY: "X"}).status


def conditional_part(org: InProcess) -> tuple[int, str]:
    case = org.create(Subject="a")
    early = format_datetime(org.clock.now() - timedelta(seconds=30), usegmt=True)
    part = {
        "method": "PATCH", "url": f"{CASES}/{case}", "referenceId": "r", "body": {"Subject": "b"},
        "httpHeaders": {"If-Unmodified-Since": early},
    }  # fmt: skip
    answer = org.call("POST", f"{BASE}/composite", {"compositeRequest": [part]}).data()
    return answer["compositeResponse"][0]["httpStatusCode"], org.case(case)["Subject"]


def condition_of_the_same_minute(org: InProcess) -> tuple[int, int]:
    """A conditional write and a conditional read, against an edit ten seconds after the time they name."""
    seen = format_datetime(org.clock.now(), usegmt=True)
    org.clock.advance(timedelta(seconds=10))
    case = org.create(Subject="a")
    read = org.call("GET", f"{CASES}/{case}", If_Modified_Since=seen)
    write = org.call("PATCH", f"{CASES}/{case}", {"Subject": "b"}, If_Unmodified_Since=seen)
    return write.status, read.status


def cursor_after_an_hour(org: InProcess) -> int:
    for number in range(201):
        org.create(Subject=str(number))
    page = org.soql("SELECT Id FROM Case", Sforce_Query_Options="batchSize=200").data()["nextRecordsUrl"]
    org.clock.advance(timedelta(hours=1))
    return org.call("GET", page).status


def second_session(org: InProcess) -> bool:
    return bool(org.login().data()["access_token"] == org.token)


def password_login(org: InProcess) -> int:
    held = org.credentials
    return org.login(
        grant_type="password", client_id=held.client_id, client_secret=held.client_secret,
        username=held.username, password=held.password + held.security_token,
    ).status  # fmt: skip


def calls_of_a_login(org: InProcess) -> int:
    before = org.platform.budget.used
    org.login()
    return org.platform.budget.used - before


SALESFORCE: dict[str, tuple[Callable[[InProcess], object], Readings]] = {
    "unknown_field_fails_whole_collection": (
        sent_unknown_field,
        {False: (200, [True, False]), True: (400, [None])},
    ),
    "trims_text": (kept_blanks, {False: ("  Printer  ", False), True: ("Printer", True)}),
    "comments_touch_case": (commented_case, {True: (True, False), False: (False, False)}),
    "equal_update_moves_stamps": (updated_equally, {True: True, False: False}),
    "recycle_bin_blocks_unique_values": (key_of_a_deleted_case, {False: 201, True: 400}),
    "conditional_check_in_composite_subrequests": (
        conditional_part,
        {True: (412, "a"), False: (204, "b")},
    ),
    "if_unmodified_since_grain": (condition_of_the_same_minute, {1: (412, 200), 60: (204, 304)}),
    "cursor_lifetime_minutes": (cursor_after_an_hour, {2880: 200, 15: 400}),
    "reuses_sessions": (second_session, {True: True, False: False}),
    "password_grant": (password_login, {True: 200, False: 400}),
    "logins_count_as_calls": (calls_of_a_login, {False: 0, True: 1}),
}


def readings(
    table: dict[str, tuple[Any, Readings]],
) -> list[Any]:
    return [
        pytest.param(name, reading, story, seen, id=f"{name}={reading}")
        for name, (story, expected) in table.items()
        for reading, seen in expected.items()
    ]


@pytest.mark.parametrize(("name", "reading", "story", "seen"), readings(SERVICENOW))
def test_servicenow_follows_the_reading(name, reading, story, seen):
    here = Instance()
    here.platform.dialect = turned(here.platform.dialect, {name: reading})

    assert story(here) == seen


@pytest.mark.parametrize(("name", "reading", "story", "seen"), readings(SALESFORCE))
def test_salesforce_follows_the_reading(name, reading, story, seen):
    org = InProcess()
    org.turn(**{name: reading})

    assert story(org) == seen


@pytest.mark.parametrize(
    ("dialect", "stories"), [(ServiceNowSwitches, SERVICENOW), (SalesforceSwitches, SALESFORCE)]
)
def test_every_switch_has_a_story_for_its_default_and_for_every_other_reading(dialect, stories):
    for name, switch in switches(dialect).items():
        told = set(stories[name][1])
        assert switch.default in told
        assert len(told) >= max(2, len(switch.readings))
    assert set(stories) == set(switches(dialect))


def test_no_name_belongs_to_both_platforms():
    assert not set(switches(ServiceNowSwitches)) & set(switches(SalesforceSwitches))


def test_an_unknown_switch_is_refused_with_those_there_are():
    with pytest.raises(BadSwitch, match=r"There is no switch trims\. There are: .*trims_text"):
        turned(SalesforceSwitches(), {"trims": "true"})


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("client_chosen_sys_id", "perhaps", "client_chosen_sys_id takes true, false; not 'perhaps'."),
        ("long_url_status", 500, "long_url_status takes 414, 400; not '500'."),
        ("semaphore_slots", "-1", "semaphore_slots takes 0, n; not '-1'."),
        ("semaphore_slots", True, "semaphore_slots takes 0, n; not 'true'."),
    ],
)
def test_a_value_that_a_switch_does_not_take_is_refused(name, value, complaint):
    with pytest.raises(BadSwitch) as refused:
        turned(ServiceNowSwitches(), {name: value})
    assert str(refused.value) == complaint


def test_switches_are_read_and_set_over_the_control_route(pair, api):
    told = api.control("GET", "dialect").json()["client_chosen_sys_id"]
    answer = api.control("POST", "dialect", json={"client_chosen_sys_id": False, "semaphore_queue": 7})
    refused = api.control("POST", "dialect", json={"nope": 1})

    assert (told["value"], told["readings"]["false"]) == (True, "it is ignored and another one is given")
    assert answer.json()["client_chosen_sys_id"]["value"] is False
    assert pair.servicenow.platform.dialect.semaphore_queue == 7
    assert (refused.status_code, refused.json()["error"][:26]) == (400, "There is no switch nope. T")
    made = api.call("POST", "/api/now/table/incident", json={"sys_id": ID}).json()["result"]
    assert made["sys_id"] != ID


def test_a_pair_starts_with_switches_of_both_platforms():
    wanted = {"client_chosen_sys_id": "no", "trims_text": "yes"}
    with start_pair(PairConfig(switches=wanted)) as pair:
        assert pair.servicenow.platform.dialect.client_chosen_sys_id is False
        assert pair.salesforce.platform.dialect.trims_text is True


def test_the_command_refuses_a_switch_that_does_not_exist():
    arguments = [sys.executable, "-m", "sync.sandbox.cli", "--dialect", "client_chosen_sysid=no"]
    ended = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert ended.returncode == 2
    assert "There is no switch client_chosen_sysid. There are: aggregates_count_hidden_rows," in ended.stderr


def test_calls_wait_for_a_semaphore_and_the_one_too_many_is_turned_away(pair, api):
    """Two calls at once on a node with one semaphore and one place to wait, and a third beside them."""
    pair.servicenow.turn(semaphore_slots=1, semaphore_queue=1)
    pair.servicenow.slow_down(0.5)
    semaphores = pair.servicenow.platform.semaphores

    def status() -> int:
        return api.call("GET", "/api/now/table/sys_user?sysparm_limit=1").status_code

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(status) for _ in range(2)]
        deadline = time.monotonic() + 10
        while semaphores.load != (1, 1) and time.monotonic() < deadline:
            time.sleep(0.005)
        third = status()
        statuses = [each.result() for each in both]

    assert (statuses, third) == ([200, 200], 429)
    assert semaphores.load == (0, 0)


def test_a_login_needs_no_semaphore(pair, api):
    pair.servicenow.turn(semaphore_slots=1, semaphore_queue=0)
    demo = pair.credentials.servicenow
    client = {"client_id": demo.client_id, "client_secret": demo.client_secret}
    with pair.servicenow.platform.semaphores.admit(Request.build("GET", "/api/now/table/incident")):
        login = api.call("POST", "/oauth_token.do", data={"grant_type": "client_credentials", **client})
        data = api.call("GET", "/api/now/table/incident")

    assert (login.status_code, data.status_code) == (200, 429)
