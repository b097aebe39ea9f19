"""Composite: parts that use the answers before them, and stand or fall together when asked."""

import pytest
from simple_salesforce import Salesforce

from tests.sandbox.salesforce_org import BASE, CASES, COLLECTION, KEY, InProcess, refusal, served


@pytest.fixture
def org():
    return InProcess()


def part(name, method, url, body=None, **headers):
    sent = {"method": method, "url": url, "referenceId": name, "httpHeaders": headers}
    return sent if body is None else {**sent, "body": body}


def send(org, *parts, **more):
    response = org.call("POST", f"{BASE}/composite", {"compositeRequest": parts, **more})
    assert response.status == 200, response.body
    return response.data()["compositeResponse"]


def statuses(answers):
    return [each["httpStatusCode"] for each in answers]


def code(answer):
    return answer["body"][0]["errorCode"]


def test_a_part_uses_the_id_that_an_earlier_one_created(org):
    answers = send(
        org,
        part("account", "POST", f"{BASE}/sobjects/Account", {"Name": "Acme North"}),
        part("case", "POST", CASES, {"Subject": "Printer", "AccountId": "@{account.id}"}),
        part("again", "GET", f"{CASES}/@{{case.id}}?fields=Subject,AccountId"),
    )
    assert statuses(answers) == [201, 201, 200]
    assert answers[2]["body"]["AccountId"] == answers[0]["body"]["id"]
    assert answers[0]["httpHeaders"]["Location"].endswith(answers[0]["body"]["id"])


def test_a_reference_reaches_into_the_records_of_a_query_and_of_a_collection(org):
    case_id = org.create(Subject="first", **{KEY: "one"})
    records = [{"attributes": {"type": "Case"}, "Subject": "second"}]
    answers = send(
        org,
        part("found", "GET", f"{BASE}/query/?q=SELECT+Id+FROM+Case"),
        part("update", "PATCH", f"{CASES}/@{{found.records[0].Id}}", {"Subject": "found"}),
        part("written", "POST", COLLECTION, {"records": records}),
        part("other", "PATCH", f"{CASES}/@{{written[0].id}}", {"Subject": "after @{found.totalSize}"}),
    )
    assert statuses(answers) == [200, 204, 200, 204]
    assert answers[1]["body"] is None
    assert org.case(case_id)["Subject"] == "found"
    assert org.case(answers[2]["body"][0]["id"])["Subject"] == "after 1"


def test_what_depends_on_a_failed_part_is_halted_and_the_rest_stays(org):
    answers = send(
        org,
        part("bad", "POST", CASES, {"Status": "Parked"}),
        part("child", "POST", CASES, {"Subject": "child", "ParentId": "@{bad.id}"}),
        part("free", "POST", CASES, {"Subject": "free"}),
    )
    assert statuses(answers) == [400, 400, 201]
    assert code(answers[1]) == "PROCESSING_HALTED"
    assert [row["Subject"] for row in org.platform.rows("Case")] == ["free"]


def test_all_or_none_undoes_the_healthy_parts_and_counts_no_write(org):
    answers = send(
        org,
        part("good", "POST", CASES, {"Subject": "good"}),
        part("changed", "PATCH", f"{CASES}/@{{good.id}}", {"Subject": "better"}),
        part("bad", "POST", CASES, {"Status": "Parked"}),
        allOrNone=True,
    )
    assert [code(each) for each in answers] == [
        "PROCESSING_HALTED",
        "PROCESSING_HALTED",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
    ]
    assert org.platform.rows("Case") == []
    assert org.platform.counters.snapshot().created == 0


def test_a_part_that_comes_too_late_is_412_and_its_neighbour_is_written(org):
    case_id = org.create(Subject="before")
    stale, fresh = "Mon, 02 Mar 2026 07:59:59 GMT", "Mon, 02 Mar 2026 08:00:00 GMT"
    answers = send(
        org,
        part("late", "PATCH", f"{CASES}/{case_id}", {"Subject": "late"}, **{"If-Unmodified-Since": stale}),
        part("right", "PATCH", f"{CASES}/{case_id}", {"Priority": "Low"}, **{"If-Unmodified-Since": fresh}),
    )
    assert statuses(answers) == [412, 204]
    assert code(answers[0]) == "PRECONDITION_FAILED"
    assert (org.case(case_id)["Subject"], org.case(case_id)["Priority"]) == ("before", "Low")


def test_twenty_five_parts_cost_one_call(org):
    used = org.platform.budget.used
    answers = send(org, *(part(f"p{n}", "POST", CASES, {"Subject": str(n)}) for n in range(25)))
    assert statuses(answers) == [201] * 25
    assert org.platform.budget.used == used + 1
    assert org.platform.counters.snapshot().created == 25


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([part(f"p{n}", "GET", CASES) for n in range(26)], "LIMIT_EXCEEDED"),
        ([part(f"p{n}", "GET", f"{BASE}/query?q=x") for n in range(6)], "LIMIT_EXCEEDED"),
        ([part("same", "GET", CASES), part("same", "GET", CASES)], "INVALID_INPUT"),
        ([part("not-a-name", "GET", CASES)], "INVALID_INPUT"),
        ([part("p", "GET", CASES, Authorization="Bearer x")], "INVALID_INPUT"),
        ([], "INVALID_INPUT"),
    ],
)
def test_a_malformed_call_fails_as_a_whole(org, parts, expected):
    response = org.call("POST", f"{BASE}/composite", {"compositeRequest": parts})
    assert refusal(response) == (400, expected)


def test_a_composite_cannot_hold_another(org):
    answers = send(org, part("inner", "POST", f"{BASE}/composite", {"compositeRequest": []}))
    assert statuses(answers) == [400]


def test_a_query_too_long_for_a_url_fits_in_a_part(org):
    keys = ",".join(f"'{n:032x}'" for n in range(600))
    answers = send(org, part("long", "GET", f"{BASE}/query?q=SELECT+Id+FROM+Case+WHERE+{KEY}+IN+({keys})"))
    assert answers[0]["body"]["totalSize"] == 0


def test_simple_salesforce_sends_a_composite(tmp_path):
    with served(tmp_path) as org:
        client = Salesforce(
            session_id=org.token(), instance_url=org.server.url, session=org.session, version="67.0"
        )
        sent = {"compositeRequest": [part("case", "POST", CASES, {"Subject": "Mail"})]}
        answer = client.restful("composite", method="POST", json=sent)
    assert answer["compositeResponse"][0]["httpStatusCode"] == 201
