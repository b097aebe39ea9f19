"""A person opens the link the sandbox printed and plays the other side in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import requests

from sync.sandbox.pair import Pair, Side
from tests.sandbox.visitor import ROOT, Browser, Document, stranger

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
HOSTILE = "\"><script>alert('x')</script><img src=x onerror=alert(1)>"


@pytest.fixture
def desk(pair: Pair) -> Iterator[Browser]:
    """A visitor of the simulated ServiceNow."""
    browser = stranger(pair, pair.servicenow)
    with browser.session:
        browser.session.get(pair.servicenow.pages.link(), timeout=10)
        yield browser


@pytest.fixture
def org(pair: Pair) -> Iterator[Browser]:
    """A visitor of the simulated Salesforce."""
    browser = stranger(pair, pair.salesforce)
    with browser.session:
        browser.session.get(pair.salesforce.pages.link(), timeout=10)
        yield browser


def sides(pair: Pair) -> tuple[Side[Any], ...]:
    return pair.servicenow, pair.salesforce


# Who may look


def test_nobody_sees_a_page_without_the_cookie(pair):
    pair.servicenow.add("incident", short_description="Printer on fire")
    for side in sides(pair):
        browser = stranger(pair, side)
        for path in (ROOT, ROOT + "t/incident", ROOT + "t/Case"):
            page = browser.open(path)
            assert browser.answer.status_code == 403
            assert "Printer" not in page.text
            assert page.forms == {}
        browser.post(ROOT + "t/incident/new", value__short_description="Forced")
        assert browser.answer.status_code == 403


def test_a_link_opens_one_browser_with_a_cookie_no_script_can_read(pair):
    for side in sides(pair):
        link = side.pages.link()
        first, second = stranger(pair, side), stranger(pair, side)

        opened = first.session.get(link, timeout=10)
        refused = second.session.get(link, timeout=10)

        cookie = opened.headers["Set-Cookie"]
        assert opened.status_code == 200
        assert {"Secure", "HttpOnly", "SameSite=Strict", f"Path={ROOT}"} <= set(cookie.split("; "))
        assert refused.status_code == 403
        assert "Set-Cookie" not in refused.headers
        assert first.open(ROOT).forms
        assert second.open(ROOT).forms == {}


def test_the_cookie_of_one_system_does_not_open_the_other(pair, desk):
    with requests.Session() as session:
        session.trust_env = False
        cookies = dict(desk.session.cookies.items())
        answer = session.get(
            pair.salesforce.url + ROOT, cookies=cookies, verify=str(pair.ca_file), timeout=10
        )

    assert cookies
    assert answer.status_code == 403


def test_a_visitor_lets_in_another_browser(pair, desk):
    desk.open(ROOT)
    page = desk.submit(ROOT + "link")
    link = re.search(r"https://\S+link=[\w-]{43}", page.text)[0]

    other = stranger(pair, pair.servicenow)
    assert other.session.get(link, timeout=10).status_code == 200
    assert "Tables" in other.open(ROOT).text


def test_the_control_token_makes_a_link_and_stands_on_no_page(pair, desk):
    headers = {"Authorization": f"Bearer {pair.control_token}"}
    order = stranger(pair, pair.servicenow).session.post(
        f"{pair.servicenow.url}/__sandbox__/page_link", headers=headers, timeout=10
    )

    assert order.status_code == 201
    assert order.json()["url"].startswith(pair.servicenow.url + ROOT)
    left, right = pair.credentials.servicenow, pair.credentials.salesforce
    secrets = [
        pair.control_token,
        left.client_secret,
        left.admin_password,
        right.client_secret,
        right.password,
    ]
    desk.open(ROOT)
    for path in (ROOT, ROOT + "t/sys_properties", ROOT + "t/sys_user"):
        desk.open(path)
        assert not [secret for secret in secrets if secret in desk.answer.text]


def test_a_form_without_the_sessions_token_changes_nothing(pair, desk):
    row = pair.servicenow.add("incident", short_description="Printer on fire")
    page = f"{ROOT}t/incident/{row['sys_id']}"
    desk.open(page)
    form = Document(desk.answer.text).forms[page] | {"value.short_description": "Forged"}

    for token in ("", "A" * 43, None):
        sent = {name: value for name, value in form.items() if name != "csrf"}
        desk.post(page, **sent, **({} if token is None else {"csrf": token}))
        assert desk.answer.status_code == 403
    abroad = desk.session.post(
        pair.servicenow.url + page, data=form, headers={"Origin": "https://evil.example"}, timeout=10
    )

    assert abroad.status_code == 403
    assert pair.servicenow.rows("incident")[0]["short_description"] == "Printer on fire"


def test_every_answer_forbids_scripts_frames_and_foreign_resources(desk):
    for path in (ROOT, ROOT + "page.css", ROOT + "t/incident", ROOT + "t/nothing", ROOT + "nowhere"):
        desk.open(path)
        policy = desk.answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert desk.answer.headers["Cache-Control"] == "no-store"


# What is shown


def hostile_pages(pair: Pair) -> list[tuple[Side[Any], str]]:
    incident = pair.servicenow.add(
        "incident", short_description=HOSTILE, description=HOSTILE, comments=HOSTILE
    )
    pair.servicenow.edit("incident", incident["sys_id"], u_symptom=HOSTILE, category="network")
    case = pair.salesforce.add("Case", Subject=HOSTILE, Description=HOSTILE, Reason=HOSTILE)
    pair.salesforce.edit("Case", case["Id"], Subject=HOSTILE + "!")
    pair.salesforce.add("CaseComment", ParentId=case["Id"], CommentBody=HOSTILE)
    pair.salesforce.add("Account", Name=HOSTILE)
    return [
        (pair.servicenow, f"t/incident/{incident['sys_id']}"),
        (pair.servicenow, f"t/incident/{incident['sys_id']}?watch=1"),
        (pair.servicenow, "t/incident"),
        (pair.servicenow, "t/sys_journal_field"),
        (pair.salesforce, f"t/Case/{case['Id']}"),
        (pair.salesforce, f"t/Case/{case['Id']}?watch=1"),
        (pair.salesforce, "t/Case"),
        (pair.salesforce, "t/Account"),
    ]


def test_a_hostile_value_is_shown_as_text_wherever_it_stands(pair, desk, org):
    for side, path in hostile_pages(pair):
        browser = desk if side is pair.servicenow else org
        page = browser.open(ROOT + path)
        assert browser.answer.status_code == 200, path
        assert not {"script", "img"} & page.tags, path
        assert not [name for name in page.attributes if name.startswith("on")], path
        assert "alert('x')" in unescape(browser.answer.text), path


def test_a_hostile_search_address_and_entry_come_back_as_text(pair, desk):
    for page in (
        desk.open(ROOT + "t/incident", q=HOSTILE),
        desk.open(ROOT + "t/" + HOSTILE.replace("/", "%2F")),
        desk.open(ROOT + "t/incident/" + HOSTILE.replace("/", "%2F")),
    ):
        assert not {"script", "img"} & page.tags
    desk.open(ROOT + "t/incident/new")
    refused = desk.submit(ROOT + "t/incident/new", value__state="7", value__short_description=HOSTILE)

    assert desk.answer.status_code == 422
    assert not {"script", "img"} & refused.tags
    assert refused.forms[ROOT + "t/incident/new"]["value.short_description"] == HOSTILE


def test_tables_are_counted_and_rows_come_newest_first_by_pages_of_fifty(pair, desk, clock):
    for number in range(53):
        clock.advance(seconds=1)
        pair.servicenow.add("incident", short_description=f"Printer {number}")

    assert "incident53" in desk.open(ROOT).text.replace("Incident", "")
    first = desk.open(ROOT + "t/incident").text
    second = desk.open(ROOT + "t/incident", page="2").text

    assert "1–50 of 53" in first
    assert first.index("Printer 52") < first.index("Printer 51")
    assert "Printer 2" in second
    assert "Printer 3" not in second


def test_search_finds_by_text_and_by_the_owners_name(pair, desk):
    beth = pair.servicenow.rows("sys_user", user_name="beth.anglin")[0]["sys_id"]
    pair.servicenow.add("incident", short_description="Printer on fire", assigned_to=beth)
    pair.servicenow.add("incident", short_description="VPN is slow")

    for wanted in ("PRINTER", "beth anglin"):
        page = desk.open(ROOT + "t/incident", q=wanted)
        assert "Printer on fire" in page.text
        assert "VPN" not in page.text
    assert "Nothing holds" in desk.open(ROOT + "t/incident", q="unicorn").text


# What is done


def api(pair: Pair, path: str) -> dict[str, Any]:
    """A record as the integration's user reads it."""
    demo = pair.credentials.servicenow
    browser = stranger(pair, pair.servicenow)
    answer = browser.session.get(pair.servicenow.url + path, auth=(demo.username, demo.password), timeout=10)
    return answer.json()["result"]


