"""A Salesforce org over a real socket: what becomes of each write, whatever is answered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sync.connectors.salesforce.connector import SalesforceConnector
from sync.core.records import Operation, Reply, Write, WriteResult
from sync.errors import BudgetSpentError
from sync.sandbox.pair import Pair

KEY = "ServiceNow_Sys_Id__c"
COLLECTIONS = "composite/sobjects"


def creates(count: int) -> list[Write]:
    return [
        Write(str(number), Operation.CREATE, {"Subject": f"Printer {number}", KEY: f"{number:032x}"})
        for number in range(count)
    ]


def replies(results: list[WriteResult]) -> set[Reply]:
    return {result.reply for result in results}


def test_creates_go_by_two_hundred_and_each_gets_its_result(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    results = list(salesforce.write("Case", creates(450)))

    assert sorted(int(result.ref) for result in results) == list(range(450))
    assert all(result.reply is Reply.DONE and result.created and len(result.id) == 18 for result in results)
    assert {row[KEY] for row in pair.salesforce.rows("Case")} == {f"{number:032x}" for number in range(450)}
    assert pair.salesforce.counters.calls_to("POST /services/data/{version}/composite/sobjects") == 3


def test_results_come_while_the_input_is_still_being_made(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    drawn = []

    def stream() -> object:
        for write in creates(4000):
            drawn.append(write.ref)
            yield write

    next(iter(salesforce.write("Case", stream())))  # type: ignore[arg-type]

    assert len(drawn) <= 200 * (salesforce.profile.concurrency + 1)


def test_calls_run_side_by_side_up_to_the_limit_of_the_connection(
    pair: Pair, open_salesforce: Callable[..., SalesforceConnector]
) -> None:
    connector = open_salesforce(concurrency=3)
    connector.count("Case", "")
    pair.salesforce.slow_down(0.05)

    assert replies(list(connector.write("Case", creates(2000)))) == {Reply.DONE}
    assert pair.salesforce.counters.peak_concurrency == 3


def test_a_refused_record_does_not_stop_the_others(salesforce: SalesforceConnector) -> None:
    writes = creates(3)
    writes[1] = Write("1", Operation.CREATE, {"Subject": "x" * 300, KEY: "1"})

    results = {result.ref: result for result in salesforce.write("Case", writes)}

    assert [results[ref].reply for ref in "012"] == [Reply.DONE, Reply.REFUSED, Reply.DONE]
    refusal = results["1"].refusal
    assert refusal is not None
    assert (refusal.code, refusal.fields) == ("STRING_TOO_LONG", ("Subject",))


def test_a_second_create_under_one_key_names_the_first(salesforce: SalesforceConnector) -> None:
    first = next(iter(salesforce.write("Case", creates(1))))
    second = next(iter(salesforce.write("Case", creates(1))))

    assert second.reply is Reply.REFUSED
    assert second.refusal is not None
    assert second.refusal.code == "DUPLICATE_VALUE"
    assert second.refusal.existing_id == first.id


def test_an_unknown_field_is_refused_with_its_code(salesforce: SalesforceConnector) -> None:
    results = list(salesforce.write("Case", [Write("a", Operation.CREATE, {"Nope__c": "x"})]))

    assert [result.reply for result in results] == [Reply.REFUSED]
    assert results[0].refusal is not None
    assert results[0].refusal.code == "INVALID_FIELD"


def test_a_call_refused_whole_is_halved_until_the_bad_record_stands_alone(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    body = '[{"message":"Unexpected value","errorCode":"JSON_PARSER_ERROR"}]'
    pair.salesforce.fault("status", method="POST", path=COLLECTIONS, status=400, body=body, times=4)

    results = list(salesforce.write("Case", creates(8)))

    refused = [result.ref for result in results if result.reply is Reply.REFUSED]
    assert len(results) == 8
    assert refused == ["0"]
    assert len(pair.salesforce.rows("Case")) == 7


def test_an_update_and_a_delete_go_by_id(pair: Pair, salesforce: SalesforceConnector) -> None:
    made = {result.ref: result.id for result in salesforce.write("Case", creates(2))}
    writes = [
        Write("u", Operation.UPDATE, {"Subject": "Fixed"}, id=made["0"]),
        Write("d", Operation.DELETE, {}, id=made["1"]),
    ]

    results = list(salesforce.write("Case", writes))

    assert replies(results) == {Reply.DONE}
    assert not any(result.created for result in results)
    assert [row["Subject"] for row in pair.salesforce.rows("Case")] == ["Fixed"]


@pytest.mark.parametrize(
    ("kind", "made"),
    [("reset_after", 3), ("reset_before", 0), ("empty", 3), ("truncated", 3), ("html", 0)],
)
def test_an_answer_that_does_not_tell_leaves_the_whole_batch_unknown(
    pair: Pair, salesforce: SalesforceConnector, kind: str, made: int
) -> None:
    salesforce.count("Case", "")
    pair.salesforce.fault(kind, method="POST", path=COLLECTIONS)

    results = list(salesforce.write("Case", creates(3)))

    assert [result.reply for result in results] == [Reply.UNKNOWN] * 3
    assert all(result.message and result.fault for result in results)
    assert len(pair.salesforce.rows("Case")) == made


@pytest.mark.parametrize("status", [500, 502, 504])
def test_server_trouble_after_a_write_is_unknown(
    pair: Pair, salesforce: SalesforceConnector, status: int
) -> None:
    pair.salesforce.fault("status", method="POST", path=COLLECTIONS, status=status, body="<html>")

    assert replies(list(salesforce.write("Case", creates(3)))) == {Reply.UNKNOWN}


def test_an_answer_that_is_too_late_is_unknown(
    pair: Pair, open_salesforce: Callable[..., SalesforceConnector]
) -> None:
    connector = open_salesforce(timeout=(5.0, 0.2))
    connector.count("Case", "")
    pair.salesforce.fault("delay", method="POST", path=COLLECTIONS, seconds=0.6)

    assert replies(list(connector.write("Case", creates(3)))) == {Reply.UNKNOWN}


@pytest.mark.parametrize("answer", ["[]", '[{"success":true,"id":"500"}]', '{"surprise":1}', '"text"', "7"])
def test_a_wrong_number_of_results_is_unknown_for_all(
    pair: Pair, salesforce: SalesforceConnector, answer: str
) -> None:
    pair.salesforce.fault("status", method="POST", path=COLLECTIONS, status=200, body=answer)

    assert replies(list(salesforce.write("Case", creates(3)))) == {Reply.UNKNOWN}


def test_a_503_was_turned_away_and_says_when_to_come_back(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    pair.salesforce.fault(
        "status", method="POST", path=COLLECTIONS, status=503, body="<html>", headers={"Retry-After": "7"}
    )

    results = list(salesforce.write("Case", creates(2)))

    assert replies(results) == {Reply.UNSENT}
    assert {result.retry_after for result in results} == {7.0}
    assert pair.salesforce.rows("Case") == []


def test_a_spent_budget_is_told_in_every_result(pair: Pair, salesforce: SalesforceConnector) -> None:
    body = '[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]'
    pair.salesforce.fault("status", method="POST", path=COLLECTIONS, status=403, body=body)

    results = list(salesforce.write("Case", creates(2)))

    assert replies(results) == {Reply.UNSENT}
    assert all(isinstance(result.fault, BudgetSpentError) for result in results)
