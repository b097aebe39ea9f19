"""Bulk API 2.0: jobs whose records each have their own verdict, and queries as CSV."""

import csv
import io

import pytest
from simple_salesforce import Salesforce

from sync.sandbox.commits import LateCommit
from sync.sandbox.platform import ControlError
from sync.sandbox.salesforce.settings import Settings
from tests.sandbox.salesforce_org import BASE, KEY, InProcess, refusal, served

INGEST, QUERY = f"{BASE}/jobs/ingest", f"{BASE}/jobs/query"


@pytest.fixture
def org():
    return InProcess()


def opened(org, operation, **more):
    response = org.call("POST", INGEST, {"object": "Case", "operation": operation, **more})
    assert response.status == 200, response.body
    return response.data()


def ingest(org, operation, data, **more):
    """Run a job to its end and return what the platform says of it."""
    job = opened(org, operation, **more)
    assert org.call("PUT", "/" + job["contentUrl"], data.encode()).status == 201
    closed = org.call("PATCH", f"{INGEST}/{job['id']}", {"state": "UploadComplete"})
    assert closed.data()["state"] == "UploadComplete"
    return org.call("GET", f"{INGEST}/{job['id']}").data()


def results(org, job, what):
    response = org.call("GET", f"{INGEST}/{job['id']}/{what}")
    assert response.status == 200, response.body
    return list(csv.DictReader(io.StringIO(response.body.decode(), newline="")))


def test_a_complete_job_says_how_each_record_fared(org):
    job = ingest(org, "insert", f'Subject,{KEY},Status\n"two\nlines",a,New\nb,b,Parked\n')
    assert (job["state"], job["numberRecordsProcessed"], job["numberRecordsFailed"]) == ("JobComplete", 2, 1)
    (done,) = results(org, job, "successfulResults")
    assert (done["sf__Created"], done["Subject"]) == ("true", "two\nlines")
    assert org.case(done["sf__Id"])[KEY] == "a"
    (failed,) = results(org, job, "failedResults")
    assert failed["sf__Error"].startswith("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST:")
    assert failed["sf__Error"].endswith(":Status --")
    assert results(org, job, "unprocessedrecords") == []
    assert org.platform.counters.snapshot().created == 1


def test_an_upsert_creates_updates_and_refuses_a_repeated_key(org):
    case_id = org.create(Subject="before", **{KEY: "a"})
    data = f"{KEY},Subject\na,after\nb,new\nB,again\n"
    job = ingest(org, "upsert", data, externalIdFieldName=KEY)
    done = results(org, job, "successfulResults")
    assert [each["sf__Created"] for each in done] == ["false", "true"]
    assert done[0]["sf__Id"] == case_id
    assert results(org, job, "failedResults")[0]["sf__Error"].startswith("DUPLICATE_VALUE:")
    assert org.subjects("Subject != null") == ["after", "new"]


def test_an_empty_value_is_ignored_and_na_clears(org):
    case_id = org.create(Subject="kept", SuppliedName="Abel Tuter")
    ingest(org, "update", f"Id,Subject,SuppliedName\n{case_id},,#N/A\n")
    assert (org.case(case_id)["Subject"], org.case(case_id)["SuppliedName"]) == ("kept", None)


def test_a_delete_moves_rows_to_the_bin_and_knows_who_is_not_there(org):
    case_id = org.create(Subject="gone")
    job = ingest(org, "delete", f"Id\n{case_id}\n{case_id}\n500Hn0zzzzzzzzz\n")
    errors = [each["sf__Error"].partition(":")[0] for each in results(org, job, "failedResults")]
    assert errors == ["ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"]
    assert org.platform.rows("Case") == []


def test_a_hard_delete_takes_a_permission_and_leaves_nothing_in_the_bin(org):
    case_id = org.create(Subject="gone")
    comment = {"ParentId": case_id, "CommentBody": "too"}
    org.call("POST", f"{BASE}/sobjects/CaseComment", comment)
    org.platform.settings = Settings(bulk_hard_delete=True)
    job = ingest(org, "hardDelete", f"Id\n{case_id}\n")
    assert (job["state"], job["numberRecordsFailed"]) == ("JobComplete", 0)
    for name in ("Case", "CaseComment"):
        assert org.soql(f"SELECT Id FROM {name}", "queryAll").data()["totalSize"] == 0
    with pytest.raises(ControlError, match="no Case"):
        org.platform.undelete("Case", case_id)
    span = "start=2026-03-02T07:59:00Z&end=2026-03-02T08:01:00Z"
    deleted = org.call("GET", f"{BASE}/sobjects/Case/deleted?{span}").data()["deletedRecords"]
    assert [each["id"] for each in deleted] == [case_id]


