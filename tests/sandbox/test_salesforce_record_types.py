"""Record types and what they narrow, duplicate rules and who may pass them, internal comments."""

import pytest
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest

from sync.sandbox.salesforce.settings import DuplicateRule, Settings
from tests.sandbox.salesforce_org import BASE, CASES, COLLECTION, InProcess, refusal, served

ACCOUNTS, CONTACTS = f"{BASE}/sobjects/Account", f"{BASE}/sobjects/Contact"


@pytest.fixture
def org():
    return InProcess()


def record_type(org, developer_name):
    statement = f"SELECT Id FROM RecordType WHERE DeveloperName = '{developer_name}'"
    return org.records(statement)[0]["Id"]


def test_a_record_type_narrows_restricted_picklists(org):
    request = record_type(org, "Service_Request")
    case_id = org.create(RecordTypeId=request, Priority="Low")
    assert refusal(org.call("POST", CASES, {"RecordTypeId": request, "Priority": "Critical"})) == (
        400,
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
    )
    [error] = org.call("PATCH", f"{CASES}/{case_id}", {"Status": "Escalated"}).data()
    assert error["fields"] == ["Status"]
    assert org.call("PATCH", f"{CASES}/{case_id}", {"Type": "Problem"}).status == 204  # not restricted
    assert org.case(org.create(Status="Escalated"))["RecordTypeId"] is None  # the master offers all
    [row] = org.records(f"SELECT RecordType.DeveloperName FROM Case WHERE Id = '{case_id}'")
    assert row["RecordType"]["DeveloperName"] == "Service_Request"


def test_an_edit_that_changes_the_type_alone_keeps_what_it_does_not_offer(org):
    case_id = org.create(Priority="Critical")
    changed = {"RecordTypeId": record_type(org, "Service_Request")}
    assert org.call("PATCH", f"{CASES}/{case_id}", changed).status == 204
    assert org.case(case_id)["Priority"] == "Critical"


@pytest.mark.parametrize("name", ["Partner", "Complaint"])
def test_a_type_of_another_object_or_an_inactive_one_is_no_type(org, name):
    [error] = org.call("POST", CASES, {"RecordTypeId": record_type(org, name)}).data()
    assert (error["errorCode"], error["fields"]) == ("INVALID_CROSS_REFERENCE_KEY", ["RecordTypeId"])
    assert error["message"].startswith("Record Type ID: this ID value isn't valid for the user: 012")


