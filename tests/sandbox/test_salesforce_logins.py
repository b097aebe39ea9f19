"""The other ways in: JWT bearer, authorization code with PKCE, refresh token, SOAP; and the end of a token."""

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceAuthenticationFailed

from sync.sandbox.wire import Request
from tests.sandbox.salesforce_org import BASE, InProcess, served

CALLBACK = "https://localhost:8000/oauth/callback/"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(key):
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def private_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def org(key):
    org = InProcess()
    org.platform.app = replace(org.platform.app, public_key=public_pem(key), approves_itself=True)
    return org


def assert_refused(answer, error, text):
    assert answer.status == 400
    assert answer.data() == {"error": error, "error_description": text}


def set_up(org, **settings):
    org.platform.app = replace(org.platform.app, **settings)


# JWT bearer


def assertion(org, key, **claims):
    now = int(org.clock.now().timestamp())
    claims = {
        "iss": org.credentials.client_id,
        "sub": org.credentials.username,
        "aud": "https://login.salesforce.com",
        "exp": str(now + 180),
        **claims,
    }
    return jwt.encode(claims, key, algorithm="RS256")


def bear(org, key, **claims):
    return org.login(grant_type=JWT_BEARER, assertion=assertion(org, key, **claims))


def test_a_signed_assertion_needs_no_secret_and_brings_no_refresh_token(org, key):
    answer = bear(org, key).data()
    assert set(answer) == {"access_token", "scope", "instance_url", "id", "token_type"}
    org.token = answer["access_token"]
    assert org.call("GET", f"{BASE}/limits").status == 200


@pytest.mark.parametrize(
    ("claims", "error", "text"),
    [
        ({"iss": "x"}, "invalid_client_id", "client identifier invalid"),
        ({"aud": "https://example.com"}, "invalid_grant", "audience is invalid"),
        ({"exp": "1"}, "invalid_grant", "expired authorization code"),
        ({"sub": "abel.tuter@acme.example"}, "invalid_grant", "user hasn't approved this consumer"),
    ],
)
def test_an_assertion_that_says_something_wrong_is_refused(org, key, claims, error, text):
    assert_refused(bear(org, key, **claims), error, text)


def test_an_assertion_that_another_key_signed_is_refused(org):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert_refused(bear(org, other), "invalid_grant", "invalid assertion")
    assert_refused(org.login(grant_type=JWT_BEARER), "invalid_grant", "invalid assertion")


def test_a_user_must_have_approved_an_app_that_no_administrator_did(org, key):
    set_up(org, preauthorised=False)
    assert_refused(bear(org, key), "invalid_grant", "user hasn't approved this consumer")
    connect(org)
    assert bear(org, key).status == 200


# Authorization code and refresh token


def authorize(org, method="GET", **asked):
    asked = {
        "response_type": "code",
        "client_id": org.credentials.client_id,
        "redirect_uri": CALLBACK,
        "state": "s t&te",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | asked
    target = "/services/oauth2/authorize"
    if method == "POST":
        return org.platform.handle(Request.build("POST", target, body=urlencode(asked).encode()))
    return org.platform.handle(Request.build("GET", f"{target}?{urlencode(asked)}"))


def said(response):
    assert response.status == 302, response.body
    return {
        name: values[0] for name, values in parse_qs(urlsplit(response.headers["Location"]).query).items()
    }


def redeem(org, code, **more):
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    return org.login(**org.client_credentials() | form | {"code_verifier": VERIFIER} | more)


def connect(org):
    return redeem(org, said(authorize(org))["code"]).data()


def refresh(org, token, **more):
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return org.login(**org.client_credentials() | form | more)


def test_a_code_brings_an_access_and_a_refresh_token_once(org):
    answer = said(authorize(org))
    assert answer["state"] == "s t&te"
    tokens = redeem(org, answer["code"]).data()
    assert {"access_token", "refresh_token"} <= set(tokens)
    assert_refused(redeem(org, answer["code"]), "invalid_grant", "invalid authorization code")


def test_a_code_ends_after_fifteen_minutes(org):
    code = said(authorize(org))["code"]
    org.clock.advance(seconds=900)
    assert_refused(redeem(org, code), "invalid_grant", "expired authorization code")


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"code_verifier": "w" * 64}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"redirect_uri": "https://localhost:8000/"}, "redirect_uri_mismatch"),
        ({"client_secret": ""}, "invalid_client"),
    ],
)
def test_a_code_is_worth_nothing_to_somebody_else(org, more, error):
    assert redeem(org, said(authorize(org))["code"], **more).data()["error"] == error


def test_a_public_client_needs_no_secret_where_the_app_allows_it(org):
    set_up(org, secret_required=False)
    assert redeem(org, said(authorize(org))["code"], client_secret="").status == 200


