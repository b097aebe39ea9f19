"""Logins, sessions, versions and the call budget."""

import base64

import pytest

from sync.sandbox.wire import Request
from tests.sandbox.salesforce_org import BASE, InProcess, refusal


@pytest.fixture
def org():
    return InProcess()


def test_a_token_answer_has_the_platforms_keys_and_no_life_time(org):
    answer = org.login().data()
    user_id = org.user("sync.user@acme.example")
    assert set(answer) == {
        "access_token", "signature", "scope", "instance_url", "id", "token_type", "issued_at",
    }  # fmt: skip
    assert answer["id"] == f"{org.platform.url}/id/{org.platform.org_id}/{user_id}"
    assert answer["access_token"].startswith(org.platform.org_id[:15] + "!")
    assert answer["issued_at"] == str(int(org.clock.now().timestamp() * 1000))


def test_the_client_may_name_itself_by_http_basic(org):
    pair = f"{org.credentials.client_id}:{org.credentials.client_secret}".encode()
    request = Request.build(
        "POST",
        "/services/oauth2/token",
        headers={"Authorization": "Basic " + base64.b64encode(pair).decode()},
        body=b"grant_type=client_credentials",
    )
    assert org.platform.handle(request).status == 200


def test_the_password_grant_wants_the_security_token_too(org):
    form = org.client_credentials() | {"grant_type": "password", "username": org.credentials.username}
    right = org.credentials.password + org.credentials.security_token
    assert org.login(**form, password=right).status == 200
    assert org.login(**form, password=org.credentials.password).data()["error"] == "invalid_grant"


def test_a_blocked_password_grant_looks_like_a_wrong_password(org):
    org.turn(password_grant=False)
    right = org.credentials.password + org.credentials.security_token
    form = org.client_credentials() | {"grant_type": "password", "username": org.credentials.username}
    answer = org.login(**form, password=right)
    assert answer.data() == {"error": "invalid_grant", "error_description": "authentication failure"}


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"client_id": "x"}, "invalid_client_id"),
        ({"client_secret": "x"}, "invalid_client"),
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
    ],
)
def test_a_refused_login_is_an_object_with_status_400(org, wrong, error):
    answer = org.login(**(org.client_credentials() | wrong))
    assert (answer.status, answer.data()["error"]) == (400, error)


def test_logins_are_limited_by_the_hour(org):
    org.turn(logins_per_hour=3)
    assert [org.login().status for _ in range(3)] == [200, 200, 400]
    org.clock.advance(seconds=3601)
    assert org.login().status == 200


def test_the_same_user_gets_the_same_session_unless_the_org_says_otherwise(org):
    assert org.login().data()["access_token"] == org.token
    org.turn(reuses_sessions=False)
    assert org.login().data()["access_token"] != org.token


def test_a_session_ends_after_its_time_without_use(org):
    org.turn(session_seconds=900)
    org.clock.advance(seconds=899)
    assert org.call("GET", f"{BASE}/limits").status == 200
    org.clock.advance(seconds=899)
    assert org.call("GET", f"{BASE}/limits").status == 200
    org.clock.advance(seconds=900)
    assert refusal(org.call("GET", f"{BASE}/limits")) == (401, "INVALID_SESSION_ID")


def test_expired_tokens_are_refused_until_the_next_login(org):
    assert org.platform.expire_tokens() == 1
    response = org.call("GET", f"{BASE}/limits")
    assert response.status == 401
    assert response.data() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    assert "Sforce-Limit-Info" not in response.headers
    org.log_in()
    assert org.call("GET", f"{BASE}/limits").status == 200


def test_userinfo_says_who_the_token_is(org):
    info = org.call("GET", "/services/oauth2/userinfo").data()
    assert info["preferred_username"] == "sync.user@acme.example"
    assert info["organization_id"] == org.platform.org_id
    org.platform.expire_tokens()
    refused = org.call("GET", "/services/oauth2/userinfo")
    assert (refused.status, refused.body) == (403, b"Bad_OAuth_Token")


def test_every_answer_says_how_much_of_the_day_is_used(org):
    org.turn(daily_api_requests=5)
    first = org.call("GET", f"{BASE}/limits")
    assert first.headers["Sforce-Limit-Info"] == "api-usage=1/5"
    assert first.data()["DailyApiRequests"] == {"Max": 5, "Remaining": 4}


def test_a_spent_day_refuses_until_the_oldest_calls_are_a_day_old(org):
    org.platform.spend_budget({"remaining": 1})
    assert org.call("GET", f"{BASE}/limits").status == 200
    assert refusal(org.call("GET", f"{BASE}/limits")) == (403, "REQUEST_LIMIT_EXCEEDED")
    org.clock.advance(seconds=24 * 3600 + 60)
    org.log_in()
    assert org.call("GET", f"{BASE}/limits").status == 200


def test_versions_are_listed_without_a_token(org):
    org.platform.expire_tokens()
    listed = org.call("GET", "/services/data/").data()
    assert {"label": "Spring '26", "url": "/services/data/v66.0", "version": "66.0"} in listed
    assert listed[-1]["label"] == "Winter '27"


@pytest.mark.parametrize(
    ("version", "status"), [("v67.0", 200), ("v30.0", 410), ("v99.0", 404), ("v67", 404)]
)
def test_only_living_versions_answer(org, version, status):
    assert org.call("GET", f"/services/data/{version}/limits").status == status


def test_an_unknown_path_is_a_missing_resource(org):
    assert refusal(org.call("GET", f"{BASE}/nothing/here")) == (404, "NOT_FOUND")
