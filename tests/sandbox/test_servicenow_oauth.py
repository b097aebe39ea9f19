import base64

import pytest

REFUSED = {"error_description": "access_denied", "error": "server_error"}


@pytest.fixture
def form(pair):
    demo = pair.credentials.servicenow
    return {
        "grant_type": "client_credentials",
        "client_id": demo.client_id,
        "client_secret": demo.client_secret,
    }


@pytest.fixture
def admin_form(pair, form):
    demo = pair.credentials.servicenow
    return {
        **form,
        "grant_type": "password",
        "username": demo.admin_username,
        "password": demo.admin_password,
    }


def token(client, form):
    answer = client.call("POST", "/oauth_token.do", data=form)
    return answer.status_code, answer.json()


def read(client, authorization):
    return client.call("GET", "/api/now/table/incident", headers={"Authorization": authorization})


def test_client_credentials_run_as_the_registrys_user(pair, anonymous, form):
    status, answer = token(anonymous, form)

    assert status == 200
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 1800
    assert "refresh_token" not in answer
    assert read(anonymous, f"Bearer {answer['access_token']}").status_code == 200
    assert pair.servicenow.counters.token_requests == 1


def test_a_live_token_comes_back_with_less_time_left(anonymous, form, clock):
    _, first = token(anonymous, form)
    clock.advance(seconds=600)
    _, second = token(anonymous, form)

    assert second["access_token"] == first["access_token"]
    assert second["expires_in"] == 1200


def test_an_expired_token_is_refused_and_a_new_one_follows(anonymous, form, clock):
    _, first = token(anonymous, form)
    clock.advance(seconds=1800)

    refusal = read(anonymous, f"Bearer {first['access_token']}")
    _, second = token(anonymous, form)

    assert refusal.status_code == 401
    assert refusal.json()["error"]["message"] == "User Not Authenticated"
    assert refusal.json()["status"] == "failure"
    assert second["access_token"] != first["access_token"]


def test_tokens_can_be_made_to_expire_at_once(pair, anonymous, form):
    _, answer = token(anonymous, form)

    assert pair.servicenow.expire_tokens() == 1
    assert read(anonymous, f"Bearer {answer['access_token']}").status_code == 401


def test_the_password_grant_logs_in_people_with_a_refresh_token(anonymous, admin_form, form, clock):
    _, answer = token(anonymous, admin_form)
    clock.advance(seconds=3600)
    refresh = {**form, "grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    status, refreshed = token(anonymous, refresh)

    assert status == 200
    assert refreshed["access_token"] != answer["access_token"]
    assert "refresh_token" not in refreshed


def test_the_password_grant_refuses_users_of_web_services_alone(pair, anonymous, form):
    demo = pair.credentials.servicenow
    wrong = {**form, "grant_type": "password", "username": demo.username, "password": demo.password}

    assert token(anonymous, wrong) == (401, REFUSED)


@pytest.mark.parametrize(
    "change",
    [
        {"client_secret": "wrong"},
        {"client_id": "unknown"},
        {"grant_type": "magic"},
        {"password": "wrong"},
        {"username": "nobody"},
    ],
)
def test_every_oauth_failure_says_the_same(anonymous, admin_form, change):
    assert token(anonymous, {**admin_form, **change}) == (401, REFUSED)


def test_parameters_count_in_a_form_body_alone(anonymous, form):
    as_json = anonymous.call("POST", "/oauth_token.do", json=form)
    as_query = anonymous.call("POST", "/oauth_token.do", params=form)

    assert (as_json.status_code, as_query.status_code) == (401, 401)


def test_basic_authentication_works_for_the_web_service_user(pair, api, anonymous):
    assert api.call("GET", "/api/now/table/incident").status_code == 200
    wrong = base64.b64encode(b"sync.user:wrong").decode()
    answer = read(anonymous, f"Basic {wrong}")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert read(anonymous, "").status_code == 401


def test_a_deactivated_user_is_shut_out_with_a_live_token(pair, anonymous, form):
    _, answer = token(anonymous, form)
    user = pair.servicenow.rows("sys_user", user_name="sync.user")[0]
    pair.servicenow.edit("sys_user", user["sys_id"], active="false")

    assert read(anonymous, f"Bearer {answer['access_token']}").status_code == 401
    assert token(anonymous, form) == (401, REFUSED)
