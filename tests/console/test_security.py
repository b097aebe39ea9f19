"""Logins, sessions, passwords and headers of the console."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sync import logins
from sync.models import AuditEntry, LoginTally

CONFIRMED = {"_form_submitted": "on"}
LOGIN = "/admin/login/"
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]


@pytest.fixture
def alice(db) -> User:
    return User.objects.create_superuser("alice", password="correct horse")


def try_login(browser: Client, password: str, *, name: str = "alice", address: str = "10.0.0.7"):
    return browser.post(LOGIN, {"username": name, "password": password}, REMOTE_ADDR=address)


def test_after_five_wrong_passwords_the_right_one_waits_and_the_page_says_until_when(alice, browser):
    mallory = browser()
    assert [try_login(mallory, "guess").status_code for _ in range(5)] == [200] * 5

    held = try_login(mallory, "correct horse")
    assert held.status_code == 429
    assert 840 < int(held.headers["Retry-After"]) <= 901
    assert "15 minutes from now" in held.content.decode()
    assert "_auth_user_id" not in mallory.session


def test_being_held_off_is_noted_once_with_the_address(alice, browser):
    for _ in range(9):
        try_login(browser(), "guess")

    entry = AuditEntry.objects.get(action="login.throttled")
    assert (entry.ip, entry.object_label, entry.after["attempts"]) == ("10.0.0.7", "alice", 5)
    assert AuditEntry.objects.filter(action="login.failed").count() == 5


def test_alice_logs_in_from_her_own_address_while_somebody_guesses_elsewhere(alice, browser):
    for _ in range(6):
        try_login(browser(), "guess", address="203.0.113.9")

    assert try_login(browser(), "correct horse").status_code == 302


def test_the_name_in_other_letters_and_the_next_address_of_one_network_get_no_new_attempts(alice, browser):
    for number in range(5):
        try_login(browser(), "guess", name="ALICE " if number % 2 else "alice", address=f"2001:db8::{number}")

    assert try_login(browser(), "guess", address="2001:db8::ffff").status_code == 429
    assert try_login(browser(), "guess", address="2001:db8:0:1::1").status_code == 200


def test_an_address_that_tries_many_names_is_held_off(db, browser):
    codes = [try_login(browser(), "guess", name=f"user{number}").status_code for number in range(31)]

    assert codes == [200] * 30 + [429]


def test_an_account_tried_from_many_addresses_is_held_off(alice):
    for number in range(logins.LIMITS["account"]):
        logins.admit(logins.Attempt("alice", f"10.1.{number}.1"))

    with pytest.raises(logins.TooManyLogins):
        logins.admit(logins.Attempt("alice", "10.2.0.1"))


def test_the_right_password_begins_the_count_anew_for_its_account_but_not_for_the_address(alice, browser):
    for _ in range(4):
        try_login(browser(), "guess")
    assert try_login(browser(), "correct horse").status_code == 302
    assert [try_login(browser(), "guess").status_code for _ in range(5)] == [200] * 5

    assert LoginTally.objects.order_by("-attempts").first().attempts == 9


def test_an_administrator_lifts_the_limit_of_an_account_and_that_is_noted(as_role, browser):
    bob = User.objects.create_user("bob", password="correct horse", is_staff=True)
    admin, url = as_role("administrator"), reverse("admin:auth_user_lift_limit", args=[bob.pk])
    page = reverse("admin:auth_user_change", args=[bob.pk])
    assert url not in admin.get(page).content.decode()
    for password in ("guess",) * 5 + ("correct horse",):
        held = try_login(browser(), password, name="Bob " if password == "guess" else "bob")
    assert held.status_code == 429
    assert url in admin.get(page).content.decode()
    admin.get(url)
    assert try_login(browser(), "correct horse", name="bob").status_code == 429

    assert "bob may try to log in again." in admin.post(url, CONFIRMED, follow=True).content.decode()

    assert try_login(browser(), "correct horse", name="bob").status_code == 302
    entry = AuditEntry.objects.get(action="login.limit_lifted")
    assert (entry.object_label, entry.actor_name) == ("bob", "administrator")


def test_the_limit_of_a_superuser_is_lifted_by_superusers_alone(alice, as_role, browser, root):
    for _ in range(6):
        try_login(browser(), "guess")
    url = reverse("admin:auth_user_lift_limit", args=[alice.pk])
    told = as_role("administrator").post(url, CONFIRMED, follow=True)
    assert "Only a superuser" in told.content.decode()
    assert try_login(browser(), "correct horse").status_code == 429

    root.post(url, CONFIRMED)
    assert try_login(browser(), "correct horse").status_code == 302


def test_what_an_address_has_used_up_stays_when_an_account_is_let_in(as_role, browser):
    bob = User.objects.create_user("bob", password="correct horse", is_staff=True)
    for number in range(30):
        try_login(browser(), "guess", name=f"name{number // 4}")
    for _ in range(6):
        try_login(browser(), "guess", name="bob", address="10.0.0.8")
    as_role("administrator").post(reverse("admin:auth_user_lift_limit", args=[bob.pk]), CONFIRMED)

    assert try_login(browser(), "correct horse", name="bob").status_code == 429
    assert try_login(browser(), "correct horse", name="bob", address="10.0.0.8").status_code == 302


def test_after_a_quarter_of_an_hour_it_may_be_tried_again_and_nothing_is_left_of_the_count(alice, browser):
    for _ in range(6):
        try_login(browser(), "guess")
    LoginTally.objects.update(since=timezone.now() - timedelta(minutes=15, seconds=1))

    assert try_login(browser(), "correct horse").status_code == 302
    assert LoginTally.objects.count() == 2
    assert set(LoginTally.objects.values_list("attempts", flat=True)) == {0}


def test_what_was_typed_as_a_name_is_not_kept_by_the_throttle(db, browser):
    try_login(browser(), "x", name="my password by mistake")

    assert "mistake" not in str(list(LoginTally.objects.values()))


def aged(browser: Client, **seconds: float) -> None:
    session = browser.session
    for name, back in seconds.items():
        session[name] -= back
    session.save()


def test_a_session_ends_an_hour_after_the_last_click(root):
    aged(root, seen=3_590)
    assert root.get("/admin/").status_code == 200
    aged(root, seen=3_590)
    assert root.get("/admin/").status_code == 200  # the page before was a click

    aged(root, seen=3_610)
    reply = root.get("/admin/sync/flow/?enabled=1")
    assert reply.url == "/admin/login/?next=/admin/sync/flow/%3Fenabled%3D1"
    assert "Your session has ended" in root.get(reply.url).content.decode()


def test_a_dialog_of_somebody_who_logged_out_elsewhere_leads_to_the_login(browser, flow):
    url = reverse("admin:sync_flow_pause", args=[flow.pk])
    asked = browser().post(
        url, headers={"HX-Request": "true", "HX-Current-URL": "http://c/admin/sync/flow/?q=1"}
    )

    assert asked.headers["HX-Redirect"] == "/admin/login/?next=/admin/sync/flow/%3Fq%3D1"
    assert browser().post(url).url == f"/admin/login/?next={url}"


def test_a_page_that_asks_for_its_own_news_keeps_no_session_alive(root):
    aged(root, seen=1_800)
    root.get("/admin/", headers={"HX-Request": "true"})
    aged(root, seen=1_810)

    polled = root.get(
        "/admin/", headers={"HX-Request": "true", "HX-Current-URL": "http://c/admin/sync/run/7/"}
    )
    assert polled.headers["HX-Redirect"] == "/admin/login/?next=/admin/sync/run/7/"


def test_a_session_ends_twelve_hours_after_its_login_whatever_is_done_in_it(root):
    aged(root, began=12 * 3_600 + 5)

    reply = root.post(reverse("admin:sync_flow_add"), {"name": "late"})
    assert reply.url == "/admin/login/?next=/admin/"
    assert AuditEntry.objects.filter(action="login.ended").exists()


@pytest.mark.parametrize("password", ["12345678", "password", "alice.smith", "Zx9!"])
def test_a_weak_password_is_refused_where_one_is_chosen_and_where_one_is_given(
    alice, browser, root, password
):
    given = {"password1": password, "password2": password, "usable_password": "true"}
    form = root.post(reverse("admin:auth_user_add"), {"username": "alice.smith", **given})
    assert (form.status_code, User.objects.filter(username="alice.smith").exists()) == (200, False)

    User.objects.filter(pk=alice.pk).update(username="alice.smith")
    hers = browser()
    hers.force_login(User.objects.get(pk=alice.pk))
    chosen = {"old_password": "correct horse", "new_password1": password, "new_password2": password}
    assert hers.post(reverse("admin:password_change"), chosen).status_code == 200
    assert User.objects.get(pk=alice.pk).check_password("correct horse")


def test_every_answer_carries_the_headers_also_the_refused_and_the_unknown(root, as_role, browser):
    replies = [
        root.get("/admin/"), browser().get(LOGIN), as_role("viewer").get("/admin/auth/user/"),
        root.get("/nowhere"), root.get("/healthz"),
    ]  # fmt: skip
    assert [reply.status_code for reply in replies] == [200, 200, 403, 404, 200]
    for reply in replies:
        policy = reply.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "object-src 'none'" in policy
        assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
        assert reply.headers["X-Frame-Options"] == "DENY"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Referrer-Policy"] == "same-origin"
        assert reply.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert reply.headers["Permissions-Policy"].startswith("camera=()")


def test_the_cookie_of_a_session_is_kept_from_scripts_and_from_other_sites(alice, browser):
    hers = browser()
    try_login(hers, "correct horse")

    cookie = hers.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert hers.get("/admin/").headers["Cache-Control"].startswith("max-age=0, no-cache, no-store")
