"""SOQL against rows: comparison, order, relationships, deleted rows and pages."""

import pytest

from tests.sandbox.salesforce_org import BASE, CASES, COLLECTION, KEY, InProcess, refusal


@pytest.fixture
def org():
    return InProcess()


@pytest.fixture
def filled(org):
    for subject, priority, contact in [
        ("Alpha", "High", "a"),
        ("beta", "Low", None),
        ("100%", "High", "c_d"),
    ]:
        org.create(Subject=subject, Priority=priority, SuppliedName=contact)
        org.clock.advance(seconds=1)
    return org


@pytest.mark.parametrize(
    ("condition", "subjects"),
    [
        ("Subject = 'ALPHA'", ["Alpha"]),
        ("Subject > 'alpha'", ["beta"]),
        ("Subject LIKE 'b%'", ["beta"]),
        ("Subject LIKE '_lpha'", ["Alpha"]),
        (r"Subject LIKE '%\%'", ["100%"]),
        (r"SuppliedName LIKE '_\_d'", ["100%"]),
        ("SuppliedName != 'a'", ["beta", "100%"]),
        ("SuppliedName NOT IN ('a')", ["beta", "100%"]),
        ("SuppliedName = null", ["beta"]),
        ("SuppliedName != null", ["Alpha", "100%"]),
        ("SuppliedName < 'zzz'", ["Alpha", "100%"]),
        ("IsClosed = false AND Priority = 'High'", ["Alpha", "100%"]),
        ("(Priority = 'Low' OR Subject = '100%') AND IsClosed = false", ["beta", "100%"]),
        ("NOT (Priority = 'High')", ["beta"]),
        ("Owner.Name = 'integration user' AND Owner.Type = 'User'", ["Alpha", "beta", "100%"]),
        ("CreatedDate = TODAY ORDER BY Subject DESC", ["beta", "Alpha", "100%"]),
        ("CreatedDate < TODAY", []),
        ("CreatedDate = LAST_N_DAYS:2 ORDER BY SuppliedName", ["beta", "Alpha", "100%"]),
        ("Priority != 'x' ORDER BY SuppliedName NULLS LAST, Subject", ["Alpha", "100%", "beta"]),
        ("Priority != 'x' ORDER BY Priority DESC, Subject LIMIT 2 OFFSET 1", ["100%", "Alpha"]),
        ("CreatedDate >= 2026-03-02T08:00:01Z", ["beta", "100%"]),
        ("CreatedDate = 2026-03-02T09:00:01+01:00", ["beta"]),
    ],
)
def test_conditions_find_the_rows_they_describe(filled, condition, subjects):
    assert filled.subjects(condition) == subjects


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SELECT Nope FROM Case", "INVALID_FIELD"),
        ("SELECT Id FROM Nope", "INVALID_TYPE"),
        ("SELECT Id FROM Case WHERE Nope = 1", "INVALID_FIELD"),
        ("SELECT Id FROM Case ORDER BY Nope", "INVALID_FIELD"),
        ("SELECT Nobody.Name FROM Case", "INVALID_FIELD"),
        ("SELECT Owner.Nope FROM Case", "INVALID_FIELD"),
        ("SELECT Id FROM Case WHERE CreatedDate > '2026-01-01T00:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Case WHERE CreatedDate > 2026-01-01", "INVALID_FIELD"),
        ("SELECT Id FROM Case WHERE Subject = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Case WHERE IsClosed = 'true'", "INVALID_FIELD"),
        ("SELECT Id FROM Case WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Case ORDER BY Description", "MALFORMED_QUERY"),
        ("SELECT Id FROM Case WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Case WHERE Id LIKE '500%'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT FIELDS(ALL) FROM Case", "MALFORMED_QUERY"),
        ("SELECT Id FROM Case WHERE CreatedDate = LAST_N_DAYS:999999999", "MALFORMED_QUERY"),
    ],
)
def test_statements_that_do_not_fit_the_org_are_refused(org, statement, code):
    assert refusal(org.soql(statement)) == (400, code)


def test_an_unknown_field_is_named_as_the_platform_names_it(org):
    message = org.soql("SELECT Nope FROM Case").data()[0]["message"]
    assert "ERROR at Row:1:Column:8\nNo such column 'Nope' on entity 'Case'." in message


def test_relationship_fields_arrive_nested(org):
    case_id = org.create(Subject="Printer on fire")
    [record] = org.records("SELECT Subject, Owner.Name, Owner.Type, Account.Name FROM Case")
    assert record == {
        "attributes": {"type": "Case", "url": f"{BASE}/sobjects/Case/{case_id}"},
        "Subject": "Printer on fire",
        "Owner": {
            "attributes": {
                "type": "Name",
                "url": f"{BASE}/sobjects/User/{org.user('sync.user@acme.example')}",
            },
            "Name": "Integration User",
            "Type": "User",
        },
        "Account": None,
    }


def test_the_owner_may_be_a_queue(org):
    org.create(Subject="Anyone?", OwnerId=org.queue("Network_Queue"))
    [record] = org.records("SELECT Owner.Name, Owner.Type FROM Case")
    assert (record["Owner"]["Name"], record["Owner"]["Type"]) == ("Network", "Queue")


