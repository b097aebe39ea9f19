"""`probe` against the sandbox: it answers what the sandbox really does, and sends nothing but reads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from sync import services
from sync.connectors.base import Call
from sync.core.records import Side
from sync.engine.connect import profile_of
from sync.engine.tokens import StoredToken
from sync.models import AuditEntry, Connection
from sync.probing import salesforce, servicenow
from sync.probing.reader import NotARead, Reader
from sync.probing.table import QUESTIONS
from sync.sandbox.clock import ManualClock
from sync.sandbox.dialects import as_text, switches
from sync.sandbox.pair import Pair, PairConfig, start_pair
from sync.sandbox.salesforce.dialect import Dialect as SalesforceSwitches
from sync.sandbox.servicenow.dialect import Dialect as ServiceNowSwitches

pytestmark = pytest.mark.django_db(transaction=True)
KEY = "ServiceNow_Sys_Id__c"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def pair(clock) -> Iterator[Pair]:
    with start_pair(PairConfig(incidents=20, clock=clock)) as pair:
        yield pair


@pytest.fixture
def told(command, demo_flow):
    """The answers of a probe by question, and its facts by name."""

    def ask(name: str) -> tuple[dict[str, str], dict[str, str]]:
        ended = command("probe", name)
        assert ended.status == 0, ended.told
        answers = {each["name"]: each["answer"] for each in ended.data["answers"]}
        return answers, {each["name"]: each["value"] for each in ended.data["facts"]}

    return ask


@pytest.mark.parametrize(
    ("side", "dialect"), [(Side.SERVICENOW, ServiceNowSwitches), (Side.SALESFORCE, SalesforceSwitches)]
)
def test_the_console_asks_just_what_the_sandbox_can_turn(side, dialect):
    """The two tables cannot share code: console and sandbox meet on the wire alone."""
    asked = {question.name: question.text for question in QUESTIONS[side]}

    assert asked == {name: switch.question for name, switch in switches(dialect).items()}


@pytest.mark.parametrize(
    ("system", "dialect", "asks"),
    [
        ("ServiceNow", ServiceNowSwitches, servicenow.ASKS),
        ("Salesforce", SalesforceSwitches, salesforce.ASKS),
    ],
)
def test_the_page_lists_every_question_with_its_readings_and_who_can_tell(system, dialect, asks):
    lines = (ROOT / "docs" / "sandbox.md").read_text().splitlines()
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    told = {cells[1].strip("`"): (cells[2], cells[4]) for cells in table if cells[:1] == [system]}
    readings = {cells[1].strip("`"): cells[3] for cells in table if cells[:1] == [system]}
    known = switches(dialect)

    assert told == {name: (each.question, "yes" if name in asks else "") for name, each in known.items()}
    for name, each in known.items():
        assert f"**{as_text(each.default)}**" in readings[name]
        assert all(f"{effect}" in readings[name] for effect in each.readings.values())


def test_an_instance_as_it_is_and_turned_about_gives_other_answers(told, pair, clock):
    hidden = pair.servicenow.rows("incident")[3]["sys_id"]
    pair.servicenow.platform.access.hidden_rows.add(hidden)
    before, facts = told("acme-servicenow")

    pair.servicenow.turn(
        invalid_query_returns_no_rows=True,
        not_equal_returns_empty=False,
        string_comparison_case_sensitive=True,
        order_spans_union=False,
        aggregates_count_hidden_rows=False,
        no_count_omits_total=False,
        choice_allows_unknown=True,
        unknown_path_status=404,
        longest_url=4_000,
        long_url_status=400,
    )
    after, _ = told("acme-servicenow")

    turned = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    assert turned == {
        "invalid_query_returns_no_rows": ("no", "yes"),
        "not_equal_returns_empty": ("yes", "no"),
        "string_comparison_case_sensitive": ("no", "yes"),
        "order_spans_union": ("yes", "no"),
        "aggregates_count_hidden_rows": ("yes", "no"),
        "no_count_omits_total": ("yes", "no"),
        "choice_allows_unknown": ("no", "yes"),
        "unknown_path_status": ("400", "404"),
        "longest_url": ("unknown", "between 2,000 and 8,000"),
        "long_url_status": ("unknown", "400"),
    }
    assert before["web_only_users_have_client_credentials"] == "yes"
    assert before["client_credentials_gives_refresh_token"] == "no"
    assert before["client_chosen_sys_id"] == "unknown"  # that takes a write


@pytest.mark.parametrize(("touches", "answer"), [(True, "yes"), (False, "no")])
def test_files_added_to_older_records_tell_whether_they_touch_them(told, pair, clock, touches, answer):
    pair.servicenow.turn(attachment_touches_record=touches)
    record = pair.servicenow.add("incident", short_description="Printer on fire")
    clock.advance(timedelta(minutes=5))
    attach(pair, record["sys_id"])

    assert told("acme-servicenow")[0]["attachment_touches_record"] == answer


def attach(pair: Pair, sys_id: str) -> None:
    """Add a file as the integration's user, past the wire."""
    from tests.sandbox.test_dialects import Instance

    here = Instance.__new__(Instance)
    here.platform, here.demo = pair.servicenow.platform, pair.credentials.servicenow
    place = f"file_name=a.txt&table_name=incident&table_sys_id={sys_id}"
    answer = here.call("POST", f"/api/now/attachment/file?{place}", b"a", **{"Content-Type": "text/plain"})
    assert answer.status == 201


