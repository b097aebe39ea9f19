from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sync.sandbox.servicenow.codes import s256

REFUSED = {"error_description": "access_denied", "error": "server_error"}
BACK = "http://127.0.0.1:8000/oauth/callback/"
VERIFIER = "a-verifier-of-at-least-forty-three-characters-in-length"


@pytest.fixture
def form(pair):
    demo = pair.credentials.servicenow
    return {"client_id": demo.client_id, "client_secret": demo.client_secret}


@pytest.fixture
def asked(pair):
    return {
        "response_type": "code",
        "client_id": pair.credentials.servicenow.client_id,
        "redirect_uri": BACK,
        "state": "s1&x",
        "code_challenge": s256(VERIFIER),
        "code_challenge_method": "S256",
    }


@pytest.fixture
def key(pair):
    """A private key whose public half the client's registry entry trusts."""
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    pair.servicenow.platform.tokens.assertions.trust(pair.credentials.servicenow.client_id, public.decode())
    return private


@pytest.fixture
def claims(pair, clock):
    client_id = pair.credentials.servicenow.client_id
    return {
        "iss": client_id,
        "aud": client_id,
        "sub": "sync.user",
        "exp": int(clock.now().timestamp()) + 60,
        "jti": "first",
    }


def token(client, **form):
    answer = client.call("POST", "/oauth_token.do", data=form)
    return answer.status_code, answer.json()


def bearer(client, form, key, claims):
    assertion = jwt.encode(claims, key, algorithm="ES256")
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    return token(client, **form, grant_type=grant, assertion=assertion)


def read(client, access_token):
    headers = {"Authorization": f"Bearer {access_token}"}
    return client.call("GET", "/api/now/table/incident", headers=headers).status_code


def allow(pair, client, asked, **more):
    """What the browser sends when a person logs in and presses Allow; the parameters it comes back with."""
    demo = pair.credentials.servicenow
    login = {"user_name": demo.admin_username, "user_password": demo.admin_password, "decision": "allow"}
    answer = client.call("POST", "/oauth_auth.do", data={**asked, **login, **more}, allow_redirects=False)
    assert answer.status_code == 302, answer.text
    return parse_qs(urlsplit(answer.headers["Location"]).query)


def redeem(client, form, code, **more):
    given = {"grant_type": "authorization_code", "redirect_uri": BACK, "code_verifier": VERIFIER}
    return token(client, **form, **{**given, "code": code, **more})


def test_a_signed_assertion_logs_in_its_subject(anonymous, form, key, claims):
    status, answer = bearer(anonymous, form, key, claims)

    assert (status, answer["token_type"]) == (200, "Bearer")
    assert "refresh_token" not in answer
    assert read(anonymous, answer["access_token"]) == 200


def test_the_subject_may_be_an_e_mail_address(anonymous, form, key, claims):
    status, _ = bearer(anonymous, form, key, {**claims, "sub": "sync.user@acme.example"})

    assert status == 200


def test_an_assertion_counts_once(anonymous, form, key, claims):
    assert bearer(anonymous, form, key, claims)[0] == 200
    assert bearer(anonymous, form, key, claims) == (401, REFUSED)
    assert bearer(anonymous, form, key, {**claims, "jti": "second"})[0] == 200


def test_an_assertion_ends_by_the_platforms_clock_to_the_second(anonymous, form, key, claims, clock):
    clock.advance(seconds=60)

    assert bearer(anonymous, form, key, claims) == (401, REFUSED)


@pytest.mark.parametrize(
    "change", [{"iss": "other"}, {"aud": "other"}, {"sub": "nobody"}, {"jti": None}, {"exp": None}]
)
def test_an_assertion_with_a_wrong_or_missing_claim_is_refused(anonymous, form, key, claims, change):
    changed = {name: value for name, value in {**claims, **change}.items() if value is not None}

    assert bearer(anonymous, form, key, changed) == (401, REFUSED)


def test_an_assertion_under_a_key_nobody_uploaded_is_refused(anonymous, form, key, claims):
    assert bearer(anonymous, form, ec.generate_private_key(ec.SECP256R1()), claims) == (401, REFUSED)


