"""Who may open what: every address of the console against every role, held against one table.

An address that is not in the table fails, so that a new page says here for whom it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.test.client import ClientHandler
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone

from mappings.models import RoutingTable
from sync.models import Flow, Reconciliation
from tests.console.test_roles import everything

# One letter a role; "-" is somebody on the staff who has none.
LETTERS = {
    "viewer": "V",
    "mapping editor": "M",
    "operator": "O",
    "administrator": "A",
    "auditor": "U",
    "": "-",
}
ALL = "VMOAU"
# Who sees the rows of a model, adds one, deletes one. Nobody but a service writes what has two dashes.
PAGES = {
    "mappings_routingtable": (ALL, "MA", "MA"), "mappings_usertable": (ALL, "MA", "MA"),
    "mappings_valuemap": (ALL, "MA", "MA"), "sync_flow": (ALL, "MA", "A"), "sync_connection": (ALL, "A", "A"),
    "sync_actionrun": (ALL, "", ""), "sync_waiting": (ALL, "", ""), "sync_remotecall": (ALL, "", ""),
    "sync_conflict": (ALL, "", ""), "sync_deadletter": (ALL, "", ""), "sync_reconciliation": (ALL, "", ""),
    "sync_recordlink": (ALL, "", ""), "sync_revision": (ALL, "", ""), "sync_run": (ALL, "", ""),
    "sync_plan": (ALL, "", ""), "sync_worker": (ALL, "", ""), "sync_auditentry": ("AU", "", ""),
    "auth_user": ("AU", "A", "A"), "auth_group": ("AU", "A", "A"),
}  # fmt: skip
# Actions and further pages of a model.
ACTIONS = {
    **dict.fromkeys(
        (
            "sync_actionrun_happened", "sync_actionrun_again", "sync_actionrun_drop", "sync_conflict_take_servicenow",
            "sync_conflict_take_salesforce", "sync_deadletter_retry", "sync_deadletter_ignore", "sync_connection_test",
            "sync_flow_run_now", "sync_flow_dry_run", "sync_flow_pause", "sync_flow_resume", "sync_flow_resync",
            "sync_flow_reconcile", "sync_flow_send_again", "sync_flow_allow_deletions", "sync_recordlink_sync_now", "sync_recordlink_hand_over",
            "sync_recordlink_hand_back", "sync_run_cancel", "sync_run_retry_failures", "sync_recordlink_why", "sync_reconciliation_again", "sync_reconciliation_heal_now",
            "sync_conflict_decide", "sync_deadletter_retry_group", "sync_deadletter_ignore_group",
        ),
        "OA",
    ),
    "sync_auditentry_jsonl": "AU", "sync_flow_mend": "MA", "sync_revision_roll_back": "MA",
    "sync_plan_approve": "OA", "sync_plan_apply": "OA", "sync_flow_preview": "MOA", "sync_flow_impact": "MOA",
    "sync_conflict_make_rule": "MA", "sync_deadletter_add_value": "MA", "sync_deadletter_causes": ALL,
    **dict.fromkeys(("sync_connection_connect", "sync_connection_disconnect", "auth_user_password_change", "auth_user_lift_limit"), "A"),
    **dict.fromkeys(("sync_connection_proved", "sync_flow_count", "sync_flow_lint", "sync_flow_renewal", "sync_flow_behind", "sync_connection_schemas", "sync_run_progress", "sync_reconciliation_statement"), ALL),
}  # fmt: skip
OTHERS = {
    **dict.fromkeys(("index", "login", "password_change", "password_change_done", "jsi18n", "search"), ALL + "-"),
    **dict.fromkeys(("recipes", "recipe", "recipe_check", "trace", "overview", "drafts", "compare_revisions", "sheet", "sheet_csv"), ALL),
    "report": ALL, "report_csv": ALL, "report_token": "A", "report_token_revoke": "A", "report_json": "",
    "recipe_use": "MA", "add_fields": "MA", "match_people": "MA", "trace_sync": "OA", "oauth_leave": ALL + "-", "oauth_callback": "A",
    "autocomplete": "", "view_on_site": ALL + "-", "app_list": ALL + "-",  # nothing there for anybody
}  # fmt: skip


def who_may(name: str) -> str:
    """The letters of the roles; raises KeyError for an address that the table does not know."""
    return named()[name]


def named() -> dict[str, str]:
    pages = {
        f"{model}_{verb}": letters
        for model, (see, add, delete) in PAGES.items()
        for verb, letters in (
            ("changelist", see),
            ("csv", see),
            ("change", see),
            ("history", see),
            ("add", add),
            ("delete", delete),
        )
    }
    return {**pages, **ACTIONS, **OTHERS}


def rows() -> list[object]:
    """All rows but those of the audit log, which notes what left as a file."""
    return everything()[1:]


class Undrawn:
    """A middleware that answers with the status of a page and spares its drawing, which other tests look at."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_template_response(self, request: HttpRequest, response: Any) -> HttpResponse:
        return Status(status=response.status_code)


