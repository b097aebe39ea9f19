"""The org over a real socket: as requests and simple-salesforce meet it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from simple_salesforce import Salesforce, SalesforceMalformedRequest
from simple_salesforce.exceptions import SalesforceExpiredSession

from sync.sandbox.faults import Fault, FaultKind
from tests.sandbox.salesforce_org import BASE, COLLECTION, KEY, served


@pytest.fixture(scope="module")
def org(tmp_path_factory):
    with served(tmp_path_factory.mktemp("authority")) as running:
        yield running


@pytest.fixture
def client(org):
    return Salesforce(
        session_id=org.token(), instance_url=org.server.url, session=org.session, version="67.0"
    )


def test_simple_salesforce_writes_and_reads_a_case(client):
    created = client.Case.create({"Subject": "Printer on fire", KEY: "wire-1"})
    assert client.Case.update(created["id"], {"Priority": "High"}) == 204
    assert client.Case.upsert(f"{KEY}/wire-1", {"Status": "Working"}) == 200
    case = client.Case.get(created["id"])
    assert (case["Subject"], case["Priority"], case["Status"]) == ("Printer on fire", "High", "Working")
    assert client.Case.get_by_custom_id(KEY, "wire-1")["Id"] == created["id"]
    assert client.Case.delete(created["id"]) == 204
    assert client.query(f"SELECT Id FROM Case WHERE {KEY} = 'wire-1'")["totalSize"] == 0


def test_simple_salesforce_describes_and_reads_the_limits(client):
    assert client.describe()["maxBatchSize"] == 200
    assert KEY in [field["name"] for field in client.Case.describe()["fields"]]
    assert client.limits()["DailyApiRequests"]["Max"] == 100_000
    assert client.api_usage["api-usage"].total == 100_000


def test_simple_salesforce_follows_pages_to_the_end(client):
    for start in range(0, 2400, 200):
        records = [
            {"attributes": {"type": "Case"}, "Subject": "page", KEY: f"page-{n}"}
            for n in range(start, start + 200)
        ]
        results = client.restful("composite/sobjects", method="POST", json={"records": records})
        assert all(each["success"] for each in results)
    rows = list(client.query_all_iter(f"SELECT {KEY} FROM Case WHERE Subject = 'page'"))
    assert [row[KEY] for row in rows] == [f"page-{n}" for n in range(2400)]


def test_simple_salesforce_raises_its_own_errors(org, client):
    with pytest.raises(SalesforceMalformedRequest) as caught:
        client.query("SELECT Nope FROM Case")
    assert caught.value.content[0]["errorCode"] == "INVALID_FIELD"
    stranger = Salesforce(session_id="x", instance_url=org.server.url, session=org.session)
    with pytest.raises(SalesforceExpiredSession):
        stranger.query("SELECT Id FROM Case")


def test_the_date_header_is_the_orgs_clock(org):
    response = org.session.get(f"{org.server.url}/services/data/", timeout=10)
    assert response.headers["Date"] == "Mon, 02 Mar 2026 08:00:00 GMT"


def test_a_reset_after_the_write_leaves_the_row_behind(org):
    org.server.faults.add(Fault(FaultKind.RESET_AFTER, method="POST", path="composite/sobjects"))
    headers = {"Authorization": f"Bearer {org.token()}"}
    body = {"records": [{"attributes": {"type": "Case"}, KEY: "reset-1"}]}
    target = f"{org.server.url}{COLLECTION}"
    with pytest.raises(requests.ConnectionError):
        org.session.post(target, json=body, headers=headers, timeout=10)
    [repeated] = org.session.post(target, json=body, headers=headers, timeout=10).json()
    assert repeated["errors"][0]["statusCode"] == "DUPLICATE_VALUE"


def test_parallel_creates_under_one_key_leave_one_row(org):
    headers = {"Authorization": f"Bearer {org.token()}"}

    def upsert(number):
        with requests.Session() as session:
            session.trust_env, session.verify = False, org.session.verify
            url = f"{org.server.url}{BASE}/sobjects/Case/{KEY}/race-1"
            return session.patch(url, json={"Subject": str(number)}, headers=headers, timeout=30).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(upsert, range(16)))

    assert sorted(statuses) == [200] * 15 + [201]
    rows = [row for row in org.platform.rows("Case") if row[KEY] == "race-1"]
    assert len(rows) == 1
    assert org.platform.counters.snapshot().duplicates == 0


def test_a_person_edits_through_the_control_routes(org, client):
    created = client.Case.create({"Subject": "before"})
    target = f"{org.server.url}/__sandbox__/rows/Case/{created['id']}"
    headers = {"Authorization": f"Bearer {org.control_token}"}
    order = {"by": "beth.anglin", "fields": {"Subject": "after"}}
    assert org.session.patch(target, json=order, headers=headers, timeout=10).status_code == 200
    case = client.query(f"SELECT Subject, LastModifiedBy.Name FROM Case WHERE Id = '{created['id']}'")[
        "records"
    ][0]
    assert (case["Subject"], case["LastModifiedBy"]["Name"]) == ("after", "Beth Anglin")
