"""Composite Batch: independent calls in one, each billed as its own."""

import pytest
from simple_salesforce import Salesforce

from tests.sandbox.salesforce_org import BASE, InProcess, refusal, served

CASE = "v67.0/sobjects/Case"
GOOD = {"method": "POST", "url": CASE, "richInput": {"Subject": "good"}}
BAD = {"method": "POST", "url": CASE, "richInput": {"Status": "Parked"}}


@pytest.fixture
def org():
    return InProcess()


def send(org, *parts, **more):
    response = org.call("POST", f"{BASE}/composite/batch", {"batchRequests": parts, **more})
    assert response.status == 200, response.body
    return response.data()


def statuses(answer):
    return [each["statusCode"] for each in answer["results"]]


def test_each_part_is_answered_and_billed_on_its_own(org):
    used = org.platform.budget.used
    answer = send(org, GOOD, BAD, {"method": "GET", "url": "v66.0/query?q=SELECT+Id+FROM+Case"})
    assert (answer["hasErrors"], statuses(answer)) == (True, [201, 400, 200])
    assert answer["results"][2]["result"]["totalSize"] == 1
    assert org.platform.budget.used == used + 3
    assert org.platform.counters.snapshot().created == 1


def test_after_an_error_the_rest_is_halted_when_asked(org):
    answer = send(org, GOOD, BAD, GOOD, haltOnError=True)
    assert statuses(answer) == [201, 400, 412]
    assert answer["results"][2]["result"][0]["errorCode"] == "BATCH_PROCESSING_HALTED"
    assert len(org.platform.rows("Case")) == 1


def test_a_part_beyond_the_budget_is_refused_alone(org):
    org.platform.spend_budget({"remaining": 2})
    assert statuses(send(org, GOOD, GOOD, GOOD)) == [201, 201, 403]


def test_a_batch_holds_no_composite(org):
    assert statuses(send(org, {"method": "POST", "url": "v67.0/composite", "richInput": {}})) == [400]


@pytest.mark.parametrize(
    ("parts", "code"), [([GOOD] * 26, "LIMIT_EXCEEDED"), ([{}], "INVALID_INPUT"), ([], "INVALID_INPUT")]
)
def test_a_malformed_batch_fails_as_a_whole(org, parts, code):
    response = org.call("POST", f"{BASE}/composite/batch", {"batchRequests": parts})
    assert refusal(response) == (400, code)
    assert org.platform.rows("Case") == []


def test_simple_salesforce_sends_a_batch(tmp_path):
    with served(tmp_path) as org:
        client = Salesforce(
            session_id=org.token(), instance_url=org.server.url, session=org.session, version="67.0"
        )
        answer = client.restful("composite/batch", method="POST", json={"batchRequests": [GOOD]})
    assert answer["results"][0]["statusCode"] == 201
