"""Actions on the console's pages: what is in doubt is decided there, and a flow's own are edited as text."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from sync.models import ActionRun, AuditEntry, Flow
from sync.recipes import shipped
from sync.recipes.use import use_recipe
from tests.console import seed
from tests.console.test_configuration import change_url, form_of

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")

TELL = """\
- name: tell
  on: {created: salesforce}
  steps:
    - {name: note, do: post, to: case_comment, text: "Seen as {servicenow.number}"}
"""


def test_a_page_shows_each_step_and_values_to_those_who_may_see_them(as_role, busy) -> None:
    url = change_url(ActionRun.objects.get())
    shown = as_role("viewer").get(url + "?values=1").content.decode()
    assert "sc_request" in shown
    assert "Values are hidden" in shown
    assert "Acme" not in shown

    opened = as_role("operator").get(url + "?values=1").content.decode()
    assert "Acme" in opened
    assert AuditEntry.objects.filter(action="payload.opened").exists()


def test_a_page_says_that_the_details_of_what_is_over_were_removed(as_role, busy) -> None:
    action = ActionRun.objects.get()
    now = timezone.now()
    ActionRun.objects.update(status="done", step="", finished_at=now - timedelta(days=90, hours=1))
    ActionRun.objects.remove_details([action.pk], now=now)

    shown = as_role("operator").get(change_url(action) + "?values=1").content.decode()

    assert "Details were removed" in shown
    assert "90 days after it had ended" in shown
    assert "sc_request" not in shown
    assert "The revision it follows" not in shown
    assert not AuditEntry.objects.filter(action="payload.opened").exists()


def test_an_operator_says_that_it_happened_and_a_viewer_cannot(as_role, busy) -> None:
    action = ActionRun.objects.get()
    url = reverse("admin:sync_actionrun_happened", args=[action.pk])
    sent = {
        "_form_submitted": "True",
        "step": str(action.steps.get(status="in_doubt").pk),
        "number": "REQ0010001",
        "id": "",
    }

    assert as_role("viewer").post(url, sent).status_code == 403
    as_role("operator").post(url, sent)

    action.refresh_from_db()
    assert (action.status, action.state["steps"]["order"][""]["number"]) == ("running", "REQ0010001")


def test_actions_are_edited_as_text_and_published_with_the_flow(as_role, busy) -> None:
    editor, flow = as_role("mapping editor"), Flow.objects.get(name="incidents-to-cases")
    form = form_of(editor, change_url(flow))

    answer = editor.post(change_url(flow), {**form, "acts": TELL.replace("post,", "shout,")})
    assert "Line 4: actions[0].steps[0].do" in answer.content.decode()
    assert editor.post(change_url(flow), {**form, "acts": TELL}).status_code == 302

    flow.refresh_from_db()
    assert flow.revision.snapshot["options"]["actions"][0]["steps"][0]["to"] == "case_comment"
    assert "Seen as {servicenow.number}" in form_of(editor, change_url(flow))["acts"]


def test_a_flow_that_does_nothing_but_act_is_published_from_its_page_and_not_without_its_actions(
    as_role,
) -> None:
    servicenow, salesforce = seed.connections()
    (flow,) = use_recipe(
        recipe=shipped()["progress-notices"], name="notices", servicenow=servicenow, salesforce=salesforce, by=None
    )  # fmt: skip
    editor, url = as_role("mapping editor"), change_url(flow)
    form = {**form_of(editor, url), "enabled": "on"}

    refused = editor.post(url, {**form, "acts": ""}).content.decode()
    assert "A flow needs at least one field, or actions" in refused
    editor.post(url, form)

    flow.refresh_from_db()
    assert flow.enabled
    assert flow.revision.snapshot["options"]["actions"]
