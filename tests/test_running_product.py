"""The seven recipes on the running product. Web server and worker are processes, both platforms answer on sockets, and people
press what the console's pages offer: each recipe is switched on from its card, does its work, meets its failure and goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import transaction
from django.db.models import Model
from django.urls import reverse

from integration_console.demo.place import free_port
from integration_console.demo.stage import answers
from mappings.models import UserTable
from sync.models import ActionRun, Conflict, DeadLetter, Flow, Intent, RecordLink, Run, Waiting
from sync.recipes import shipped
from sync.sandbox.customers import FAX, VPN, key
from sync.sandbox.pair import Pair, PairConfig, start_pair
from tests.engine.acts import LOST_CASES, notes, posts, statuses
from tests.engine.articles import KAV, KB, MASTERS, article, attached, online
from tests.engine.conftest import salesforce, servicenow
from tests.engine.customers import account, assets, change, customer, ordered, win
from tests.engine.killing import database_url, let_time_pass
from tests.test_processes import await_true
from tests.test_worker import worker_of_its_own
from tests.visitor import Page, Visitor
from tests.worlds import committed

PASSWORD = "correct horse"
SEVERE = {"severity": "1", "impact": "1", "urgency": "1"}  # what gets a Case
# What others refer to comes first.
PARTS = {
    "customer-onboarding": ("customers", "contacts", "won"),
    "assets": ("customers", "hardware", "items"),
    "incident-case": (),
    "change-notifications": (),
    "knowledge": (),
    "enrichment": (),
    "progress-notices": (),
}


@dataclass
class Product:
    """`editor` and `operator`: people with these roles at the console."""

    pair: Pair
    editor: Visitor
    operator: Visitor
    _worker: ExitStack = field(default_factory=ExitStack)

    def start_worker(self) -> None:
        self._worker.enter_context(worker_of_its_own(REDIS_URL=own_redis()))

    def kill_worker(self) -> None:
        """By SIGKILL, and with it all that it has started."""
        self._worker.close()

    def ask(self, name: str) -> int:
        """Press Run now, as soon as no run of the flow is active; the run's number."""
        place = reverse("admin:sync_flow_run_now", args=[flow_of(name).pk])
        while True:
            self.settle(name)
            page = self.operator.send(self.operator.open(place))
            if "/sync/run/" in page.url:
                return int(page.url.rstrip("/").split("/")[-2])

    def run(self, *names: str) -> None:
        """The same, one after the other, each to its end."""
        for name in names:
            number = self.ask(name)
            self.settle(name)
            assert Run.objects.get(pk=number).status in ("succeeded", "partial")

    def settle(self, *names: str) -> None:
        """Wait until no run of these flows, or of any, is queued or under way."""
        active = Run.objects.active().filter(flow__name__in=names) if names else Run.objects.active()
        assert await_true(lambda: not active.exists(), seconds=120), list(active.values("flow__name", "step"))

    def let_time_pass(self) -> None:
        while True:
            self.settle()
            with transaction.atomic():
                if not Run.objects.active().exists():
                    let_time_pass()
                    return

    def shows(self, model: type[Model], *texts: str) -> Page:
        """The list of these rows, on which an operator reads all of this."""
        page = self.operator.open(
            reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        )
        assert [text for text in texts if text not in page.text] == []
        return page

    def press(self, row: Model, label: str, **answers: str) -> None:
        """On the row's own page, as an operator."""
        self.operator.press(self.operator.open(page_of(row)), label, **answers)

    def retry(self, letter: DeadLetter) -> None:
        causes = self.operator.open(reverse("admin:sync_deadletter_causes")).text
        assert letter.flow.name in causes
        assert letter.code in causes
        self.press(letter, "Retry")
        self.settle(letter.flow.name)


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """In place of a test's own: one database for all of these, which the processes share."""
    with committed(django_db_blocker):
        yield


@pytest.fixture(scope="module")
def product(db: None) -> Iterator[Product]:
    with ExitStack() as stack:
        call_command("createcachetable", verbosity=0)
        pair = stack.enter_context(start_pair(PairConfig(customers=True)))
        address = stack.enter_context(web_server())
        servicenow(pair), salesforce(pair)
        editor, operator = (
            stack.enter_context(logged_in(address, role)) for role in ("mapping editor", "operator")
        )
        product = Product(pair, editor, operator)
        stack.callback(product.kill_worker)
        product.start_worker()
        switch_on(product)
        yield product


