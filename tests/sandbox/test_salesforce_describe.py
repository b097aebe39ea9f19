"""Describe: what the org says of itself, and that it says what it does."""

import pytest

from sync.sandbox.salesforce.objects import load
from tests.sandbox.salesforce_org import BASE, CASES, COLLECTION, KEY, InProcess


@pytest.fixture
def org():
    return InProcess()


def fields(org, name):
    described = org.call("GET", f"{BASE}/sobjects/{name}/describe").data()
    return {field["name"]: field for field in described["fields"]}


def test_the_global_describe_lists_every_object(org):
    answer = org.call("GET", f"{BASE}/sobjects").data()
    names = {each["name"]: each["keyPrefix"] for each in answer["sobjects"]}
    assert answer["maxBatchSize"] == 200
    assert {
        "Case": "500",
        "User": "005",
        "Group": "00G",
        "Account": "001",
        "Contact": "003",
    }.items() <= names.items()
    assert {"QueueSobject", "CaseStatus", "Organization", "RecordType"} <= set(names)


def test_no_object_describes_a_field_or_a_relationship_twice(org):
    for each in org.call("GET", f"{BASE}/sobjects").data()["sobjects"]:
        described = org.call("GET", f"{BASE}/sobjects/{each['name']}/describe").data()
        names = [field["name"].lower() for field in described["fields"]]
        children = [name for child in described["childRelationships"] if (name := child["relationshipName"])]
        assert len(names) == len(set(names)), each["name"]
        assert len(children) == len(set(children)), each["name"]


def test_the_external_id_is_described_as_unique_text(org):
    key = fields(org, "Case")[KEY]
    wanted = {
        "type": "string", "length": 80, "unique": True, "externalId": True, "idLookup": True,
        "caseSensitive": False, "custom": True, "nillable": True,
    }  # fmt: skip
    assert wanted.items() <= key.items()


def test_picklists_and_references_are_described(org):
    case = fields(org, "Case")
    assert [each["value"] for each in case["Priority"]["picklistValues"]] == [
        "Critical",
        "High",
        "Medium",
        "Low",
    ]
    assert [each["value"] for each in case["Status"]["picklistValues"] if each["defaultValue"]] == ["New"]
    assert (case["Status"]["restrictedPicklist"], case["Origin"]["restrictedPicklist"]) == (True, False)
    assert case["OwnerId"]["referenceTo"] == ["Group", "User"]
    assert (case["OwnerId"]["relationshipName"], case["Description"]["filterable"]) == ("Owner", False)


def test_what_describe_calls_required_is_what_a_create_demands(org):
    for name, sobject in load().items():
        if not sobject.createable:
            continue
        required = {
            field["name"]
            for field in fields(org, name).values()
            if not field["nillable"]
            and field["createable"]
            and not field["defaultedOnCreate"]
            and field["type"] != "boolean"
        }
        [result] = org.call("POST", COLLECTION, {"records": [{"attributes": {"type": name}}]}).data()
        missing = set() if result["success"] else set(result["errors"][0]["fields"])
        assert missing == required, name


def test_describe_is_not_sent_again_until_it_changes(org):
    since = {"If-Modified-Since": "Mon, 02 Mar 2026 08:00:00 GMT"}
    assert org.call("GET", f"{CASES}/describe", **since).status == 304
    org.clock.advance(seconds=5)
    org.turn(hidden_fields=frozenset({"Case.Subject"}))
    changed = org.call("GET", f"{CASES}/describe", **since)
    assert changed.status == 200
    assert "Subject" not in [field["name"] for field in changed.data()["fields"]]


def test_statuses_say_which_of_them_are_closed(org):
    rows = org.records("SELECT ApiName, IsClosed, IsDefault FROM CaseStatus ORDER BY SortOrder")
    assert [row["ApiName"] for row in rows if row["IsClosed"]] == ["Closed"]
    assert [row["ApiName"] for row in rows if row["IsDefault"]] == ["New"]
    assert {row["ApiName"] for row in rows} == {
        each["value"] for each in fields(org, "Case")["Status"]["picklistValues"]
    }


def test_demo_people_and_queues_are_there(org):
    users = {row["Username"]: row["IsActive"] for row in org.records("SELECT Username, IsActive FROM User")}
    queues = org.records("SELECT Queue.DeveloperName FROM QueueSobject WHERE SobjectType = 'Case'")
    assert users["abel.tuter@acme.example"] is True
    assert users["luke.wilson@acme.example"] is False
    assert {row["Queue"]["DeveloperName"] for row in queues} >= {"Hardware_Queue", "Service_Desk", "it_queue"}
