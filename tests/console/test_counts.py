"""Before a person confirms a run, the page says what it will read and create, and how many records that is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from sync import services
from sync.models import AuditEntry, DeadLetter, Flow, Question, Run
from sync.questions import answer
from sync.sandbox.pair import Pair, PairConfig, start_pair
from tests.console import seed
from tests.engine.both import make_both
from tests.engine.conftest import run_now

VIEWS = ["view_flow", "view_run", "view_deadletter"]
pytestmark = [pytest.mark.filterwarnings("ignore:No directory at"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair(PairConfig()) as running:
        yield running


@pytest.fixture
def both(transactional_db: None, pair: Pair) -> Flow:
    """Five incidents, of which three meet `enter`; nothing has run yet."""
    for number in range(5):
        pair.servicenow.add(
            "incident", short_description=f"Printer {number}", impact="1" if number < 3 else "3"
        )
    return make_both(pair, servicenow_enter="impact=1")


@pytest.fixture
def as_role(transactional_db: None) -> Callable[[str], Client]:
    """A logged-in browser; the roles of the migrations do not outlive a test that commits."""
    may = {"viewer": VIEWS, "operator": [*VIEWS, "run_flow", "resync_flow", "retry_deadletter"]}

    def log_in(role: str) -> Client:
        user = User.objects.create_user(role, password="correct horse", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=may[role]))
        client = Client()
        client.force_login(user)
        return client

    return log_in


def count_url(flow: Flow, question: Question | None = None) -> str:
    url = reverse("admin:sync_flow_count", args=[flow.pk])
    return f"{url}?question={question.pk}" if question else url


def page_of(client, flow: Flow) -> str:
    return client.get(reverse("admin:sync_flow_change", args=[flow.pk])).content.decode()


def text_of(body: str) -> str:
    return " ".join(re.sub("<[^>]+>", " ", body).split())


def test_a_new_flow_says_what_its_first_run_reads_and_creates_with_the_count(as_role, both, pair):
    operator = as_role("operator")
    page = text_of(page_of(operator, both))
    assert "The first run reads everything in scope." in page
    assert (
        "Each incident of ServiceNow that meets “impact=1” and has no counterpart gets a Case in Salesforce."
        in page
    )

    waiting = operator.post(count_url(both), {"kind": "first"}).content.decode()
    question = Question.objects.get(kind="count")
    assert f"question={question.pk}" in waiting
    assert "every 1s" in waiting
    answer(question.pk)

    told = text_of(operator.get(count_url(both, question)).content.decode())
    assert "ServiceNow: 5 × incident to look at, of which 3 get a counterpart if they have none." in told
    assert told in text_of(page_of(operator, both))  # and there it stays, with its age
    assert pair.salesforce.rows("Case") == []
    assert run_now(both).created == 3
    assert "Before its first run" not in page_of(operator, both)


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        ("now", "the flow takes what changes from that moment on"),
        ("2026-11-01T00:00:00+00:00", "reads what was updated at or after 2026-11-01T00:00:00+00:00"),
    ],
)
def test_where_a_flow_starts_is_said(as_role, both, start, sentence):
    Flow.objects.filter(pk=both.pk).update(start=start)
    services.publish_flow(flow=Flow.objects.get(pk=both.pk), by=None)
    assert sentence in text_of(page_of(as_role("operator"), both))


def test_a_resync_says_how_many_records_it_looks_at_on_each_side(as_role, both, pair):
    run_now(both)
    operator = as_role("operator")
    dialog = operator.get(reverse("admin:sync_flow_resync", args=[both.pk])).content.decode()
    assert f'hx-post="{count_url(both)}"' in dialog

    operator.post(count_url(both), {"since": "2020-01-01T00:00:00+00:00", "until": "", "ids": ""})
    question = Question.objects.get(kind="count")
    answer(question.pk)

    told = text_of(operator.get(count_url(both, question)).content.decode())
    assert "ServiceNow: 5 × incident to look at" in told
    assert "Salesforce: 3 × Case to look at." in told
    assert "3 pairs are linked now" in told
    assert AuditEntry.objects.filter(action="flow.counted", actor_name="operator").count() == 1


def test_records_that_are_named_are_counted_and_unknown_ones_told(as_role, both, pair):
    incident = pair.servicenow.rows("incident")[0]
    operator = as_role("operator")
    operator.post(count_url(both), {"ids": f"{incident['number']} INC7777777"})
    question = answer(Question.objects.get(kind="count").pk)

    told = text_of(operator.get(count_url(both, question)).content.decode())
    assert "ServiceNow: 1 × incident to look at." in told
    assert "Not found: INC7777777." in told


def test_a_platform_that_cannot_be_asked_is_told_and_nothing_is_guessed(as_role, both, pair):
    pair.servicenow.fault("status", status=403, path="table/incident", times=0)
    operator = as_role("operator")
    operator.post(count_url(both), {"ids": ""})
    question = answer(Question.objects.get(kind="count").pk)

    told = text_of(operator.get(count_url(both, question)).content.decode())
    assert question.state == "failed"
    assert "not counted" in told


def test_what_cannot_be_read_yet_is_not_counted(as_role, flow):
    reply = as_role("operator").post(count_url(flow), {"since": "yesterday"})
    assert "correct what is entered above" in reply.content.decode()
    assert not Question.objects.exists()


def test_who_may_not_resync_counts_nothing_either(as_role, flow):
    assert as_role("viewer").post(count_url(flow), {"ids": ""}).status_code == 403
    assert not Question.objects.exists()


def test_the_same_count_is_not_asked_twice_at_once(as_role, flow):
    operator = as_role("operator")
    for _ in range(2):
        operator.post(count_url(flow), {"ids": ""})
    assert Question.objects.count() == 1


def test_chosen_dead_letters_are_resynced_beside_the_live_lane(as_role, flow):
    letters = [seed.dead_letter(seed.link(flow, number)) for number in (1, 2, 3)]
    operator, url = as_role("operator"), reverse("admin:sync_deadletter_changelist")
    chosen = {"action": "resync_chosen", "_selected_action": [str(letter.pk) for letter in letters[:2]]}

    asked = operator.post(url, chosen)
    assert "Resync the records of 2 dead letters?" in asked.content.decode()
    assert not Run.objects.exists()

    operator.post(url, {**chosen, "_form_submitted": "on"})
    run = Run.objects.get()
    assert (run.kind, run.lane) == ("resync", "backfill")
    assert set(run.params["ids"]) == {letter.record_id for letter in letters[:2]}
    assert DeadLetter.objects.filter(state="open").count() == 3  # each closes once its record succeeds


def test_a_run_that_has_ended_has_its_page_shown_anew(as_role, flow):
    run = services.request_run(flow=flow, by=None, enqueue=False)
    operator, url = as_role("operator"), reverse("admin:sync_run_progress", args=[run.pk])

    assert "HX-Refresh" not in operator.get(url, headers={"HX-Request": "true"}).headers
    services.cancel_run(run=run, by=None)
    assert operator.get(url, headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"