@contextmanager
def web_server() -> Iterator[str]:
    """The console as it is deployed, on the test's database; its address."""
    port = free_port(0)
    held = {
        "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "tests.settings", "REDIS_URL": own_redis(),
        "PYTHONWARNINGS": "ignore:No directory at",
    }  # fmt: skip
    command = [
        sys.executable, "-m", "gunicorn", "integration_console.wsgi:application", f"--bind=127.0.0.1:{port}",
        "--worker-class=gthread", "--threads=4", "--log-level=warning",
    ]  # fmt: skip
    process = subprocess.Popen(command, env={**os.environ, **held}, stdout=subprocess.DEVNULL)
    try:
        assert await_true(lambda: answers(port), seconds=60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def own_redis() -> str:
    """Beside that of other test processes, whose queue has the same name; "" without one."""
    address = os.environ.get("REDIS_URL", "")
    return f"{address.rpartition('/')[0]}/14" if address else ""


@contextmanager
def logged_in(address: str, role: str) -> Iterator[Visitor]:
    name = role.replace(" ", ".")
    User.objects.create_user(name, password=PASSWORD, is_staff=True).groups.add(Group.objects.get(name=role))
    with Visitor(address) as person:
        assert "Overview" in person.log_in(name, PASSWORD).text
        yield person


def switch_on(product: Product) -> None:
    """From each recipe's card, as its page says under After Use; the first runs go on meanwhile."""
    cards = product.editor.open(reverse("recipes"))
    for name, parts in PARTS.items():
        page = product.editor.open(cards.offered(shipped()[name].title))
        page = product.editor.press(page, "Use …")
        if name == "incident-case":
            say_who_is_who(product)
        flows = [flow_of(f"{name}-{part}") for part in parts] or [flow_of(name)]
        assert page.url.endswith(page_of(flows[0])), page.complaints
        publish(product, flows[0], page)
        for flow in flows[1:]:
            publish(product, flow, product.editor.open(page_of(flow)))
    product.settle()


def publish(product: Product, flow: Flow, page: Page) -> None:
    """Its schedule is switched off: each run is one that somebody asked for."""
    saved = product.editor.send(
        page, **{"enabled": "on", "schedule-0-enabled": None, "reason": "As the recipe says"}
    )
    assert f"Published revision 1 of {flow.name}." in saved.text, saved.complaints
    product.ask(flow.name)


def say_who_is_who(product: Product) -> None:
    page = product.editor.open(page_of(UserTable.objects.get()))
    desks = {"fallback_to_salesforce": "Service_Desk", "fallback_to_servicenow": "Service Desk"}
    fred = page.new_row("entries", kind="user", servicenow="fred.luddy", salesforce="fred.luddy@acme.example")
    saved = product.editor.send(page, **desks, **fred)
    assert saved.complaints == []


def flow_of(name: str) -> Flow:
    return Flow.objects.get(name=name)


def page_of(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def letters(flow: str) -> list[DeadLetter]:
    found = DeadLetter.objects.filter(flow__name=flow, state="open").select_related("flow")
    return list(found.order_by("code"))


def test_all_seven_run_and_each_card_names_the_flows_that_were_made_of_it(product: Product) -> None:
    cards = product.operator.open(reverse("recipes"))

    made = Flow.objects.values_list("name", flat=True)
    assert len(made) == 11
    assert [name for name in made if name not in cards.text] == []
    assert {flow.runs.get().status for flow in Flow.objects.all()} == {"succeeded"}
    assert product.operator.open(page_of(flow_of("knowledge"))).offered("Run now")


def test_a_worker_answers_what_a_recipe_asks_of_both_platforms(product: Product) -> None:
    page = product.operator.open(reverse("recipe", args=["progress-notices"]))
    assert "Run the checks" in page.text
    asked = product.operator.send(page)

    assert await_true(lambda: "What passed" in product.operator.open(asked.url).text, seconds=60)
    assert "not ready" not in product.operator.open(asked.url).text


def test_incident_and_case_meet_once_although_the_worker_dies_behind_the_create_and_a_person_decides_between_subjects(
    product: Product,
) -> None:
    pair = product.pair
    incident = pair.servicenow.add("incident", short_description="Mail is down", **SEVERE)["sys_id"]
    offline = {"Subject": "Site is offline", "IsEscalated": True}
    escalated = pair.salesforce.add("Case", by="abel.tuter", **offline)["Id"]
    pair.salesforce.fault("delay", seconds=2.0, **LOST_CASES)
    number = product.ask("incident-case")
    assert await_true(lambda: not pair.salesforce.server.gate.faults.pending(), seconds=60)
    product.kill_worker()
    # The request is executed all the same, and nobody hears of it.
    assert await_true(lambda: len(pair.salesforce.rows("Case", ServiceNow_Sys_Id__c=incident)) == 1)
    assert product.operator.open(reverse("admin:sync_run_change", args=[number])).offered("Cancel")

    product.start_worker()
    product.settle("incident-case")

    assert Run.objects.get(pk=number).status == "succeeded"
    (case,) = pair.salesforce.rows("Case", ServiceNow_Sys_Id__c=incident)
    twin = RecordLink.objects.get(salesforce_id=escalated).servicenow_id
    assert pair.servicenow.rows("incident", sys_id=twin, short_description="Site is offline")
    assert len(pair.servicenow.rows("incident")) == 2
    assert not Intent.objects.exists()

    pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Mail is down in Berlin")
    pair.salesforce.edit("Case", case["Id"], by="abel.tuter", Subject="No mail", Status="Working")
    product.run("incident-case")
    product.shows(Conflict, case["CaseNumber"], "Subject")
    conflict = Conflict.objects.get(state="open")
    product.operator.send(product.operator.open(page_of(conflict)), side="salesforce")
    product.settle("incident-case")

    (row,) = pair.servicenow.rows("incident", sys_id=incident)
    assert (row["short_description"], row["state"]) == ("No mail", "2")
    assert not Conflict.objects.filter(state="open").exists()


def test_an_onboarding_stops_at_a_retired_service_and_goes_on_there(product: Product) -> None:
    """Its third step looks the service up in the catalog; the other service does not wait for it."""
    pair = product.pair
    wanted = account(pair, "GenePoint")["Id"]
    pair.salesforce.edit("Account", wanted, ServiceNow_Products__c=f"{VPN}; {FAX}")
    win(pair, "GenePoint")
    product.run("customer-onboarding-won", "customer-onboarding-customers", "customer-onboarding-contacts")

    (letter,) = letters("customer-onboarding-customers")
    assert (letter.code, letter.field) == ("FOUND_NONE", "action order-services, step item")
    assert ordered(pair) == assets(pair, "GenePoint") == [VPN]
    pair.servicenow.edit("sc_cat_item", key("sc_cat_item", FAX), by="admin", active="true")
    product.retry(letter)

    assert ordered(pair) == assets(pair, "GenePoint") == sorted([FAX, VPN])
    assert len(pair.servicenow.rows("customer_account", name="GenePoint")) == 1
    assert account(pair, "GenePoint")["ServiceNow_Onboarding__c"].startswith("Done: ")


def test_an_asset_waits_for_what_it_is_built_into_and_one_in_a_new_state_for_its_entry(
    product: Product,
) -> None:
    pair, acme = product.pair, key("customer_account", "Acme")
    shelf = pair.servicenow.add("alm_hardware", display_name="Shelf", install_status="1")["sys_id"]
    pair.servicenow.add("alm_hardware", display_name="Switch", company=acme, parent=shelf, install_status="1")
    pair.servicenow.add("sys_choice", name="alm_asset", element="install_status", value="12", label="On loan")
    pair.servicenow.add("alm_hardware", display_name="Laptop", company=acme, install_status="12")
    product.run("assets-hardware")

    product.shows(Waiting, "assets-hardware", f"'{shelf}' has no counterpart")
    pair.servicenow.edit("alm_hardware", shelf, company=acme)
    (letter,) = letters("assets-hardware")
    assert letter.code == "UNMAPPED_VALUE"
    page = product.editor.open(page_of(letter))
    product.editor.press(
        page, "Add the missing value", counterpart="Installed", reason="It is at the customer's"
    )
    product.run("assets-hardware")

    found = {row["Name"]: row for row in pair.salesforce.rows("Asset", AccountId=account(pair, "Acme")["Id"])}
    assert found["Switch"]["ParentId"] == found["Shelf"]["Id"]
    assert found["Laptop"]["Status"] == "Installed"
    assert not Waiting.objects.filter(flow__name="assets-hardware").exists()
    assert letters("assets-hardware") == []


@pytest.mark.parametrize(("button", "tasks"), [("Do it again", 1), ("Happened", 0)])
def test_a_notification_that_may_have_arrived_is_in_doubt_until_a_person_says_so(
    product: Product, button: str, tasks: int
) -> None:
    pair = product.pair
    edge = customer(pair, f"Edge {button}", owner="joe.employee")
    edge.member("beth.anglin")
    pair.salesforce.fault("reset_before", **LOST_CASES)
    switch = change(pair, f"Core switch: {button}", company=edge.key)
    switch.approve()
    product.run("change-notifications")
    product.let_time_pass()
    product.run("change-notifications")

    product.shows(ActionRun, switch.number, "in doubt")
    product.press(ActionRun.objects.get(flow__name="change-notifications", status="in_doubt"), button)
    product.settle("change-notifications")

    assert len(pair.salesforce.rows("Task", WhatId=edge.account)) == tasks
    assert set(statuses(flow_of("change-notifications"))) == {"done"}


def test_articles_that_cannot_be_cleaned_or_published_are_refused_and_go_on(product: Product) -> None:
    pair = product.pair
    script = "<script>" + "steal(document.cookie);" * 130_000 + "</script>"
    large, deep = (article(pair, short_description=title) for title in ("Large", "Deep"))
    pair.servicenow.platform.migrate(
        KB, {"sys_id": large["sys_id"], "text": f"<p onclick='x()'>Hello</p>{script}"}
    )
    pair.servicenow.platform.migrate(KB, {"sys_id": deep["sys_id"], "text": "<div>" * 100_000})
    pair.salesforce.fault("status", status=400, path=MASTERS)
    product.run("knowledge")

    unreadable, unpublished = letters("knowledge")
    assert (unreadable.code, unreadable.record_number) == ("HTML_UNREADABLE", deep["number"])
    assert [row["PublishStatus"] for row in pair.salesforce.rows(KAV, Title="Large")] == ["Draft"]
    product.retry(unpublished)
    pair.servicenow.edit(KB, deep["sys_id"], text="<p>Mended</p>")
    product.retry(unreadable)

    shown = {row["Title"]: row["Article_Body__c"] for row in online(pair)}
    assert (shown["Large"], shown["Deep"]) == ("<p>Hello</p>", "<p>Mended</p>")
    assert len(pair.salesforce.rows(KAV, Title="Large")) == 1
    assert letters("knowledge") == []


def test_articles_are_attached_once_although_one_is_refused_and_the_answer_of_another_is_lost(
    product: Product,
) -> None:
    pair = product.pair
    for title in ("Renew the certificate of the VPN", "Connect to the VPN"):
        article(
            pair, short_description=title, text="<p>An expired certificate of the VPN must be renewed.</p>"
        )
    asked = {"short_description": "VPN: certificate expired", "description": "Cannot connect to VPN."}
    incident = pair.servicenow.add("incident", **asked, **SEVERE)["sys_id"]
    product.run("knowledge", "incident-case")
    pair.salesforce.fault("records", code="INSUFFICIENT_ACCESS_OR_READONLY", **LOST_CASES)
    pair.salesforce.fault("reset_after", **LOST_CASES)
    product.run("enrichment")

    (letter,) = letters("enrichment")
    assert letter.field == "action enrich, step attach"
    product.let_time_pass()
    product.retry(letter)
    product.run("enrichment")

    (case,) = pair.salesforce.rows("Case", ServiceNow_Sys_Id__c=incident)
    found = attached(pair, case["Id"])
    assert len(found) == len(set(found)) >= 2
    assert case["ServiceNow_Score__c"] >= 0.15
    assert set(statuses(flow_of("enrichment"))) == {"done"}


def test_a_notice_whose_mail_is_refused_is_sent_once_when_it_is_retried(product: Product) -> None:
    pair = product.pair
    (fred,) = pair.servicenow.rows("sys_user", user_name="fred.luddy")
    incident = pair.servicenow.add(
        "incident", short_description="Printer on fire", state="2", assigned_to=fred["sys_id"], **SEVERE
    )["sys_id"]
    product.run("incident-case", "progress-notices")
    done = {"close_code": "Solution provided", "close_notes": "Put out"}
    pair.servicenow.edit("incident", incident, by="fred.luddy", state="6", **done)
    product.run("progress-notices")
    pair.servicenow.edit("incident", incident, by="fred.luddy", state="2")
    pair.salesforce.fault("status", status=400, path="emailSimple")
    product.run("progress-notices")

    (letter,) = letters("progress-notices")
    assert letter.field == "action taken-up-again, step mail"
    product.retry(letter)

    (case,) = pair.salesforce.rows("Case", ServiceNow_Sys_Id__c=incident)
    assert [row["Recipients"] for row in pair.salesforce.rows("SentEmail")] == ["fred.luddy@acme.example"]
    assert [post.split(" ", 1)[1].split("\n")[0] for post in posts(pair, case["Id"])] == [
        "was resolved (Solution provided).", "was resolved and is being worked on again.",
    ]  # fmt: skip
    assert len(notes(pair, incident)) == 1


def test_at_the_end_nothing_is_left_for_a_person_and_nothing_was_made_twice(product: Product) -> None:
    pair = product.pair
    product.settle()

    assert "All flows healthy" in product.operator.open(reverse("admin:index")).text
    assert not DeadLetter.objects.filter(state="open").exists()
    assert not ActionRun.objects.exclude(status__in=("done", "skipped")).exists()
    assert not Waiting.objects.exists()
    assert (pair.servicenow.counters.duplicates, pair.salesforce.counters.duplicates) == (0, 0)
