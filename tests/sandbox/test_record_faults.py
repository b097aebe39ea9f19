"""Errors for single records of a call that goes through, on either platform."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from sync.sandbox.inprocess import World, in_process
from sync.sandbox.platform import ControlError
from sync.sandbox.wire import Response

BASE = "/services/data/v67.0"
Call = Callable[..., Response]


@pytest.fixture
def world() -> World:
    return in_process()


@pytest.fixture
def salesforce(world: World) -> Call:
    """Calls as the integration's user; bodies are JSON unless they are bytes."""
    held, door = world.credentials.salesforce, world.doors[world.salesforce.url]
    form = {"grant_type": "client_credentials", "client_id": held.client_id}
    body = urlencode({**form, "client_secret": held.client_secret}).encode()
    token = door.call("POST", "/services/oauth2/token", body=body).data()["access_token"]

    def call(method: str, target: str, body: Any = None) -> Response:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"}
        return door.call(method, BASE + target, headers=headers, body=data)

    return call


@pytest.fixture
def servicenow(world: World) -> Call:
    held, door = world.credentials.servicenow, world.doors[world.servicenow.url]
    basic = base64.b64encode(f"{held.username}:{held.password}".encode()).decode()

    def call(method: str, target: str, body: Any = None) -> Response:
        data = b"" if body is None else json.dumps(body).encode()
        return door.call(method, target, headers={"Authorization": f"Basic {basic}"}, body=data)

    return call


def cases(count: int) -> dict[str, Any]:
    return {"records": [{"attributes": {"type": "Case"}, "Subject": f"Case {n}"} for n in range(count)]}


def refused(world: World, salesforce: Call, seed: int) -> list[bool]:
    world.salesforce.clear_faults()
    world.salesforce.fault(
        "records", path="composite/sobjects", code="UNABLE_TO_LOCK_ROW", share=0.3, seed=seed, times=0
    )
    answer = salesforce("POST", "/composite/sobjects", cases(50)).data()
    assert {each["errors"][0]["statusCode"] for each in answer if not each["success"]} == {
        "UNABLE_TO_LOCK_ROW"
    }
    return [not each["success"] for each in answer]


def test_a_share_of_a_collection_is_refused_and_the_rest_is_written(world: World, salesforce: Call) -> None:
    struck = refused(world, salesforce, seed=5)

    assert 5 < sum(struck) < 25
    assert len(world.salesforce.rows("Case")) == 50 - sum(struck)
    assert refused(world, salesforce, seed=5) == struck
    assert refused(world, salesforce, seed=6) != struck


def test_all_or_none_undoes_the_others_of_a_struck_record(world: World, salesforce: Call) -> None:
    world.salesforce.fault("records", code="STORAGE_LIMIT_EXCEEDED", share=0.2, seed=1)

    answer = salesforce("POST", "/composite/sobjects", {**cases(50), "allOrNone": True}).data()

    codes = {each["errors"][0]["statusCode"] for each in answer}
    assert codes == {"STORAGE_LIMIT_EXCEEDED", "ALL_OR_NONE_OPERATION_ROLLED_BACK"}
    assert world.salesforce.rows("Case") == []


@pytest.mark.parametrize("length", [15, 18])
def test_a_locked_row_answers_so_wherever_it_is_written(world: World, salesforce: Call, length: int) -> None:
    held, other = (world.salesforce.add("Case", Subject=name)["Id"] for name in ("Held", "Other"))
    world.salesforce.fault("locks", ids=(held[:length],), times=0)

    parts = [
        {
            "method": "PATCH",
            "url": f"{BASE}/sobjects/Case/{each}",
            "referenceId": f"r{n}",
            "body": {"Subject": "New"},
        }
        for n, each in enumerate((held, other))
    ]
    composite = salesforce("POST", "/composite", {"compositeRequest": parts}).data()["compositeResponse"]
    requests = [{"method": "PATCH", "url": f"v67.0/sobjects/Case/{held}", "richInput": {"Subject": "New"}}]
    batch = salesforce("POST", "/composite/batch", {"batchRequests": requests}).data()["results"]
    single = salesforce("PATCH", f"/sobjects/Case/{held}", {"Subject": "New"})

    assert [part["httpStatusCode"] for part in composite] == [400, 204]
    assert batch[0]["result"][0]["errorCode"] == "UNABLE_TO_LOCK_ROW"
    assert held in single.data()[0]["message"]
    assert [row["Subject"] for row in world.salesforce.rows("Case")] == ["Held", "New"]


def test_lines_of_a_bulk_job_fail_one_by_one(world: World, salesforce: Call) -> None:
    job = salesforce("POST", "/jobs/ingest", {"object": "Case", "operation": "insert"}).data()["id"]
    lines = "Subject\n" + "".join(f"Case {n}\n" for n in range(40))
    salesforce("PUT", f"/jobs/ingest/{job}/batches", lines.encode())
    world.salesforce.fault("locks", path="jobs/ingest", method="PATCH", share=0.5, seed=2)

    salesforce("PATCH", f"/jobs/ingest/{job}", {"state": "UploadComplete"})
    failed = salesforce("GET", f"/jobs/ingest/{job}/failedResults").body.decode().splitlines()[1:]

    assert 5 < len(failed) < 35
    assert all("UNABLE_TO_LOCK_ROW" in line for line in failed)
    assert len(world.salesforce.rows("Case")) == 40 - len(failed)


def test_items_of_a_batch_fail_one_by_one_and_the_batch_is_one_call(world: World, servicenow: Call) -> None:
    made = base64.b64encode(b'{"short_description":"Printer on fire"}').decode()
    items = [
        {"id": str(n), "method": "POST", "url": "/api/now/table/incident", "body": made} for n in range(30)
    ]
    world.servicenow.fault("records", path="batch", code="Operation Failed", status=403, share=0.4, seed=3)

    answer = servicenow("POST", "/api/now/v1/batch", {"batch_request_id": "1", "rest_requests": items}).data()

    statuses = [item["status_code"] for item in answer["serviced_requests"]]
    assert set(statuses) == {201, 403}
    assert len(world.servicenow.rows("incident")) == statuses.count(201)
    assert (world.servicenow.counters.billed, world.servicenow.counters.created) == (1, statuses.count(201))


def test_rows_of_an_import_are_staged_and_not_transformed(world: World, servicenow: Call) -> None:
    world.servicenow.fault("records", path="/import/", code="Transform failed", times=1)

    row = {"u_correlation_id": "c-1", "u_short_description": "Printer on fire"}
    answer = servicenow("POST", "/api/now/import/u_incident_import", row)

    assert answer.status == 201
    assert answer.data()["result"][0]["status"] == "error"
    assert world.servicenow.rows("incident") == []


def test_servicenow_has_no_row_locks(world: World) -> None:
    with pytest.raises(ControlError, match="no row locks"):
        world.servicenow.fault("locks", share=0.5)


def test_salesforce_bills_a_composite_once_and_the_parts_of_a_batch(world: World, salesforce: Call) -> None:
    part = {"method": "GET", "url": f"{BASE}/limits"}
    composite = [{**part, "referenceId": f"r{n}"} for n in range(3)]
    before = world.salesforce.platform.budget.used

    salesforce("POST", "/composite", {"compositeRequest": composite})
    salesforce("POST", "/composite/batch", {"batchRequests": [{**part, "url": "v67.0/limits"}] * 3})

    counted = world.salesforce.counters
    assert counted.billed == world.salesforce.platform.budget.used - before == 4
    assert counted.token_requests == 1
    assert counted.bytes_out > counted.bytes_in > 0