def case_by_api(pair: Pair, case_id: str) -> dict[str, Any]:
    demo = pair.credentials.salesforce
    session = stranger(pair, pair.salesforce).session
    grant = {
        "grant_type": "client_credentials",
        "client_id": demo.client_id,
        "client_secret": demo.client_secret,
    }
    token = session.post(f"{pair.salesforce.url}/services/oauth2/token", data=grant, timeout=10).json()
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    url = f"{pair.salesforce.url}/services/data/v67.0/sobjects/Case/{case_id}"
    return session.get(url, headers=headers, timeout=10).json()


def test_an_edit_reaches_the_api_with_its_person_its_stamp_and_a_line_of_history(pair, desk, clock):
    row = pair.servicenow.add("incident", by="abel.tuter", short_description="Printer on fire")
    page = f"{ROOT}t/incident/{row['sys_id']}"
    clock.advance(seconds=90)
    desk.open(page)

    saved = desk.submit(page, value__state="2", by="beth.anglin")

    read = api(pair, f"/api/now/table/incident/{row['sys_id']}")
    assert (read["state"], read["sys_updated_by"]) == ("2", "beth.anglin")
    assert (read["sys_updated_on"], read["sys_mod_count"]) == ("2026-03-02 08:01:30", "1")
    assert "Saved." in saved.text
    assert "2026-03-02 08:01:30 · Beth AnglinState New → In Progress" in saved.text


