"""What a deletion takes along, what an undelete brings back, and what keeps a row from being written."""

import pytest

from sync.sandbox.platform import ControlError
from sync.sandbox.salesforce.settings import Automation, Settings
from tests.sandbox.salesforce_org import BASE, CASES, COLLECTION, InProcess, refusal


@pytest.fixture
def org():
    return InProcess()


def make(org, sobject, **fields):
    response = org.call("POST", f"{BASE}/sobjects/{sobject}", fields)
    assert response.status == 201, response.body
    return response.data()["id"]


def count(org, sobject):
    return len(org.platform.rows(sobject))


def on_a_case(org):
    """A case with a comment, a post, a task and a file."""
    case_id = org.create(Subject="Printer on fire")
    make(org, "CaseComment", ParentId=case_id, CommentBody="Water does not help")
    make(org, "FeedItem", ParentId=case_id, Body="Anyone?")
    make(org, "Task", WhatId=case_id, Subject="Call the fire brigade")
    version = {"PathOnClient": "fire.txt", "VersionData": "aG90", "FirstPublishLocationId": case_id}
    make(org, "ContentVersion", **version)
    return case_id


CHILDREN = ("CaseComment", "FeedItem", "Task", "ContentDocumentLink")


def test_a_deleted_case_takes_its_children_along_and_brings_them_back(org):
    case_id = on_a_case(org)
    before = {name: count(org, name) for name in CHILDREN}
    org.clock.advance(seconds=60)
    org.call("DELETE", f"{CASES}/{case_id}")
    assert {name: count(org, name) for name in CHILDREN} == {
        "CaseComment": 0,
        "FeedItem": 0,
        "Task": 0,
        "ContentDocumentLink": before["ContentDocumentLink"] - 1,  # its owner's is left, and the document
    }
    [gone] = org.soql("SELECT IsDeleted, SystemModstamp FROM CaseComment", "queryAll").data()["records"]
    assert (gone["IsDeleted"], gone["SystemModstamp"]) == (True, "2026-03-02T08:01:00.000+0000")
    assert org.platform.counters.snapshot().deleted == 1

    org.platform.undelete("Case", case_id)
    assert {name: count(org, name) for name in CHILDREN} == before


def test_what_went_with_a_row_cannot_come_back_without_it(org):
    case_id = on_a_case(org)
    [comment] = org.platform.rows("CaseComment")
    org.call("DELETE", f"{CASES}/{case_id}")
    with pytest.raises(ControlError, match="UNDELETE_FAILED"):
        org.platform.undelete("CaseComment", comment["Id"])


def test_what_went_with_a_row_leaves_the_bin_with_it(org):
    case_id = on_a_case(org)
    org.call("DELETE", f"{CASES}/{case_id}")
    assert org.platform.empty_recycle_bin("Case") == 1
    assert org.soql("SELECT Id FROM CaseComment", "queryAll").data()["totalSize"] == 0


def test_a_child_deleted_before_its_parent_stays_in_the_bin(org):
    case_id = on_a_case(org)
    [task] = org.platform.rows("Task")
    org.call("DELETE", f"{BASE}/sobjects/Task/{task['Id']}")
    org.call("DELETE", f"{CASES}/{case_id}")
    org.platform.undelete("Case", case_id)
    assert (count(org, "Task"), count(org, "FeedItem")) == (0, 1)
    assert org.platform.undelete("Task", task["Id"])["WhatId"] == case_id


def test_customers_with_cases_cannot_be_deleted(org):
    account = make(org, "Account", Name="Burning Inc")
    contact = make(org, "Contact", LastName="Tuter", AccountId=account)
    case_id = org.create(ContactId=contact)
    for sobject, row_id in (("Account", account), ("Contact", contact)):
        response = org.call("DELETE", f"{BASE}/sobjects/{sobject}/{row_id}")
        assert refusal(response) == (400, "DELETE_FAILED")
        assert "associated with the following cases.: 00001001" in response.data()[0]["message"]
    assert count(org, "Contact") == 1

    org.call("DELETE", f"{CASES}/{case_id}")
    assert org.call("DELETE", f"{BASE}/sobjects/Account/{account}").status == 204
    assert count(org, "Contact") == 0
    org.platform.undelete("Account", account)
    assert [row["AccountId"] for row in org.platform.rows("Contact")] == [account]


def test_a_reference_to_a_deleted_row_is_emptied_and_filled_again(org):
    parent = org.create(Subject="parent")
    child, moved = org.create(ParentId=parent), org.create(ParentId=parent)
    other = org.create(Subject="other")
    org.clock.advance(seconds=60)
    org.call("DELETE", f"{CASES}/{parent}")
    assert org.case(child)["ParentId"] is None
    assert org.case(child)["SystemModstamp"] > org.case(child)["LastModifiedDate"]

    org.call("PATCH", f"{CASES}/{moved}", {"ParentId": other})
    org.platform.undelete("Case", parent)
    assert (org.case(child)["ParentId"], org.case(moved)["ParentId"]) == (parent, other)


