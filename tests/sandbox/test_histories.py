"""What either platform tells of who changed which field when, and to whom."""

from dataclasses import replace

import pytest

from sync.sandbox.salesforce.settings import Settings
from tests.sandbox.salesforce_org import CASES, InProcess

TRACKED = frozenset({"Case.Status", "Case.Subject", "Case.Description", "Case.OwnerId", "Case.IsEscalated"})
HISTORY = "SELECT Field, DataType, OldValue, NewValue, CreatedById, CreatedDate FROM CaseHistory"


@pytest.fixture
def org():
    org = InProcess()
    org.platform.settings = Settings(tracked_fields=TRACKED)
    return org


def told(org, condition):
    return [
        (row["Field"], row["OldValue"], row["NewValue"])
        for row in org.records(f"{HISTORY} WHERE {condition}")
    ]


def test_a_tracked_field_has_a_history_and_another_has_none(org):
    case_id = org.create(Subject="Printer on fire", Priority="Low")
    org.clock.advance(seconds=60)
    org.platform.edit("Case", case_id, {"Status": "Working", "Priority": "High"}, by="abel.tuter")

    [entry] = org.records(f"{HISTORY} WHERE CaseId = '{case_id}'")

    assert (entry["Field"], entry["DataType"]) == ("Status", "DynamicEnum")
    assert (entry["OldValue"], entry["NewValue"]) == ("New", "Working")
    assert entry["CreatedDate"] == "2026-03-02T08:01:00.000+0000"
    abel = org.platform.org.find("User", "Username", "abel.tuter@acme.example")
    assert entry["CreatedById"] == abel.values[0]


def test_an_owner_is_told_twice_by_name_and_by_id(org):
    case_id = org.create(Subject="Printer on fire")
    before = org.case(case_id)["OwnerId"]
    queue = org.platform.org.find("Group", "DeveloperName", "Hardware_Queue").values[0]

    org.platform.edit("Case", case_id, {"OwnerId": queue})

    assert told(org, f"CaseId = '{case_id}' AND Field = 'Owner'") == [
        ("Owner", "Integration User", "Hardware"),
        ("Owner", before, queue),
    ]


def test_long_text_is_told_without_values_and_other_text_is_cut(org):
    case_id = org.create(Subject="Short", Description="Before")

    org.platform.edit("Case", case_id, {"Description": "After", "Subject": "x" * 255})
    org.platform.edit("Case", case_id, {"IsEscalated": True})

    assert told(org, f"CaseId IN ('{case_id}')") == [
        ("Subject", "Short", "x" * 255),
        ("Description", None, None),
        ("IsEscalated", False, True),
    ]


def test_who_may_not_see_a_field_sees_none_of_its_entries(org):
    case_id = org.create(Subject="Before")
    org.platform.edit("Case", case_id, {"Subject": "After", "Status": "Working"})
    org.platform.dialect = replace(org.platform.dialect, hidden_fields=frozenset({"Case.Subject"}))

    assert told(org, f"CaseId = '{case_id}'") == [("Status", "New", "Working")]


def test_nobody_writes_history_and_it_goes_with_its_case(org):
    case_id = org.create(Subject="Before")
    org.platform.edit("Case", case_id, {"Subject": "After"})
    path = CASES.replace("Case", "CaseHistory")
    assert org.call("POST", path, {"CaseId": case_id, "Field": "Subject"}).status == 400

    org.call("DELETE", f"{CASES}/{case_id}")

    assert told(org, f"CaseId = '{case_id}'") == []


def test_what_is_undone_is_not_told(org):
    case_id = org.create(Subject="Before")
    records = [
        {"attributes": {"type": "Case"}, "id": case_id, "Subject": "After"},
        {"attributes": {"type": "Case"}, "id": case_id[:-3] + "AAA", "Subject": "Nobody"},
    ]
    body = {"allOrNone": True, "records": records}
    org.call("PATCH", CASES.replace("sobjects/Case", "composite/sobjects"), body)

    assert org.case(case_id)["Subject"] == "Before"
    assert told(org, f"CaseId = '{case_id}'") == []


COLUMNS = "fieldname,oldvalue,newvalue,user,record_checkpoint,sys_created_on,reason,tablename"


def test_updates_of_an_incident_are_audited_whoever_makes_them(api, pair, clock):
    incident = pair.servicenow.add("incident", short_description="Before", state="1")
    clock.advance(seconds=60)
    pair.servicenow.edit("incident", incident["sys_id"], by="fred.luddy", short_description="Between")
    api.call("PATCH", f"/api/now/table/incident/{incident['sys_id']}", json={"short_description": "After"})

    found = api.rows(
        "sys_audit", f"documentkey={incident['sys_id']}^ORDERBYrecord_checkpoint", fields=COLUMNS
    )

    first, second = found
    assert first == {
        "fieldname": "short_description", "oldvalue": "Before", "newvalue": "Between", "user": "fred.luddy",
        "record_checkpoint": "1", "sys_created_on": "2026-03-02 08:01:00", "reason": "", "tablename": "incident",
    }  # fmt: skip
    assert (second["oldvalue"], second["newvalue"], second["record_checkpoint"]) == ("Between", "After", "2")
    assert second["user"] == pair.credentials.servicenow.username


def test_the_audit_takes_a_role_and_can_be_closed_to_roles(api, pair):
    incident = pair.servicenow.add("incident", short_description="Before")
    pair.servicenow.edit("incident", incident["sys_id"], short_description="After")
    query = f"documentkey={incident['sys_id']}"
    assert len(api.rows("sys_audit", query)) == 1

    pair.servicenow.platform.access.closed_tables.add("sys_audit")

    answer = api.call("GET", "/api/now/table/sys_audit", params={"sysparm_query": query})
    assert (answer.json()["result"], answer.headers["X-Total-Count"]) == ([], "1")


def test_a_business_rule_that_updates_again_is_an_update_of_its_own(api, pair):
    incident = pair.servicenow.add("incident", short_description="Before")
    pair.servicenow.platform.records.afterwards.append(lambda table, row: {"category": "network"})

    answer = api.call(
        "PATCH", f"/api/now/table/incident/{incident['sys_id']}", json={"short_description": "After"}
    )

    stored = answer.json()["result"]
    assert (stored["category"], stored["sys_mod_count"]) == ("network", "2")
    found = api.rows("sys_audit", f"documentkey={incident['sys_id']}^ORDERBYrecord_checkpoint")
    assert [(row["fieldname"], row["record_checkpoint"]) for row in found] == [
        ("short_description", "1"),
        ("category", "2"),
    ]
