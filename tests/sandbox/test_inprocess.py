"""Both platforms without a socket: the same faults, and time that only the clock tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import requests

from sync.sandbox.gate import ConnectionCutError, GaveUpError
from sync.sandbox.inprocess import Door, World, in_process

INCIDENTS = "/api/now/table/incident"
PRINTER = {"short_description": "Printer on fire"}


@pytest.fixture
def world() -> World:
    return in_process()


@pytest.fixture
def session(world: World) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.mount("https://", world.adapter())
        demo = world.credentials.servicenow
        session.auth = (demo.username, demo.password)
        yield session


def subjects(world: World) -> list[str]:
    return [row["short_description"] for row in world.servicenow.rows("incident")]


def test_a_session_of_requests_is_answered_without_a_socket(world: World, session: requests.Session) -> None:
    made = session.post(world.servicenow.url + INCIDENTS, json=PRINTER, timeout=5)
    found = session.get(world.servicenow.url + INCIDENTS, params={"sysparm_fields": "number"}, stream=True)

    assert made.status_code == 201
    assert found.raw.read1(10, decode_content=True) == b'{"result":'
    assert world.servicenow.counters.bytes_in == len(b'{"short_description": "Printer on fire"}')
    assert world.servicenow.counters.billed == 2


def test_salesforce_logs_in_and_answers_too(world: World) -> None:
    held, url = world.credentials.salesforce, world.salesforce.url
    with requests.Session() as session:
        session.mount("https://", world.adapter())
        form = {"grant_type": "client_credentials", "client_id": held.client_id}
        token = session.post(
            f"{url}/services/oauth2/token", data={**form, "client_secret": held.client_secret}
        ).json()["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
        limits = session.get(f"{url}/services/data/v67.0/limits")

    assert limits.status_code == 200


def test_a_delay_moves_the_clock_and_nothing_else_does(world: World, session: requests.Session) -> None:
    begun = world.clock.now()
    world.servicenow.fault("delay", seconds=40)

    session.get(world.servicenow.url + INCIDENTS, timeout=60)
    session.get(world.servicenow.url + INCIDENTS, timeout=60)

    assert world.clock.now() - begun == timedelta(seconds=40)


def test_a_slow_write_takes_effect_after_its_caller_gave_up(world: World, session: requests.Session) -> None:
    world.servicenow.fault("delay", method="POST", seconds=90)

    with pytest.raises(requests.ReadTimeout):
        session.post(world.servicenow.url + INCIDENTS, json=PRINTER, timeout=(5, 60))

    assert subjects(world) == []
    world.clock.advance(seconds=29)
    assert subjects(world) == []
    world.clock.advance(seconds=1)
    assert subjects(world) == ["Printer on fire"]


def test_a_request_still_queued_takes_effect_at_its_own_moment(
    world: World, session: requests.Session
) -> None:
    world.servicenow.fault("execute_late", method="POST", seconds=90)

    with pytest.raises(requests.ConnectionError):
        session.post(world.servicenow.url + INCIDENTS, json=PRINTER)
    due = world.clock.now() + timedelta(seconds=90)
    unanswered = subjects(world)
    world.clock.advance(timedelta(hours=1))

    assert unanswered == []
    [row] = world.servicenow.rows("incident")
    assert row["sys_created_on"] == due.strftime("%Y-%m-%d %H:%M:%S")


def test_a_caller_on_hold_gives_up_and_the_queued_request_stays_queued(
    world: World, session: requests.Session
) -> None:
    world.servicenow.fault("execute_late", method="POST", seconds=90, hold=60)

    with pytest.raises(requests.ReadTimeout):
        session.post(world.servicenow.url + INCIDENTS, json=PRINTER, timeout=10)
    world.clock.advance(seconds=79)
    before = subjects(world)
    world.clock.advance(seconds=1)

    assert (before, subjects(world)) == ([], ["Printer on fire"])


@pytest.mark.parametrize(("kind", "left_behind"), [("reset_before", 0), ("reset_after", 1), ("hang", 0)])
def test_a_cut_connection_tells_nobody_whether_the_write_took_effect(
    world: World, session: requests.Session, kind: str, left_behind: int
) -> None:
    world.servicenow.fault(kind, method="POST")

    with pytest.raises((requests.ConnectionError, requests.ReadTimeout)):
        session.post(world.servicenow.url + INCIDENTS, json=PRINTER, timeout=60)

    assert len(subjects(world)) == left_behind


def test_a_hang_lasts_as_long_as_the_callers_patience(world: World) -> None:
    door, begun = world.doors[world.servicenow.url], world.clock.now()
    world.servicenow.fault("hang", seconds=20, times=2)

    with pytest.raises(GaveUpError):
        door.call("GET", INCIDENTS, timeout=15)
    with pytest.raises(ConnectionCutError) as cut:
        door.call("GET", INCIDENTS, timeout=60)

    assert not isinstance(cut.value, GaveUpError)
    assert world.clock.now() - begun == timedelta(seconds=35)


def outcome(door: Door) -> str:
    try:
        return str(door.call("GET", INCIDENTS, timeout=8).status)
    except ConnectionCutError as error:
        return type(error).__name__


def story(seed: int) -> list[tuple[str, float]]:
    """What forty calls meet, and when, under rules that are all left to chance."""
    world = in_process()
    begun, door = world.clock.now(), world.doors[world.servicenow.url]
    world.servicenow.fault("status", status=503, probability=0.2, times=0, seed=seed)
    world.servicenow.fault("hang", seconds=5, probability=0.2, times=0, seed=seed + 1)
    world.servicenow.fault("delay", seconds=4, jitter=9, probability=0.7, times=0, seed=seed + 2)
    return [(outcome(door), (world.clock.now() - begun).total_seconds()) for _ in range(40)]


def test_a_run_with_the_same_seed_fails_the_same_way_at_the_same_moments() -> None:
    once = story(3)

    assert once == story(3)
    assert once != story(4)
    assert {what for what, _ in once} >= {"503", "401", "ConnectionCutError", "GaveUpError"}


def test_nobody_answers_at_another_address(world: World, session: requests.Session) -> None:
    with pytest.raises(requests.ConnectionError, match="nobody answers"):
        session.get("https://acme.servicenow.example.test/")


def spent(world: World) -> None:
    world.servicenow.fault("spend_budget")


def expired(world: World) -> None:
    world.servicenow.fault("expire_tokens")


@pytest.mark.parametrize(("order", "status"), [(spent, 429), (expired, 401)])
def test_a_budget_or_a_token_can_end_with_any_call(
    world: World, session: requests.Session, order: Callable[[World], None], status: int
) -> None:
    held, url = world.credentials.servicenow, world.servicenow.url
    form = {"grant_type": "client_credentials", "client_id": held.client_id}
    token = session.post(
        f"{url}/oauth_token.do", data={**form, "client_secret": held.client_secret}, auth=("", "")
    )
    session.auth = None
    session.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
    order(world)

    assert session.get(url + INCIDENTS).status_code == status
    assert world.servicenow.counters.billed == 0


def test_the_clock_steps_with_a_call_or_at_its_time(world: World, session: requests.Session) -> None:
    url = world.servicenow.url
    world.servicenow.fault("clock", seconds=-30)
    world.servicenow.skew_clock(timedelta(seconds=45), after=10)

    first = session.get(url + INCIDENTS).headers["Date"]
    world.clock.advance(seconds=10)
    second = session.get(url + INCIDENTS).headers["Date"]

    assert (first, second) == ("Mon, 02 Mar 2026 07:59:30 GMT", "Mon, 02 Mar 2026 08:00:55 GMT")
