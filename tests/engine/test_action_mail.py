"""An action's e-mail at a mail server on a real socket: who was refused is told, and who has it gets no second one."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connections

from sync import services
from sync.engine.execute import execute
from sync.models import ActionRun, ActionStep, DeadLetter, Flow, Run
from sync.sandbox.pair import Pair
from tests.engine.acts import notice_flow, only_letter, redeclare, statuses
from tests.engine.conftest import run_now
from tests.engine.killing import let_time_pass
from tests.engine.post_office import PostOffice, post_office
from tests.engine.test_restored import restore

ALICE, BOB = "alice@acme.example", "bob@acme.example"


def tell(to: str = f"{ALICE}, {BOB}") -> dict[str, object]:
    mail = {
        "name": "mail",
        "do": "notify",
        "by": "email",
        "to": to,
        "subject": "News",
        "text": "Please look.",
    }
    return {"name": "tell", "on": {"entered": "salesforce"}, "steps": [mail]}


@pytest.fixture
def office(settings) -> Iterator[PostOffice]:
    with post_office() as office:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", office.port
        yield office


@pytest.fixture
def flow(transactional_db: None, pair: Pair, office: PostOffice) -> Flow:
    """A Case has entered; nobody was told yet."""
    pair.salesforce.add("Case", Subject="Printer on fire")
    return notice_flow(pair, tell(), direction="to_servicenow")


@pytest.fixture
def to_each(transactional_db: None, pair: Pair, office: PostOffice) -> Flow:
    """Each of two people is told: the first has no address, and the second one's message is under way when somebody retries that."""
    pair.salesforce.add("Case", Subject="Printer on fire")
    pair.salesforce.add("Contact", LastName="Alice")
    pair.salesforce.add("Contact", LastName="Bob", Email=BOB)
    people = {
        "name": "people", "do": "look_up", "in": "salesforce", "table": "Contact", "query": "AccountId = null", "take": ["Email"],
        "many": "each", "order_by": ["LastName"],
    }  # fmt: skip
    act = tell(to="{steps.people.Email}")
    office.meanwhile = retried_elsewhere
    return notice_flow(pair, {**act, "steps": [people, *act["steps"]]}, direction="to_servicenow")


def retried_elsewhere() -> None:
    services.retry_dead_letters(letters=[only_letter()], by=None)
    connections.close_all()


def retry(letter: DeadLetter, flow: Flow) -> None:
    services.retry_dead_letters(letters=[letter], by=None)
    execute(Run.objects.active().get(flow=flow).pk)


def received(office: PostOffice) -> tuple[int, int]:
    return office.received(ALICE), office.received(BOB)


def test_a_message_that_all_may_have_is_sent_once(flow: Flow, office: PostOffice) -> None:
    run_now(flow)
    run_now(flow)

    assert ([recipients for recipients, _ in office.taken], statuses(flow)) == ([[ALICE, BOB]], ["done"])


def test_who_was_refused_is_a_dead_letter_and_its_retry_reaches_nobody_twice(
    flow: Flow, office: PostOffice, caplog: pytest.LogCaptureFixture
) -> None:
    office.refuses[BOB] = ["550 No such mailbox"]
    run_now(flow)

    letter = only_letter()
    assert (received(office), statuses(flow)) == ((1, 0), ["failed"])
    assert (letter.code, "those alone who have not had it" in letter.advice) == ("RECIPIENTS_REFUSED", True)
    assert f"{BOB} (550 No such mailbox). 1 of 2 recipients has the message." in letter.content["message"]
    assert ActionStep.objects.get().target_number == "1 of 2 recipients"
    assert "the server refused 1 of 2 recipients (550)" in caplog.text
    in_the_clear = str(
        [*ActionStep.objects.values(), *ActionRun.objects.values(), *DeadLetter.objects.values()]
    )
    assert "bob@" not in in_the_clear + caplog.text

    retry(letter, flow)
    assert (received(office), statuses(flow)) == ((1, 0), ["failed"])

    office.refuses.clear()
    retry(only_letter(), flow)
    assert (received(office), statuses(flow)) == ((1, 1), ["done"])
    assert f"To: {ALICE}, {BOB}" in office.taken[-1][1]
    assert not DeadLetter.objects.filter(state="open").exists()


