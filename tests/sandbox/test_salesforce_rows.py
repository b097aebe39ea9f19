"""Single rows: what a create stores, what is refused and with which code, upsert, stamps and history."""

import pytest

from sync.sandbox.platform import ControlError
from sync.sandbox.salesforce.dialect import ValidationRule
from tests.sandbox.salesforce_org import BASE, CASES, KEY, InProcess, refusal


@pytest.fixture
def org():
    return InProcess()


def test_a_create_answers_the_id_and_stores_defaults_and_stamps(org):
    response = org.call("POST", f"{CASES}/", {"Subject": "Printer on fire", "Description": ""})
    case_id = response.data()["id"]
    case = org.case(case_id)
    user_id = org.user("sync.user@acme.example")

    assert (response.status, response.headers["Location"]) == (201, f"{CASES}/{case_id}")
    assert response.data() == {"id": case_id, "success": True, "errors": []}
    assert case["attributes"] == {"type": "Case", "url": f"{CASES}/{case_id}"}
    assert (case["Status"], case["Priority"], case["IsClosed"]) == ("New", "Medium", False)
    assert (case["Description"], case["CaseNumber"]) == (None, "00001001")
    assert case["CreatedDate"] == case["SystemModstamp"] == "2026-03-02T08:00:00.000+0000"
    assert (case["OwnerId"], case["LastModifiedById"]) == (user_id, user_id)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"Nope": 1}, "INVALID_FIELD"),
        ({"Subject": "x" * 256}, "STRING_TOO_LONG"),
        ({"Description": "x" * 40_000}, "STRING_TOO_LONG"),
        ({"Status": "Parked"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ({"CaseNumber": "1"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"IsClosed": True}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"CreatedDate": "2026-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"Id": "500Hn0000000001IAA"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"OwnerId": "nobody"}, "MALFORMED_ID"),
        ({"OwnerId": "500Hn0000000001IAA"}, "MALFORMED_ID"),
        ({"OwnerId": "005Hn000000zzzz"}, "INVALID_CROSS_REFERENCE_KEY"),
        ({"Subject": 5}, "JSON_PARSER_ERROR"),
        ({"Subject": ["x"]}, "JSON_PARSER_ERROR"),
        ({"IsEscalated": None}, "JSON_PARSER_ERROR"),
        ({"SuppliedEmail": "nobody"}, "INVALID_EMAIL_ADDRESS"),
        ({"Contact": {"Email": "x@acme.example"}}, "INVALID_FIELD"),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused_and_not_kept(org, fields, code):
    assert refusal(org.call("POST", CASES, fields)) == (400, code)
    assert org.platform.rows("Case") == []


def test_an_unrestricted_picklist_takes_any_value(org):
    assert org.case(org.create(Origin="Carrier pigeon"))["Origin"] == "Carrier pigeon"


def test_a_body_that_is_not_json_is_a_parser_error(org):
    assert refusal(org.call("POST", CASES, b"{'Subject'}")) == (400, "JSON_PARSER_ERROR")
    assert refusal(org.call("POST", CASES, b"[" * 100_000)) == (400, "JSON_PARSER_ERROR")
    assert refusal(org.call("POST", CASES, ["Subject"])) == (400, "JSON_PARSER_ERROR")


def test_a_value_of_the_wrong_type_is_a_parser_error_that_repeats_it_as_json(org):
    nothing = org.call("POST", CASES, {"IsEscalated": None})
    assert refusal(nothing) == (400, "JSON_PARSER_ERROR")
    assert "boolean from VALUE_NULL value null" in nothing.data()[0]["message"]
    assert "VALUE_TRUE value true" in org.call("POST", CASES, {"Subject": True}).data()[0]["message"]


def test_required_fields_are_all_named(org):
    response = org.call("POST", f"{BASE}/sobjects/Contact", {"FirstName": "Alice"})
    assert response.data() == [
        {
            "message": "Required fields are missing: [LastName]",
            "errorCode": "REQUIRED_FIELD_MISSING",
            "fields": ["LastName"],
        }
    ]


def test_a_unique_value_names_the_row_that_has_it_whatever_the_case(org):
    first = org.create(**{KEY: "abc"})
    response = org.call("POST", CASES, {KEY: "ABC"})
    assert refusal(response) == (400, "DUPLICATE_VALUE")
    assert response.data()[0]["message"] == (
        f"duplicate value found: {KEY} duplicates value on record with id: {first[:15]}"
    )


def test_the_recycle_bin_frees_a_unique_value(org):
    first = org.create(**{KEY: "abc"})
    org.call("DELETE", f"{CASES}/{first}")
    assert org.create(**{KEY: "abc"}) != first


def test_an_inactive_owner_is_refused_with_the_platforms_text(org):
    luke = org.user("luke.wilson@acme.example")
    [error] = org.call("POST", CASES, {"OwnerId": luke}).data()
    assert error == {
        "message": f"operation performed with inactive user [{luke[:15]}] as owner of case",
        "errorCode": "INACTIVE_OWNER_OR_USER",
    }


def test_a_queue_must_serve_cases_to_own_one(org):
    created = org.call("POST", f"{BASE}/sobjects/Group", {"Name": "Leads", "Type": "Queue"}).data()["id"]
    assert refusal(org.call("POST", CASES, {"OwnerId": created})) == (400, "FIELD_INTEGRITY_EXCEPTION")
    org.call("POST", f"{BASE}/sobjects/QueueSobject", {"QueueId": created, "SobjectType": "Case"})
    assert org.case(org.create(OwnerId=created))["OwnerId"] == created


def test_the_assignment_rule_overwrites_the_owner_unless_the_header_says_false(org):
    beth = org.user("beth.anglin@acme.example")
    body = {"OwnerId": beth}
    assigned = org.call("POST", CASES, body, **{"Sforce-Auto-Assign": "TRUE"}).data()["id"]
    kept = org.create(OwnerId=beth)

    assert org.case(assigned)["OwnerId"] == org.queue("Service_Desk")
    assert org.case(kept)["OwnerId"] == beth

    org.call("PATCH", f"{CASES}/{kept}", {"Subject": "x"}, **{"Sforce-Auto-Assign": "TRUE"})
    assert org.case(kept)["OwnerId"] == org.queue("Service_Desk")


def test_closing_follows_the_status(org):
    case_id = org.create(Status="Resolved")
    assert (org.case(case_id)["IsClosed"], org.case(case_id)["ClosedDate"]) == (False, None)
    org.clock.advance(seconds=60)
    org.call("PATCH", f"{CASES}/{case_id}", {"Status": "Closed"})
    assert org.case(case_id)["IsClosed"] is True
    assert org.case(case_id)["ClosedDate"] == "2026-03-02T08:01:00.000+0000"
    org.call("PATCH", f"{CASES}/{case_id}", {"Status": "Working"})
    assert (org.case(case_id)["IsClosed"], org.case(case_id)["ClosedDate"]) == (False, None)


def test_an_update_with_equal_values_moves_the_stamps(org):
    case_id = org.create(Subject="Same")
    org.clock.advance(seconds=1.7)
    response = org.call("PATCH", f"{CASES}/{case_id}", {"Subject": "Same"})
    case = org.case(case_id)
    assert (response.status, response.body) == (204, b"")
    assert case["LastModifiedDate"] == case["SystemModstamp"] == "2026-03-02T08:00:01.000+0000"
    assert case["CreatedDate"] == "2026-03-02T08:00:00.000+0000"
    assert org.platform.history("Case", case_id) == []


def test_null_and_the_empty_string_both_clear_a_field_and_others_stay(org):
    case_id = org.create(Subject="x", Description="y", SuppliedName="z")
    org.call("PATCH", f"{CASES}/{case_id}", {"Subject": None, "Description": ""})
    case = org.case(case_id)
    assert (case["Subject"], case["Description"], case["SuppliedName"]) == (None, None, "z")


def test_an_update_may_not_carry_the_id(org):
    case_id = org.create(Subject="x")
    assert refusal(org.call("PATCH", f"{CASES}/{case_id}", {"Id": case_id})) == (400, "INVALID_FIELD")


def test_a_row_that_is_not_there_is_told_from_one_that_was_deleted(org):
    case_id = org.create(Subject="x")
    assert org.call("DELETE", f"{CASES}/{case_id[:15]}").status == 204
    assert refusal(org.call("DELETE", f"{CASES}/{case_id}")) == (404, "ENTITY_IS_DELETED")
    assert refusal(org.call("PATCH", f"{CASES}/{case_id}", {})) == (404, "ENTITY_IS_DELETED")
    assert refusal(org.call("GET", f"{CASES}/{case_id}")) == (404, "NOT_FOUND")
    assert refusal(org.call("PATCH", f"{CASES}/500Hn000000zzzz", {})) == (404, "NOT_FOUND")
    assert refusal(org.call("POST", f"{BASE}/sobjects/Nope", {})) == (404, "NOT_FOUND")


def test_fields_may_be_chosen(org):
    case_id = org.create(Subject="x")
    chosen = org.call("GET", f"{CASES}/{case_id}?fields=Subject,Owner.Name").data()
    assert set(chosen) == {"attributes", "Subject", "Owner"}


def test_a_row_modified_since_is_not_overwritten(org):
    case_id = org.create(Subject="x")
    org.clock.advance(seconds=10)
    org.call("PATCH", f"{CASES}/{case_id}", {"Subject": "y"})
    header = "If-Unmodified-Since"
    stale = org.call("PATCH", f"{CASES}/{case_id}", {}, **{header: "Mon, 02 Mar 2026 08:00:05 GMT"})
    fresh = org.call("PATCH", f"{CASES}/{case_id}", {}, **{header: "Mon, 02 Mar 2026 08:00:10 GMT"})
    wrong = org.call("PATCH", f"{CASES}/{case_id}", {}, **{header: "yesterday"})
    assert (stale.status, fresh.status, wrong.status) == (412, 204, 400)


def test_two_edits_of_an_account_within_a_second_are_told_apart_by_its_tag(org):
    account_id = org.call("POST", f"{BASE}/sobjects/Account", {"Name": "Acme"}).data()["id"]
    account = f"{BASE}/sobjects/Account/{account_id}"
    tag = org.call("GET", account).headers["ETag"]
    first = org.call("PATCH", account, {"Phone": "1"}, If_Match=f'"other", {tag}')
    second = org.call("PATCH", account, {"Phone": "2"}, If_Match=tag)
    wrong = org.call("PATCH", account, {"Phone": "3"}, If_Match="no tag")

    assert (first.status, second.status, wrong.status) == (204, 412, 400)
    assert org.call("GET", account).data()["Phone"] == "1"
    newest = first.headers["ETag"]
    assert newest != tag
    assert org.call("GET", account, If_None_Match=newest).status == 304
    assert org.call("GET", account, If_None_Match=tag).status == 200
    assert org.call("PATCH", account, {"Phone": "4"}, If_None_Match=newest).status == 412
    assert org.call("GET", account, If_Match=tag).status == 412


def test_only_accounts_have_tags(org):
    case_id = org.create(Subject="x")
    assert "ETag" not in org.call("GET", f"{CASES}/{case_id}").headers
    assert org.call("PATCH", f"{CASES}/{case_id}", {"Subject": "y"}, If_Match='"other"').status == 204


def test_upsert_has_four_answers(org):
    target = f"{CASES}/{KEY}/a%2Fb"
    missing = org.call("PATCH", f"{target}?updateOnly=true", {"Subject": "x"})
    created = org.call("PATCH", target, {"Subject": "x"})
    updated = org.call("PATCH", target, {"Subject": "y"})
    case_id = created.data()["id"]
    assert refusal(missing) == (404, "NOT_FOUND")
    assert (created.status, created.data()["created"]) == (201, True)
    assert (updated.status, updated.data()) == (
        200,
        {"id": case_id, "success": True, "errors": [], "created": False},
    )
    assert (org.case(case_id)["Subject"], org.case(case_id)[KEY]) == ("y", "a/b")

    org.turn(non_unique_fields=frozenset({f"Case.{KEY}"}))
    other = org.create(**{KEY: "a/b"})
    several = org.call("PATCH", target, {"Subject": "z"})
    assert (several.status, several.data()) == (300, [f"{CASES}/{case_id}", f"{CASES}/{other}"])
    assert org.platform.counters.snapshot().duplicates == 1


def test_an_upsert_that_updates_is_silent_in_old_versions(org):
    org.create(**{KEY: "abc"})
    old = org.call("PATCH", f"/services/data/v45.0/sobjects/Case/{KEY}/abc", {"Subject": "y"})
    assert (old.status, old.body) == (204, b"")


def test_the_key_of_an_upsert_is_in_the_path_alone(org):
    assert refusal(org.call("PATCH", f"{CASES}/{KEY}/abc", {KEY: "abc"})) == (400, "INVALID_FIELD")


def test_only_an_external_id_finds_rows(org):
    assert refusal(org.call("PATCH", f"{CASES}/Subject/abc", {})) == (404, "NOT_FOUND")


def test_a_client_without_patch_posts_one(org):
    case_id = org.create(Subject="x")
    assert org.call("POST", f"{CASES}/{case_id}?_HttpMethod=PATCH", {"Subject": "y"}).status == 204
    assert org.case(case_id)["Subject"] == "y"


def test_an_absent_external_id_looks_unknown_everywhere(org):
    org.turn(absent_fields=frozenset({f"Case.{KEY}"}))
    names = [field["name"] for field in org.call("GET", f"{CASES}/describe").data()["fields"]]
    assert KEY not in names
    assert refusal(org.call("POST", CASES, {KEY: "abc"})) == (400, "INVALID_FIELD")
    assert refusal(org.soql(f"SELECT {KEY} FROM Case")) == (400, "INVALID_FIELD")
    assert refusal(org.call("PATCH", f"{CASES}/{KEY}/abc", {})) == (404, "NOT_FOUND")


def test_a_hidden_field_is_seen_by_people_alone(org):
    org.turn(hidden_fields=frozenset({"Case.SuppliedName"}))
    row = org.platform.add("Case", {"SuppliedName": "Alice"}, by="abel.tuter")
    assert row["SuppliedName"] == "Alice"
    assert "SuppliedName" not in org.case(row["Id"])
    assert refusal(org.call("POST", CASES, {"SuppliedName": "Bob"})) == (400, "INVALID_FIELD")


def test_an_orgs_own_rules_refuse_rows(org):
    rule = ValidationRule("Case", "Subject", "Forbidden", "Not this subject.")
    org.turn(required_fields=frozenset({"Case.SuppliedName"}), validation_rules=(rule,))
    assert refusal(org.call("POST", CASES, {"Subject": "x"})) == (400, "REQUIRED_FIELD_MISSING")
    refused = org.call("POST", CASES, {"SuppliedName": "Alice", "Subject": "Forbidden"})
    assert refused.data()[0]["message"] == "Not this subject."
    assert refusal(refused) == (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION")


def test_a_locked_row_is_refused_to_the_api_and_not_to_a_person(org):
    case_id = org.create(Subject="x")
    org.turn(locked_ids=frozenset({case_id}))
    assert refusal(org.call("PATCH", f"{CASES}/{case_id}", {})) == (400, "UNABLE_TO_LOCK_ROW")
    assert org.platform.edit("Case", case_id, {"Subject": "y"}, by="beth.anglin")["Subject"] == "y"


def test_a_persons_edit_bears_their_name_and_is_kept_in_the_history(org):
    case_id = org.create(Subject="before")
    org.clock.advance(seconds=30)
    row = org.platform.edit("Case", case_id, {"Subject": "after"}, by="abel.tuter@acme.example")
    abel = org.user("abel.tuter@acme.example")
    assert row["LastModifiedById"] == abel
    assert row["SystemModstamp"] == "2026-03-02T08:00:30.000+0000"
    assert org.platform.history("Case", case_id) == [
        {"field": "Subject", "old": "before", "new": "after", "by": abel, "at": 1772438430}
    ]
    assert org.platform.counters.snapshot().writes == 1


def test_a_persons_order_that_breaks_a_rule_is_refused(org):
    with pytest.raises(ControlError, match="STRING_TOO_LONG"):
        org.platform.add("Case", {"Subject": "x" * 300})
    with pytest.raises(ControlError, match="no user nobody"):
        org.platform.add("Case", {"Subject": "x"}, by="nobody")
    with pytest.raises(ControlError, match="no object Nope"):
        org.platform.rows("Nope")


def test_parents_may_be_named_by_their_external_key(org):
    org.create(Subject="parent", **{KEY: "parent"})
    child = org.create(Subject="child", Parent={KEY: "PARENT"})
    [row] = org.records(f"SELECT Parent.Subject FROM Case WHERE Id = '{child}'")
    assert row["Parent"]["Subject"] == "parent"


def test_a_case_takes_the_account_of_its_contact(org):
    [account] = org.records("SELECT Id FROM Account")
    contact = org.call(
        "POST",
        f"{BASE}/sobjects/Contact",
        {"LastName": "Anglin", "FirstName": "Beth", "AccountId": account["Id"]},
    ).data()["id"]
    org.create(ContactId=contact)
    [row] = org.records("SELECT Account.Name, Contact.Name, Contact.Account.Name FROM Case")
    assert (row["Account"]["Name"], row["Contact"]["Name"]) == ("Acme", "Beth Anglin")
    assert row["Contact"]["Account"]["Name"] == "Acme"
