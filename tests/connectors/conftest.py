"""Both platforms on a real socket, and connectors that reach them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from sync.connectors.auth import InMemoryTokenStore
from sync.connectors.base import Call, Profile, TokenStore
from sync.connectors.retry import Retry
from sync.connectors.salesforce.connector import SalesforceConnector
from sync.connectors.servicenow.connector import ServiceNowConnector
from sync.core.records import Side
from sync.sandbox.pair import Pair, start_pair


class Observed:
    """What the observer was told, and how long retries would have slept."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.pauses: list[float] = []
        self._lock = threading.Lock()

    def __call__(self, call: Call) -> None:
        with self._lock:
            self.calls.append(call)

    @property
    def retry(self) -> Retry:
        return Retry(sleep=self.pauses.append, draw=lambda: 0.5)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair() as running:
        yield running


@pytest.fixture
def observed() -> Observed:
    return Observed()


@pytest.fixture
def servicenow_profile(pair: Pair) -> Callable[..., Profile]:
    def make(**changes: object) -> Profile:
        held = pair.credentials.servicenow
        secrets = {
            "client_id": held.client_id,
            "client_secret": held.client_secret,
            "password": held.password,
        }
        values: dict[str, object] = {
            "name": "Acme ServiceNow",
            "system": Side.SERVICENOW,
            "url": pair.servicenow.url,
            "auth": "oauth_client_credentials",
            "username": held.username,
            "secrets": secrets,
            "ca_bundle": str(pair.ca_file),
            "allowed_hosts": ("127.0.0.0/8",),
        }
        return Profile(**(values | changes))  # type: ignore[arg-type]

    return make


@pytest.fixture
def salesforce_profile(pair: Pair) -> Callable[..., Profile]:
    def make(**changes: object) -> Profile:
        held = pair.credentials.salesforce
        secrets = {
            "client_id": held.client_id,
            "client_secret": held.client_secret,
            "password": held.password,
            "security_token": held.security_token,
        }
        values: dict[str, object] = {
            "name": "Acme Salesforce",
            "system": Side.SALESFORCE,
            "url": pair.salesforce.url,
            "auth": "oauth_client_credentials",
            "username": held.username,
            "secrets": secrets,
            "ca_bundle": str(pair.ca_file),
            "allowed_hosts": ("127.0.0.0/8",),
        }
        return Profile(**(values | changes))  # type: ignore[arg-type]

    return make


@pytest.fixture
def open_servicenow(
    servicenow_profile: Callable[..., Profile], observed: Observed
) -> Iterator[Callable[..., ServiceNowConnector]]:
    opened: list[ServiceNowConnector] = []

    def make(*, tokens: TokenStore | None = None, **changes: object) -> ServiceNowConnector:
        profile = servicenow_profile(**changes)
        opened.append(ServiceNowConnector(profile, tokens or InMemoryTokenStore(), observed, observed.retry))
        return opened[-1]

    yield make
    for connector in opened:
        connector.close()


@pytest.fixture
def open_salesforce(
    salesforce_profile: Callable[..., Profile], observed: Observed
) -> Iterator[Callable[..., SalesforceConnector]]:
    opened: list[SalesforceConnector] = []

    def make(*, tokens: TokenStore | None = None, **changes: object) -> SalesforceConnector:
        profile = salesforce_profile(**changes)
        opened.append(SalesforceConnector(profile, tokens or InMemoryTokenStore(), observed, observed.retry))
        return opened[-1]

    yield make
    for connector in opened:
        connector.close()


@pytest.fixture
def servicenow(open_servicenow: Callable[..., ServiceNowConnector]) -> ServiceNowConnector:
    return open_servicenow()


@pytest.fixture
def salesforce(open_salesforce: Callable[..., SalesforceConnector]) -> SalesforceConnector:
    return open_salesforce()
