"""simple-salesforce against the simulated org, by every login and call it offers that the org serves."""

from __future__ import annotations

import base64
import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce, SalesforceLogin, format_soql
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

KEY = "ServiceNow_Sys_Id__c"
COLLECTION = "composite/sobjects"


class LeadsTo(HTTPAdapter):
    """The way to the sandbox from the hosts at salesforce.com, which simple-salesforce always logs in at."""

    def __init__(self, url):
        super().__init__()
        self.url = url

    def send(self, request, **more):
        parts = urlsplit(request.url)
        request.url = self.url + parts.path + (f"?{parts.query}" if parts.query else "")
        return super().send(request, **more)


@pytest.fixture
def session(pair):
    with requests.Session() as session:
        for host in ("login", "test", "acme.my"):
            session.mount(f"https://{host}.salesforce.com", LeadsTo(pair.salesforce.url))
        yield session


@pytest.fixture
def demo(pair):
    return pair.credentials.salesforce


@pytest.fixture
def client(demo, session):
    return Salesforce(
        consumer_key=demo.client_id,
        consumer_secret=demo.client_secret,
        domain="acme.my",
        session=session,
        version="67.0",
    )


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(key):
    no_password = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password)


def works(client):
    return client.query("SELECT COUNT() FROM Case")["done"]


# Logins


def test_password_and_security_token(demo, session):
    client = Salesforce(
        username=demo.username,
        password=demo.password,
        security_token=demo.security_token,
        session=session,
    )
    assert works(client)


def test_an_organization_id_stands_for_a_trusted_network_and_the_sandbox_has_none(demo, session):
    login = {"username": demo.username, "organizationId": "00DHn0000000001MAA", "session": session}
    with pytest.raises(SalesforceAuthenticationFailed, match="LOGIN_MUST_USE_SECURITY_TOKEN"):
        Salesforce(password=demo.password, **login)
    assert works(Salesforce(password=demo.password + demo.security_token, **login))


def test_the_login_host_can_be_named_as_that_of_a_scratch_org(pair, demo):
    token, instance = SalesforceLogin(
        username=demo.username,
        password=demo.password,
        security_token=demo.security_token,
        scratch_url=pair.salesforce.url,
    )
    assert works(Salesforce(session_id=token, instance=instance))


def test_oauth_with_a_password(demo, session):
    client = Salesforce(
        username=demo.username,
        password=demo.password + demo.security_token,
        consumer_key=demo.client_id,
        consumer_secret=demo.client_secret,
        session=session,
    )
    assert works(client)


def test_client_credentials_renew_themselves_when_the_session_ends(pair, client):
    assert works(client)
    pair.salesforce.expire_tokens()
    assert works(client)


def test_jwt_bearer_with_the_key_as_text_or_file(pair, demo, session, key, tmp_path):
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    platform = pair.salesforce.platform
    platform.app = replace(platform.app, public_key=public.decode())
    login = {"username": demo.username, "consumer_key": demo.client_id, "session": session}
    assert works(Salesforce(privatekey=private_pem(key).decode(), **login))

    path = tmp_path / "key.pem"
    path.write_bytes(private_pem(key))
    assert works(Salesforce(privatekey_file=str(path), domain="test", **login))


def test_a_session_of_another_login(pair, client):
    session_id = client.session_id
    assert works(Salesforce(session_id=session_id, instance_url=pair.salesforce.url))
    assert works(Salesforce(session_id=session_id, instance=pair.salesforce.url.removeprefix("https://")))
    with pytest.raises(SalesforceExpiredSession):
        works(Salesforce(session_id="x", instance_url=pair.salesforce.url))


@pytest.mark.parametrize(
    ("login", "code"),
    [
        ({"username": "x", "password": "x", "security_token": "x"}, "INVALID_LOGIN"),
        (
            {"username": "x", "password": "x", "consumer_key": "x", "consumer_secret": "x"},
            "invalid_client_id",
        ),
        ({"consumer_key": "x", "consumer_secret": "x", "domain": "acme.my"}, "invalid_client_id"),
    ],
)
def test_a_refused_login_tells_its_code(session, login, code):
    with pytest.raises(SalesforceAuthenticationFailed) as refused:
        Salesforce(session=session, **login)
    assert refused.value.code == code


# Rows


def test_a_case_is_created_read_changed_and_deleted(client):
    case_id = client.Case.create({"Subject": "Printer on fire"})["id"]
    assert client.Case.update(case_id, {"Priority": "High"}) == 204
    case = client.Case.get(case_id)
    assert (case["Subject"], case["Priority"]) == ("Printer on fire", "High")
    assert client.Case.delete(case_id) == 204
    with pytest.raises(SalesforceResourceNotFound):
        client.Case.get(case_id)


