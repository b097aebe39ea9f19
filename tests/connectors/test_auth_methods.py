"""Each method against both platforms: it lets us in, and a refusal says what to do without a word of any secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sync.connectors.auth import InMemoryTokenStore
from sync.connectors.auth.approval import exchange, revoke
from sync.connectors.auth.assertion import audience, checked_private_key
from sync.connectors.auth.grants import client_credentials
from sync.connectors.base import Profile, Token
from sync.connectors.registry import open_transport
from sync.connectors.salesforce.connector import SalesforceConnector
from sync.connectors.servicenow.connector import ServiceNowConnector
from sync.core.records import Side
from sync.errors import AuthenticationError, ConfigurationError, RateLimitError
from sync.sandbox.pair import Pair

from .conftest import Observed

OpenServiceNow = Callable[..., ServiceNowConnector]
OpenSalesforce = Callable[..., SalesforceConnector]
CALLBACK = "http://localhost:8000/oauth/callback/"


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, passphrase: str = "") -> str:
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def public_pem() -> str:
    return key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def set_up(pair: Pair, **changes: object) -> None:
    org = pair.salesforce.platform
    org.app = replace(org.app, public_key=public_pem(), **changes)  # type: ignore[arg-type]


def jwt_secrets(pair: Pair, side: str) -> dict[str, str]:
    held = getattr(pair.credentials, side)
    return {"client_id": held.client_id, "client_secret": held.client_secret, "private_key": pem(key())}


# JWT bearer


def test_salesforce_lets_us_in_by_an_assertion_in_its_own_time(
    pair: Pair, open_salesforce: OpenSalesforce
) -> None:
    set_up(pair)
    pair.salesforce.skew_clock(timedelta(hours=-3))

    assert (
        open_salesforce(auth="oauth_jwt_bearer", secrets=jwt_secrets(pair, "salesforce")).count("Case", "")
        == 0
    )


def test_servicenow_lets_us_in_by_an_assertion_in_its_own_time(
    pair: Pair, open_servicenow: OpenServiceNow
) -> None:
    client_id = pair.credentials.servicenow.client_id
    pair.servicenow.platform.tokens.assertions.trust(client_id, public_pem())
    pair.servicenow.skew_clock(timedelta(hours=3))
    connector = open_servicenow(
        auth="oauth_jwt_bearer", secrets=jwt_secrets(pair, "servicenow"), key_id="console-1"
    )
    connector.count("incident", "")
    pair.servicenow.expire_tokens()

    assert connector.count("incident", "") == 0  # with a jti of its own


@pytest.mark.parametrize(
    ("broken", "code", "advised"),
    [
        ({"preauthorised": False}, "invalid_grant", "pre-authorized"),
        ({"audience": "https://acme.example"}, "invalid_grant", "audience"),
        ({"client_id": "another"}, "invalid_client_id", "client ID"),
        ({"private_key": "another"}, "invalid_grant", "certificate"),
    ],
)
def test_a_refused_assertion_says_which_setting_of_the_app_is_wrong(
    pair: Pair, open_salesforce: OpenSalesforce, broken: dict[str, str], code: str, advised: str
) -> None:
    set_up(pair, preauthorised="preauthorised" not in broken)
    secrets = jwt_secrets(pair, "salesforce")
    if "client_id" in broken:
        secrets["client_id"] = broken["client_id"]
    if "private_key" in broken:
        secrets["private_key"] = pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))

    with pytest.raises(AuthenticationError) as caught:
        open_salesforce(auth="oauth_jwt_bearer", secrets=secrets, audience=broken.get("audience", "")).count(
            "Case", ""
        )

    assert caught.value.code == code
    assert advised in caught.value.advice


def test_servicenow_says_one_thing_for_all_and_the_method_says_what_to_check(
    pair: Pair, open_servicenow: OpenServiceNow
) -> None:
    with pytest.raises(AuthenticationError, match="access_denied") as caught:
        open_servicenow(auth="oauth_jwt_bearer", secrets=jwt_secrets(pair, "servicenow")).count(
            "incident", ""
        )

    assert "JWT verifier map" in caught.value.advice


@pytest.mark.parametrize(
    ("url", "chosen", "expected"),
    [
        ("https://acme.my.salesforce.com", "", "https://login.salesforce.com"),
        ("https://acme--dev.sandbox.my.salesforce.com", "", "https://test.salesforce.com"),
        ("https://test.salesforce.com", "", "https://test.salesforce.com"),
        (
            "https://acme.my.salesforce.com",
            "https://acme.my.salesforce.com",
            "https://acme.my.salesforce.com",
        ),
    ],
)
def test_the_audience_follows_the_address_unless_it_is_chosen(url: str, chosen: str, expected: str) -> None:
    assert audience(Profile("acme", Side.SALESFORCE, url, "oauth_jwt_bearer", audience=chosen)) == expected


def test_a_key_is_taken_as_files_and_as_environments_hold_it() -> None:
    text = pem(key())

    for held in (text, f"\n{text}\n", text.replace("\n", "\\n")):
        assert checked_private_key(held).private_numbers() == key().private_numbers()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s3cret", "no whole PEM text"),
        (pem(key(), "s3cret"), "passphrase"),
        (public_pem(), "public half"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "not an RSA key"),
        (pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)), "1024 bits"),
        (pem(key())[:400] + "\n-----END PRIVATE KEY-----", "damaged"),
    ],
    ids=["no-pem", "passphrase", "public", "ec", "short", "cut"],
)
def test_a_key_that_cannot_sign_is_told_without_a_word_of_it(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        checked_private_key(text)

    assert caught.value.code == "bad_private_key"
    assert "s3cret" not in f"{caught.value}{caught.value.advice}"
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_too_many_logins_within_the_hour_are_waited_for_not_mended(
    pair: Pair, salesforce_profile: Callable[..., Profile]
) -> None:
    pair.salesforce.platform.dialect = replace(pair.salesforce.platform.dialect, logins_per_hour=0)

    with transport(salesforce_profile()) as there, pytest.raises(RateLimitError, match="login rate"):
        client_credentials(there, None)


# Refresh tokens


def approved(pair: Pair, profile: Profile) -> Token:
    """What a person's approval was worth, the browser's part left out."""
    if profile.system is Side.SALESFORCE:
        code = pair.salesforce.platform.approvals.issue_code(profile.username, CALLBACK, "")
    else:
        from sync.sandbox.servicenow.codes import Code

        platform = pair.servicenow.platform
        user = platform.tokens.user_named(profile.username)
        assert user is not None
        expires = platform.now() + timedelta(seconds=60)
        code = platform.tokens.codes.issue(Code(profile.secrets["client_id"], CALLBACK, user[0], expires))
    with transport(profile) as there:
        return exchange(there, code=code, verifier="", redirect_uri=CALLBACK)


@contextmanager
def transport(profile: Profile) -> Iterator[object]:
    opened = open_transport(profile, lambda call: None)
    try:
        yield opened
    finally:
        opened.close()


def test_a_rotated_refresh_token_outranks_the_configured_one(
    pair: Pair, salesforce_profile: Callable[..., Profile], open_salesforce: OpenSalesforce
) -> None:
    set_up(pair, rotates_refresh_tokens=True)
    first = approved(pair, salesforce_profile()).refresh_token
    held = salesforce_profile().secrets | {"refresh_token": first}
    tokens = InMemoryTokenStore()
    for _ in range(3):  # each login gives another, and ends the one before it
        open_salesforce(auth="oauth_refresh_token", secrets=held, tokens=tokens).count("Case", "")
        pair.salesforce.expire_tokens()

    newest = tokens.load()
    assert newest is not None
    assert newest.refresh_token not in ("", first)
    with pytest.raises(AuthenticationError) as caught:
        open_salesforce(auth="oauth_refresh_token", secrets=held).count("Case", "")
    assert "Enter a new one" in caught.value.advice


def test_a_refresh_token_that_is_not_answered_anew_stays(
    pair: Pair, servicenow_profile: Callable[..., Profile], open_servicenow: OpenServiceNow
) -> None:
    given = approved(pair, servicenow_profile())
    held = servicenow_profile().secrets | {"refresh_token": given.refresh_token}
    connector = open_servicenow(auth="oauth_refresh_token", secrets=held)
    for _ in range(2):
        pair.servicenow.expire_tokens()
        assert connector.count("incident", "") == 0


@pytest.mark.parametrize("side", ["servicenow", "salesforce"])
def test_a_revoked_approval_is_over_for_good_and_revoking_twice_is_no_error(
    pair: Pair,
    servicenow_profile: Callable[..., Profile],
    salesforce_profile: Callable[..., Profile],
    open_servicenow: OpenServiceNow,
    open_salesforce: OpenSalesforce,
    observed: Observed,
    side: str,
) -> None:
    make = servicenow_profile if side == "servicenow" else salesforce_profile
    token = approved(pair, make()).refresh_token
    with transport(make()) as there:
        revoke(there, token)
        revoke(there, token)
    held = make().secrets | {"refresh_token": token}
    connector = (open_servicenow if side == "servicenow" else open_salesforce)(
        auth="oauth_authorization_code", secrets=held
    )

    getattr(pair, side).expire_tokens()
    with pytest.raises(AuthenticationError) as caught:
        connector.count("incident" if side == "servicenow" else "Case", "")

    assert "press Connect again" in caught.value.advice
    assert token not in " ".join(f"{call!r}{call.path}{call.request_body}" for call in observed.calls)


def test_a_connection_that_nobody_let_in_is_not_connected(open_salesforce: OpenSalesforce) -> None:
    with pytest.raises(ConfigurationError, match="Acme Salesforce is not connected") as caught:
        open_salesforce(auth="oauth_authorization_code")

    assert (caught.value.code, "press Connect" in caught.value.advice) == ("not_connected", True)
