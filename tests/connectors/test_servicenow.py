"""A ServiceNow instance over a real socket: reading past what is hidden, and writing what is really stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from sync.connectors.servicenow.connector import ServiceNowConnector
from sync.core.records import ChangeQuery, Cursor, Operation, Record, Reply, Write
from sync.errors import (
    BudgetSpentError,
    ConfigurationError,
    OutcomeUnknownError,
    RateLimitError,
    SchemaError,
    TransientError,
)
from sync.sandbox.pair import Pair

from .conftest import Observed

FIELDS = ("short_description", "caller_id")
Open = Callable[..., ServiceNowConnector]


def fill(pair: Pair, count: int) -> list[str]:
    return [
        pair.servicenow.add("incident", short_description=f"Printer {number}")["sys_id"]
        for number in range(count)
    ]


def asked(**changes: object) -> ChangeQuery:
    return ChangeQuery("incident", FIELDS, "number", **changes)  # type: ignore[arg-type]


def rows_of(connector: ServiceNowConnector, query: ChangeQuery) -> list[Record]:
    return [row for page in connector.changes(query) for row in page.records]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 100])
def test_every_row_is_read_once_and_in_order_although_stamps_are_equal(
    pair: Pair, servicenow: ServiceNowConnector, size: int
) -> None:
    made = fill(pair, 17)

    pages = list(servicenow.changes(asked(page_size=size)))

    rows = [row for page in pages for row in page.records]
    assert sorted(row.id for row in rows) == sorted(made)
    assert [(row.version.changed_at, row.id) for row in rows] == sorted(
        (row.version.changed_at, row.id) for row in rows
    )
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    assert {page.total for page in pages} == {17}
    assert all(row.number.startswith("INC") and row.version.count == 0 for row in rows)


@pytest.mark.parametrize("scope", ["", "active=true^NQactive=false", "short_descriptionLIKEPrinter^EQ"])
def test_reading_goes_on_where_a_cursor_stands_whatever_the_scope(
    pair: Pair, servicenow: ServiceNowConnector, scope: str
) -> None:
    made = fill(pair, 9)
    first = next(servicenow.changes(asked(page_size=4, scope=scope)))

    rest = rows_of(servicenow, asked(page_size=4, scope=scope, cursor=first.cursor))

    assert sorted([row.id for row in first.records] + [row.id for row in rest]) == sorted(made)


def test_a_scope_with_an_alternative_holds_on_every_page(pair: Pair, servicenow: ServiceNowConnector) -> None:
    fill(pair, 14)
    scope = "short_description=Printer 3^ORshort_descriptionSTARTSWITHPrinter 1^NQshort_description=Printer 5"

    found = {row.values["short_description"] for row in rows_of(servicenow, asked(page_size=1, scope=scope))}

    assert found == {f"Printer {number}" for number in (1, 3, 5, 10, 11, 12, 13)}


def test_a_poll_without_news_is_one_call_with_an_empty_last_page(
    pair: Pair, servicenow: ServiceNowConnector
) -> None:
    fill(pair, 3)
    servicenow.count("incident", "")
    pair.servicenow.reset_counters()

    pages = list(servicenow.changes(asked(cursor=Cursor(datetime.now(UTC) + timedelta(days=1)))))

    assert [(page.records, page.cursor, page.last) for page in pages] == [((), None, True)]
    assert pair.servicenow.counters.calls == 1


def test_a_user_who_sees_no_row_reads_to_the_end_of_what_is_hidden(pair: Pair, open_servicenow: Open) -> None:
    fill(pair, 12)
    held = pair.credentials.servicenow
    connector = open_servicenow(
        auth="basic", username=held.no_role_username, secrets={"password": held.no_role_password}
    )

    pages = list(connector.changes(asked(page_size=2)))

    assert [(page.records, page.last, page.total) for page in pages] == [((), True, 12)]
    assert connector.count("incident", "") == 12


def test_a_dropped_term_is_noticed_before_rows_are_lost(pair: Pair, servicenow: ServiceNowConnector) -> None:
    body = (
        '{"result":[{"sys_id":"a","sys_updated_on":"2020-01-01 00:00:00","sys_mod_count":"0",'
        '"sys_updated_by":"admin","number":"INC1"}]}'
    )
    pair.servicenow.fault("status", path="/incident", status=200, body=body, headers={"X-Total-Count": "1"})

    with pytest.raises(SchemaError, match="row that its query excludes"):
        rows_of(servicenow, asked(since=datetime(2026, 1, 1, tzinfo=UTC)))


def test_a_list_without_its_count_is_not_trusted(pair: Pair, servicenow: ServiceNowConnector) -> None:
    pair.servicenow.fault("status", path="/incident", status=200, body='{"result":[]}')

    with pytest.raises(SchemaError, match="X-Total-Count"):
        rows_of(servicenow, asked())


@pytest.mark.parametrize("value", ["a^b", "a^^NQactive=true", "x^ORactive=true", "one, two", "ü ^ 😀"])
def test_a_caret_or_comma_in_a_key_finds_its_record_alone(
    pair: Pair, servicenow: ServiceNowConnector, value: str
) -> None:
    pair.servicenow.add("incident", short_description="another", correlation_id="another")
    wanted = pair.servicenow.add("incident", short_description="wanted", correlation_id=value)

    found = servicenow.find("incident", "correlation_id", [value, "nothing"], FIELDS, "number")

    assert {key: [row.id for row in rows] for key, rows in found.items()} == {value: [wanted["sys_id"]]}


def test_records_are_read_by_id_in_calls_that_fit_a_url(
    pair: Pair, servicenow: ServiceNowConnector, observed: Observed
) -> None:
    made = fill(pair, 400)

    read = servicenow.read("incident", [*made, "f" * 32], FIELDS, "number")

    assert set(read) == set(made)
    assert read[made[7]].values["short_description"] == "Printer 7"
    assert max(len(call.path) for call in observed.calls) < 8000


def test_what_people_see_of_a_column_is_read_beside_its_value(
    pair: Pair, servicenow: ServiceNowConnector
) -> None:
    abel = pair.servicenow.add(
        "sys_user", user_name="abel", name="Abel Tuter", first_name="Abel", last_name="Tuter"
    )
    added = pair.servicenow.add("incident", short_description="Printer", state="2", caller_id=abel["sys_id"])
    fields = (
        "state",
        "state.display_value",
        "caller_id.display_value",
        "caller_id.user_name",
        "short_description",
    )

    (record,) = rows_of(servicenow, ChangeQuery("incident", fields, "number"))
    (again,) = servicenow.read("incident", [added["sys_id"]], fields, "number").values()

    for values in (record.values, again.values):
        assert {name: values[name] for name in fields} == {
            "state": "2", "state.display_value": "In Progress", "caller_id.display_value": "Abel Tuter",
            "caller_id.user_name": "abel", "short_description": "Printer",
        }  # fmt: skip


def test_a_condition_of_two_queries_tells_which_of_some_records_meet_it(
    pair: Pair, servicenow: ServiceNowConnector
) -> None:
    made = fill(pair, 6)
    condition = "short_description=Printer 1^NQshort_description=Printer 4"

    assert servicenow.matching("incident", condition, made[:4]) == {made[1]}
    assert servicenow.count("incident", condition) == 2


def test_a_create_under_our_own_sys_id_is_stored_once(pair: Pair, servicenow: ServiceNowConnector) -> None:
    write = Write("a", Operation.CREATE, {"sys_id": "ab" * 16, "short_description": "Printer"})

    first = next(iter(servicenow.write("incident", [write])))
    second = next(iter(servicenow.write("incident", [write])))

    assert (first.reply, first.id, first.created) == (Reply.DONE, "ab" * 16, True)
    assert first.stored is not None
    assert first.stored["short_description"] == "Printer"
    assert first.version is not None
    assert second.reply is Reply.REFUSED
    assert second.refusal is not None
    assert (second.refusal.code, second.refusal.existing_id) == ("DUPLICATE_VALUE", "ab" * 16)
    assert len(pair.servicenow.rows("incident")) == 1


def test_what_the_platform_silently_refuses_shows_in_what_is_stored(
    pair: Pair, servicenow: ServiceNowConnector
) -> None:
    (made,) = fill(pair, 1)
    write = Write("a", Operation.UPDATE, {"state": "no such state", "short_description": "Fixed"}, id=made)

    result = next(iter(servicenow.write("incident", [write])))

    assert result.reply is Reply.DONE
    assert result.stored is not None
    assert result.stored["state"] == "1"
    assert result.stored["short_description"] == "Fixed"
    assert result.version is not None
    assert result.version.count == 1


def test_a_data_policy_refuses_one_record_by_name(pair: Pair, servicenow: ServiceNowConnector) -> None:
    made = fill(pair, 2)
    writes = [
        Write("bad", Operation.UPDATE, {"state": "6"}, id=made[0]),
        Write("good", Operation.UPDATE, {"short_description": "Fixed"}, id=made[1]),
        Write("gone", Operation.UPDATE, {"short_description": "Fixed"}, id="f" * 32),
    ]

    results = {result.ref: result for result in servicenow.write("incident", writes)}

    assert results["good"].reply is Reply.DONE
    assert {ref: results[ref].refusal.code for ref in ("bad", "gone")} == {  # type: ignore[union-attr]
        "bad": "DATA_POLICY",
        "gone": "NOT_FOUND",
    }


@pytest.mark.parametrize(
    ("kind", "made"),
    [("reset_after", 1), ("reset_before", 0), ("empty", 1), ("truncated", 1), ("html", 0)],
)
def test_an_answer_that_does_not_tell_leaves_the_write_unknown(
    pair: Pair, servicenow: ServiceNowConnector, kind: str, made: int
) -> None:
    servicenow.count("incident", "")
    pair.servicenow.fault(kind, method="POST", path="/table/incident")

    (result,) = servicenow.write("incident", [Write("a", Operation.CREATE, {"short_description": "Printer"})])

    assert result.reply is Reply.UNKNOWN
    assert isinstance(result.fault, OutcomeUnknownError)
    assert len(pair.servicenow.rows("incident")) == made


def test_a_cancelled_transaction_is_a_failure_although_it_says_200(
    pair: Pair, servicenow: ServiceNowConnector
) -> None:
    body = '{"result":[],"error":{"message":"Transaction cancelled","detail":""},"status":"failure"}'
    pair.servicenow.fault("status", path="/incident", status=200, body=body, times=0)

    with pytest.raises(TransientError, match="Transaction cancelled"):
        servicenow.count("incident", "")
    (result,) = servicenow.write("incident", [Write("a", Operation.CREATE, {"short_description": "x"})])
    assert result.reply is Reply.UNKNOWN


def test_an_accepted_call_was_dropped(pair: Pair, servicenow: ServiceNowConnector) -> None:
    pair.servicenow.fault("status", path="/incident", status=202, times=0)

    with pytest.raises(RateLimitError, match="dropped"):
        servicenow.count("incident", "")
    (result,) = servicenow.write("incident", [Write("a", Operation.CREATE, {"short_description": "x"})])
    assert result.reply is Reply.UNSENT


def test_a_short_wait_is_obeyed_and_the_read_repeated(
    pair: Pair, servicenow: ServiceNowConnector, observed: Observed
) -> None:
    pair.servicenow.fault("status", path="/incident", status=429, headers={"Retry-After": "3"})

    assert servicenow.count("incident", "") == 0
    assert observed.pauses == [3.25]


def test_an_hour_of_waiting_is_a_spent_budget(
    pair: Pair, servicenow: ServiceNowConnector, observed: Observed
) -> None:
    pair.servicenow.fault("status", path="/incident", status=429, headers={"Retry-After": "3500"}, times=0)

    with pytest.raises(BudgetSpentError) as caught:
        servicenow.count("incident", "")
    assert caught.value.retry_after == 3500
    assert observed.pauses == []


def test_an_unknown_table_is_a_schema_error(servicenow: ServiceNowConnector) -> None:
    with pytest.raises(SchemaError, match="Invalid table"):
        rows_of(servicenow, ChangeQuery("no_such_table", (), "number"))
    with pytest.raises(SchemaError, match="no table no_such_table"):
        servicenow.describe("no_such_table")


def test_a_scope_that_sorts_is_refused_before_anything_is_sent(
    pair: Pair, servicenow: ServiceNowConnector
) -> None:
    with pytest.raises(ConfigurationError, match="sorts"):
        rows_of(servicenow, asked(scope="active=true^ORDERBYnumber"))
    assert pair.servicenow.counters.calls == 0


def test_a_description_holds_inherited_columns_and_their_choices(servicenow: ServiceNowConnector) -> None:
    fields = servicenow.describe("incident").fields

    assert fields["short_description"].length == 160
    assert fields["state"].choices == ("1", "2", "3", "6", "7", "8")
    assert dict(zip(fields["state"].choices, fields["state"].labels, strict=True))["2"] == "In Progress"
    assert fields["state"].restricted
    assert fields["assigned_to"].reference_to == ("sys_user",)
    assert not fields["sys_updated_on"].updateable


def test_people_are_found_by_user_name_and_group_name(servicenow: ServiceNowConnector) -> None:
    users = servicenow.people("user", ["abel.tuter", "carol.coughlin", "nobody"])
    groups = servicenow.people("group", ["Hardware", "None"])

    assert {key: person.active for key, person in users.items()} == {
        "abel.tuter": True,
        "carol.coughlin": False,
    }
    assert users["abel.tuter"].email == "abel.tuter@acme.example"
    assert list(groups) == ["Hardware"]


def test_a_good_connection_proves_every_point(pair: Pair, servicenow: ServiceNowConnector) -> None:
    fill(pair, 1)
    probe = servicenow.probe("incident", "correlation_id")

    assert {finding.status for finding in probe.findings} == {"ok"}
    assert probe.user == "sync.user"
    assert probe.org_id
    assert probe.facts["time_zone"]
    assert "itil" in probe.facts["roles"]


def test_a_login_by_client_alone_finds_out_whom_it_runs_as(open_servicenow: Open) -> None:
    probe = open_servicenow(username="").probe()

    assert probe.user == "sync.user"
    assert "itil" in probe.facts["roles"]


def test_a_probe_says_what_is_missing_and_never_raises(pair: Pair, open_servicenow: Open) -> None:
    fill(pair, 1)
    held = pair.credentials.servicenow
    no_role = open_servicenow(
        auth="basic", username=held.no_role_username, secrets={"password": held.no_role_password}
    )
    wrong = open_servicenow(auth="basic", secrets={"password": "wrong"})
    unknown = open_servicenow(url="https://acme.invalid")

    hidden = {finding.code: finding.status for finding in no_role.probe("incident").findings}
    assert hidden["table"] == "error"
    assert [(finding.code, finding.status) for finding in wrong.probe().findings] == [
        ("reached", "ok"),
        ("authenticated", "error"),
    ]
    assert [(finding.code, finding.status) for finding in unknown.probe().findings] == [("reached", "error")]


def test_no_cookie_is_kept_or_sent_so_calls_are_not_served_one_by_one(
    pair: Pair, open_servicenow: Open
) -> None:
    connector = open_servicenow(concurrency=4)
    fill(pair, 8)
    ids = [row["sys_id"] for row in pair.servicenow.rows("incident")]
    pair.servicenow.slow_down(0.05)

    list(connector.write("incident", [Write(id, Operation.UPDATE, {"urgency": "1"}, id=id) for id in ids]))

    assert pair.servicenow.counters.peak_concurrency == 4


def test_a_record_has_a_page_for_people(pair: Pair, servicenow: ServiceNowConnector) -> None:
    assert servicenow.record_url("incident", "ab").endswith("uri=incident.do%3Fsys_id%3Dab")