def test_a_job_waits_runs_and_is_complete_by_the_clock(org):
    org.platform.settings = Settings(bulk_queued_seconds=5, bulk_running_seconds=20)
    job = ingest(org, "insert", "Subject\na\n")
    url = f"{INGEST}/{job['id']}"
    states = [job["state"]]
    for seconds in (5, 19, 1):
        org.clock.advance(seconds=seconds)
        states.append(org.call("GET", url).data()["state"])
        if states[-1] == "InProgress":
            assert refusal(org.call("GET", f"{url}/successfulResults")) == (400, "INVALIDJOBSTATE")
            assert org.platform.rows("Case") == []
    assert states == ["UploadComplete", "InProgress", "InProgress", "JobComplete"]
    [done] = results(org, job, "successfulResults")
    assert org.case(done["sf__Id"])["CreatedDate"] == "2026-03-02T08:00:25.000+0000"
    assert org.platform.counters.snapshot().created == 1


def test_an_aborted_job_writes_nothing(org):
    org.platform.settings = Settings(bulk_running_seconds=20)
    job = ingest(org, "insert", "Subject\na\n")
    url = f"{INGEST}/{job['id']}"
    assert job["state"] == "InProgress"
    assert org.call("PATCH", url, {"state": "Aborted"}).data()["state"] == "Aborted"
    org.clock.advance(seconds=60)
    assert org.platform.rows("Case") == []
    assert [each["Subject"] for each in results(org, job, "unprocessedrecords")] == ["a"]
    assert refusal(org.call("PATCH", url, {"state": "Aborted"})) == (400, "INVALIDJOBSTATE")


def test_a_query_job_takes_its_time_too_and_can_be_aborted(org):
    org.platform.settings = Settings(bulk_running_seconds=20)
    jobs = [
        org.call("POST", QUERY, {"operation": "query", "query": "SELECT Subject FROM Case"}).data()["id"]
        for _ in range(2)
    ]
    org.create(Subject="in time")
    assert refusal(org.call("GET", f"{QUERY}/{jobs[0]}/results")) == (400, "INVALIDJOBSTATE")
    assert refusal(org.call("PATCH", f"{QUERY}/{jobs[1]}", {"state": "Open"})) == (400, "INVALIDJOBSTATE")
    assert org.call("PATCH", f"{QUERY}/{jobs[1]}", {"state": "Aborted"}).status == 200
    org.clock.advance(seconds=20)
    assert org.call("GET", f"{QUERY}/{jobs[0]}/results").body.decode() == '"Subject"\n"in time"\n'
    assert refusal(org.call("GET", f"{QUERY}/{jobs[1]}/results")) == (400, "INVALIDJOBSTATE")


def test_a_query_job_reads_what_is_committed_when_it_runs(org):
    org.platform.commits.order(LateCommit("Case", seconds=60))
    org.platform.settings = Settings(bulk_running_seconds=20)
    org.create(Subject="in flight")
    sent = {"operation": "query", "query": "SELECT Subject FROM Case"}
    found = []
    for _ in range(3):
        job_id = org.call("POST", QUERY, sent).data()["id"]
        org.clock.advance(seconds=25)
        found.append(org.call("GET", f"{QUERY}/{job_id}").data()["numberRecordsProcessed"])
    assert found == [0, 0, 1]


def test_the_line_ending_must_be_the_one_the_job_named(org):
    job = ingest(org, "insert", "Subject\r\na\r\n")
    assert (job["state"], "LineEnding is invalid" in job["errorMessage"]) == ("Failed", True)
    assert len(results(org, job, "unprocessedrecords")) == 1
    job = ingest(org, "insert", "Subject;Origin\r\na;Web\r\n", lineEnding="CRLF", columnDelimiter="SEMICOLON")
    assert (job["state"], job["numberRecordsFailed"]) == ("JobComplete", 0)


