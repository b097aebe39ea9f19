"""What changed and what went: getUpdated, getDeleted, and the recycle bin between them."""

from datetime import UTC, datetime, timedelta

import pytest
from simple_salesforce import Salesforce

from sync.sandbox.platform import ControlError
from tests.sandbox.salesforce_org import CASES, KEY, InProcess, refusal, served

EIGHT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)  # where the virtual clock starts


@pytest.fixture
def org():
    return InProcess()


def ask(org, what, start, end):
    stamps = [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (start, end)]
    return org.call("GET", f"{CASES}/{what}/?start={stamps[0]}&end={stamps[1]}")


def around(org, what):
    now = org.clock.now()
    return ask(org, what, now - timedelta(hours=1), now + timedelta(minutes=2)).data()


def test_updated_lists_the_living_rows_touched_in_the_span(org):
    early = org.create(Subject="early")
    org.clock.advance(seconds=600)
    late, gone = org.create(Subject="late"), org.create(Subject="gone")
    org.call("DELETE", f"{CASES}/{gone}")
    answer = ask(org, "updated", EIGHT + timedelta(minutes=5), EIGHT + timedelta(minutes=15)).data()
    assert answer["ids"] == [late]
    assert early in ask(org, "updated", EIGHT, EIGHT + timedelta(minutes=15)).data()["ids"]


def test_the_answer_covers_no_more_than_the_minutes_that_are_over(org):
    org.clock.advance(seconds=90)
    answer = ask(org, "updated", EIGHT - timedelta(hours=1), EIGHT + timedelta(hours=1)).data()
    assert answer["latestDateCovered"] == "2026-03-02T08:01:00.000+0000"
    answer = ask(org, "updated", EIGHT - timedelta(hours=1), EIGHT).data()
    assert answer["latestDateCovered"] == "2026-03-02T08:00:00.000+0000"


def test_deleted_tells_when_each_row_went(org):
    case_id = org.create(Subject="gone")
    org.clock.advance(seconds=61)
    org.call("DELETE", f"{CASES}/{case_id}")
    answer = around(org, "deleted")
    assert answer["deletedRecords"] == [{"id": case_id, "deletedDate": "2026-03-02T08:01:01.000+0000"}]
    assert answer["earliestDateAvailable"] == "2026-02-15T08:01:01.000+0000"
    assert case_id not in around(org, "updated")["ids"]


@pytest.mark.parametrize(
    ("what", "start", "end"),
    [
        ("updated", timedelta(seconds=10), timedelta(seconds=50)),  # the same minute
        ("updated", timedelta(days=-31), timedelta()),
        ("deleted", timedelta(days=-16), timedelta()),
        ("deleted", timedelta(), timedelta(days=-1)),
    ],
)
def test_a_span_too_short_or_too_old_is_refused(org, what, start, end):
    assert refusal(ask(org, what, EIGHT + start, EIGHT + end)) == (400, "INVALID_REPLICATION_DATE")


def test_a_time_that_is_none_is_refused(org):
    response = org.call("GET", f"{CASES}/updated?start=yesterday&end=today")
    assert refusal(response) == (400, "INVALID_REPLICATION_DATE")


def test_a_deleted_row_shows_in_query_all_only(org):
    case_id = org.create(Subject="gone")
    org.call("DELETE", f"{CASES}/{case_id}")
    statement = "SELECT Id FROM Case WHERE IsDeleted = true"
    assert org.records(statement) == []
    assert [row["Id"] for row in org.soql(statement, "queryAll").data()["records"]] == [case_id]


def test_a_person_takes_a_row_back_out_of_the_bin(org):
    case_id = org.create(Subject="gone", **{KEY: "abc"})
    org.call("DELETE", f"{CASES}/{case_id}")
    org.clock.advance(seconds=300)
    org.platform.undelete("Case", case_id, by="abel.tuter@acme.example")
    assert org.case(case_id)[KEY] == "abc"
    assert case_id in around(org, "updated")["ids"]
    assert around(org, "deleted")["deletedRecords"] == []


def test_a_row_stays_in_the_bin_when_another_took_its_key(org):
    case_id = org.create(Subject="gone", **{KEY: "abc"})
    org.call("DELETE", f"{CASES}/{case_id}")
    org.create(Subject="next", **{KEY: "abc"})
    with pytest.raises(ControlError, match="DUPLICATE_VALUE"):
        org.platform.undelete("Case", case_id)
    assert org.subjects(f"{KEY} = 'abc'") == ["next"]


def test_nothing_comes_back_that_was_never_deleted_or_left_the_bin(org):
    living, old, emptied = org.create(Subject="a"), org.create(Subject="b"), org.create(Subject="c")
    org.call("DELETE", f"{CASES}/{old}")
    with pytest.raises(ControlError, match="UNDELETE_FAILED"):
        org.platform.undelete("Case", living)
    org.clock.advance(timedelta(days=16))
    with pytest.raises(ControlError, match="UNDELETE_FAILED"):
        org.platform.undelete("Case", old)
    org.log_in()
    org.call("DELETE", f"{CASES}/{emptied}")
    assert org.platform.empty_recycle_bin("Case") == 2
    with pytest.raises(ControlError, match="recycle bin"):
        org.platform.undelete("Case", emptied)
    assert [each["id"] for each in around(org, "deleted")["deletedRecords"]] == [emptied]


def test_simple_salesforce_asks_what_changed_and_what_went(tmp_path):
    with served(tmp_path) as org:
        client = Salesforce(
            session_id=org.token(), instance_url=org.server.url, session=org.session, version="67.0"
        )
        kept, gone = (client.Case.create({"Subject": name})["id"] for name in ("kept", "gone"))
        client.Case.delete(gone)
        span = EIGHT - timedelta(hours=1), EIGHT + timedelta(hours=1)
        assert client.Case.updated(*span)["ids"] == [kept]
        assert [each["id"] for each in client.Case.deleted(*span)["deletedRecords"]] == [gone]
