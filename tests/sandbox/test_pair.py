import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
import requests

from sync.sandbox.arrivals import Arrivals
from sync.sandbox.clock import ManualClock
from sync.sandbox.pair import PairConfig, start_pair

INCIDENTS = "/api/now/table/incident"


def test_both_platforms_are_reached_over_tls_under_the_pairs_own_authority(pair):
    with requests.Session() as session:
        session.trust_env = False
        for side in (pair.servicenow, pair.salesforce):
            assert session.get(side.url, verify=str(pair.ca_file), timeout=10).status_code >= 400
            with pytest.raises(requests.exceptions.SSLError):
                session.get(side.url, timeout=10)


def test_the_date_header_is_the_platforms_clock(pair, api, clock):
    pair.servicenow.skew_clock(timedelta(minutes=7))

    answer = api.call("GET", INCIDENTS)

    assert parsedate_to_datetime(answer.headers["Date"]) == clock.now() + timedelta(minutes=7)


def test_parallel_calls_are_counted_with_their_peak(pair, api):
    pair.servicenow.slow_down(0.1)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: api.call("GET", INCIDENTS).status_code, range(6)))

    assert answers == [200] * 6
    counters = pair.servicenow.counters
    assert counters.calls_to("GET /api/now/table/{table}") == 6
    assert 2 <= counters.peak_concurrency <= 6


def test_a_chunked_body_is_read(api):
    chunks = iter([b'{"short_desc', b'ription":"In two pieces"}'])

    answer = api.call("POST", INCIDENTS, data=chunks, headers={"Content-Type": "application/json"})

    assert answer.json()["result"]["short_description"] == "In two pieces"


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET http://[::1/x HTTP/1.1", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: \xb2", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5", 400),
        (b"GET /api/now/table/incident HTTP/1.1\r\nAuthorization: Basic \xff", 401),
    ],
    ids=["target", "length", "chunk", "login"],
)
def test_a_request_that_is_none_is_answered_and_not_cut_off(pair, request_head, status):
    trusting = ssl.create_default_context(cafile=pair.ca_file)
    address = ("127.0.0.1", pair.servicenow.server.port)
    with (
        socket.create_connection(address, timeout=10) as plain,
        trusting.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(request_head + b"\r\n\r\n")
        assert connection.recv(65536).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_closed_pair_accepts_nobody():
    with start_pair(PairConfig()) as pair:
        url = pair.servicenow.url
    with requests.Session() as session:
        session.trust_env = False
        with pytest.raises(requests.ConnectionError):
            session.get(url, timeout=5)


def test_control_needs_its_token(pair, anonymous):
    assert anonymous.call("GET", "/__sandbox__/state").status_code == 401
    assert anonymous.control("GET", "state").json()["system"] == "servicenow"


def test_control_orders_faults_delays_and_clocks(pair, api):
    assert api.control("POST", "faults", json={"kind": "status", "status": 500}).status_code == 201
    assert api.call("GET", INCIDENTS).status_code == 500
    api.control("POST", "faults", json={"kind": "status", "status": 500, "times": 0})
    assert api.control("DELETE", "faults").status_code == 204
    assert api.call("GET", INCIDENTS).status_code == 200
    assert api.control("POST", "delay", json={"seconds": 0.01}).json()["seconds"] == 0.01
    api.control("POST", "clock", json={"offset_seconds": 60})

    state = api.control("GET", "state").json()
    assert (state["delay_seconds"], state["clock_offset_seconds"]) == (0.01, 60.0)
    assert api.control("POST", "faults", json={"kind": "fire"}).status_code == 400


def test_control_writes_rows_as_a_named_person(pair, api, clock):
    order = {"by": "beth.anglin", "fields": {"short_description": "VPN", "impact": "1", "urgency": "1"}}
    row = api.control("POST", "rows/incident", json=order).json()["row"]
    clock.advance(seconds=60)
    path = f"rows/incident/{row['sys_id']}"
    edited = api.control("PATCH", path, json={"by": "abel.tuter", "fields": {"urgency": "3"}}).json()["row"]

    assert (row["sys_updated_by"], row["priority"], row["sys_mod_count"]) == ("beth.anglin", "1", "0")
    assert (edited["sys_updated_by"], edited["priority"], edited["sys_mod_count"]) == ("abel.tuter", "3", "1")
    assert edited["sys_updated_on"] > row["sys_updated_on"]
    found = api.control("GET", "rows/incident", params={"number": row["number"]}).json()["rows"]
    assert [each["sys_id"] for each in found] == [row["sys_id"]]
    assert api.control("DELETE", path).status_code == 204
    assert pair.servicenow.rows("incident") == []
    refused = api.control("POST", "rows/incident", json={"by": "nobody", "fields": {}})
    assert (refused.status_code, refused.json()) == (400, {"error": "There is no active user nobody."})


def test_control_tells_and_resets_the_counters(pair, api):
    api.call("POST", INCIDENTS, json={"short_description": "One"})
    counted = api.control("GET", "counters").json()
    api.control("POST", "reset_counters")

    assert (counted["calls"], counted["created"], counted["writes"]) == (1, 1, 1)
    assert pair.servicenow.counters.calls == 0


def test_made_incidents_are_the_same_for_the_same_seed_and_keep_the_rules():
    config = PairConfig(incidents=300, seed=4, clock=ManualClock())
    with start_pair(config) as one, start_pair(config) as two:
        rows = one.servicenow.rows("incident")
        assert rows == two.servicenow.rows("incident")
    assert len({row["short_description"] for row in rows}) > 60
    assert len({row["number"] for row in rows}) == 300
    for row in rows:
        done = row["state"] in ("6", "7")
        assert bool(row["close_code"] and row["close_notes"]) == done
        assert row["sys_created_on"] <= row["sys_updated_on"]
        assert row["state"] == row["incident_state"]


def test_arrivals_bring_new_incidents_and_move_old_ones():
    with start_pair(PairConfig(incidents=50, clock=ManualClock())) as pair:
        before = {row["sys_id"]: row for row in pair.servicenow.rows("incident")}
        arrivals = Arrivals(pair.servicenow.platform, seed=1)
        for _ in range(10):
            arrivals.step()
        after = {row["sys_id"]: row for row in pair.servicenow.rows("incident")}

    assert len(after) == 60
    assert any(before[sys_id]["state"] != after[sys_id]["state"] for sys_id in before)
