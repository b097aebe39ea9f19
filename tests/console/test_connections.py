"""Connections in the console: each method's form, and Connect from the button to the token and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sync import approval, services
from sync.engine.connect import open_connector
from sync.errors import ConfigurationError
from sync.models import AuditEntry, Connection, ConnectionToken, Question
from sync.questions import answer
from sync.sandbox.pair import Pair, start_pair

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")
HOST = "localhost:8000"
CALLBACK = f"http://{HOST}/oauth/callback/"
CONFIRMED = {"_form_submitted": "on"}


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair() as running:
        org = running.salesforce.platform
        org.app = replace(org.app, approves_itself=True)
        yield running


@pytest.fixture
def administrator(db) -> Client:
    call_command("createcachetable", verbosity=0)
    return logged_in("alice")


def logged_in(name: str) -> Client:
    user = User.objects.create_user(name, password="correct horse", is_staff=True)
    user.groups.add(Group.objects.get(name="administrator"))
    client = Client(HTTP_HOST=HOST)
    client.force_login(user)
    return client


def make(
    pair: Pair, system: str = "salesforce", auth: str = "oauth_authorization_code", **more: str
) -> Connection:
    side, held = getattr(pair, system), getattr(pair.credentials, system)
    connection = Connection.objects.create(
        name=f"acme-{system}", system=system, url=side.url, auth=auth, ca_bundle=str(pair.ca_file)
    )
    given = {"client_id": held.client_id, "client_secret": held.client_secret, **more}
    services.set_secrets(connection=connection, secrets=given, by=None)
    return Connection.objects.get(pk=connection.pk)


def action_url(connection: Connection, name: str) -> str:
    return reverse(f"admin:sync_connection_{name}", args=[connection.pk])


def press_connect(client: Client, connection: Connection) -> str:
    """Confirm the dialog and follow to the page that names where to go; returns the platform's address."""
    page = client.post(action_url(connection, "connect"), CONFIRMED, follow=True)
    assert page.redirect_chain == [(reverse("oauth_leave"), 302)]
    return page.context["url"]


def allow(pair: Pair, url: str, **form: str) -> str:
    """What the person does over there; returns the path and query that the browser is sent back to."""
    session = requests.Session()
    session.trust_env = False
    if "service-now" in url or "oauth_auth.do" in url:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        target = f"{pair.servicenow.url}/oauth_auth.do"
        reply = session.post(
            target, {**asked, **form}, verify=str(pair.ca_file), allow_redirects=False, timeout=10
        )
    else:
        reply = session.get(url, verify=str(pair.ca_file), allow_redirects=False, timeout=10)
    back = reply.headers["Location"]
    assert back.startswith(CALLBACK)
    return back.removeprefix(f"http://{HOST}")


def stored(connection: Connection) -> Connection:
    return Connection.objects.get(pk=connection.pk)


def findings(connection: Connection) -> dict[str, str]:
    asked = services.test_connection(connection=connection, by=None, enqueue=False)
    return {line["code"]: line["status"] for line in answer(asked.pk).answer["findings"]}


def test_a_fault_of_our_own_is_an_answer_too_and_no_page_waits_for_ever(administrator, pair, caplog):
    connection = make(pair, auth="oauth_client_credentials")
    Connection.objects.update(system="teapot")

    assert findings(connection) == {"internal": "error"}
    assert Question.objects.get().state == "failed"
    assert stored(connection).health == "failing"
    assert "'teapot' is not a valid Side" in caplog.text
    assert pair.credentials.salesforce.client_secret not in caplog.text


# Connect


def test_a_person_lets_the_console_into_salesforce_and_it_stays_in(administrator, pair):
    connection = make(pair)
    page = administrator.get(action_url(connection, "change")).content.decode()
    assert "not connected" in page
    assert CALLBACK in page

    back = administrator.get(allow(pair, press_connect(administrator, connection)), follow=True)

    assert f"acme-salesforce is connected as {pair.credentials.salesforce.username}" in back.content.decode()
    held = approval.status(stored(connection))
    assert (held.user, held.by) == (pair.credentials.salesforce.username, "alice")
    assert Question.objects.get().asked_by.username == "alice"
    pair.salesforce.expire_tokens()
    with_token = open_connector(stored(connection))
    assert with_token.count("Case", "") == 0
    with_token.close()
    assert findings(stored(connection))["authenticated"] == "ok"
    actions = AuditEntry.objects.filter(actor_name="alice", action__startswith="connection.").values_list(
        "action", flat=True
    )
    assert list(actions.order_by("number"))[:2] == ["connection.connect_begun", "connection.connected"]


def test_a_person_lets_the_console_into_servicenow(administrator, pair):
    connection, held = make(pair, "servicenow"), pair.credentials.servicenow
    url = press_connect(administrator, connection)
    back = allow(
        pair, url, user_name=held.admin_username, user_password=held.admin_password, decision="allow"
    )
    page = administrator.get(back, follow=True).content.decode()

    assert f"acme-servicenow is connected as {held.admin_username}" in page
    pair.servicenow.expire_tokens()
    assert findings(stored(connection))["authenticated"] == "ok"


