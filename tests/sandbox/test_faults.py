import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from sync.sandbox.faults import Fault, FaultKind, Faults
from sync.sandbox.pair import PairConfig, start_pair

INCIDENTS = "/api/now/table/incident"


def strikes(faults: Faults, count: int, method: str = "GET", target: str = INCIDENTS) -> list[bool]:
    return [faults.next_for(method, target) is not None for _ in range(count)]


def test_a_fault_lets_the_first_calls_pass_and_then_strikes_as_often_as_ordered():
    faults = Faults()
    faults.add(Fault(FaultKind.STATUS, status=503, after=1, times=2))

    assert strikes(faults, 5) == [False, True, True, False, False]


def test_a_fault_strikes_only_what_its_patterns_match():
    faults = Faults()
    faults.add(Fault(FaultKind.RESET_AFTER, method="POST", path="/incident$", times=0))

    assert strikes(faults, 2, "GET") == [False, False]
    assert strikes(faults, 2, "POST") == [True, True]
    assert strikes(faults, 1, "POST", INCIDENTS + "/1") == [False]


def test_chance_is_the_same_for_the_same_seed():
    def some(seed: int) -> list[bool]:
        faults = Faults()
        faults.add(Fault(FaultKind.EMPTY, times=0, probability=0.5, seed=seed))
        return strikes(faults, 40)

    assert some(1) == some(1)
    assert some(1) != some(2)
    assert 5 < sum(some(1)) < 35


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "fire"},
        {"kind": "status"},
        {"kind": "delay", "colour": 1},
        {"kind": "delay", "seconds": -1},
        {"kind": "delay", "seconds": "long"},
        {"kind": "empty", "path": "("},
        {"kind": "records"},
        {"kind": "locks", "share": 1.5},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(rule):
    with pytest.raises(ValueError, match=r"."):
        Fault.parse(rule)


def test_a_status_fault_answers_in_the_platforms_stead(pair, api):
    pair.servicenow.fault("status", status=503, body="busy", headers={"Retry-After": "7"})

    answer = api.call("GET", INCIDENTS)

    assert (answer.status_code, answer.text, answer.headers["Retry-After"]) == (503, "busy", "7")
    assert api.call("GET", INCIDENTS).status_code == 200
    assert pair.servicenow.counters.calls == 2
    assert pair.servicenow.counters.faults == 1


def test_a_reset_before_leaves_nothing_behind(pair, api):
    pair.servicenow.fault("reset_before", method="POST")

    with pytest.raises(requests.ConnectionError):
        api.call("POST", INCIDENTS, json={"short_description": "Printer on fire"})

    assert pair.servicenow.rows("incident") == []


def test_a_reset_after_leaves_the_row_and_no_answer(pair, api):
    pair.servicenow.fault("reset_after", method="POST")

    with pytest.raises(requests.ConnectionError):
        api.call("POST", INCIDENTS, json={"short_description": "Printer on fire"})

    assert [row["short_description"] for row in pair.servicenow.rows("incident")] == ["Printer on fire"]


def test_answers_can_be_pages_empty_or_cut_off(pair, api):
    pair.servicenow.fault("html")
    pair.servicenow.fault("empty")
    pair.servicenow.fault("truncated", body='"error":{}')

    page, empty, cut = (api.call("GET", INCIDENTS) for _ in range(3))

    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert (empty.status_code, empty.text) == (200, "")
    assert cut.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        cut.json()


def test_a_delay_holds_the_answer_back(pair, api):
    pair.servicenow.fault("delay", seconds=0.2)

    begun = time.monotonic()
    answer = api.call("GET", INCIDENTS)

    assert answer.status_code == 200
    assert time.monotonic() - begun >= 0.2


def test_jitter_spreads_a_delay_the_same_way_for_the_same_seed():
    def waits(seed: int) -> list[float]:
        faults = Faults()
        faults.add(Fault(FaultKind.DELAY, seconds=1, jitter=2, times=0, seed=seed))
        return [faults.next_for("GET", INCIDENTS).wait for _ in range(20)]

    assert waits(1) == waits(1)
    assert waits(1) != waits(2)
    assert all(1 <= wait <= 3 for wait in waits(1))
    assert max(waits(1)) - min(waits(1)) > 1


def test_a_hang_ends_when_the_client_gives_up(pair, api):
    pair.servicenow.fault("hang", times=2)

    with pytest.raises(requests.ReadTimeout):
        api.session.get(pair.servicenow.url + INCIDENTS, timeout=0.2)
    begun = time.monotonic()
    with pytest.raises(requests.ReadTimeout):
        api.session.get(pair.servicenow.url + INCIDENTS, timeout=0.2)

    assert api.call("GET", INCIDENTS).status_code == 200
    assert time.monotonic() - begun < 5


def test_a_hang_ends_with_a_reset_when_its_time_is_over(pair, api):
    pair.servicenow.fault("hang", seconds=0.2)

    with pytest.raises(requests.ConnectionError):
        api.call("GET", INCIDENTS)

    assert pair.servicenow.counters.calls == 1


def test_a_hang_does_not_outlive_the_server():
    with start_pair(PairConfig()) as pair, requests.Session() as session:
        session.trust_env = False
        session.verify = str(pair.ca_file)
        pair.servicenow.fault("hang")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(session.get, pair.servicenow.url + INCIDENTS, timeout=30)
            while not pair.servicenow.counters.faults:
                assert not waiting.done()
            pair.servicenow.server.close()
            with pytest.raises(requests.ConnectionError):
                waiting.result()


def test_a_request_still_queued_takes_effect_later_and_its_caller_hears_504(pair, api, clock):
    pair.servicenow.fault("execute_late", method="POST", status=504, seconds=30)

    answer = api.call("POST", INCIDENTS, json={"short_description": "Printer on fire"})
    before = pair.servicenow.rows("incident")
    clock.advance(seconds=30)

    assert (answer.status_code, before) == (504, [])
    assert [row["short_description"] for row in pair.servicenow.rows("incident")] == ["Printer on fire"]


def test_a_request_still_queued_takes_effect_later_under_a_real_clock_too():
    with start_pair(PairConfig()) as pair, requests.Session() as session:
        session.trust_env = False
        session.verify = str(pair.ca_file)
        demo = pair.credentials.servicenow
        session.auth = (demo.username, demo.password)
        pair.servicenow.fault("execute_late", method="POST", seconds=0.2)
        begun = time.monotonic()
        with pytest.raises(requests.ConnectionError):
            session.post(pair.servicenow.url + INCIDENTS, json={"short_description": "Late"}, timeout=5)
        while not pair.servicenow.rows("incident"):
            assert time.monotonic() - begun < 10
            time.sleep(0.02)

    assert time.monotonic() - begun >= 0.2
