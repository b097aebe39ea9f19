"""Refresh tokens that a platform gives once each: which one counts, and that none is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from django.db import connection as database

from sync import services
from sync.connectors.base import Token
from sync.engine.connect import open_connector
from sync.engine.tokens import StoredToken, forget_access
from sync.errors import ConfigurationError, TransientError
from sync.models import Connection, ConnectionToken, Flow
from sync.sandbox.pair import Pair
from tests.engine.conftest import run_now, salesforce


def stored(connection: Connection) -> Connection:
    return Connection.objects.get(pk=connection.pk)


def login(connection: Connection, pair: Pair) -> str:
    """One login by what is stored now; returns the refresh token that counts after it."""
    pair.salesforce.expire_tokens()
    connector = open_connector(stored(connection))
    assert connector.count("Case", "") == 0
    connector.close()
    token = StoredToken(stored(connection)).load()
    return token.refresh_token if token else ""


@pytest.fixture
def rotating(transactional_db: None, pair: Pair) -> Connection:
    """A connection by a refresh token, to an org that answers another one at each use."""
    org = pair.salesforce.platform
    org.app = replace(org.app, rotates_refresh_tokens=True)
    connection = salesforce(pair)
    Connection.objects.update(auth="oauth_refresh_token")
    entered = org.approvals.issue_refresh_token(pair.credentials.salesforce.username, "none")
    services.set_secrets(connection=connection, secrets={"refresh_token": entered}, by=None)
    return stored(connection)


def test_a_rotated_refresh_token_is_stored_and_outlives_every_other_change(rotating, pair):
    first, second = login(rotating, pair), login(rotating, pair)
    assert len({first, second, stored(rotating).secrets["refresh_token"]}) == 3

    services.set_secrets(
        connection=rotating, secrets={"client_secret": pair.credentials.salesforce.client_secret}, by=None
    )
    assert ConnectionToken.objects.get().token["access_token"] == ""
    third = login(rotating, pair)
    Connection.objects.update(username="somebody")
    forget_access(stored(rotating))
    assert login(rotating, pair) not in (first, second, third, "")
    assert first.encode() not in bytes(ConnectionToken.objects.get().token_sealed)


def test_of_many_that_log_in_at_once_one_uses_the_refresh_token(rotating, pair):
    """Each as a process of its own would: used twice, the token would be refused, and on the platform end its heirs."""
    login(rotating, pair)
    pair.salesforce.expire_tokens()
    pair.salesforce.reset_counters()

    def count(_: int) -> int:
        connector = open_connector(stored(rotating))
        try:
            return connector.count("Case", "")
        finally:
            connector.close()
            database.close()

    with ThreadPoolExecutor(6) as threads:
        counts = list(threads.map(count, range(6)))

    assert counts == [0] * 6
    assert pair.salesforce.counters.token_requests == 1


def test_a_refresh_token_that_is_entered_outranks_the_stored_one(rotating, pair):
    login(rotating, pair)
    entered = pair.salesforce.platform.approvals.issue_refresh_token(
        pair.credentials.salesforce.username, "none"
    )
    services.set_secrets(connection=rotating, secrets={"refresh_token": entered}, by=None)
    assert ConnectionToken.objects.get().token is None

    login(rotating, pair)
    assert pair.salesforce.platform.approvals.refresh_token(entered) is None  # used, and so rotated


@pytest.mark.parametrize("when", ["before", "during"])
def test_credentials_that_are_replaced_before_or_during_a_login_are_not_overwritten(rotating, when):
    """Whoever logs in by the old ones learns that they were replaced, and the platform hears of it as little as it can."""
    tokens, asked = StoredToken(stored(rotating)), []

    def replace_them() -> None:
        services.set_secrets(connection=rotating, secrets={"refresh_token": "entered"}, by=None)

    def log_in(old: Token | None) -> Token:
        asked.append(old)
        replace_them()
        return Token("access", rotating.url, None, 1, "rotated")

    if when == "before":
        replace_them()
    with pytest.raises(TransientError, match="were changed meanwhile"):
        tokens.refresh(None, log_in)

    held = ConnectionToken.objects.get()
    assert (len(asked), held.token, held.lease_until) == (int(when == "during"), None, None)
    assert stored(rotating).secrets["refresh_token"] == "entered"


def test_a_rotated_token_is_kept_also_when_the_org_turns_out_to_be_another(rotating, pair):
    Connection.objects.update(org_id="00D000000000999AAA")
    with pytest.raises(ConfigurationError, match="now leads to"):
        login(rotating, pair)

    Connection.objects.update(org_id="")
    assert login(rotating, pair)


def test_a_run_over_a_connection_that_nobody_let_in_says_so(flow: Flow):
    Connection.objects.filter(system="salesforce").update(auth="oauth_authorization_code")
    run = run_now(flow)

    assert run.status == "failed"
    flow.refresh_from_db()
    assert "acme-salesforce is not connected" in flow.paused_reason
    assert "press Connect" in flow.paused_reason
    assert (run.error_code, "press Connect" in run.advice) == ("not_connected", True)