def test_a_shared_key_signs_too(pair, anonymous, form, claims):
    shared = "a shared key of at least 32 bytes"
    pair.servicenow.platform.tokens.assertions.trust_shared(form["client_id"], shared)
    assertion = jwt.encode(claims, shared, algorithm="HS256")
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"

    assert token(anonymous, **form, grant_type=grant, assertion=assertion)[0] == 200


def test_an_assertion_may_come_in_a_header_as_pysnc_sends_it(anonymous, form, key, claims):
    data = {**form, "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}
    headers = {"Authentication": f"Bearer {jwt.encode(claims, key, algorithm='ES256')}"}
    answer = anonymous.call("POST", "/oauth_token.do", data=data, headers=headers)

    assert read(anonymous, answer.json()["access_token"]) == 200


def test_a_person_who_allows_a_client_sends_it_back_with_a_code_and_its_state(pair, anonymous, form, asked):
    page = anonymous.call("GET", "/oauth_auth.do", params=asked)
    back = allow(pair, anonymous, asked)
    status, answer = redeem(anonymous, form, back["code"][0])

    assert (page.status_code, "Allow" in page.text) == (200, True)
    assert back["state"] == ["s1&x"]
    assert status == 200
    assert answer["refresh_token"]
    assert read(anonymous, answer["access_token"]) == 200


def test_a_code_is_redeemed_once_and_within_a_minute(pair, anonymous, form, asked, clock):
    used, late = (allow(pair, anonymous, asked)["code"][0] for _ in range(2))

    assert redeem(anonymous, form, used)[0] == 200
    assert redeem(anonymous, form, used) == (401, REFUSED)
    clock.advance(seconds=60)
    assert redeem(anonymous, form, late) == (401, REFUSED)


@pytest.mark.parametrize(
    "change", [{"code_verifier": "stolen"}, {"code_verifier": ""}, {"redirect_uri": "http://127.0.0.1/"}]
)
def test_a_code_is_worth_nothing_without_its_verifier_and_address(pair, anonymous, form, asked, change):
    code = allow(pair, anonymous, asked)["code"][0]

    assert redeem(anonymous, form, code, **change) == (401, REFUSED)


def test_a_person_who_denies_sends_the_client_back_without_a_code(pair, anonymous, asked):
    assert allow(pair, anonymous, asked, decision="deny") == {"error": ["access_denied"], "state": ["s1&x"]}


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "unknown"},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": "http://evil.example\\@127.0.0.1/"},
        {"redirect_uri": "http://127.0.0.1/#fragment"},
        {"redirect_uri": "http://127.0.0.1/\r\nSet-Cookie: a=b"},
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
    ],
)
def test_a_request_that_is_not_as_registered_is_never_redirected(anonymous, asked, change):
    answer = anonymous.call("GET", "/oauth_auth.do", params={**asked, **change}, allow_redirects=False)

    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_users_of_web_services_alone_cannot_allow_anything(pair, anonymous, asked):
    demo = pair.credentials.servicenow
    login = {"user_name": demo.username, "user_password": demo.password, "decision": "allow"}
    answer = anonymous.call("POST", "/oauth_auth.do", data={**asked, **login}, allow_redirects=False)

    assert (answer.status_code, "invalid" in answer.text) == (401, True)


def test_the_login_page_repeats_what_was_asked_as_text(anonymous, asked):
    page = anonymous.call("GET", "/oauth_auth.do", params={**asked, "state": '"><script>'})

    assert "<script>" not in page.text
    assert "&quot;&gt;&lt;script&gt;" in page.text


@pytest.mark.parametrize("path", ["/oauth_revoke_token.do", "/oauth_revoke.do"])
def test_a_revoked_token_is_refused_at_once(anonymous, form, path):
    _, answer = token(anonymous, **form, grant_type="client_credentials")
    revoked = anonymous.call("POST", path, params={"token": answer["access_token"]})

    assert revoked.status_code == 200
    assert read(anonymous, answer["access_token"]) == 401


def test_a_revoked_refresh_token_logs_nobody_in(pair, anonymous, form, asked):
    _, answer = redeem(anonymous, form, allow(pair, anonymous, asked)["code"][0])
    refresh = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    before = token(anonymous, **form, **refresh)[0]
    anonymous.call("POST", "/oauth_revoke.do", data={"token": answer["refresh_token"]})

    assert before == 200
    assert token(anonymous, **form, **refresh) == (401, REFUSED)
