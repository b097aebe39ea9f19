"""A Salesforce org over a real socket: reading, describing and testing it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from sync.connectors.salesforce.connector import SalesforceConnector
from sync.core.records import ChangeQuery, Cursor, Operation, Write
from sync.errors import BudgetSpentError, ConfigurationError, RateLimitError, SchemaError, TransientError
from sync.sandbox.pair import Pair

from .conftest import Observed

KEY = "ServiceNow_Sys_Id__c"
COLLECTIONS = "composite/sobjects"


def creates(count: int) -> list[Write]:
    return [
        Write(str(number), Operation.CREATE, {"Subject": f"Printer {number}", KEY: f"{number:032x}"})
        for number in range(count)
    ]


def test_a_read_does_not_insist_when_the_budget_is_spent(
    pair: Pair, salesforce: SalesforceConnector, observed: Observed
) -> None:
    body = '[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]'
    pair.salesforce.fault("status", path="/query", status=403, body=body, times=0)

    with pytest.raises(BudgetSpentError):
        salesforce.count("Case", "")
    assert observed.pauses == []


def test_too_many_long_calls_are_a_rate_limit_not_a_spent_budget(
    pair: Pair, salesforce: SalesforceConnector, observed: Observed
) -> None:
    body = '[{"message":"ConcurrentPerOrgLongTxn Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]'
    pair.salesforce.fault("status", path="/query", status=403, body=body, times=0)

    with pytest.raises(RateLimitError):
        salesforce.count("Case", "")
    assert observed.pauses == [0.25, 0.5, 1.0]


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "html", "empty", "truncated"])
def test_a_read_is_repeated_until_it_is_answered(
    pair: Pair, salesforce: SalesforceConnector, observed: Observed, kind: str
) -> None:
    pair.salesforce.fault(kind, path="/query", times=2)

    assert salesforce.count("Case", "") == 0
    assert len(observed.pauses) == 2


def test_a_page_of_html_is_named_for_what_it_is(pair: Pair, salesforce: SalesforceConnector) -> None:
    pair.salesforce.fault("html", path="/query", times=0)

    with pytest.raises(TransientError, match="HTML page instead of JSON"):
        salesforce.count("Case", "")


def test_a_redirect_is_not_followed_and_names_its_target(pair: Pair, salesforce: SalesforceConnector) -> None:
    pair.salesforce.fault(
        "status", path="/query", status=302, headers={"Location": "https://evil.example/login?x=1"}
    )

    with pytest.raises(ConfigurationError, match=r"redirects to evil\.example;"):
        salesforce.count("Case", "")


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 100])
def test_every_row_is_read_once_and_in_order_although_stamps_are_equal(
    pair: Pair, salesforce: SalesforceConnector, size: int
) -> None:
    made = {result.id for result in salesforce.write("Case", creates(17))}
    query = ChangeQuery("Case", ("Subject",), "CaseNumber", page_size=size)

    pages = list(salesforce.changes(query))

    rows = [row for page in pages for row in page.records]
    assert len(rows) == 17
    assert {row.id for row in rows} == made
    assert [row.version.changed_at for row in rows] == sorted(row.version.changed_at for row in rows)
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    assert all(row.number and row.version.by and row.values["Subject"].startswith("Printer") for row in rows)


def test_reading_goes_on_where_a_cursor_stands(salesforce: SalesforceConnector) -> None:
    list(salesforce.write("Case", creates(6)))
    query = ChangeQuery("Case", ("Subject",), "CaseNumber", page_size=4)
    first = next(salesforce.changes(query))
    rest = list(salesforce.changes(ChangeQuery("Case", ("Subject",), "CaseNumber", cursor=first.cursor)))

    assert [len(page.records) for page in rest] == [2]
    assert not {row.id for row in first.records} & {row.id for row in rest[0].records}


def test_a_poll_without_news_is_one_call_with_an_empty_last_page(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    salesforce.count("Case", "")
    pair.salesforce.reset_counters()
    query = ChangeQuery(
        "Case", ("Subject",), "CaseNumber", cursor=Cursor(datetime.now(UTC) + timedelta(days=1))
    )

    pages = list(salesforce.changes(query))

    assert [(page.records, page.cursor, page.last) for page in pages] == [((), None, True)]
    assert pair.salesforce.counters.calls == 1


def test_scope_and_window_bound_what_is_read(salesforce: SalesforceConnector) -> None:
    list(salesforce.write("Case", creates(12)))
    scope = "Subject LIKE 'Printer 1%' OR Subject = 'Printer 3'"
    now = datetime.now(UTC)
    query = ChangeQuery("Case", ("Subject",), "CaseNumber", scope=scope, since=now - timedelta(hours=1))
    past = ChangeQuery("Case", ("Subject",), "CaseNumber", scope=scope, until=now - timedelta(hours=1))

    subjects = [row.values["Subject"] for page in salesforce.changes(query) for row in page.records]

    assert sorted(subjects) == ["Printer 1", "Printer 10", "Printer 11", "Printer 3"]
    assert [page.records for page in salesforce.changes(past)] == [()]


def test_the_time_of_a_page_is_not_later_than_its_look_up(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    salesforce.count("Case", "")
    pair.salesforce.skew_clock(timedelta(hours=3))
    before = pair.salesforce.platform.clock.now()
    page = next(salesforce.changes(ChangeQuery("Case", ("Subject",), "CaseNumber")))

    assert before - timedelta(seconds=2) < page.read_at <= pair.salesforce.platform.clock.now()
    assert before - timedelta(seconds=2) < salesforce.server_now() <= pair.salesforce.platform.clock.now()


def test_the_clock_can_be_asked_before_anything_else(pair: Pair, salesforce: SalesforceConnector) -> None:
    assert abs(salesforce.server_now() - datetime.now(UTC)) < timedelta(seconds=3)
    assert pair.salesforce.counters.token_requests == 0


def test_records_are_read_by_id_and_found_by_key(salesforce: SalesforceConnector) -> None:
    made = {result.ref: result.id for result in salesforce.write("Case", creates(450))}
    absent = "500000000000000AAA"

    read = salesforce.read("Case", [*made.values(), absent], ["Subject", "Owner.Name"], "CaseNumber")
    plain = salesforce.read("Case", [made["7"], absent], ["Subject"], "CaseNumber")
    found = salesforce.find(
        "Case", KEY, [f"{number:032X}" for number in range(460)], ["Subject"], "CaseNumber"
    )

    assert set(read) == set(made.values())
    assert read[made["7"]].values["Owner.Name"]
    assert plain[made["7"]].values["Subject"] == "Printer 7"
    assert list(plain) == [made["7"]]
    assert {key: len(rows) for key, rows in found.items()} == {f"{number:032X}": 1 for number in range(450)}


def test_a_quote_in_a_key_finds_its_record_alone(pair: Pair, salesforce: SalesforceConnector) -> None:
    for subject in ("it's", "its", "back\\slash' OR Id != '"):
        pair.salesforce.add("Case", Subject=subject)

    found = salesforce.find("Case", "Subject", ["it's", "back\\slash' OR Id != '"], [], "CaseNumber")

    assert {key: len(rows) for key, rows in found.items()} == {"it's": 1, "back\\slash' OR Id != '": 1}


def test_a_condition_tells_which_of_some_records_meet_it(salesforce: SalesforceConnector) -> None:
    made = {result.ref: result.id for result in salesforce.write("Case", creates(12))}
    condition = "Subject = 'Printer 3' OR Subject = 'Printer 11'"

    assert salesforce.matching("Case", condition, list(made.values())[:6]) == {made["3"]}
    assert salesforce.count("Case", condition) == 2


def test_an_unknown_object_and_an_unknown_field_are_schema_errors(salesforce: SalesforceConnector) -> None:
    with pytest.raises(SchemaError, match="no object Nope"):
        salesforce.describe("Nope")
    with pytest.raises(SchemaError):
        list(salesforce.changes(ChangeQuery("Nope", (), "")))
    with pytest.raises(SchemaError):
        list(salesforce.changes(ChangeQuery("Case", ("Nope__c",), "CaseNumber")))
    with pytest.raises(SchemaError):
        list(salesforce.changes(ChangeQuery("Case", (), "CaseNumber", scope="Origin =")))


def test_a_description_tells_what_a_mapping_must_respect(salesforce: SalesforceConnector) -> None:
    fields = salesforce.describe("Case").fields

    assert fields["Subject"].length == 255
    assert fields["Status"].restricted
    assert "New" in fields["Status"].choices
    assert len(fields["Status"].labels) == len(fields["Status"].choices)
    assert fields[KEY].unique
    assert fields[KEY].external_id
    assert not fields["CaseNumber"].createable
    assert set(fields["OwnerId"].reference_to) == {"User", "Group"}


def test_record_types_that_our_user_may_give_are_told_with_what_they_offer_a_call_each(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    described = salesforce.describe("Case")
    before = pair.salesforce.counters.calls

    types = {each.name: each for each in salesforce.narrowed(described).record_types}

    assert pair.salesforce.counters.calls - before == len(types) == 2
    assert types["Incident"].choices["Type"] == ("Problem",)
    assert types["Service_Request"].choices["Priority"] == ("Medium", "Low")
    assert "Origin" not in types["Service_Request"].choices  # of which it offers all
    assert not any(each.default for each in types.values())
    assert salesforce.narrowed(salesforce.describe("Asset")).record_types == ()


def test_people_are_found_by_user_name_and_queue_name(salesforce: SalesforceConnector) -> None:
    users = salesforce.people("user", ["Abel.Tuter@acme.example", "nobody@acme.example"])
    queues = salesforce.people("group", ["Hardware_Queue", "None_Queue"])

    assert list(users) == ["Abel.Tuter@acme.example"]
    assert users["Abel.Tuter@acme.example"].active
    assert queues["Hardware_Queue"].id.startswith("00G")
    assert list(queues) == ["Hardware_Queue"]


def test_a_good_connection_proves_every_point(salesforce: SalesforceConnector) -> None:
    probe = salesforce.probe("Case", KEY)

    assert {finding.status for finding in probe.findings} == {"ok"}
    assert {finding.code for finding in probe.findings} >= {
        "reached",
        "authenticated",
        "api_version",
        "budget",
        "key",
    }
    assert len(probe.org_id) == 18
    assert probe.user == "sync.user@acme.example"


def test_a_probe_says_what_is_wrong_and_never_raises(
    pair: Pair, open_salesforce: Callable[..., SalesforceConnector]
) -> None:
    secrets = {"client_id": pair.credentials.salesforce.client_id, "client_secret": "wrong"}
    refused = open_salesforce(secrets=secrets).probe("Case", KEY)
    missing = open_salesforce(api_version="12.0").probe("Case", "Nope__c")
    unknown = open_salesforce(url="https://acme.invalid").probe()

    assert [(finding.code, finding.status) for finding in refused.findings][-1] == ("authenticated", "error")
    assert "api_version" in {finding.code for finding in missing.findings if finding.status == "error"}
    assert [(finding.code, finding.status) for finding in unknown.findings] == [("reached", "error")]


def test_a_key_that_is_not_unique_is_an_error_of_the_probe(salesforce: SalesforceConnector) -> None:
    findings = {finding.code: finding for finding in salesforce.probe("Case", "SuppliedEmail").findings}

    assert findings["key"].status == "error"
    assert "Unique" in findings["key"].advice


def test_calls_tell_usage_time_and_bodies_of_failures_only(
    pair: Pair, salesforce: SalesforceConnector, observed: Observed
) -> None:
    salesforce.count("Case", "")
    pair.salesforce.fault("status", method="POST", path=COLLECTIONS, status=500, body='[{"errorCode":"X"}]')
    list(salesforce.write("Case", creates(1)))

    good, bad = observed.calls[-2:]
    assert (good.status, good.write, good.request_body, good.response_body) == (200, False, "", "")
    assert good.usage is not None
    assert good.usage.used is not None
    assert good.usage.used < good.usage.allowed
    assert good.at is not None
    assert (bad.status, bad.write, bad.response_body) == (500, True, '[{"errorCode":"X"}]')
    assert "Printer 0" in bad.request_body


def test_a_record_has_a_page_for_people(salesforce: SalesforceConnector, pair: Pair) -> None:
    assert salesforce.record_url("Case", "500X") == f"{pair.salesforce.url}/lightning/r/Case/500X/view"
