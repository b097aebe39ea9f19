"""Writes that readers see after later ones: what an incremental reader misses."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from sync.sandbox.commits import LateCommit
from sync.sandbox.inprocess import World, in_process
from tests.sandbox.test_record_faults import BASE, Call, salesforce, servicenow

__all__ = ["salesforce", "servicenow"]
KEY = "ServiceNow_Sys_Id__c"
Read = Callable[[], list[str]]


@pytest.fixture
def world() -> World:
    return in_process()


@pytest.fixture
def incidents(servicenow: Call) -> Read:
    """The short descriptions, in the order of their change."""
    query = urlencode({"sysparm_query": "ORDERBYsys_updated_on^ORDERBYsys_id"})

    def read() -> list[str]:
        found = servicenow("GET", f"/api/now/table/incident?{query}").data()["result"]
        return [row["short_description"] for row in found]

    return read


@pytest.fixture
def cases(salesforce: Call) -> Read:
    query = urlencode({"q": "SELECT Subject FROM Case ORDER BY SystemModstamp, Id"})

    def read() -> list[str]:
        return [row["Subject"] for row in salesforce("GET", f"/query?{query}").data()["records"]]

    return read


def test_an_incident_is_seen_after_one_that_is_stamped_later(world: World, incidents: Read) -> None:
    world.servicenow.commit_late("incident", 20, times=1)
    early = world.servicenow.add("incident", short_description="Early")
    world.clock.advance(seconds=5)
    late = world.servicenow.add("incident", short_description="Late")

    first = incidents()
    world.clock.advance(seconds=15)

    assert first == ["Late"]
    assert incidents() == ["Early", "Late"]
    assert early["sys_updated_on"] < late["sys_updated_on"]


def test_an_edit_in_flight_shows_the_version_before_it(world: World, cases: Read, salesforce: Call) -> None:
    case = world.salesforce.add("Case", Subject="Before")
    world.salesforce.commit_late("Case", 20, by="people", times=1)
    world.clock.advance(seconds=5)
    stamp = world.salesforce.edit("Case", case["Id"], Subject="After")["SystemModstamp"]

    def read() -> dict[str, Any]:
        return dict(salesforce("GET", f"/sobjects/Case/{case['Id']}").data())

    seen, newest = read(), world.salesforce.rows("Case")[0]["Subject"]
    world.clock.advance(seconds=20)

    assert (seen["Subject"], seen["SystemModstamp"], newest) == ("Before", case["SystemModstamp"], "After")
    assert (read()["Subject"], read()["SystemModstamp"]) == ("After", stamp)


def test_a_later_edit_of_a_row_in_flight_comes_into_sight_with_it(
    world: World, incidents: Read, servicenow: Call
) -> None:
    row = world.servicenow.add("incident", short_description="One")
    world.servicenow.commit_late("incident", 20, by="people")
    world.servicenow.edit("incident", row["sys_id"], short_description="Two")
    world.clock.advance(seconds=10)

    servicenow("PATCH", f"/api/now/table/incident/{row['sys_id']}", {"short_description": "Three"})
    seen = incidents()
    world.clock.advance(seconds=10)

    assert seen == ["One"]
    assert incidents() == ["Three"]


def test_a_deletion_in_flight_leaves_the_row_in_sight(world: World, incidents: Read, cases: Read) -> None:
    incident = world.servicenow.add("incident", short_description="Printer on fire")
    case = world.salesforce.add("Case", Subject="Printer on fire")
    world.servicenow.commit_late("incident", 20)
    world.salesforce.commit_late("Case", 20)
    world.servicenow.delete("incident", incident["sys_id"])
    world.salesforce.delete("Case", case["Id"])

    seen = incidents() + cases()
    world.clock.advance(seconds=20)

    assert seen == ["Printer on fire"] * 2
    assert incidents() + cases() == []


def test_what_the_replication_calls_tell_comes_late_too(world: World, salesforce: Call) -> None:
    world.salesforce.commit_late("Case", 600, times=1)
    case = world.salesforce.add("Case", Subject="Early")
    world.clock.advance(seconds=300)

    def updated() -> list[str]:
        span = {"start": "2026-03-02T07:59:00Z", "end": "2026-03-02T08:30:00Z"}
        return list(salesforce("GET", f"/sobjects/Case/updated?{urlencode(span)}").data()["ids"])

    seen = updated()
    world.clock.advance(seconds=300)

    assert seen == []
    assert updated() == [case["Id"]]


def test_reads_within_a_batch_or_a_composite_see_no_more(
    world: World, servicenow: Call, salesforce: Call
) -> None:
    world.servicenow.commit_late("incident", 20)
    world.salesforce.commit_late("Case", 20)
    incident = world.servicenow.add("incident", short_description="Early")
    case = world.salesforce.add("Case", Subject="Early")

    item = {"id": "1", "method": "GET", "url": f"/api/now/table/incident/{incident['sys_id']}"}
    batch = servicenow("POST", "/api/now/v1/batch", {"batch_request_id": "1", "rest_requests": [item]})
    part = {"method": "GET", "url": f"{BASE}/sobjects/Case/{case['Id']}", "referenceId": "r"}
    composite = salesforce("POST", "/composite", {"compositeRequest": [part]})
    retrieved = salesforce("POST", "/composite/sobjects/Case", {"ids": [case["Id"]], "fields": ["Subject"]})

    assert batch.data()["serviced_requests"][0]["status_code"] == 404
    assert composite.data()["compositeResponse"][0]["httpStatusCode"] == 404
    assert json.loads(retrieved.body) == [None]


def test_a_key_in_flight_is_taken_though_nobody_sees_its_row(
    world: World, cases: Read, salesforce: Call
) -> None:
    world.salesforce.commit_late("Case", 20)
    world.salesforce.add("Case", Subject="First", **{KEY: "k-1"})

    second = salesforce("POST", "/sobjects/Case", {"Subject": "Second", KEY: "k-1"})

    assert (second.data()[0]["errorCode"], cases()) == ("DUPLICATE_VALUE", [])
    upserted = salesforce("PATCH", f"/sobjects/Case/{KEY}/k-1", {"Subject": "Third"})
    assert upserted.data()["created"] is False
    world.clock.advance(seconds=20)
    assert cases() == ["Third"]


def test_reading_among_rows_in_flight_changes_nothing(
    world: World, incidents: Read, cases: Read, servicenow: Call, salesforce: Call
) -> None:
    """Five hundred writes and reads in a drawn order; in the end readers see what was written last."""
    draw = random.Random(11)
    for side, name in ((world.servicenow, "incident"), (world.salesforce, "Case")):
        side.commit_late(name, 7, share=0.4, seed=5)
    known: list[tuple[str, str]] = []
    for step in range(250):
        world.clock.advance(seconds=draw.choice((0, 1, 3)))
        if not known or draw.random() < 0.3:
            row = world.servicenow.add("incident", short_description=str(step))
            known.append((row["sys_id"], world.salesforce.add("Case", Subject=str(step))["Id"]))
            continue
        at = draw.randrange(len(known))
        incident, case = known[at]
        if draw.random() < 0.2:
            world.servicenow.delete("incident", incident)
            world.salesforce.delete("Case", case)
            del known[at]
        else:
            world.servicenow.edit("incident", incident, short_description=str(step))
            world.salesforce.edit("Case", case, Subject=str(step))
        before = newest(world)
        seen = incidents(), cases()
        assert newest(world) == before
        assert len(seen[0]) == len(set(seen[0]))

    world.clock.advance(seconds=7)
    assert sorted(incidents()) == sorted(cases()) == newest(world)[0] == newest(world)[1]


def newest(world: World) -> tuple[list[str], list[str]]:
    incidents, cases = world.servicenow.rows("incident"), world.salesforce.rows("Case")
    return sorted(row["short_description"] for row in incidents), sorted(row["Subject"] for row in cases)


def hidden(seed: int) -> list[bool]:
    world = in_process()
    world.servicenow.commit_late("incident", 60, share=0.5, seed=seed)
    ids = [world.servicenow.add("incident", short_description=str(n))["number"] for n in range(30)]
    with world.servicenow.platform.commits.seen(reading=True):
        seen = {row["number"] for row in world.servicenow.rows("incident")}
    return [number not in seen for number in ids]


def test_a_share_of_the_writes_comes_late_the_same_for_the_same_seed() -> None:
    assert hidden(1) == hidden(1)
    assert hidden(1) != hidden(2)
    assert 5 < sum(hidden(1)) < 25


def test_the_duplicates_that_late_commits_lead_to_are_counted_by_key(world: World) -> None:
    for _ in range(3):
        world.servicenow.add("incident", correlation_id="c-1")

    counted = world.servicenow.counters
    assert (counted.duplicates, counted.duplicates_by_key) == (2, {"incident.correlation_id": 2})


@pytest.mark.parametrize(
    "rule",
    [
        {"table": "incident"},
        {"table": "incident", "seconds": 0},
        {"table": "incident", "seconds": 5, "by": "nobody"},
        {"table": "incident", "seconds": 5, "share": 2},
        {"table": "incident", "seconds": 5, "colour": 1},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        LateCommit.parse(rule)