def test_an_edit_of_a_case_reaches_the_api_and_its_history(pair, org, clock):
    case = pair.salesforce.add("Case", by="abel.tuter@acme.example", Subject="Printer on fire")
    page = f"{ROOT}t/Case/{case['Id']}"
    clock.advance(seconds=90)
    org.open(page)

    saved = org.submit(page, value__Status="Working", by="beth.anglin@acme.example")

    beth = pair.salesforce.rows("User", Username="beth.anglin@acme.example")[0]["Id"]
    read = case_by_api(pair, case["Id"])
    assert (read["Status"], read["LastModifiedById"]) == ("Working", beth)
    assert read["LastModifiedDate"] == "2026-03-02T08:01:30.000+0000"
    assert "2026-03-02 08:01:30 · Beth AnglinStatus New → Working" in saved.text


def test_a_form_sends_only_what_the_person_changed(pair, desk):
    row = pair.servicenow.add("incident", short_description="Printer on fire", description="Two\r\nlines")
    page = f"{ROOT}t/incident/{row['sys_id']}"
    desk.open(page)
    pair.servicenow.edit("incident", row["sys_id"], short_description="Meanwhile changed")

    desk.submit(page, value__urgency="1", by="beth.anglin")

    now = pair.servicenow.rows("incident")[0]
    assert (now["short_description"], now["urgency"]) == ("Meanwhile changed", "1")
    assert now["description"] == "Two\r\nlines"
    assert "Nothing was changed." in desk.submit(page).text
    assert pair.servicenow.rows("incident")[0]["sys_mod_count"] == now["sys_mod_count"]


