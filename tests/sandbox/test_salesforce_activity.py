"""Comments, feed posts, tasks and files: what hangs on a case."""

import base64
import json

import pytest
from simple_salesforce import Salesforce

from tests.sandbox.salesforce_org import BASE, InProcess, refusal, served


@pytest.fixture
def org():
    return InProcess()


@pytest.fixture
def case_id(org):
    return org.create(Subject="Printer on fire")


def post(org, name, **fields):
    return org.call("POST", f"{BASE}/sobjects/{name}", fields)


def made(org, name, **fields):
    response = post(org, name, **fields)
    assert response.status == 201, response.body
    return response.data()["id"]


def patch(org, name, row_id, **fields):
    return org.call("PATCH", f"{BASE}/sobjects/{name}/{row_id}", fields)


# Comments


def test_a_comment_is_measured_in_bytes(org, case_id):
    assert post(org, "CaseComment", ParentId=case_id, CommentBody="ü" * 2000).status == 201
    response = post(org, "CaseComment", ParentId=case_id, CommentBody="ü" * 2000 + "x")
    assert refusal(response) == (400, "STRING_TOO_LONG")


def test_of_a_comment_only_its_publication_can_change(org, case_id):
    comment = made(org, "CaseComment", ParentId=case_id, CommentBody="On my way")
    assert patch(org, "CaseComment", comment, IsPublished=True).status == 204
    response = patch(org, "CaseComment", comment, CommentBody="Later")
    assert refusal(response) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
    response = org.call("DELETE", f"{BASE}/sobjects/CaseComment/{comment}")
    assert refusal(response) == (400, "INSUFFICIENT_ACCESS_OR_READONLY")
    row = org.records(f"SELECT CommentBody, IsPublished FROM CaseComment WHERE ParentId = '{case_id}'")[0]
    assert (row["CommentBody"], row["IsPublished"]) == ("On my way", True)


def test_a_comment_needs_a_case(org):
    assert refusal(post(org, "CaseComment", CommentBody="x")) == (400, "REQUIRED_FIELD_MISSING")


@pytest.mark.parametrize(("touches", "minute"), [(True, 1), (False, 0)])
def test_a_comment_moves_the_system_stamp_of_its_case_alone(org, case_id, touches, minute):
    org.turn(comments_touch_case=touches)
    org.clock.advance(seconds=60)
    made(org, "CaseComment", ParentId=case_id, CommentBody="On my way")
    case = org.case(case_id)
    assert case["SystemModstamp"] == f"2026-03-02T08:0{minute}:00.000+0000"
    assert case["LastModifiedDate"] == "2026-03-02T08:00:00.000+0000"


# Feed and tasks


def test_a_post_appears_on_its_case(org, case_id):
    made(org, "FeedItem", ParentId=case_id, Body="Hello", Visibility="InternalUsers")
    row = org.records(f"SELECT Body, Type, Parent.Type FROM FeedItem WHERE ParentId = '{case_id}'")[0]
    assert (row["Body"], row["Type"], row["Parent"]["Type"]) == ("Hello", "TextPost", "Case")
    assert refusal(post(org, "FeedItem", ParentId=case_id, Body="x" * 10_001)) == (400, "STRING_TOO_LONG")


def test_a_completed_task_is_closed_and_reopens(org, case_id):
    task = made(org, "Task", WhatId=case_id, Subject="Call Abel Tuter", ActivityDate="2026-03-05")

    def closed():
        return org.records(f"SELECT IsClosed FROM Task WHERE WhatId = '{case_id}'")[0]["IsClosed"]

    assert not closed()
    patch(org, "Task", task, Status="Completed")
    assert closed()
    patch(org, "Task", task, Status="In Progress")
    assert not closed()


# Files

DATA = b"\x00\r\n--b\n\xff line\r\n"


def upload(org, **more):
    fields = {"PathOnClient": "notes.txt", "VersionData": base64.b64encode(DATA).decode()}
    return made(org, "ContentVersion", **fields | more)


def version(org, version_id):
    return org.call("GET", f"{BASE}/sobjects/ContentVersion/{version_id}").data()


def links(org, case_id):
    return org.records(
        "SELECT ContentDocumentId, ShareType, ContentDocument.LatestPublishedVersionId "
        f"FROM ContentDocumentLink WHERE LinkedEntityId = '{case_id}'"
    )


