"""How many calls run at once: fewer where the platform turns calls away, loses them or takes ever longer, then more again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from sync.connectors.auth import InMemoryTokenStore
from sync.connectors.base import Profile
from sync.connectors.parallel import LONGER_BY_SECONDS, Lengthening, Limit, Workers
from sync.connectors.retry import Retry
from sync.connectors.salesforce.connector import SalesforceConnector
from sync.connectors.servicenow.connector import ServiceNowConnector
from sync.core.records import Operation, Reply, Write
from sync.errors import TransientError
from sync.sandbox.pair import Pair
from tests.connectors.conftest import Observed


def limit_of(connector: ServiceNowConnector | SalesforceConnector) -> Limit:
    return connector._workers.limit


def updates(rows: list[dict[str, str]]) -> list[Write]:
    return [
        Write(row["sys_id"], Operation.UPDATE, {"short_description": f"Printer {number} on fire"}, row["sys_id"])
        for number, row in enumerate(rows)
    ]  # fmt: skip


# The limit itself


def test_trouble_halves_the_limit_down_to_one() -> None:
    limit = Limit(8)

    widths = []
    for _ in range(5):
        limit.troubled()
        widths.append(limit.width)

    assert widths == [4, 2, 1, 1, 1]


def test_calls_that_were_under_way_together_halve_it_once() -> None:
    limit = Limit(8)
    with ExitStack() as under_way:
        eras = [under_way.enter_context(limit.slot()) for _ in range(8)]

    for era in eras:
        limit.troubled(era)

    assert limit.width == 4


def test_a_round_of_good_answers_adds_one_up_to_the_most() -> None:
    limit = Limit(4)
    limit.troubled()
    limit.troubled()
    assert limit.width == 1

    rounds = []
    for _ in range(12):
        limit.served()
        rounds.append(limit.width)

    assert rounds == [2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4]


def test_trouble_between_good_answers_begins_the_round_anew() -> None:
    limit = Limit(8)
    limit.troubled()
    for _ in range(3):
        limit.served()
    limit.troubled()
    limit.served()

    assert limit.width == 2


def test_no_more_calls_than_the_limit_are_under_way_at_any_time() -> None:
    limit, lock, running, most = Limit(6), threading.Lock(), 0, []
    limit.troubled()
    gate = threading.Barrier(3)

    def call(number: int) -> list[int]:
        nonlocal running
        with limit.slot():
            with lock:
                running += 1
                most.append(running)
            gate.wait(10)  # passes only where three are here at once
            with lock:
                running -= 1
        return [number]

    workers = Workers(limit, "test")
    results = list(workers.stream(call, range(30)))
    workers.close()

    assert sorted(results) == list(range(30))
    assert max(most) == 3


def test_a_limit_of_one_works_in_the_callers_thread_in_order() -> None:
    workers, seen = Workers(1, "test"), []

    def call(number: int) -> list[int]:
        seen.append(threading.current_thread())
        return [number]

    assert list(workers.stream(call, range(5))) == [0, 1, 2, 3, 4]
    assert list(workers.map(call, [5, 6])) == [[5], [6]]
    assert set(seen) == {threading.current_thread()}


# What counts as longer


def test_answers_that_grow_long_are_noticed_anew_each_time() -> None:
    lengthening = Lengthening()
    for _ in range(20):
        assert not lengthening.noticed("PATCH", 2_000, 0.4)

    noticed = [lengthening.noticed("PATCH", 2_000, 40 * LONGER_BY_SECONDS) for _ in range(4)]

    assert noticed == [False, True, False, True]


def test_one_long_answer_alone_is_chance() -> None:
    lengthening = Lengthening()

    assert not any(lengthening.noticed("PATCH", 2_000, 60.0 if n % 10 == 9 else 0.4) for n in range(100))


@pytest.mark.parametrize(
    ("what", "moved", "seconds"),
    [("GET", 2_000, 9.0), ("PATCH", 900_000, 9.0), ("PATCH", 2_000, 0.9)],
    ids=["another kind of call", "a far larger one", "a trifle"],
)
def test_only_like_is_compared_with_like(what: str, moved: int, seconds: float) -> None:
    lengthening = Lengthening()
    for _ in range(20):
        lengthening.noticed("PATCH", 2_000, 0.2)

    assert not any(lengthening.noticed(what, moved, seconds) for _ in range(10))


def test_a_platform_that_became_slower_for_good_is_no_trouble_in_the_end() -> None:
    lengthening = Lengthening()
    lengthening.noticed("PATCH", 2_000, 0.5)

    later = [lengthening.noticed("PATCH", 2_000, 2.5) for _ in range(300)]

    assert any(later[:20])
    assert not any(later[-100:])


# The connectors


def test_a_node_that_turns_calls_away_is_sent_fewer_at_once(
    servicenow_profile: Callable[..., Profile], observed: Observed, pair: Pair
) -> None:
    rows = [pair.servicenow.add("incident", short_description=f"Ticket {number}") for number in range(24)]
    pair.servicenow.turn(semaphore_slots=1, semaphore_queue=1)
    pair.servicenow.slow_down(0.02)
    retry = Retry(base=0.4)
    servicenow = ServiceNowConnector(servicenow_profile(concurrency=8), InMemoryTokenStore(), observed, retry)

    results = list(servicenow.write("incident", updates(rows)))

    turned_away = [call for call in observed.calls if call.status == 429]
    assert 0 < len(turned_away) < len(rows) / 2
    assert limit_of(servicenow).width < 8
    assert {result.reply for result in results} <= {Reply.DONE, Reply.UNSENT}
    assert sum(result.reply is Reply.DONE for result in results) >= len(rows) - 3
    servicenow.close()


def test_a_write_that_was_turned_away_is_sent_again_in_a_moment(
    servicenow: ServiceNowConnector, observed: Observed, pair: Pair
) -> None:
    pair.servicenow.fault("status", status=429, method="POST", path="incident", times=2)
    write = Write("a", Operation.CREATE, {"short_description": "Printer on fire"})

    (result,) = servicenow.write("incident", [write])

    assert result.reply is Reply.DONE
    assert len(pair.servicenow.rows("incident", short_description="Printer on fire")) == 1
    assert observed.pauses == [0.25, 0.5]


@pytest.mark.parametrize(
    "answer",
    [{"status": 503}, {"status": 202}, {"status": 429, "headers": {"Retry-After": "2"}}],
    ids=["not at the door alone", "accepted and dropped", "not in a moment"],
)
def test_no_other_write_is_repeated_by_the_connector(
    servicenow: ServiceNowConnector, observed: Observed, pair: Pair, answer: dict[str, Any]
) -> None:
    pair.servicenow.fault("status", method="POST", path="incident", **answer)

    (result,) = servicenow.write("incident", [Write("a", Operation.CREATE, {"short_description": "Once"})])

    assert result.reply is Reply.UNSENT
    assert observed.pauses == []


@pytest.mark.parametrize("status", [429, 503])
def test_good_answers_bring_the_lost_calls_back_one_by_one(
    open_servicenow: Callable[..., ServiceNowConnector], pair: Pair, status: int
) -> None:
    servicenow = open_servicenow(concurrency=4)
    pair.servicenow.fault("status", status=status, path="incident", times=2)

    servicenow.count("incident", "")  # two are lost, and a repeat is served

    widths = [limit_of(servicenow).width]
    for _ in range(5):
        servicenow.count("incident", "")
        widths.append(limit_of(servicenow).width)
    assert widths == [2, 2, 3, 3, 3, 4]


def test_a_call_without_an_answer_halves_the_limit_and_a_refused_record_does_not(
    open_servicenow: Callable[..., ServiceNowConnector], pair: Pair
) -> None:
    servicenow = open_servicenow(concurrency=8)
    (row,) = [pair.servicenow.add("incident", short_description="Printer on fire")]
    pair.servicenow.fault("status", status=403, method="PATCH", times=3)
    assert [result.reply for result in servicenow.write("incident", updates([row] * 3))] == [
        Reply.REFUSED
    ] * 3
    assert limit_of(servicenow).width == 8

    pair.servicenow.fault("reset_before", method="PATCH")
    assert [result.reply for result in servicenow.write("incident", updates([row]))] == [Reply.UNKNOWN]

    assert limit_of(servicenow).width == 4


def test_a_spent_hour_is_no_matter_of_how_many_run_at_once(
    open_servicenow: Callable[..., ServiceNowConnector], pair: Pair
) -> None:
    servicenow = open_servicenow(concurrency=8)
    pair.servicenow.spend_budget(user="sync.user", limit=10, used=10)

    with pytest.raises(TransientError) as caught:
        servicenow.count("incident", "")

    assert caught.value.code == "HTTP_429"
    assert limit_of(servicenow).width == 8


def test_a_locked_row_halves_the_calls_to_salesforce(
    open_salesforce: Callable[..., SalesforceConnector], pair: Pair
) -> None:
    salesforce = open_salesforce(concurrency=8)
    case = pair.salesforce.add("Case", Subject="Printer on fire")
    platform = pair.salesforce.platform
    platform.dialect = replace(platform.dialect, locked_ids=frozenset({case["Id"]}))

    (result,) = salesforce.write(
        "Case", [Write("one", Operation.UPDATE, {"Subject": "Printer is warm"}, case["Id"])]
    )

    assert result.refusal is not None
    assert result.refusal.code == "UNABLE_TO_LOCK_ROW"
    assert limit_of(salesforce).width == 4


def test_an_error_names_the_platform_it_happened_at(
    servicenow: ServiceNowConnector, salesforce: SalesforceConnector, pair: Pair
) -> None:
    pair.servicenow.fault("status", status=503, path="incident", times=9)
    pair.salesforce.fault("status", status=503, path="query", times=9)

    for connector, name in ((servicenow, "incident"), (salesforce, "Case")):
        with pytest.raises(TransientError) as caught:
            connector.count(name, "")
        assert caught.value.system == connector.side