def test_an_upsert_by_external_id_creates_and_then_changes(client):
    assert client.Case.upsert(f"{KEY}/upsert", {"Subject": "Printer on fire"}) == 201
    assert client.Case.upsert(f"{KEY}/upsert", {"Subject": "Printer put out"}) == 200
    assert client.Case.get_by_custom_id(KEY, "upsert")["Subject"] == "Printer put out"


def test_headers_and_raw_answers(client):
    case_id = client.Case.create({"Subject": "raw"}, headers={"Sforce-Auto-Assign": "FALSE"})["id"]
    answer = client.Case.update(case_id, {"Priority": "Low"}, raw_response=True)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"Subject": "x" * 300}, "STRING_TOO_LONG"),
        ({"Nope": "x"}, "INVALID_FIELD"),
        ({"ParentId": "500000000000000"}, "INVALID_CROSS_REFERENCE_KEY"),
    ],
)
def test_what_the_org_refuses_carries_its_code(client, fields, code):
    with pytest.raises(SalesforceMalformedRequest) as refused:
        client.Case.create(fields)
    assert refused.value.content[0]["errorCode"] == code


def test_many_rows_in_one_call(client):
    records = [{"attributes": {"type": "Case"}, "Subject": "many", KEY: f"many-{n}"} for n in range(3)]
    made = client.restful(COLLECTION, method="POST", json={"records": records, "allOrNone": True})
    assert [each["success"] for each in made] == [True] * 3

    changes = [{"attributes": {"type": "Case"}, "Id": each["id"], "Priority": "High"} for each in made]
    changed = client.restful(COLLECTION, method="PATCH", json={"records": changes})
    assert [each["success"] for each in changed] == [True] * 3

    ids = ",".join(each["id"] for each in made)
    gone = client.restful(COLLECTION, method="DELETE", params={"ids": ids})
    assert [each["success"] for each in gone] == [True] * 3


# Queries


@pytest.fixture(scope="module")
def many(pair):
    """More cases than a page of 2,000 holds."""
    for number in range(2_010):
        pair.salesforce.add("Case", Subject="page", **{KEY: f"page-{number}"})


@pytest.mark.usefixtures("many")
def test_pages_are_followed_to_the_end(client):
    statement = f"SELECT Id, {KEY} FROM Case WHERE Subject = 'page'"
    assert client.query_all(statement)["totalSize"] == 2_010
    assert len({row[KEY] for row in client.query_all_iter(statement)}) == 2_010

    first = client.query(statement)
    assert (len(first["records"]), first["done"]) == (2_000, False)
    by_address = client.query_more(first["nextRecordsUrl"], identifier_is_url=True)
    by_locator = client.query_more(first["nextRecordsUrl"].rpartition("/")[2])
    assert by_address["records"] == by_locator["records"]
    assert (len(by_address["records"]), by_address["done"]) == (10, True)


def test_a_query_may_say_that_a_person_looks(client):
    client.Case.create({"Subject": "looked at"})
    statement = "SELECT Id FROM Case WHERE Subject = 'looked at' LIMIT 1 FOR"
    assert client.query(f"{statement} VIEW")["totalSize"] == 1
    assert client.query(f"{statement} REFERENCE")["totalSize"] == 1
    with pytest.raises(SalesforceMalformedRequest, match="unexpected token"):
        client.query(f"{statement} FUN")


def test_deleted_rows_are_found_when_asked_for(client):
    case_id = client.Case.create({"Subject": "deleted"})["id"]
    client.Case.delete(case_id)
    statement = "SELECT Id FROM Case WHERE Subject = 'deleted'"
    assert client.query(statement)["totalSize"] == 0
    assert client.query_all(statement, include_deleted=True)["totalSize"] == 1


def test_values_are_quoted_as_its_formatter_does(client):
    subject = 'Bow\'s "printer" 100%_\\ \n on fire'
    client.Case.create({"Subject": subject})
    found = client.query(format_soql("SELECT Subject FROM Case WHERE Subject = {}", subject))
    assert [row["Subject"] for row in found["records"]] == [subject]
    some = format_soql(
        "SELECT Id FROM Case WHERE Subject IN {} AND CreatedDate > {}",
        [subject],
        datetime.now(UTC) - timedelta(days=1),
    )
    assert client.query(some)["totalSize"] == 1
    assert (
        client.query(format_soql("SELECT Id FROM Case WHERE Subject LIKE '%{:like}%'", "100%_"))["totalSize"]
        == 1
    )