def test_a_version_brings_its_document_and_its_place(org, case_id):
    version_id = upload(org, FirstPublishLocationId=case_id)
    row = version(org, version_id)
    assert (row["Title"], row["FileExtension"], row["ContentSize"]) == ("notes", "txt", len(DATA))
    (link,) = links(org, case_id)
    assert link["ContentDocumentId"] == row["ContentDocumentId"]
    assert link["ContentDocument"]["LatestPublishedVersionId"] == version_id
    assert org.call("GET", row["VersionData"]).body == DATA


def test_a_next_version_takes_the_place_of_the_first(org, case_id):
    first = upload(org, FirstPublishLocationId=case_id)
    document = version(org, first)["ContentDocumentId"]
    second = upload(org, ContentDocumentId=document, Title="better")
    assert [version(org, each)["IsLatest"] for each in (first, second)] == [False, True]
    assert version(org, second)["VersionNumber"] == "2"
    (link,) = links(org, case_id)
    assert link["ContentDocument"]["LatestPublishedVersionId"] == second


def test_bytes_may_travel_beside_the_record(org, case_id):
    entity = json.dumps({"PathOnClient": "photo.png", "FirstPublishLocationId": case_id}).encode()
    body = (
        b'--b0undary\r\nContent-Disposition: form-data; name="entity_content";\r\n'
        b"Content-Type: application/json\r\n\r\n" + entity + b"\r\n--b0undary\r\n"
        b'Content-Disposition: form-data; name="VersionData"; filename="photo.png"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n" + DATA + b"\r\n--b0undary--\r\n"
    )
    kind = 'multipart/form-data; boundary="b0undary"'
    response = org.call("POST", f"{BASE}/sobjects/ContentVersion", body, Content_Type=kind)
    assert response.status == 201, response.body
    url = f"{BASE}/sobjects/ContentVersion/{response.data()['id']}/VersionData"
    assert org.call("GET", url).body == DATA
    response = org.call("POST", f"{BASE}/sobjects/ContentVersion", b"", Content_Type=kind)
    assert refusal(response) == (400, "INVALID_MULTIPART_REQUEST")


def test_a_file_can_be_shown_in_a_second_place(org, case_id):
    document = version(org, upload(org))["ContentDocumentId"]
    assert links(org, case_id) == []
    made(org, "ContentDocumentLink", ContentDocumentId=document, LinkedEntityId=case_id, ShareType="V")
    assert [link["ContentDocumentId"] for link in links(org, case_id)] == [document]


def test_links_are_only_told_for_a_known_document_or_place(org):
    for condition in ("", " WHERE ShareType = 'V'"):
        response = org.soql(f"SELECT Id FROM ContentDocumentLink{condition}")
        assert refusal(response) == (400, "MALFORMED_QUERY")


def test_an_undone_upload_leaves_no_document_behind(org, case_id):
    data = base64.b64encode(DATA).decode()
    good = {"attributes": {"type": "ContentVersion"}, "PathOnClient": "a.txt", "VersionData": data}
    bad = good | {"VersionData": "not base64!"}
    body = {"allOrNone": True, "records": [good, bad]}
    results = org.call("POST", f"{BASE}/composite/sobjects", body).data()
    assert [each["success"] for each in results] == [False, False]
    assert org.platform.rows("ContentDocument") == []
    assert org.platform.rows("ContentDocumentLink") == []


def test_simple_salesforce_comments_and_attaches(tmp_path):
    with served(tmp_path) as org:
        client = Salesforce(
            session_id=org.token(), instance_url=org.server.url, session=org.session, version="67.0"
        )
        case_id = client.Case.create({"Subject": "Printer"})["id"]
        client.CaseComment.create({"ParentId": case_id, "CommentBody": "Hello"})
        path = tmp_path / "notes.txt"
        path.write_bytes(DATA)
        data = base64.b64encode(path.read_bytes()).decode()
        sent = {"PathOnClient": path.name, "VersionData": data, "FirstPublishLocationId": case_id}
        version_id = client.ContentVersion.create(sent)["id"]
        assert client.query("SELECT CommentBody FROM CaseComment")["totalSize"] == 1
        assert client.ContentVersion.get_base64(version_id, "VersionData") == DATA