def test_who_is_refused_for_now_has_it_later_and_no_person_is_asked(flow: Flow, office: PostOffice) -> None:
    office.refuses[BOB] = ["451 Greylisted, come back", "250 OK"]

    run_now(flow)
    let_time_pass()
    run_now(flow)

    assert (received(office), statuses(flow)) == ((1, 1), ["done"])
    assert not DeadLetter.objects.exists()


def test_a_message_without_whom_the_server_refuses_goes_to_nobody_again(
    flow: Flow, office: PostOffice
) -> None:
    office.refuses[BOB] = ["550 No such mailbox"]
    run_now(flow)

    redeclare(flow, tell(to=ALICE))
    retry(only_letter(), flow)

    assert (received(office), statuses(flow)) == ((1, 0), ["done"])


def test_an_answer_lost_after_some_had_it_is_sent_again_to_the_others_alone(
    flow: Flow, office: PostOffice
) -> None:
    office.refuses[BOB] = ["550 No such mailbox", "250 OK"]
    run_now(flow)
    office.hangs_up = True
    retry(only_letter(), flow)
    assert (received(office), statuses(flow)) == ((1, 1), ["in_doubt"])

    services.do_action_again(step=ActionStep.objects.get(status="in_doubt"), by=None)
    execute(Run.objects.active().get(flow=flow).pk)

    assert (received(office), statuses(flow)) == ((1, 2), ["done"])  # a person had it sent to Bob again


def test_what_is_under_way_while_another_row_is_retried_is_not_sent_again(
    to_each: Flow, office: PostOffice
) -> None:
    run_now(to_each)
    run_now(to_each)

    assert (office.received(BOB), statuses(to_each)) == (1, ["failed"])
    assert {step.status for step in ActionStep.objects.filter(name="mail")} == {"refused", "done"}


def test_what_was_lost_while_another_row_is_retried_is_in_doubt_and_not_sent_again(
    to_each: Flow, office: PostOffice
) -> None:
    office.hangs_up = True

    run_now(to_each)
    run_now(to_each)

    assert (office.received(BOB), statuses(to_each)) == (1, ["in_doubt"])
    assert {step.status for step in ActionStep.objects.filter(name="mail")} == {"planned", "in_doubt"}

    services.say_action_happened(step=ActionStep.objects.get(status="in_doubt"), by=None)
    execute(Run.objects.active().get(flow=to_each).pk)
    assert (office.received(BOB), statuses(to_each)) == (1, ["failed"])


def test_a_letter_ignored_while_other_rows_are_under_way_drops_the_action(
    to_each: Flow, office: PostOffice
) -> None:
    def ignored_elsewhere() -> None:
        services.ignore_dead_letters(letters=[only_letter()], by=None, reason="Alice knows")
        connections.close_all()

    office.meanwhile = ignored_elsewhere
    run_now(to_each)
    run_now(to_each)

    assert (office.received(BOB), statuses(to_each)) == (1, ["dropped"])


def test_a_restored_console_asks_before_it_sends_what_may_have_been_sent_since_the_backup(
    flow: Flow, office: PostOffice, tmp_path: Path
) -> None:
    file = tmp_path / "console.backup"
    call_command("backup", str(file), stdout=StringIO())
    run_now(flow)
    assert received(office) == (1, 1)
    call_command("flush", interactive=False, verbosity=0)

    restore(file)
    flow = Flow.objects.get()
    run_now(flow)
    assert (received(office), statuses(flow)) == ((1, 1), ["in_doubt"])

    services.do_action_again(step=ActionStep.objects.get(status="in_doubt"), by=None)
    execute(Run.objects.active().get(flow=flow).pk)
    assert (received(office), statuses(flow)) == ((2, 2), ["done"])