def test_nothing_of_the_approval_is_readable_in_the_database_or_the_log(administrator, pair, caplog):
    connection = make(pair)
    back = allow(pair, press_connect(administrator, connection))
    code = parse_qs(urlsplit(back).query)["code"][0]
    administrator.get(back, follow=True)

    secrets = [
        stored(connection).secrets["refresh_token"],
        ConnectionToken.objects.get().token["access_token"],
        code,
    ]
    kept = [list(model.objects.values()) for model in (Connection, ConnectionToken, AuditEntry, Question)]
    shown = f"{kept}{caplog.text}{administrator.get(action_url(connection, 'change')).content.decode()}"
    assert all(secrets)
    assert [secret for secret in secrets if secret in shown] == []


def test_the_verifier_lies_sealed_in_the_session(administrator, pair):
    url = press_connect(administrator, make(pair))
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    held = administrator.session["connection_approval"]

    assert (asked["code_challenge_method"], asked["redirect_uri"]) == ("S256", CALLBACK)
    assert asked["state"] == held["state"]
    assert held["verifier"].startswith("MQ")  # the mark of what is encrypted here
    assert asked["scope"] == "api refresh_token"


def test_an_answer_counts_once(administrator, pair):
    connection = make(pair)
    back = allow(pair, press_connect(administrator, connection))
    administrator.get(back)
    again = administrator.get(back)

    assert again.status_code == 400
    assert "belongs to no request of this browser" in again.content.decode()
    assert approval.status(stored(connection)) is not None


def test_of_two_that_answer_at_the_same_moment_one_is_taken(administrator, pair):
    press_connect(administrator, make(pair))
    alice, state = User.objects.get(username="alice"), administrator.session["connection_approval"]["state"]
    two_readings = [dict(administrator.session.items()) for _ in range(2)]
    said = []
    for session in two_readings:
        with pytest.raises(approval.Failed) as caught:
            approval.finish(by=alice, session=session, answer={"state": state, "error": "access_denied"})
        said.append(caught.value.code)

    assert said == ["access_denied", "used_state"]


def test_an_answer_to_another_browser_is_refused_and_costs_it_nothing(administrator, pair):
    connection = make(pair)
    back = allow(pair, press_connect(administrator, connection))
    mallory = logged_in("mallory")
    press_connect(mallory, connection)

    refused = mallory.get(back)
    assert refused.status_code == 400
    assert approval.status(stored(connection)) is None
    assert "connection_approval" in mallory.session
    administrator.get(back)
    assert approval.status(stored(connection)).by == "alice"


@pytest.mark.parametrize(
    ("change", "said"),
    [({"at": (timezone.now() - timedelta(hours=1)).isoformat()}, "older than 10 minutes"), ({"user": 0}, "somebody else")],
    ids=["late", "another-person"],
)  # fmt: skip
def test_a_request_ends_after_ten_minutes_and_with_its_person(administrator, pair, change, said):
    connection = make(pair)
    back = allow(pair, press_connect(administrator, connection))
    session = administrator.session
    session["connection_approval"] = {**session["connection_approval"], **change}
    session.save()

    reply = administrator.get(back)
    assert (reply.status_code, said in reply.content.decode()) == (400, True)
    assert approval.status(stored(connection)) is None


def test_a_person_who_denies_is_told_what_to_do_and_the_log_says_so(administrator, pair):
    connection = make(pair, "servicenow")
    reply = administrator.get(allow(pair, press_connect(administrator, connection), decision="deny"))

    page = reply.content.decode()
    assert "ServiceNow did not let the console in: access_denied" in page
    assert "choose Allow" in page
    assert AuditEntry.objects.get(action="connection.connect_failed").after == {"code": "access_denied"}


def test_a_wrong_client_secret_is_told_with_advice_and_nothing_is_kept(administrator, pair):
    connection = make(pair, client_secret="wrong")
    page = administrator.get(allow(pair, press_connect(administrator, connection))).content.decode()

    assert "Check the client secret of the app" in page
    assert "wrong" not in page
    assert approval.status(stored(connection)) is None
    assert AuditEntry.objects.get(action="connection.connect_failed").after == {"code": "invalid_client"}


def test_servicenow_which_gives_no_reason_is_told_with_what_to_check(administrator, pair):
    connection = make(pair, "servicenow", client_secret="wrong")
    held = pair.credentials.servicenow
    back = allow(
        pair, press_connect(administrator, connection),
        user_name=held.admin_username, user_password=held.admin_password, decision="allow",
    )  # fmt: skip

    assert "entry in the Application Registry" in administrator.get(back).content.decode()


def test_a_code_goes_to_no_other_address_than_the_one_that_gave_it(administrator, pair):
    connection = make(pair)
    back = allow(pair, press_connect(administrator, connection))
    Connection.objects.update(url=pair.servicenow.url)

    assert "The connection was changed meanwhile" in administrator.get(back).content.decode()
    assert pair.servicenow.counters.calls == 0
    Connection.objects.update(url=pair.salesforce.url)
    assert approval.status(stored(connection)) is None