def test_count_answers_a_number_and_no_rows(filled):
    answer = filled.soql("SELECT COUNT() FROM Case WHERE Priority = 'High'").data()
    assert answer == {"totalSize": 2, "done": True, "records": []}


def test_keys_are_found_through_their_index_whatever_their_case(org):
    first, second = org.create(**{KEY: "abc"}), org.create(**{KEY: "def"})
    org.create(**{KEY: "other"})
    found = org.records(f"SELECT Id FROM Case WHERE {KEY} IN ('ABC', 'def', 'nope') ORDER BY Id")
    assert [row["Id"] for row in found] == [first, second]
    by_id = org.records(f"SELECT {KEY} FROM Case WHERE Id IN ('{first[:15]}', '{second}') ORDER BY Id")
    assert [row[KEY] for row in by_id] == ["abc", "def"]


def test_a_negated_key_does_not_narrow_the_search(org):
    org.create(**{KEY: "abc"})
    other = org.create(**{KEY: "def"})
    assert [row["Id"] for row in org.records(f"SELECT Id FROM Case WHERE NOT ({KEY} = 'abc')")] == [other]


def test_deleted_rows_show_only_to_query_all(org):
    case_id = org.create(Subject="Gone", **{KEY: "abc"})
    org.call("DELETE", f"{CASES}/{case_id}")
    assert org.records(f"SELECT Id FROM Case WHERE {KEY} = 'abc'") == []
    [row] = org.soql(f"SELECT Id, IsDeleted FROM Case WHERE {KEY} = 'abc'", "queryAll").data()["records"]
    assert (row["Id"], row["IsDeleted"]) == (case_id, True)


def test_keyset_pages_read_every_row_once_though_many_share_a_second(org):
    created = [org.create(Subject=str(number)) for number in range(7)]
    org.clock.advance(seconds=1)
    created += [org.create(Subject=str(number)) for number in range(7, 12)]
    org.clock.advance(seconds=1)
    org.call("PATCH", f"{CASES}/{created[3]}", {"Subject": "moved to the end"})

    read, where = [], "SystemModstamp >= 2026-01-01T00:00:00Z"
    while page := org.records(
        f"SELECT Id, SystemModstamp FROM Case WHERE {where} ORDER BY SystemModstamp, Id LIMIT 3"
    ):
        read += [row["Id"] for row in page]
        stamp, last = page[-1]["SystemModstamp"].replace(".000+0000", "Z"), page[-1]["Id"]
        where = f"(SystemModstamp = {stamp} AND Id > '{last}') OR SystemModstamp > {stamp}"

    assert read == [each for each in created if each != created[3]] + [created[3]]


def test_rows_stay_in_order_when_the_clock_goes_back(org):
    late = org.create(Subject="late")
    org.clock.advance(seconds=-60)
    early = org.create(Subject="early")
    org.call("PATCH", f"{CASES}/{late}", {"Subject": "now earlier too"})
    rows = org.records("SELECT Id FROM Case ORDER BY SystemModstamp, Id")
    assert [row["Id"] for row in rows] == [late, early]


def fill(org, count):
    for start in range(0, count, 200):
        records = [{"attributes": {"type": "Case"}, "Subject": str(n)} for n in range(start, start + 200)]
        assert org.call("POST", COLLECTION, {"records": records}).status == 200


def test_long_answers_come_in_pages(org):
    fill(org, 600)
    first = org.soql("SELECT Subject FROM Case", Sforce_Query_Options="batchSize=250").data()
    second = org.call("GET", first["nextRecordsUrl"]).data()
    third = org.call("GET", second["nextRecordsUrl"]).data()

    assert [len(page["records"]) for page in (first, second, third)] == [250, 250, 100]
    assert [page["done"] for page in (first, second, third)] == [False, False, True]
    assert "nextRecordsUrl" not in third
    assert third["totalSize"] == 600
    assert third["records"][-1]["Subject"] == "599"


def test_an_eleventh_cursor_closes_the_oldest(org):
    fill(org, 400)
    pages = [
        org.soql("SELECT Id FROM Case", Sforce_Query_Options="batchSize=200").data()["nextRecordsUrl"]
        for _ in range(11)
    ]
    assert refusal(org.call("GET", pages[0])) == (400, "INVALID_QUERY_LOCATOR")
    assert [org.call("GET", page).status for page in pages[1:]] == [200] * 10


def test_a_statement_too_long_for_a_uri_is_answered_by_a_page_of_html(org):
    response = org.soql(f"SELECT Id FROM Case WHERE Subject IN ('{'x' * 16_384}')")
    assert (response.status, response.headers["Content-Type"]) == (414, "text/html;charset=UTF-8")


def test_a_query_may_not_be_posted(org):
    assert refusal(org.call("POST", f"{BASE}/query", {"q": "SELECT Id FROM Case"})) == (
        405,
        "METHOD_NOT_ALLOWED",
    )