def test_the_authorize_page_refuses_before_it_redirects_anywhere_unknown(org):
    for asked in ({"redirect_uri": "https://evil.example/"}, {"client_id": "x"}):
        response = authorize(org, **asked)
        assert (response.status, "Location" in response.headers) == (400, False)
    assert said(authorize(org, response_type="token"))["error"] == "unsupported_response_type"
    assert said(authorize(org, code_challenge_method="plain"))["error"] == "invalid_request"
    set_up(org, pkce_required=True)
    assert said(authorize(org, code_challenge=""))["error"] == "invalid_request"


def test_a_person_logs_in_and_allows_or_denies(org):
    set_up(org, approves_itself=False)
    page = authorize(org, state='"><script>')
    assert page.status == 200
    assert b"<form" in page.body
    assert b"<script>" not in page.body
    person = {"username": org.credentials.username, "password": org.credentials.password}
    assert authorize(org, "POST", **person | {"password": "wrong"}).status == 200
    assert said(authorize(org, "POST", **person, decision="deny"))["error"] == "access_denied"
    assert redeem(org, said(authorize(org, "POST", **person, decision="allow"))["code"]).status == 200


def test_a_refresh_token_brings_new_access_and_stays(org):
    token = connect(org)["refresh_token"]
    org.platform.expire_tokens()
    answer = refresh(org, token).data()
    assert "refresh_token" not in answer
    org.token = answer["access_token"]
    assert org.call("GET", f"{BASE}/limits").status == 200
    assert refresh(org, token).status == 200


def test_a_rotated_refresh_token_is_good_once(org):
    set_up(org, rotates_refresh_tokens=True)
    first = connect(org)["refresh_token"]
    second = refresh(org, first).data()["refresh_token"]
    assert_refused(refresh(org, first), "invalid_grant", "expired access/refresh token")
    assert refresh(org, second).status == 200


# The worth and the end of a token


def tokens(org, what, **form):
    body = urlencode(org.client_credentials() | form).encode()
    return org.platform.handle(Request.build("POST", f"/services/oauth2/{what}", body=body))


def test_introspection_tells_whose_a_token_is_and_until_when(org):
    org.clock.advance(seconds=60)
    answer = tokens(org, "introspect", token=org.token).data()
    now = int(org.clock.now().timestamp())
    assert (answer["active"], answer["username"]) == (True, org.credentials.username)
    assert (answer["iat"], answer["exp"]) == (now - 60, now - 60 + 7200)
    assert tokens(org, "introspect", token="x").data() == {"active": False}
    assert tokens(org, "introspect", token=org.token, client_secret="x").status == 401


def test_a_revoked_token_ends_and_a_refresh_token_takes_its_access_along(org):
    answer = connect(org)
    assert tokens(org, "revoke", token=answer["refresh_token"]).status == 200
    assert tokens(org, "introspect", token=answer["access_token"]).data() == {"active": False}
    assert refresh(org, answer["refresh_token"]).status == 400
    assert_refused(tokens(org, "revoke", token="x"), "invalid_token", "invalid token")


# Clients of others


class ToSandbox(HTTPAdapter):
    """Sends what a client addresses to Salesforce's own login host to the sandbox instead."""

    def __init__(self, url):
        super().__init__()
        self.url = url

    def send(self, request, **more):
        parts = urlsplit(request.url)
        request.url = self.url + parts.path + (f"?{parts.query}" if parts.query else "")
        return super().send(request, **more)


@pytest.fixture
def running(tmp_path, key):
    with served(tmp_path) as org:
        org.session.mount("https://login.salesforce.com", ToSandbox(org.server.url))
        org.platform.app = replace(org.platform.app, public_key=public_pem(key))
        yield org


def demo(running):
    credentials = running.platform.credentials
    return {"username": credentials.username, "session": running.session}


def test_simple_salesforce_logs_in_by_soap(running):
    credentials = running.platform.credentials
    client = Salesforce(
        **demo(running), password=credentials.password, security_token=credentials.security_token
    )
    assert client.limits()["DailyApiRequests"]["Max"] == 100_000


@pytest.mark.parametrize(
    ("right", "token", "version", "code"),
    [
        (False, "x", "59.0", "INVALID_LOGIN"),
        (True, "", "59.0", "LOGIN_MUST_USE_SECURITY_TOKEN"),
        (True, "x", "65.0", "UNSUPPORTED_API_VERSION"),
    ],
)
def test_simple_salesforce_reads_the_fault_of_a_refused_login(running, right, token, version, code):
    password = running.platform.credentials.password if right else "wrong & <worse>"
    with pytest.raises(SalesforceAuthenticationFailed) as caught:
        Salesforce(**demo(running), password=password, security_token=token, version=version)
    assert caught.value.code == code


def test_simple_salesforce_logs_in_by_jwt(running, key):
    # The library signs with the machine's time.
    running.platform.clock.offset += datetime.now(UTC) - running.platform.clock.now()
    client = Salesforce(
        **demo(running),
        consumer_key=running.platform.credentials.client_id,
        privatekey=private_pem(key),
    )
    assert client.query("SELECT Id FROM Case")["totalSize"] == 0
