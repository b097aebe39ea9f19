"""Tokens: who refreshes, how often, and what a refusal says."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sync.connectors.auth import METHODS, InMemoryTokenStore
from sync.connectors.auth.grants import client_credentials
from sync.connectors.base import Profile, Token
from sync.connectors.registry import open_transport
from sync.connectors.salesforce.connector import SalesforceConnector
from sync.connectors.servicenow.connector import ServiceNowConnector
from sync.core.records import Operation, Reply, Side, Write
from sync.errors import AuthenticationError, ConfigurationError, TransientError
from sync.sandbox.pair import Pair

from .conftest import Observed

OpenServiceNow = Callable[..., ServiceNowConnector]
OpenSalesforce = Callable[..., SalesforceConnector]


@pytest.mark.parametrize("method", ["oauth_client_credentials", "basic"])
def test_servicenow_lets_us_in(open_servicenow: OpenServiceNow, method: str) -> None:
    assert open_servicenow(auth=method).count("incident", "") == 0


def test_servicenow_lets_an_interactive_user_in_by_password(
    pair: Pair, open_servicenow: OpenServiceNow
) -> None:
    held = pair.credentials.servicenow
    secrets = {
        "client_id": held.client_id,
        "client_secret": held.client_secret,
        "password": held.admin_password,
    }
    connector = open_servicenow(auth="oauth_password", username=held.admin_username, secrets=secrets)

    assert connector.count("incident", "") == 0


@pytest.mark.parametrize("method", ["oauth_client_credentials", "oauth_password"])
def test_salesforce_lets_us_in(open_salesforce: OpenSalesforce, method: str) -> None:
    assert open_salesforce(auth=method).count("Case", "") == 0


def test_a_web_service_user_cannot_use_the_password_grant_and_is_told_so(
    open_servicenow: OpenServiceNow,
) -> None:
    with pytest.raises(AuthenticationError) as caught:
        open_servicenow(auth="oauth_password").count("incident", "")
    assert "Web service access only" in caught.value.advice


def test_a_wrong_basic_password_is_an_authentication_error(open_servicenow: OpenServiceNow) -> None:
    with pytest.raises(AuthenticationError) as caught:
        open_servicenow(auth="basic", secrets={"password": "wrong"}).count("incident", "")
    assert "locked" in caught.value.advice


def test_a_wrong_secret_is_tried_once_however_many_ask(pair: Pair, open_salesforce: OpenSalesforce) -> None:
    secrets = {"client_id": pair.credentials.salesforce.client_id, "client_secret": "wrong"}
    connector = open_salesforce(secrets=secrets)

    for _ in range(3):
        with pytest.raises(AuthenticationError) as caught:
            connector.count("Case", "")
        assert caught.value.code in ("invalid_client", "invalid_client_id", "invalid_grant")
        assert "wrong" not in str(caught.value)

    assert pair.salesforce.counters.token_requests == 1


def test_writes_under_a_refused_login_are_unsent_and_say_why(
    pair: Pair, open_salesforce: OpenSalesforce
) -> None:
    secrets = {"client_id": pair.credentials.salesforce.client_id, "client_secret": "wrong"}
    writes = [Write(str(number), Operation.CREATE, {"Subject": "Printer"}) for number in range(3)]

    results = list(open_salesforce(secrets=secrets).write("Case", writes))

    assert [result.reply for result in results] == [Reply.UNSENT] * 3
    assert all(isinstance(result.fault, AuthenticationError) for result in results)


@pytest.mark.parametrize("side", ["servicenow", "salesforce"])
def test_a_token_that_expires_in_mid_run_is_renewed_once_for_all_threads(
    pair: Pair, servicenow: ServiceNowConnector, salesforce: SalesforceConnector, side: str
) -> None:
    connector, name = (servicenow, "incident") if side == "servicenow" else (salesforce, "Case")
    system = getattr(pair, side)
    connector.count(name, "")
    system.expire_tokens()

    with ThreadPoolExecutor(8) as threads:
        counts = list(threads.map(lambda _: connector.count(name, ""), range(32)))

    assert counts == [0] * 32
    assert system.counters.token_requests == 2


def test_two_connectors_that_share_a_store_share_its_token(
    pair: Pair, open_servicenow: OpenServiceNow
) -> None:
    tokens = InMemoryTokenStore()
    first, second = open_servicenow(tokens=tokens), open_servicenow(tokens=tokens)
    first.count("incident", "")
    second.count("incident", "")
    pair.servicenow.expire_tokens()
    first.count("incident", "")
    second.count("incident", "")

    assert pair.servicenow.counters.token_requests == 2


def test_a_write_met_by_an_expired_token_is_repeated_and_made_once(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    salesforce.count("Case", "")
    pair.salesforce.expire_tokens()

    results = list(salesforce.write("Case", [Write("a", Operation.CREATE, {"Subject": "Printer"})]))

    assert [result.reply for result in results] == [Reply.DONE]
    assert len(pair.salesforce.rows("Case")) == 1


def test_a_token_that_stays_refused_ends_in_an_authentication_error(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    body = '[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]'
    pair.salesforce.fault("status", path="/query", status=401, body=body, times=0)

    with pytest.raises(AuthenticationError) as caught:
        salesforce.count("Case", "")

    assert caught.value.code == "rejected"
    assert pair.salesforce.counters.token_requests == 2


@pytest.mark.parametrize(
    "token", ["", "\u20ac", "a\r\nX-Other: 1", 5], ids=["none", "foreign", "lines", "number"]
)
def test_what_no_header_can_carry_is_no_token(
    pair: Pair, salesforce_profile: Callable[..., Profile], token: object
) -> None:
    body = json.dumps({"access_token": token, "instance_url": pair.salesforce.url})
    pair.salesforce.fault("status", path="/oauth2/token", status=200, body=body, times=0)

    refused = pytest.raises(TransientError, match="something else than a token")
    with closing(open_transport(salesforce_profile(), lambda call: None)) as there, refused:
        client_credentials(there, None)


def test_a_token_near_its_end_is_renewed_before_it_is_used(
    pair: Pair, open_servicenow: OpenServiceNow
) -> None:
    tokens = InMemoryTokenStore(
        Token("old", pair.servicenow.url, datetime.now(UTC) - timedelta(seconds=1), 7)
    )
    connector = open_servicenow(tokens=tokens)
    connector.count("incident", "")
    renewed = tokens.load()

    assert renewed is not None
    assert renewed.generation == 8
    assert renewed.expires_at is not None
    assert timedelta(minutes=25) < renewed.expires_at - datetime.now(UTC) < timedelta(minutes=30)


def test_a_method_says_what_it_misses_before_anything_is_sent(
    servicenow_profile: Callable[..., Profile], open_servicenow: OpenServiceNow
) -> None:
    with pytest.raises(ConfigurationError, match="Client secret missing"):
        open_servicenow(secrets={"client_id": "x"})
    with pytest.raises(ConfigurationError, match="no authentication method 'magic'"):
        open_servicenow(auth="magic")


def test_every_method_names_its_credentials() -> None:
    for (side, name), method in METHODS.items():
        assert isinstance(side, Side)
        assert method.needs, name
        assert (method.log_in is None) == (name == "basic")
        assert bool(method.legacy) == (name in ("basic", "oauth_password", "soap_login"))


def test_secrets_appear_in_no_text(
    pair: Pair, open_servicenow: OpenServiceNow, open_salesforce: OpenSalesforce, observed: Observed
) -> None:
    tokens = InMemoryTokenStore()
    salesforce = open_salesforce(tokens=tokens)
    salesforce.count("Case", "")
    servicenow = open_servicenow(auth="basic")
    servicenow.count("incident", "")
    pair.salesforce.fault("status", path="oauth2", status=500, body="{}", times=1)
    pair.salesforce.expire_tokens()
    salesforce.count("Case", "")
    token = tokens.load()
    assert token is not None
    held = pair.credentials
    secrets = [
        held.salesforce.client_secret,
        held.salesforce.password,
        held.servicenow.password,
        token.access_token,
    ]

    shown = " ".join(
        [repr(token), str(token), repr(salesforce.profile), repr(servicenow.profile)]
        + [f"{call!r} {call.path} {call.request_body} {call.response_body}" for call in observed.calls]
    )

    assert [secret for secret in secrets if secret in shown] == []
    assert replace(token, access_token="x").access_token == "x"