def test_another_org_than_the_connection_knows_is_not_connected_and_is_taken_back(administrator, pair):
    connection = make(pair)
    Connection.objects.update(org_id="00D000000000999AAA")
    page = administrator.get(allow(pair, press_connect(administrator, connection))).content.decode()

    assert "its records were linked to 00D000000000999AAA" in page
    assert approval.status(stored(connection)) is None
    assert not pair.salesforce.platform.approvals.has_approved(pair.credentials.salesforce.username)


def test_who_may_not_change_connections_can_neither_begin_nor_finish(administrator, pair, as_role):
    connection = make(pair)
    operator = as_role("operator")
    assert operator.post(action_url(connection, "connect"), CONFIRMED).status_code == 403
    assert operator.get(reverse("oauth_callback"), {"state": "x", "code": "y"}).status_code == 403

    nobody = Client(HTTP_HOST=HOST).get(reverse("oauth_callback"), {"state": "x", "code": "y"})
    assert nobody.status_code == 403
    assert "press Connect again" in nobody.content.decode()


def test_the_platform_sends_people_back_to_the_public_address(administrator, pair, settings):
    connection = make(pair)
    settings.PUBLIC_URL = "https://console.acme.example/"
    assert (
        "https://console.acme.example/oauth/callback/"
        in administrator.get(action_url(connection, "change")).content.decode()
    )

    page = administrator.post(action_url(connection, "connect"), CONFIRMED, follow=True).content.decode()
    assert "Open the console at https://console.acme.example" in page
    assert not AuditEntry.objects.filter(action="connection.connect_begun").exists()


def test_the_button_is_there_for_the_method_that_has_it(administrator, pair):
    with_button, without = make(pair), make(pair, "servicenow", auth="basic")

    assert (
        action_url(with_button, "connect")
        in administrator.get(action_url(with_button, "change")).content.decode()
    )
    assert (
        action_url(without, "connect")
        not in administrator.get(action_url(without, "change")).content.decode()
    )
    page = administrator.post(action_url(without, "connect"), CONFIRMED, follow=True).content.decode()
    assert "logs in by basic authentication, without Connect" in page


# Disconnect, and what ends an approval


def connected(administrator: Client, pair: Pair) -> Connection:
    connection = make(pair)
    administrator.get(allow(pair, press_connect(administrator, connection)))
    assert approval.status(stored(connection))
    return stored(connection)


def test_disconnect_revokes_the_approval_over_there_and_forgets_it_here(administrator, pair):
    pair.salesforce.platform.app = replace(pair.salesforce.platform.app, rotates_refresh_tokens=True)
    connection = connected(administrator, pair)
    pair.salesforce.expire_tokens()
    findings(connection)  # rotates

    page = administrator.post(action_url(connection, "disconnect"), CONFIRMED, follow=True).content.decode()

    assert "disconnected, and its approval revoked" in page
    assert not pair.salesforce.platform.approvals.has_approved(pair.credentials.salesforce.username)
    connection = stored(connection)
    assert "refresh_token" not in {**connection.secrets, **connection.secrets_set}
    assert ConnectionToken.objects.get().token is None
    assert findings(connection) == {"not_connected": "error"}
    assert AuditEntry.objects.get(action="connection.disconnected").after == {"revoked": True}


def test_disconnect_forgets_also_when_the_platform_does_not_answer(administrator, pair):
    connection = connected(administrator, pair)
    pair.salesforce.fault("status", path="revoke", status=503, times=0)

    page = administrator.post(action_url(connection, "disconnect"), CONFIRMED, follow=True).content.decode()

    assert "revoke it there too" in page
    assert approval.status(stored(connection)) is None


@pytest.mark.parametrize("change", [{"client_id": "another"}, "url"], ids=["client", "address"])
def test_an_approval_is_of_one_address_and_client(administrator, pair, change):
    connection = connected(administrator, pair)
    if change == "url":
        Connection.objects.update(url="https://acme.my.salesforce.com")
    else:
        services.set_secrets(connection=connection, secrets=change, by=None)

    with pytest.raises(ConfigurationError, match="is not connected"):
        open_connector(stored(connection))


def test_a_revocation_that_had_no_effect_is_not_called_one(administrator, pair):
    connection, held = make(pair, "servicenow"), pair.credentials.servicenow
    url = press_connect(administrator, connection)
    back = allow(
        pair, url, user_name=held.admin_username, user_password=held.admin_password, decision="allow"
    )
    administrator.get(back)
    pair.servicenow.fault("status", path="oauth_revoke_token", status=200, body="", times=0)

    page = administrator.post(action_url(connection, "disconnect"), CONFIRMED, follow=True).content.decode()

    assert "revoke it there too" in page
    assert AuditEntry.objects.get(action="connection.disconnected").after == {"revoked": False}
