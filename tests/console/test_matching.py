"""A user table matched on its page: asked, waited for, proposed, confirmed."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from mappings.models import UserTable
from sync.models import Question
from tests.console.test_configuration import change_url

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


@pytest.fixture
def table(flow) -> UserTable:
    return UserTable.objects.get()


def url(table: UserTable) -> str:
    return reverse("match_people", args=[table.pk])


def answered(flow, table: UserTable) -> Question:
    pairs = [
        {
            "servicenow": name,
            "salesforce": f"{name}@acme.example",
            "label": name.title(),
            "inactive": inactive,
        }
        for name, inactive in (("abel.tuter", []), ("beth.anglin", []), ("luke.wilson", ["Salesforce"]))
    ]
    return Question.objects.create(
        kind="people", flow=flow, state="answered", answered_at=timezone.now(),
        params={"table": table.pk, "by": "email", "column": "email"},
        answer={"pairs": pairs, "ambiguous": ["desk.one, desk.two, desk@acme.example"], "ambiguous_total": 1, "alone": [2, 3], "read": [9, 8],
                "gone": [{"entry": "carol – carol@acme.example", "told": "inactive in ServiceNow"}]},
    )  # fmt: skip


def test_an_editor_asks_and_the_page_waits_for_a_worker(as_role, flow, table):
    editor = as_role("mapping editor")
    assert url(table) in editor.get(change_url(table)).content.decode()
    page = editor.post(url(table), {"by": "employee", "column": ""}, follow=True).content.decode()

    assert Question.objects.get().params == {"table": table.pk, "by": "employee", "column": "employee_number"}
    assert 'hx-trigger="every 1s"' in page
    told = editor.post(url(table), {"by": "email", "column": "Robert'); --"}).content.decode()
    assert "is no column of ServiceNow" in told


def test_proposals_are_ticked_unless_something_speaks_against_them_and_the_rest_is_told(as_role, flow, table):
    answered(flow, table)
    reply = as_role("mapping editor").get(url(table))

    # The table's entry for abel.tuter names abel@acme.example.
    assert {each.servicenow: each.is_sound for each in reply.context["found"]} == {
        "beth.anglin": True,
        "abel.tuter": False,
        "luke.wilson": False,
    }
    page = reply.content.decode()
    assert page.count(" checked") == 1
    for words in (
        "carol – carol@acme.example: inactive in ServiceNow",
        "desk.one, desk.two",
        "it_queue",
        "differs",
    ):
        assert words in page


def test_what_is_chosen_is_taken_and_nothing_else(as_role, flow, table):
    question, editor = answered(flow, table), as_role("mapping editor")
    seen = editor.get(url(table)).context["seen"]
    sent = {"confirm": "on", "question": question.pk, "seen": seen, "pair": ["1"]}
    page = editor.post(url(table), sent, follow=True).content.decode()

    assert "acme-people: 1 added." in page
    assert dict(table.entries.filter(kind="user").values_list("servicenow", "salesforce")) == {
        "abel.tuter": "abel@acme.example",
        "beth.anglin": "beth.anglin@acme.example",
    }


def test_older_proposals_and_a_table_edited_meanwhile_are_refused(as_role, flow, table):
    question, editor = answered(flow, table), as_role("mapping editor")
    seen = editor.get(url(table)).context["seen"]
    table.entries.create(kind="user", servicenow="bob", salesforce="bob@acme.example")
    sent = {"confirm": "on", "question": question.pk, "seen": seen, "pair": ["1"]}
    assert "was edited after" in editor.post(url(table), sent, follow=True).content.decode()

    newer = answered(flow, table)
    assert "newer proposals" in editor.post(url(table), sent, follow=True).content.decode()
    assert newer.pk != question.pk
    assert not table.entries.filter(servicenow="beth.anglin").exists()