def test_a_call_that_is_rolled_back_leaves_every_child_where_it_was(org):
    case_id = on_a_case(org)
    gone = org.create(Subject="gone")
    org.call("DELETE", f"{CASES}/{gone}")
    answer = org.call("DELETE", f"{COLLECTION}?ids={case_id},{gone}&allOrNone=true")
    assert [each["success"] for each in answer.data()] == [False, False]
    assert [count(org, name) for name in CHILDREN[:3]] == [1, 1, 1]
    assert org.records(f"SELECT Id FROM CaseComment WHERE ParentId = '{case_id}'") != []


def test_children_are_found_by_their_parent_as_it_changes(org):
    first, second = org.create(Subject="first"), org.create(Subject="second")
    task = make(org, "Task", WhatId=first)
    org.call("PATCH", f"{BASE}/sobjects/Task/{task}", {"WhatId": second})
    found = [
        len(org.records(f"SELECT Id FROM Task WHERE WhatId IN ('{first}')")),
        len(org.records(f"SELECT Id FROM Task WHERE WhatId IN ('{first}', '{second}')")),
        len(org.records("SELECT Id FROM Task WHERE WhatId != null")),
    ]
    assert found == [0, 1, 1]


def test_describe_tells_what_a_deletion_does(org):
    children = org.call("GET", f"{BASE}/sobjects/Account/describe").data()["childRelationships"]
    told = {each["childSObject"]: (each["cascadeDelete"], each["restrictedDelete"]) for each in children}
    assert (told["Contact"], told["Case"], told["Account"]) == ((True, False), (False, True), (False, False))


def test_a_row_under_approval_is_locked_to_all_but_the_administrator(org):
    case_id = org.create(Subject="x")
    org.platform.lock("Case", case_id)
    assert refusal(org.call("PATCH", f"{CASES}/{case_id}", {"Subject": "y"})) == (400, "ENTITY_IS_LOCKED")
    assert refusal(org.call("DELETE", f"{CASES}/{case_id}")) == (400, "ENTITY_IS_LOCKED")
    with pytest.raises(ControlError, match="This record is locked"):
        org.platform.edit("Case", case_id, {"Subject": "y"}, by="beth.anglin")
    assert org.platform.edit("Case", case_id, {"Subject": "y"})["Subject"] == "y"
    org.platform.unlock("Case", case_id)
    assert org.call("PATCH", f"{CASES}/{case_id}", {"Subject": "z"}).status == 204


def test_automation_changes_a_row_within_its_save(org):
    org.platform.settings = Settings(automations=(Automation("Case", "Reason", "Other"),))
    case_id = org.create(Subject="x", Reason="Breakdown")
    org.clock.advance(seconds=60)
    org.call("PATCH", f"{CASES}/{case_id}", {"Reason": "Performance"})
    case = org.case(case_id)
    assert case["Reason"] == "Other"
    assert case["LastModifiedDate"] == case["SystemModstamp"] == "2026-03-02T08:01:00.000+0000"
    assert case["LastModifiedById"] == org.user("sync.user@acme.example")
    changes = [(each["old"], each["new"]) for each in org.platform.history("Case", case_id)]
    assert changes[-2:] == [("Other", "Performance"), ("Performance", "Other")]


def test_automation_that_comes_later_is_an_edit_of_the_administrator(org):
    org.platform.settings = Settings(automations=(Automation("Case", "IsEscalated", True, after_seconds=30),))
    case_id, gone = org.create(Subject="x"), org.create(Subject="gone")
    org.call("DELETE", f"{CASES}/{gone}")
    org.clock.advance(seconds=29)
    assert org.case(case_id)["IsEscalated"] is False
    org.clock.advance(seconds=31)
    case = org.case(case_id)
    assert (case["IsEscalated"], case["LastModifiedDate"]) == (True, "2026-03-02T08:00:30.000+0000")
    assert case["LastModifiedById"] == org.user("admin@acme.example")
    assert [each["field"] for each in org.platform.history("Case", case_id)] == ["IsEscalated"]


@pytest.mark.parametrize("delay", [0, 30])
def test_silent_automation_moves_the_system_stamp_alone(org, delay):
    case_id = org.create(Subject="x")
    rule = Automation("Case", "IsEscalated", True, after_seconds=delay, silent=True)
    org.platform.settings = Settings(automations=(rule,))
    org.call("PATCH", f"{CASES}/{case_id}", {"Subject": "y"})
    org.clock.advance(seconds=60)
    case = org.case(case_id)
    assert (case["IsEscalated"], case["LastModifiedDate"]) == (True, "2026-03-02T08:00:00.000+0000")
    assert case["SystemModstamp"] == f"2026-03-02T08:00:{delay:02}.000+0000"


def test_automation_is_undone_with_the_call_that_set_it_off(org):
    case_id = org.create(Subject="x")
    org.platform.settings = Settings(automations=(Automation("Case", "IsEscalated", True),))
    typed = {"attributes": {"type": "Case"}}
    records = [{**typed, "id": case_id, "Subject": "y"}, {**typed, "id": case_id, "Subject": "z"}]
    org.call("PATCH", COLLECTION, {"allOrNone": True, "records": records})
    assert (org.case(case_id)["IsEscalated"], org.case(case_id)["Subject"]) == (False, "x")