def test_accounts_have_types_of_their_own(org):
    body = {"Name": "Burning Inc", "RecordTypeId": record_type(org, "Partner"), "Rating": "Cold"}
    assert refusal(org.call("POST", ACCOUNTS, body)) == (400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
    assert org.call("POST", ACCOUNTS, {**body, "Rating": "Hot"}).status == 201


def test_describe_lists_the_types_and_the_master(org):
    infos = org.call("GET", f"{CASES}/describe").data()["recordTypeInfos"]
    told = {each["developerName"]: (each["active"], each["master"]) for each in infos}
    assert told == {
        "Incident": (True, False),
        "Service_Request": (True, False),
        "Complaint": (False, False),
        "Master": (True, True),
    }
    assert [each["recordTypeId"] for each in infos if each["defaultRecordTypeMapping"]] == [
        "012000000000000AAA"
    ]


def test_the_user_interface_api_tells_the_values_of_each_type(org):
    url = f"{BASE}/ui-api/object-info/Case/picklist-values"
    request = record_type(org, "Service_Request")
    narrowed = org.call("GET", f"{url}/{request}").data()["picklistFieldValues"]
    assert [each["value"] for each in narrowed["Priority"]["values"]] == ["Medium", "Low"]
    assert narrowed["Priority"]["defaultValue"]["value"] == "Medium"
    everything = org.call("GET", f"{url}/012000000000000AAA/Priority").data()
    assert [each["value"] for each in everything["values"]] == ["Critical", "High", "Medium", "Low"]
    for wrong in (f"{url}/{record_type(org, 'Partner')}", f"{url}/{request}/Subject"):
        assert refusal(org.call("GET", wrong)) == (404, "NOT_FOUND")


@pytest.fixture
def strict(org):
    """An org that finds accounts of one name and contacts of one name and address, and blocks the latter."""
    org.platform.settings = Settings(
        duplicate_rules=(
            DuplicateRule("Account", ("Name",), "Standard_Account_Rule"),
            DuplicateRule("Contact", ("LastName", "Email"), "Contact_Rule", allows_save=False),
        )
    )
    return org


def test_a_duplicate_is_refused_and_its_original_named(strict):
    [acme] = strict.platform.rows("Account")
    response = strict.call("POST", ACCOUNTS, {"Name": " ACME "})
    assert refusal(response) == (400, "DUPLICATES_DETECTED")
    [error] = response.data()
    found = error["duplicateResut"]
    assert (found["allowSave"], found["duplicateRule"]) == (True, "Standard_Account_Rule")
    assert [each["record"] for each in found["matchResults"][0]["matchRecords"]] == [
        {"attributes": {"type": "Account", "url": f"{ACCOUNTS}/{acme['Id']}"}, "Id": acme["Id"]}
    ]
    assert len(strict.platform.rows("Account")) == 1


def test_the_header_saves_a_duplicate_unless_the_rule_blocks(strict):
    insist = {"Sforce-Duplicate-Rule-Header": "allowSave=true; includeRecordDetails=true"}
    assert strict.call("POST", ACCOUNTS, {"Name": "Acme"}, **insist).status == 201
    contact = {"LastName": "Tuter", "Email": "abel@acme.example"}
    assert strict.call("POST", CONTACTS, contact).status == 201
    response = strict.call("POST", CONTACTS, contact, **insist)
    assert refusal(response) == (400, "DUPLICATES_DETECTED")
    match = response.data()[0]["duplicateResut"]["matchResults"][0]["matchRecords"][0]
    assert match["record"]["Email"] == "abel@acme.example"
    assert strict.call("POST", CONTACTS, {"LastName": "Tuter"}).status == 201  # nothing to compare


def test_an_edit_is_looked_at_only_when_it_could_make_a_duplicate(strict):
    other = strict.call("POST", ACCOUNTS, {"Name": "Burning Inc"}).data()["id"]
    assert refusal(strict.call("PATCH", f"{ACCOUNTS}/{other}", {"Name": "Acme"})) == (
        400,
        "DUPLICATES_DETECTED",
    )
    strict.platform.settings = Settings()
    strict.call("PATCH", f"{ACCOUNTS}/{other}", {"Name": "Acme"})
    strict.platform.settings = Settings(duplicate_rules=(DuplicateRule("Account", ("Name",)),))
    assert strict.call("PATCH", f"{ACCOUNTS}/{other}", {"BillingCity": "Berlin"}).status == 204


def test_in_a_collection_a_duplicate_is_a_code_and_a_text(strict):
    records = [{"attributes": {"type": "Account"}, "Name": name} for name in ("Acme", "New", "new")]
    answer = strict.call("POST", COLLECTION, {"records": records}).data()
    assert [each["success"] for each in answer] == [False, True, False]
    assert set(answer[0]["errors"][0]) == {"statusCode", "message", "fields"}
    assert answer[0]["errors"][0]["statusCode"] == "DUPLICATES_DETECTED"


def test_simple_salesforce_is_told_of_the_original(tmp_path):
    with served(tmp_path) as org:
        org.platform.settings = Settings(duplicate_rules=(DuplicateRule("Account", ("Name",)),))
        client = Salesforce(
            session_id=org.token(), instance_url=org.server.url, session=org.session, version="67.0"
        )
        with pytest.raises(SalesforceMalformedRequest) as refused:
            client.Account.create({"Name": "Acme"})
        [error] = refused.value.content
        match = error["duplicateResut"]["matchResults"][0]["matchRecords"][0]
        assert client.Account.get(match["record"]["Id"])["Name"] == "Acme"
        insist = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
        assert client.Account.create({"Name": "Acme"}, headers=insist)["success"] is True


def test_what_is_written_to_comments_becomes_an_internal_comment(org):
    case_id = org.create(Subject="x", Comments="Call back on Monday")
    org.call("PATCH", f"{CASES}/{case_id}", {"Comments": "Nobody answers"})
    rows = org.records("SELECT CommentBody, IsPublished, ParentId FROM CaseComment ORDER BY Id")
    assert [(row["CommentBody"], row["IsPublished"]) for row in rows] == [
        ("Call back on Monday", False),
        ("Nobody answers", False),
    ]
    assert org.case(case_id)["Comments"] is None
    assert org.platform.history("Case", case_id) == []
    assert refusal(org.call("PATCH", f"{CASES}/{case_id}", {"Comments": "ü" * 2001})) == (
        400,
        "STRING_TOO_LONG",
    )
