"""Each role against each action of each page and each way of asking: what the rules name decides, and nothing else."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from sync.models import (
    AuditEntry,
    Conflict,
    Connection,
    DeadLetter,
    Event,
    Flow,
    Question,
    RecordLink,
    Run,
    Waiting,
)

ROLES = ("viewer", "mapping editor", "operator", "administrator", "auditor")
CONFIRMED = {"_form_submitted": "on", "reason": "Maintenance."}
pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


def everything() -> list[object]:
    models = (AuditEntry, Connection, Conflict, DeadLetter, Event, Flow, Question, Run, Waiting)
    return [list(model.objects.order_by("pk").values()) for model in models]


def row_actions(page: admin.ModelAdmin) -> set[str]:
    attributes = ("actions_row", "actions_detail", "actions_submit_line")
    return {name for each in attributes for name in page._extract_action_names(getattr(page, each, ()))}


def asked(browser: Client, page: admin.ModelAdmin, name: str) -> list[HttpResponse]:
    target = page.model.objects.first()
    url = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_{name}", args=[target.pk])
    return [browser.get(url), browser.get(url, CONFIRMED), browser.post(url, CONFIRMED)]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_refused_every_action_that_it_does_not_hold(as_role, in_use, role):
    browser = as_role(role)
    person = User.objects.get(username=role.replace(" ", "."))
    before, refused, offered = everything(), 0, 0
    for page in admin.site._registry.values():
        if not page.model.objects.exists():
            continue
        for name in row_actions(page):
            if person.has_perm(getattr(page, name).rules.permission):
                offered += 1
                continue
            refused += 1
            codes = [reply.status_code for reply in asked(browser, page, name)]
            assert codes == [403] * 3, (page, name)

    assert everything() == before
    assert refused + offered >= 10
    assert refused or role == "administrator"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_refused_every_choice_of_rows_that_it_does_not_hold(as_role, in_use, role):
    browser = as_role(role)
    request = RequestFactory().get("/")
    request.user = User.objects.create_superuser("root")
    person = User.objects.get(username=role.replace(" ", "."))
    before = everything()
    for page in admin.site._registry.values():
        target = page.model.objects.first()
        for action, name, _ in page.get_actions(request).values() if target else ():
            if not person.has_perm(action.rules.permission):
                url = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
                chosen = {"action": name, "_selected_action": [str(target.pk)], "side": "servicenow"}
                browser.post(url, {**chosen, **CONFIRMED})

    assert everything() == before


def test_nobody_sees_a_value_without_the_permission_and_an_entry_in_the_audit_log(as_role, in_use):
    plant("Hush")
    saw = set()
    for role in ROLES:
        browser = as_role(role)
        person = User.objects.get(username=role.replace(" ", "."))
        for model in (RecordLink, DeadLetter, Conflict):
            for action in ("change", "changelist"):
                args = [model.objects.first().pk] if action == "change" else []
                url = reverse(f"admin:sync_{model._meta.model_name}_{action}", args=args)
                reply = browser.get(url, {"values": "1"} if args else {})
                if "Hush" not in reply.content.decode():
                    continue
                saw.add(role)
                assert person.has_perm("sync.view_payload"), (role, model)
                assert AuditEntry.objects.filter(action="payload.opened", actor=person).exists()

    assert saw == {"operator", "administrator"}


def plant(value: str) -> None:
    """Let the records that the pages show hold this value."""
    link, letter, conflict = (model.objects.first() for model in (RecordLink, DeadLetter, Conflict))
    link.base = dict.fromkeys(link.base or {"row": []}, [value, value])
    letter.content = {
        "message": value,
        "value": value,
        "source": {"short_description": value},
        "target": {},
        "planned": {},
    }
    conflict.values = {**conflict.values, "servicenow": value, "salesforce": f"{value}, theirs"}
    for row in (link, letter, conflict):
        row.save()
