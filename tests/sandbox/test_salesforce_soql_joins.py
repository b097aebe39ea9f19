"""Queries within conditions: records that have something, or lack it."""

import pytest

from tests.sandbox.salesforce_org import BASE, CASES, InProcess, refusal


@pytest.fixture(scope="module")
def org():
    """A customer's case with a comment, a case of nobody, and a child of the first."""
    org = InProcess()
    [account] = org.records("SELECT Id FROM Account")
    first = org.create(Subject="first", AccountId=account["Id"])
    org.create(Subject="second")
    org.create(Subject="child", ParentId=first)
    comment = {"ParentId": first, "CommentBody": "Water does not help"}
    assert org.call("POST", f"{BASE}/sobjects/CaseComment", comment).status == 201
    gone = org.create(Subject="gone", ParentId=first)
    assert org.call("DELETE", f"{CASES}/{gone}").status == 204
    return org


@pytest.mark.parametrize(
    ("condition", "subjects"),
    [
        ("Id IN (SELECT ParentId FROM CaseComment)", ["first"]),
        ("Id NOT IN (SELECT ParentId FROM CaseComment) ORDER BY Subject", ["child", "second"]),
        ("Id IN (SELECT ParentId FROM CaseComment WHERE IsPublished = true)", []),
        ("ParentId IN (SELECT Id FROM Case WHERE Subject = 'FIRST')", ["child"]),
        ("AccountId IN (SELECT a.Id FROM Account a WHERE a.Name = 'Acme')", ["first"]),
        ("(NOT (Id IN (SELECT ParentId FROM Case))) AND Subject LIKE 'f%'", []),
        ("Subject = 'second' OR Id IN (SELECT ParentId FROM Case) ORDER BY Subject", ["first", "second"]),
        ("OwnerId IN (SELECT QueueId FROM QueueSobject)", []),
    ],
)
def test_a_condition_asks_another_query(org, condition, subjects):
    assert org.subjects(condition) == subjects


def test_groups_are_of_what_the_join_leaves(org):
    statement = "SELECT COUNT(Id) FROM Case WHERE Id NOT IN (SELECT ParentId FROM CaseComment)"
    assert org.records(statement)[0]["expr0"] == 2


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("Subject IN (SELECT Id FROM Case)", "INVALID_FIELD"),
        ("Id IN (SELECT Subject FROM Case)", "INVALID_FIELD"),
        ("Id IN (SELECT Id, Subject FROM Case)", "MALFORMED_QUERY"),
        ("Id IN (SELECT COUNT() FROM Case)", "MALFORMED_QUERY"),
        ("Id IN (SELECT Id FROM Case LIMIT 1)", "MALFORMED_QUERY"),
        ("Id IN (SELECT Id FROM Case WHERE Id IN (SELECT ParentId FROM Case))", "MALFORMED_QUERY"),
        ("Id = (SELECT Id FROM Case)", "MALFORMED_QUERY"),
        ("Id IN (SELECT Id FROM Nope)", "INVALID_TYPE"),
        ("Id IN (SELECT LinkedEntityId FROM ContentDocumentLink)", "MALFORMED_QUERY"),
    ],
)
def test_a_join_that_cannot_be_is_refused(org, condition, code):
    assert refusal(org.soql(f"SELECT Id FROM Case WHERE {condition}")) == (400, code)


def test_a_subquery_of_the_select_list_joins_nothing(org):
    statement = "SELECT (SELECT Id FROM Cases WHERE Id IN (SELECT ParentId FROM CaseComment)) FROM Account"
    assert refusal(org.soql(statement)) == (400, "MALFORMED_QUERY")