class Status(HttpResponse):
    def render(self) -> HttpResponse:
        return self


@pytest.fixture(scope="module")
def handler() -> ClientHandler:
    with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, "tests.console.test_matrix.Undrawn"]):
        handler = ClientHandler(enforce_csrf_checks=False)
        handler.load_middleware()
    return handler


@pytest.fixture
def as_role(as_role, browser):
    """As elsewhere, and a member of the staff without a role for ""."""

    def log_in(role: str) -> Client:
        if role:
            return as_role(role)
        client = browser()
        client.force_login(User.objects.create_user("nobody", is_staff=True))
        return client

    return log_in


pytestmark = pytest.mark.filterwarnings("ignore:No directory at")
CONFIRMED = {"_form_submitted": "on", "reason": "Maintenance.", "values": "0", "post": "yes"}


def patterns(of: Any = None, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every address with its name, "" where it has none."""
    for each in (of or get_resolver()).url_patterns:
        route = prefix + str(each.pattern)
        if isinstance(each, URLPattern):
            yield route, each.name or ""
        else:
            yield from patterns(each, route)


def address(route: str, name: str) -> str:
    parts = {found: part(route, found) for found in re.findall(r"<(?:\w+:)?(\w+)>", route)}
    for placeholder, value in parts.items():
        route = re.sub(rf"<(?:\w+:)?{placeholder}>", value, route)
    return "/" + route.replace("^(?P", "")


def part(route: str, placeholder: str) -> str:
    if placeholder in ("object_id", "id"):
        if "/r/" in route:
            return "1"
        app, model = re.search(r"admin/(\w+)/(\w+)/", route).groups()
        row = target(apps.get_model(app, model))
        return str(row.pk) if row else "1"
    return {"name": "incident-case", "content_type_id": "1", "pk": "1"}.get(placeholder, "x")


def target(model: type[Model]) -> Model | None:
    if model is User:
        return User.objects.get_or_create(username="carol")[0]
    return model._default_manager.order_by("pk").first()


@pytest.fixture(scope="module")
def in_use(in_use):
    """And a row of what a console in use need not have."""
    flow = Flow.objects.first()
    RoutingTable.objects.create(name="desks")
    Reconciliation.objects.create(flow=flow, as_of=timezone.now())
    return in_use


def outcome(browser: Client, method: str, url: str) -> str:
    """ "may", "may not" or "logs in": what the address does for this person. A page or a form back is a may."""
    reply = getattr(browser, method)(url, CONFIRMED)
    if reply.status_code == 302 and reply.url.startswith("/admin/login/"):
        return "logs in"
    return "may not" if reply.status_code in (401, 403, 405) else "may"


@pytest.mark.parametrize("role", LETTERS)
def test_every_address_opens_for_the_roles_in_the_table_and_for_nobody_else(as_role, in_use, role):
    browser = as_role(role)
    before, walked = rows(), set()
    for route, name in dict.fromkeys(patterns()):
        if not name or name == "logout":
            continue  # unnamed: health, and addresses that only lead on
        walked.add(name)
        expected = "may" if LETTERS[role] in who_may(name) else "may not"
        url = address(route, name)
        assert outcome(browser, "get", url) == expected, (role, name)
        if expected == "may not":
            assert outcome(browser, "post", url) == "may not", (role, name)

    assert rows() == before
    assert walked == set(named())


def test_nobody_gets_past_the_login_without_an_account_or_with_one_that_is_no_staff(browser, in_use):
    carol = browser()
    carol.force_login(User.objects.get_or_create(username="carol")[0])
    stranger, before = browser(), everything()
    for route, name in dict.fromkeys(patterns()):
        if route.startswith("admin/") and name not in ("login", "logout", "jsi18n"):
            url = address(route, name)
            assert [outcome(each, "post", url) for each in (stranger, carol)] == ["logs in"] * 2, name

    assert everything() == before


def test_a_role_taken_away_acts_with_the_next_click(as_role, in_use):
    operator, flow = as_role("operator"), Flow.objects.first()
    url = reverse("admin:sync_flow_pause", args=[flow.pk])
    assert outcome(operator, "get", url) == "may"

    User.objects.get(username="operator").groups.clear()
    assert outcome(operator, "post", url) == "may not"
    assert outcome(operator, "get", reverse("admin:sync_recordlink_changelist")) == "may not"
    assert Flow.objects.get(pk=flow.pk).paused_reason == flow.paused_reason


@pytest.mark.parametrize("taken", ["is_active", "is_staff"])
def test_an_account_that_is_closed_is_out_with_the_next_click(as_role, in_use, taken):
    operator = as_role("operator")
    User.objects.filter(username="operator").update(**{taken: False})

    assert (
        outcome(operator, "post", reverse("admin:sync_flow_pause", args=[Flow.objects.first().pk]))
        == "logs in"
    )