def test_the_platforms_rules_answer_and_what_was_entered_stays(pair, desk):
    row = pair.servicenow.add("incident", short_description="Printer on fire")
    page = f"{ROOT}t/incident/{row['sys_id']}"
    desk.open(page)

    refused = desk.submit(page, value__state="6", by="beth.anglin")

    assert desk.answer.status_code == 422
    assert "Data Policy Exception" in refused.text
    assert refused.forms[page]["value.state"] == "6"
    entered = {"value__close_code": "User error", "value__close_notes": "It was the toaster"}
    assert "Saved." in desk.submit(page, **entered).text
    assert pair.servicenow.rows("incident")[0]["state"] == "6"


def test_a_refusal_does_not_repeat_a_whole_book(pair, org):
    row = pair.salesforce.add("Case", Subject="Printer on fire")
    page = f"{ROOT}t/Case/{row['Id']}"
    org.open(page)

    refused = org.submit(page, value__Description="word " * 20_000)

    assert "STRING_TOO_LONG" in refused.text
    assert refused.text.count("word ") < 20_200  # once in the form, to be mended, and a little in the refusal


def test_choices_people_and_references_are_lists(pair, desk, org):
    row = pair.servicenow.add("incident", short_description="Printer on fire")
    page = desk.open(f"{ROOT}t/incident/{row['sys_id']}")
    groups = {each["sys_id"] for each in pair.servicenow.rows("sys_user_group")}
    assert page.options["value.state"] == ["", "1", "2", "3", "6", "7", "8"]
    assert groups < set(page.options["value.assignment_group"])
    assert "beth.anglin" in page.options["by"]
    assert not {"sync.user", "carol.coughlin", "nobody"} & set(page.options["by"])

    blank = org.open(ROOT + "t/Case/new")
    assert blank.forms[ROOT + "t/Case/new"]["value.Status"] == "New"
    assert "sync.user@acme.example" not in blank.options["by"]


def test_nobody_acts_as_the_integration(pair, desk):
    row = pair.servicenow.add("incident", short_description="Printer on fire")
    page = f"{ROOT}t/incident/{row['sys_id']}"
    desk.open(page)

    for name in ("sync.user", ""):
        assert "Choose one of the people" in desk.submit(page, value__urgency="1", by=name).text
    assert pair.servicenow.rows("incident")[0]["urgency"] == "3"


def test_records_are_created_and_commented_on(pair, desk, org):
    desk.open(ROOT + "t/incident/new")
    made = desk.submit(ROOT + "t/incident/new", value__short_description="Kettle", by="beth.anglin")
    incident = pair.servicenow.rows("incident")[0]
    page = f"{ROOT}t/incident/{incident['sys_id']}"
    said = desk.submit(page + "/comment", text="Is it plugged in?", channel="comments", by="abel.tuter")
    org.open(ROOT + "t/Case/new")
    org.submit(ROOT + "t/Case/new", value__Subject="Kettle", by="beth.anglin@acme.example")
    case = pair.salesforce.rows("Case")[0]
    talk = f"{ROOT}t/Case/{case['Id']}/comment"
    org.submit(talk, text="Yes.", channel="internal", by="david.loo@acme.example")
    told = org.submit(talk, text="Solved?", channel="post", by="beth.anglin@acme.example")

    assert "Created." in made.text
    assert (incident["short_description"], incident["sys_created_by"]) == ("Kettle", "beth.anglin")
    entry = pair.servicenow.rows("sys_journal_field")[0]
    assert (entry["value"], entry["sys_created_by"]) == ("Is it plugged in?", "abel.tuter")
    assert "Abel Tuter · Additional comments" in said.text
    comment, post = pair.salesforce.rows("CaseComment")[0], pair.salesforce.rows("FeedItem")[0]
    assert (comment["CommentBody"], comment["IsPublished"], post["Body"]) == ("Yes.", False, "Solved?")
    assert "David Loo · Internal comment" in told.text


