"""The checklist of an empty console: each step's state comes from rows, and it ends with a synchronised record."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from sync.models import Connection, Question
from tests.console import seed

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


def states(browser) -> list[bool]:
    return [step.done for step in browser.get(reverse("admin:index")).context["steps"]]


def test_the_steps_are_done_one_after_the_other_until_a_record_is_synchronised(root):
    assert states(root) == [False] * 6

    ends = seed.connections()
    assert states(root) == [True, True, False, False, False, False]

    flow = seed.flow(*ends)
    Question.objects.create(kind="recipe", state="answered", answer={"findings": [{"status": "ok"}]})
    assert states(root) == [True, True, True, True, False, False]

    seed.run(flow, timezone.now(), mode="dry")
    assert states(root) == [True, True, True, True, True, False]

    seed.link(flow, 1)
    assert states(root) == []


def test_a_connection_that_failed_its_test_says_why_it_is_not_connected(root):
    seed.connections()
    Connection.objects.filter(system="salesforce").update(health="failing", health_message="Invalid client.")
    step = root.get(reverse("admin:index")).context["steps"][1]

    assert (step.done, step.said) == (False, "acme-salesforce: Invalid client.")


def test_what_is_to_be_entered_over_there_can_be_copied(root, settings):
    settings.PUBLIC_URL = "https://console.acme.example"
    body = root.get(reverse("admin:index")).content.decode()

    for value in (
        "https://console.acme.example/oauth/callback/",
        "api refresh_token",
        "itil, integration_console",
    ):
        assert f'value="{value}"' in body
    assert "YOUR-INSTANCE.service-now.com:443" in body


def test_the_renewal_of_the_overview_leaves_the_steps_as_they_are_being_read(root):
    assert "First steps" not in root.get(reverse("overview")).content.decode()
