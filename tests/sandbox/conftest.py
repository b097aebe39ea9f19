"""A pair on real sockets, under a clock that stands still, and clients that trust its authority alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import pytest
import requests

from sync.sandbox.clock import ManualClock
from sync.sandbox.pair import Pair, PairConfig, start_pair


@dataclass
class Client:
    """A plain HTTP client of one instance: no cookies, as integrations must not keep them."""

    pair: Pair
    session: requests.Session

    def login(self, username: str, password: str) -> Client:
        self.session.auth = (username, password)
        return self

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        return self.session.request(method, self.pair.servicenow.url + path, timeout=20, **more)

    def rows(self, table: str, query: str = "", **params: str) -> list[dict[str, Any]]:
        params = {f"sysparm_{name}": value for name, value in params.items()}
        answer = self.call("GET", f"/api/now/table/{table}", params={"sysparm_query": query, **params})
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def control(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.pair.control_token}"}
        url = f"{self.pair.servicenow.url}/__sandbox__/{path}"
        with _session(self.pair) as session:
            return session.request(method, url, headers=headers, timeout=20, **more)


def _session(pair: Pair) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # an environment's own CA bundle would win over `verify`
    session.verify = str(pair.ca_file)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def pair(clock: ManualClock) -> Iterator[Pair]:
    with start_pair(PairConfig(clock=clock)) as pair:
        yield pair


@pytest.fixture
def anonymous(pair: Pair) -> Iterator[Client]:
    with _session(pair) as session:
        yield Client(pair, session)


@pytest.fixture
def api(pair: Pair) -> Iterator[Client]:
    """Calls as the integration's user."""
    demo = pair.credentials.servicenow
    with _session(pair) as session:
        yield Client(pair, session).login(demo.username, demo.password)