def test_deleted_records_are_listed_and_come_back(pair, desk, org):
    incident = pair.servicenow.add("incident", short_description="Printer on fire")["sys_id"]
    case = pair.salesforce.add("Case", Subject="Printer on fire")["Id"]
    for browser, table, row_id in ((desk, "incident", incident), (org, "Case", case)):
        page = f"{ROOT}t/{table}/{row_id}"
        browser.open(page)
        listed = browser.submit(page + "/delete")
        assert "Deleted." in listed.text
        assert "Printer on fire" in listed.text
        assert browser.side.rows(table) == []

        gone = browser.open(page)
        assert page not in gone.forms
        assert "Undeleted." in browser.submit(page + "/undelete").text
        assert len(browser.side.rows(table)) == 1
        assert "deleted" in browser.open(page).text


def test_only_an_administrator_deletes_an_incident(pair, desk):
    row = pair.servicenow.add("incident", short_description="Printer on fire")
    page = f"{ROOT}t/incident/{row['sys_id']}"
    desk.open(page)

    assert "Delete Failed" in desk.submit(page + "/delete", by="beth.anglin").text
    assert len(pair.servicenow.rows("incident")) == 1


def test_a_restored_incident_is_the_old_one(pair):
    row = pair.servicenow.add("incident", short_description="Printer on fire", description="Two\nlines")
    pair.servicenow.delete("incident", row["sys_id"])

    restored = pair.servicenow.platform.undelete("incident", row["sys_id"])

    assert restored == row
    assert pair.servicenow.rows("sys_audit_delete") == []
    assert [entry["fieldname"] for entry in pair.servicenow.rows("sys_audit")] == ["DELETED"]


def test_every_page_of_every_table_answers(pair, desk, org):
    pair.servicenow.add("incident", short_description="Printer on fire")
    pair.salesforce.add("Case", Subject="Printer on fire")
    for browser in (desk, org):
        home = browser.open(ROOT)
        links = set(re.findall(rf'href="({ROOT}t/\w+)"', browser.answer.text))
        assert len(links) > 10
        for link in sorted(links):
            assert "h1" in browser.open(link).tags
            assert browser.answer.status_code == 200, link
            first = re.search(rf'href="({re.escape(link)}/\w+)"', browser.answer.text.partition("<tbody>")[2])
            for page in (f"{link}/new", first and first[1]):
                if page:
                    browser.open(page)
                    assert browser.answer.status_code == 200, page
        assert "Sandbox" in home.text
    assert pair.servicenow.counters.calls == 0
    assert pair.salesforce.counters.calls == 0


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="NO BROWSER TESTED: /usr/bin/chromium is not installed")
def test_a_real_browser_follows_the_link_edits_and_runs_nothing(pair):
    from playwright.sync_api import sync_playwright

    row = pair.servicenow.add("incident", short_description=HOSTILE)
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = browser.new_page(ignore_https_errors=True)
        page.set_default_timeout(90_000)  # milliseconds, for a busy machine
        page.on("console", lambda message: said.append(message.text))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.goto(pair.servicenow.pages.link())
        page.get_by_role("link", name="incident", exact=False).first.click()
        page.get_by_role("link", name=row["number"]).click()
        page.get_by_label("State", exact=True).select_option("In Progress")
        page.get_by_label("As", exact=True).first.select_option("Beth Anglin")
        page.get_by_role("button", name="Save").click()
        notice = page.get_by_role("status").inner_text()
        browser.close()

    changed = pair.servicenow.rows("incident")[0]
    assert notice == "Saved."
    assert (changed["state"], changed["sys_updated_by"]) == ("2", "beth.anglin")
    assert said == []