@pytest.mark.parametrize(
    ("readings", "answers"),
    [
        ({}, ("no", "yes", "no", "1")),
        (
            {"trims_text": True, "comments_touch_case": False, "if_unmodified_since_grain": 60},
            ("unknown", "no", "no", "more than 1, perhaps 60"),
        ),
    ],
)
def test_an_org_answers_by_what_its_rows_show(told, pair, clock, readings, answers):
    pair.salesforce.turn(**readings)
    case = pair.salesforce.add("Case", Subject=" begins with a blank")
    gone = pair.salesforce.add("Case", **{KEY: "x"})
    pair.salesforce.delete("Case", gone["Id"])
    pair.salesforce.add("Case", **{KEY: "x"})
    clock.advance(timedelta(minutes=2))
    pair.salesforce.add("CaseComment", ParentId=case["Id"], CommentBody="Any news?")
    clock.advance(timedelta(seconds=30))
    pair.salesforce.add("Case", Subject="in the middle of a minute")

    given, _ = told("acme-salesforce")

    names = (
        "trims_text",
        "comments_touch_case",
        "recycle_bin_blocks_unique_values",
        "if_unmodified_since_grain",
    )
    assert tuple(given[name] for name in names) == answers
    assert given["equal_update_moves_stamps"] == "unknown"  # that takes a write


def test_a_report_tells_what_an_integration_needs_to_know(told, pair):
    pair.servicenow.platform.access.hidden_fields.add(("incident", "close_notes"))

    _, instance = told("acme-servicenow")
    _, org = told("acme-salesforce")

    assert instance["incident: columns hidden from the user"] == "close_notes"
    assert (instance["time zone of the user"], instance["sys_audit"]) == ("US/Pacific", "hidden or empty")
    assert (instance["incident.short_description"], instance["Batch API"]) == ("string(160)", "answers")
    assert org[f"Case.{KEY} as key"].startswith("unique, external id, not case-sensitive, string(")
    assert (org["Case.Subject"], org["time zone of the user"]) == ("string(255), writable", "GMT")
    assert org["DailyApiRequests"].endswith(" of 100000 left")
    assert {"clock of the platform"} <= set(instance) & set(org)


def test_a_report_holds_no_values_of_records_and_goes_into_a_file(command, demo_flow, pair, tmp_path):
    secret = pair.servicenow.add("incident", short_description="Salaries leaked", correlation_id="SECRET-1")
    pair.salesforce.add("Case", Subject=" Salaries leaked", **{KEY: secret["sys_id"]})
    file = tmp_path / "report.txt"

    ended = command("probe", "acme-servicenow", "--output", str(file))
    text = file.read_text() + command("probe", "acme-salesforce").told

    assert (ended.status, ended.told.splitlines()[0]) == (0, f"The report of acme-servicenow is in {file}.")
    assert "second_insert_under_one_sys_id: unknown" in text
    assert "Needs a write, on a test instance: repeat that insert" in text
    for value in (
        "Salaries",
        "SECRET-1",
        secret["sys_id"],
        secret["number"],
        pair.credentials.servicenow.client_secret,
    ):
        assert value not in text


def test_only_reads_and_logins_are_sent(command, demo_flow, pair):
    for side in (pair.servicenow, pair.salesforce):
        side.reset_counters()

    command("probe", "acme-servicenow")
    command("probe", "acme-salesforce")

    for side in (pair.servicenow, pair.salesforce):
        methods = {
            route.partition(" ")[0] + (" login" if "oauth" in route else "")
            for route in side.counters.by_route
        }
        assert methods - {"POST login"} == {"GET"}
        assert side.counters.writes == 0


@pytest.mark.parametrize(
    ("method", "target", "more"),
    [
        ("POST", "/api/now/v2/table/incident", {"data": b"{}"}),
        ("PATCH", "/api/now/v2/table/incident/1", {}),
        ("GET", "/api/now/v2/table/incident", {"data": b"{}"}),
        ("GET", "/api/now/v2/table/incident", {"headers": {"X-HTTP-Method-Override": "DELETE"}}),
        ("GET", "/services/data/v64.0/sobjects/Case/1?_HttpMethod=DELETE", {}),
        ("GET", "/incident.do", {}),
    ],
)
def test_the_guard_sends_nothing_that_could_write(demo_flow, pair, method, target, more):
    sent: list[Call] = []
    connection = Connection.objects.get(name="acme-servicenow")
    reader = Reader(profile_of(connection), StoredToken(connection), sent.append)

    with pytest.raises(NotARead):
        reader.transport.request(method, pair.servicenow.url + target, **more)

    assert sent == []


def test_an_unreachable_platform_is_told_in_one_sentence(command, incidents_flow):
    ended = command("probe", "acme-servicenow")

    assert (ended.status, len(ended.told.strip().splitlines())) == (2, 1)


def test_an_unknown_connection_is_told_with_those_there_are(command, demo_flow):
    ended = command("probe", "acme-servicenw")

    assert ended.status == 2
    assert "Did you mean 'acme-servicenow'?" in ended.told


def test_who_probed_is_in_the_audit_log_and_not_everybody_may(command, demo_flow):
    command("probe", "acme-salesforce")
    connection = Connection.objects.get(name="acme-salesforce")

    entry = AuditEntry.objects.get(action="connection.probed")
    assert (entry.object_id, entry.actor_name.endswith("(command line)")) == (str(connection.pk), True)
    with pytest.raises(PermissionDenied):
        services.probe_connection(connection=connection, by=User.objects.create_user("alice"))
