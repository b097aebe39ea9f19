"""Subqueries: the rows that refer to each row found."""

from urllib.parse import urlencode

import pytest

from sync.sandbox.salesforce.settings import Settings
from tests.sandbox.salesforce_org import BASE, InProcess, refusal


@pytest.fixture
def org():
    return InProcess()


def comment(org, case_id, body):
    response = org.call("POST", f"{BASE}/sobjects/CaseComment", {"ParentId": case_id, "CommentBody": body})
    assert response.status == 201, response.body


def test_each_case_carries_its_own_comments_and_one_without_carries_null(org):
    first, _ = org.create(Subject="first"), org.create(Subject="second")
    comment(org, first, "a")
    comment(org, first, "b")
    rows = org.records(
        "SELECT Subject, (SELECT CommentBody FROM CaseComments ORDER BY Id DESC) FROM Case ORDER BY Subject"
    )
    answer = rows[0]["CaseComments"]
    assert (answer["totalSize"], answer["done"]) == (2, True)
    assert [each["CommentBody"] for each in answer["records"]] == ["b", "a"]
    assert answer["records"][0]["attributes"]["type"] == "CaseComment"
    assert rows[1]["CaseComments"] is None


def test_a_subquery_filters_and_limits_for_each_parent(org):
    cases = [org.create(Subject=name) for name in ("a", "b")]
    for case_id in cases:
        for body in ("x", "y"):
            comment(org, case_id, body)
    statement = "SELECT (SELECT Id FROM CaseComments WHERE IsPublished = {} LIMIT 1) FROM Case"
    rows = org.records(statement.format("false"))
    assert [row["CaseComments"]["totalSize"] for row in rows] == [1, 1]
    assert [row["CaseComments"] for row in org.records(statement.format("true"))] == [None, None]


def test_a_relationship_nobody_knows_is_refused(org):
    response = org.soql("SELECT Id, (SELECT Id FROM Nothings) FROM Case")
    assert refusal(response) == (400, "INVALID_TYPE")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT Id, (SELECT Id FROM CaseComments FROM Case",
        "SELECT Id, (SELECT COUNT(Id) FROM CaseComments) FROM Case",
        "SELECT Id FROM Case)",
        "SELECT Id, (SELECT COUNT() FROM CaseComments) FROM Case",
    ],
)
def test_a_subquery_that_cannot_be_is_malformed(org, statement):
    assert refusal(org.soql(statement)) == (400, "MALFORMED_QUERY")


DEEP = (
    "SELECT Name, (SELECT LastName, (SELECT Subject, (SELECT CommentBody FROM CaseComments) FROM Cases) "
    "FROM Contacts) FROM Account"
)


def test_children_have_children_of_their_own(org):
    [account] = org.records("SELECT Id FROM Account")
    contact = {"LastName": "Tuter", "AccountId": account["Id"]}
    contact_id = org.call("POST", f"{BASE}/sobjects/Contact", contact).data()["id"]
    comment(org, org.create(Subject="Printer on fire", ContactId=contact_id), "Water does not help")
    [acme] = org.records(DEEP)
    [person] = acme["Contacts"]["records"]
    [case] = person["Cases"]["records"]
    assert (person["LastName"], case["Subject"]) == ("Tuter", "Printer on fire")
    assert [each["CommentBody"] for each in case["CaseComments"]["records"]] == ["Water does not help"]


def test_a_queue_carries_the_objects_it_serves(org):
    queues = org.records(
        "SELECT Name, (SELECT SobjectType FROM QueueSobjects) FROM Group WHERE Type = 'Queue'"
    )
    assert {served["SobjectType"] for queue in queues for served in queue["QueueSobjects"]["records"]} == {
        "Case"
    }


def test_a_case_carries_its_history(org):
    org.platform.settings = Settings(tracked_fields=frozenset({"Case.Status"}))
    case_id = org.create(Subject="Printer on fire")
    org.call("PATCH", f"{BASE}/sobjects/Case/{case_id}", {"Status": "Closed"})
    [case] = org.records("SELECT Id, (SELECT Field, NewValue FROM Histories) FROM Case")
    assert [(each["Field"], each["NewValue"]) for each in case["Histories"]["records"]] == [
        ("Status", "Closed")
    ]


def test_five_levels_are_the_end_and_old_versions_know_two(org):
    deepest = "SELECT Id FROM Cases"
    for _ in range(4):
        deepest = f"SELECT Id, ({deepest}) FROM Cases"
    assert org.records(deepest.removesuffix("s")) == []
    assert refusal(org.soql(f"SELECT Id, ({deepest}) FROM Case")) == (400, "MALFORMED_QUERY")
    old = org.call("GET", f"/services/data/v57.0/query?{urlencode({'q': DEEP})}")
    assert refusal(old) == (400, "MALFORMED_QUERY")


def test_a_bulk_query_has_no_subqueries(org):
    sent = {"operation": "query", "query": "SELECT Id, (SELECT Id FROM CaseComments) FROM Case"}
    assert refusal(org.call("POST", f"{BASE}/jobs/query", sent)) == (400, "API_ERROR")


def test_describe_names_the_relationship(org):
    children = org.call("GET", f"{BASE}/sobjects/Case/describe").data()["childRelationships"]
    names = {each["childSObject"]: each["relationshipName"] for each in children}
    assert names["CaseComment"] == "CaseComments"
