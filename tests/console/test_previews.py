"""The page of a flow shows what its mapping does before anybody publishes it, and opens values to those who may."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from mappings.models import FieldRow
from sync import services
from sync.engine.execute import execute
from sync.models import AuditEntry, Flow, Question, RecordLink, Run
from sync.questions import answer
from sync.sandbox.pair import Pair, PairConfig, start_pair
from tests.engine.both import make_both
from tests.engine.conftest import run_now

pytestmark = [pytest.mark.filterwarnings("ignore:No directory at"), pytest.mark.django_db(transaction=True)]
VIEWS = ["view_flow", "view_recordlink"]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair(PairConfig()) as running:
        yield running


@pytest.fixture
def both(transactional_db: None, pair: Pair) -> Flow:
    """One pair in step, whose incident was edited since, and one incident without counterpart."""
    flow = make_both(pair, servicenow_enter="impact=1")
    incident = pair.servicenow.add("incident", short_description="Printer on fire", impact="1", urgency="1")
    run_now(flow)
    pair.servicenow.edit("incident", incident["sys_id"], short_description="Hush")
    pair.servicenow.add("incident", short_description="Mailbox is full", impact="3", urgency="3")
    return Flow.objects.get(pk=flow.pk)


@pytest.fixture
def as_role(transactional_db: None) -> Callable[[str], Client]:
    """A logged-in browser; the roles of the migrations do not outlive a test that commits."""
    may = {
        "viewer": VIEWS,
        "editor": [*VIEWS, "preview_flow", "change_flow"],
        "operator": [*VIEWS, "preview_flow", "view_payload", "resync_flow"],
    }

    def log_in(role: str) -> Client:
        user = User.objects.create_user(role, password="correct horse", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=may[role]))
        client = Client()
        client.force_login(user)
        return client

    return log_in


def ask(client: Client, flow: Flow, what: str, **given: str) -> Question:
    waiting = client.post(reverse(f"admin:sync_flow_{what}", args=[flow.pk]), given).content.decode()
    question = Question.objects.get(kind=what)
    assert f"question={question.pk}" in waiting
    return answer(question.pk)


def shown(client: Client, flow: Flow, question: Question) -> str:
    url = reverse(f"admin:sync_flow_{question.kind}", args=[flow.pk])
    return text_of(client.get(url, {"question": question.pk}).content.decode())


def page_of(client: Client, flow: Flow) -> str:
    return client.get(reverse("admin:sync_flow_change", args=[flow.pk])).content.decode()


def text_of(body: str) -> str:
    return " ".join(re.sub("<[^>]+>", " ", body).split())


def test_an_operator_names_a_record_and_sees_each_field_with_its_verdict(as_role, both, pair):
    operator, link = as_role("operator"), RecordLink.objects.get()

    told = shown(operator, both, ask(operator, both, "preview", names=link.servicenow_number, of="draft"))

    assert f"{link.servicenow_number} ↔ {link.salesforce_number} would be updated" in told
    assert "source Hush result Hush now in Salesforce Printer on fire would be written" in told
    assert "result New now in Salesforce New stands there already" in told
    opened = AuditEntry.objects.filter(action="payload.opened", object_id=str(link.pk))
    assert opened.count() == 1
    shown(operator, both, Question.objects.get())
    assert opened.count() == 1  # one entry a person, record and hour


def test_an_editor_sees_the_verdicts_and_no_value(as_role, both):
    editor = as_role("editor")

    told = shown(editor, both, ask(editor, both, "preview", names="", of="published"))

    assert "would be written" in told
    assert "gets no counterpart" in told
    assert "Hush" not in told
    assert "Values are hidden" in told
    assert not AuditEntry.objects.filter(action="payload.opened").exists()


def test_the_page_itself_opens_nothing_and_says_who_asked_last(as_role, both):
    operator = as_role("operator")
    ask(operator, both, "preview", names="")

    page = page_of(operator, both)

    assert "Hush" not in page
    assert "by operator" in text_of(page)
    assert not AuditEntry.objects.filter(action="payload.opened").exists()


def test_who_may_only_look_is_offered_no_preview_and_gets_none(as_role, both):
    viewer = as_role("viewer")

    assert "Measure impact" not in page_of(viewer, both)
    assert viewer.post(reverse("admin:sync_flow_preview", args=[both.pk]), {"names": ""}).status_code == 403
    assert viewer.post(reverse("admin:sync_flow_impact", args=[both.pk])).status_code == 403
    assert not Question.objects.exists()


def test_more_records_than_fit_beside_each_other_are_refused_in_words(as_role, both):
    names = " ".join(f"INC{number:07}" for number in range(11))
    reply = as_role("operator").post(reverse("admin:sync_flow_preview", args=[both.pk]), {"names": names})

    assert "Name 10 records at most" in reply.content.decode()
    assert not Question.objects.exists()


def test_the_impact_of_a_draft_is_counted_by_field_with_examples_and_goes_stale_with_it(as_role, both):
    operator = as_role("operator")
    row = FieldRow.objects.create(
        mapping=both,
        position=9,
        salesforce="Type",
        transform="constant",
        value="Problem",
        direction="to_salesforce",
    )

    told = shown(operator, both, ask(operator, both, "impact"))

    assert "All 1 linked pairs were looked at." in told
    assert "Type constant 1 would be written" in told
    assert "empty → Problem" in told
    page = page_of(operator, both)
    assert "empty → " not in text_of(page)  # examples are opened by a button
    assert "measure it again" not in page
    row.value = "Question"
    row.save()
    assert "measure it again" in page_of(operator, both)


def test_names_with_zero_bytes_are_asked_for_without_them(as_role, both):
    """PostgreSQL keeps no zero byte, neither in a text nor in JSON."""
    as_role("editor").post(reverse("admin:sync_flow_preview", args=[both.pk]), {"names": "INC1\x00INC2"})

    assert Question.objects.get(kind="preview").params["names"] == ["INC1", "INC2"]


def test_who_publishes_is_told_how_many_pairs_stand_otherwise_and_an_operator_sends_them_again(
    as_role, both, pair
):
    FieldRow.objects.filter(mapping=both, salesforce="Origin").update(value="Web")
    services.publish_flow(flow=both, by=None)
    operator, editor, url = as_role("operator"), as_role("editor"), f"/admin/sync/flow/{both.pk}"
    assert "Counting which linked pairs revision 2 makes otherwise" in text_of(page_of(editor, both))
    answer(Question.objects.get(kind="renewal").pk)

    told = "Revision 2 makes 1 of the 1 linked pairs otherwise than they stand : Origin 1."
    assert told in text_of(page_of(editor, both))
    assert "Send the 1 affected again" not in page_of(editor, both)
    assert "Send the 1 affected again" in page_of(operator, both)
    asked = text_of(operator.get(f"{url}/send_again/").content.decode())
    assert "Reads 1 pair again in the backfill lane" in asked
    assert "at most 1 call to Salesforce to write them" in asked
    operator.post(f"{url}/send_again/", {"_form_submitted": "on"})
    queued = Run.objects.first()
    assert f"Run {queued.pk} sends them again." in text_of(page_of(operator, both))
    execute(queued.pk)

    assert [case["Origin"] for case in pair.salesforce.rows("Case")] == ["Web"]
    assert "otherwise than they stand" not in page_of(operator, both)
    told = operator.post(f"{url}/renewal/").content.decode()
    assert "Counting" in told
    answer(Question.objects.filter(kind="renewal").first().pk)
    assert "makes no linked pair otherwise" in text_of(operator.get(f"{url}/renewal/").content.decode())
