"""Bulk API 2.0: jobs whose records each have their own verdict, and queries as CSV."""

import csv
import io

import pytest
from simple_salesforce import Salesforce

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
        (done,) = cases.delete(records=[{"Id": row["Id"]} for row in rows], wait=0)
        assert done["numberRecordsFailed"] == 0
        assert client.query("SELECT Id FROM Case")["totalSize"] == 0