def test_a_job_takes_data_once_and_ends_once(org):
    job = opened(org, "insert")
    url = f"{INGEST}/{job['id']}"
    assert refusal(org.call("GET", f"{url}/failedResults")) == (400, "INVALIDJOBSTATE")
    assert refusal(org.call("DELETE", url)) == (400, "INVALIDJOBSTATE")
    assert org.call("PUT", f"{url}/batches", b"Subject\na\n").status == 201
    assert refusal(org.call("PUT", f"{url}/batches", b"Subject\na\n")) == (400, "INVALIDJOBSTATE")
    assert org.call("PATCH", url, {"state": "Aborted"}).data()["state"] == "Aborted"
    assert refusal(org.call("PATCH", url, {"state": "UploadComplete"})) == (400, "INVALIDJOBSTATE")
    assert org.platform.rows("Case") == []
    assert org.call("DELETE", url).status == 204
    assert refusal(org.call("GET", url)) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"operation": "merge"}, "INVALIDJOB"),
        ({"operation": "hardDelete"}, "FEATURENOTENABLED"),
        ({"operation": "insert", "columnDelimiter": "DOT"}, "INVALIDJOB"),
        ({"operation": "upsert", "externalIdFieldName": "Subject"}, "NOT_FOUND"),
    ],
)
def test_a_job_that_cannot_be_is_refused_at_once(org, sent, code):
    assert refusal(org.call("POST", INGEST, {"object": "Case", **sent}))[1] == code


def test_a_query_job_answers_pages_of_csv(org):
    for name in ("a", "b", "c"):
        org.create(Subject=name)
    statement = "SELECT subject, IsClosed, ClosedDate, CreatedDate, Contact.Email FROM Case ORDER BY Subject"
    job = org.call("POST", QUERY, {"operation": "query", "query": statement}).data()
    assert job["state"] == "UploadComplete"
    first = org.call("GET", f"{QUERY}/{job['id']}/results?maxRecords=2")
    assert (first.headers["Sforce-NumberOfRecords"], first.headers["Sforce-Locator"]) == ("2", "2")
    assert first.body.decode().splitlines()[1] == '"a","false","","2026-03-02T08:00:00.000Z",""'
    last = org.call("GET", f"{QUERY}/{job['id']}/results?maxRecords=2&locator=2")
    assert (last.headers["Sforce-NumberOfRecords"], last.headers["Sforce-Locator"]) == ("1", "null")


def test_query_all_finds_deleted_rows_in_a_job_too(org):
    case_id = org.create(Subject="gone")
    org.call("DELETE", f"{BASE}/sobjects/Case/{case_id}")
    for operation, found in (("query", 0), ("queryAll", 1)):
        sent = {"operation": operation, "query": "SELECT Id FROM Case"}
        job = org.call("POST", QUERY, sent).data()
        assert org.call("GET", f"{QUERY}/{job['id']}").data()["numberRecordsProcessed"] == found


def test_a_count_is_no_bulk_query(org):
    response = org.call("POST", QUERY, {"operation": "query", "query": "SELECT COUNT() FROM Case"})
    assert refusal(response) == (400, "API_ERROR")


def test_simple_salesforce_ingests_and_extracts(tmp_path):
    with served(tmp_path) as org:
        client = Salesforce(
            session_id=org.token(), instance_url=org.server.url, session=org.session, version="67.0"
        )
        cases = client.bulk2.Case
        records = [{"Subject": f"bulk {n}", KEY: f"k{n}"} for n in range(3)]
        (done,) = cases.insert(records=records, wait=0)
        assert (done["numberRecordsProcessed"], done["numberRecordsFailed"]) == (3, 0)
        sent = [{KEY: "k0", "Subject": "changed"}, {KEY: "k9", "Status": "Parked"}]
        (done,) = cases.upsert(records=sent, external_id_field=KEY, wait=0)
        assert "INVALID_OR_NULL" in cases.get_failed_records(done["job_id"])
        pages = list(cases.query(f"SELECT Id, {KEY} FROM Case ORDER BY {KEY}", max_records=2, wait=0))
        rows = [row for page in pages for row in csv.DictReader(io.StringIO(page))]
        assert [row[KEY] for row in rows] == ["k0", "k1", "k2"]
        [group] = client.query("SELECT Status, COUNT(Id) total FROM Case GROUP BY Status")["records"]
        assert (group["Status"], group["total"]) == ("New", 3)
        (done,) = cases.delete(records=[{"Id": row["Id"]} for row in rows[:1]], wait=0)
        assert done["numberRecordsFailed"] == 0
        org.platform.settings = Settings(bulk_hard_delete=True)
        (done,) = cases.hard_delete(records=[{"Id": row["Id"]} for row in rows[1:]], wait=0)
        assert done["numberRecordsFailed"] == 0
        assert client.query("SELECT Id FROM Case", include_deleted=True)["totalSize"] == 1