def test_what_was_changed_and_deleted_since(client):
    kept, gone = (client.Case.create({"Subject": name})["id"] for name in ("kept", "gone"))
    client.Case.delete(gone)
    span = datetime.now(UTC) - timedelta(minutes=5), datetime.now(UTC) + timedelta(minutes=5)
    assert kept in client.Case.updated(*span)["ids"]
    assert gone in [each["id"] for each in client.Case.deleted(*span)["deletedRecords"]]


# What there is


def test_objects_fields_and_limits_are_described(client):
    assert "Case" in [each["name"] for each in client.describe()["sobjects"]]
    assert KEY in [field["name"] for field in client.Case.describe()["fields"]]
    assert client.Case.metadata()["objectDescribe"]["keyPrefix"] == "500"
    assert client.limits()["DailyApiRequests"]["Max"] == 100_000
    assert client.api_usage["api-usage"].total == 100_000
    assert client.is_sandbox()
    assert client.oauth2("userinfo")["preferred_username"].startswith("sync.user")


# Files


def test_a_file_is_put_on_a_case_read_and_given_a_next_version(client, tmp_path):
    case_id = client.Case.create({"Subject": "Printer on fire"})["id"]
    path = tmp_path / "photo.bin"
    path.write_bytes(b"\x00smoke")
    sent = base64.b64encode(path.read_bytes()).decode()
    file = {"PathOnClient": path.name, "VersionData": sent, "FirstPublishLocationId": case_id}
    version_id = client.ContentVersion.create(file)["id"]
    assert client.ContentVersion.get_base64(version_id, "VersionData") == b"\x00smoke"

    document = client.ContentVersion.get(version_id)["ContentDocumentId"]
    client.ContentVersion.create({**file, "ContentDocumentId": document, "FirstPublishLocationId": None})
    versions = client.query(
        f"SELECT VersionNumber FROM ContentVersion WHERE ContentDocumentId = '{document}'"
    )
    assert sorted(row["VersionNumber"] for row in versions["records"]) == ["1", "2"]


# Bulk


def test_bulk_2_ingests_in_every_way_and_tells_what_failed(client, tmp_path):
    cases = client.bulk2.Case
    (done,) = cases.insert(records=[{"Subject": "bulk", KEY: f"bulk-{n}"} for n in range(4)], wait=0)
    assert (done["numberRecordsProcessed"], done["numberRecordsFailed"]) == (4, 0)

    (done,) = cases.upsert(
        records=[{KEY: "bulk-0", "Priority": "High"}, {KEY: "bulk-1", "Status": "Parked"}],
        external_id_field=KEY,
        wait=0,
    )
    assert done["numberRecordsFailed"] == 1
    assert "Parked" in cases.get_failed_records(done["job_id"])
    assert "bulk-0" in cases.get_successful_records(done["job_id"])
    assert len(cases.get_unprocessed_records(done["job_id"]).splitlines()) <= 1

    rows = client.query("SELECT Id FROM Case WHERE Subject = 'bulk'")["records"]
    path = tmp_path / "update.csv"
    path.write_text("Id,Priority\n" + "".join(f"{row['Id']},Low\n" for row in rows), newline="\n")
    (done,) = cases.update(csv_file=str(path), wait=0)
    assert done["numberRecordsFailed"] == 0
    (done,) = cases.delete(records=[{"Id": row["Id"]} for row in rows], wait=0)
    assert done["numberRecordsProcessed"] == 4


@pytest.mark.usefixtures("many")
def test_bulk_2_extracts_in_pages_and_to_files(client, tmp_path):
    statement = f"SELECT Id, {KEY} FROM Case WHERE Subject = 'page'"
    pages = list(client.bulk2.Case.query(statement, max_records=1_500, wait=0))
    rows = [row for page in pages for row in csv.DictReader(io.StringIO(page))]
    assert (len(pages), len({row[KEY] for row in rows})) == (2, 2_010)

    files = client.bulk2.Case.download(statement, path=str(tmp_path), wait=0)
    assert sum(file["number_of_records"] for file in files) == 2_010


# What the org does not serve


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda client: client.bulk.Case.insert([{"Subject": "x"}]), id="Bulk API 1"),
        pytest.param(lambda client: client.search("FIND {fire} RETURNING Case"), id="SOSL"),
        pytest.param(lambda client: client.toolingexecute("query?q=x"), id="Tooling API"),
        pytest.param(lambda client: client.apexecute("x"), id="Apex REST"),
    ],
)
def test_what_the_org_does_not_serve_is_not_found(client, call):
    with pytest.raises(SalesforceResourceNotFound, match="The requested resource does not exist"):
        call(client)
