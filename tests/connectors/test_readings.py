"""The connectors under the readings of open questions that would hurt most: nothing lost, nothing misunderstood."""

from __future__ import annotations

import pytest

from sync.connectors.salesforce.connector import SalesforceConnector
from sync.connectors.servicenow.connector import ServiceNowConnector
from sync.core.records import ChangeQuery, Operation, Reply, Write
from sync.errors import RateLimitError
from sync.sandbox.pair import Pair
from sync.sandbox.wire import Request

KEY = "ServiceNow_Sys_Id__c"
ID = "f" * 32


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("spans", [True, False])
def test_rows_of_one_second_are_all_read_however_a_union_is_ordered(
    servicenow: ServiceNowConnector, pair: Pair, spans: bool, size: int
) -> None:
    pair.servicenow.turn(order_spans_union=spans)
    for number in range(7):
        second = max(0, number - 3)  # the first four are of one second
        row = {"short_description": str(number), "sys_updated_on": f"2026-03-01 07:00:0{second}"}
        pair.servicenow.platform.migrate("incident", row)

    asked = ChangeQuery("incident", ("short_description",), "number", page_size=size)
    found = [
        record.values["short_description"] for page in servicenow.changes(asked) for record in page.records
    ]

    assert sorted(found) == ["0", "1", "2", "3", "4", "5", "6"]
    assert found[4:] == ["4", "5", "6"]


@pytest.mark.parametrize(
    ("reading", "code"),
    [("unique_key", "DUPLICATE_VALUE"), ("plain", "FORBIDDEN"), ("conflict", "DUPLICATE_VALUE")],
)
def test_a_repeated_insert_is_refused_and_makes_no_second_row(
    servicenow: ServiceNowConnector, pair: Pair, reading: str, code: str
) -> None:
    pair.servicenow.turn(second_insert_under_one_sys_id=reading)
    write = Write("a", Operation.CREATE, {"sys_id": ID, "short_description": "Printer on fire"})

    replies = [result for _ in range(2) for result in servicenow.write("incident", [write])]

    assert [result.reply for result in replies] == [Reply.DONE, Reply.REFUSED]
    assert replies[1].refusal is not None
    assert replies[1].refusal.code == code
    assert len(pair.servicenow.rows("incident")) == 1


@pytest.mark.parametrize("body", ["html", "json", "empty"])
def test_a_write_that_a_full_node_turned_away_was_surely_not_sent(
    servicenow: ServiceNowConnector, pair: Pair, body: str
) -> None:
    pair.servicenow.turn(semaphore_slots=1, semaphore_queue=0, full_queue_answers=body)
    write = Write("a", Operation.CREATE, {"short_description": "Printer on fire"})

    with pair.servicenow.platform.semaphores.admit(Request.build("GET", "/api/now/table/incident")):
        result = next(iter(servicenow.write("incident", [write])))

    assert (result.reply, type(result.fault)) == (Reply.UNSENT, RateLimitError)
    assert pair.servicenow.rows("incident") == []


@pytest.mark.parametrize("whole", [False, True])
def test_an_unknown_field_never_leaves_a_record_in_doubt(
    salesforce: SalesforceConnector, pair: Pair, whole: bool
) -> None:
    pair.salesforce.turn(unknown_field_fails_whole_collection=whole)
    writes = [
        Write("good", Operation.CREATE, {"Subject": "a", KEY: "a"}),
        Write("bad", Operation.CREATE, {"Subject": "b", KEY: "b", "Nope__c": "x"}),
    ]

    replies = {result.ref: result.reply for result in salesforce.write("Case", writes)}

    assert replies["bad"] is Reply.REFUSED
    assert replies["good"] in (Reply.DONE, Reply.REFUSED, Reply.UNSENT)
    assert len(pair.salesforce.rows("Case")) == (replies["good"] is Reply.DONE)
