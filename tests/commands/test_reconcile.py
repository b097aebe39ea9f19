"""`reconcile`: exit statuses, the JSON that scripts read, and the statement that can be checked elsewhere."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from sync import services
from sync.models import Flow, Reconciliation, RecordLink, Run

pytestmark = pytest.mark.django_db(transaction=True)

ONE_HOUR = timedelta(hours=1)
DRIFTED = "Typed over by somebody"


@pytest.fixture
def flow(command, demo_flow, pair) -> Flow:
    """A flow with overlap 0 that has run twice: what it brought over is older than what its last poll read."""
    flow = Flow.objects.get(name="incidents-to-cases")
    Flow.objects.filter(pk=flow.pk).update(overlap=0)
    flow.refresh_from_db()
    services.publish_flow(flow=flow, by=None)
    command("run_flow", flow.name)
    for side in (pair.servicenow, pair.salesforce):
        side.skew_clock(ONE_HOUR)
    command("run_flow", flow.name)
    return flow


def slip(pair) -> str:
    """An incident changes and shows no newer stamp; returns its sys_id."""
    sys_id = RecordLink.objects.order_by("servicenow_number").values_list("servicenow_id", flat=True)[0]
    pair.servicenow.platform.migrate("incident", {"sys_id": sys_id, "short_description": DRIFTED})
    return sys_id


def test_sides_that_agree_end_with_0_and_a_statement(command, flow, pair, tmp_path):
    file = tmp_path / "statement.txt"

    ended = command("reconcile", flow.name, "--statement", str(file))

    paired = RecordLink.objects.count()
    assert (ended.status, paired > 3) == (0, True)
    assert (ended.data["paired"], ended.data["unequal"], ended.data["agree"]) == (paired, 0, True)
    assert re.search(rf"{paired} in scope, {paired} paired, 0 unequal, .* as of \d\d:\d\d UTC", ended.told)
    assert set(ended.data) == {
        "flow", "run", "kind", "status", "in_scope", "paired", "missing", "orphaned", "unequal", "twins", "conflicts",
        "failed", "in_flight", "healed", "agree", "full", "as_of", "sentence", "api_calls", "seconds", "statement",
    }  # fmt: skip
    assert file.read_text() == ended.data["statement"] == Reconciliation.objects.get().statement


def test_a_statement_is_genuine_until_a_word_of_it_is_changed(command, flow, tmp_path):
    file = tmp_path / "statement.txt"
    command("reconcile", flow.name, "--statement", str(file))
    runs = Run.objects.count()

    genuine = command("reconcile", "--verify", str(file))
    file.write_text(file.read_text().replace("0 unequal", "1 unequal"))
    forged = command("reconcile", "--verify", str(file))

    assert (genuine.status, genuine.data["genuine"]) == (0, True)
    assert (forged.status, forged.data["genuine"]) == (1, False)
    assert command("reconcile", "--verify", str(tmp_path / "none.txt")).status == 2
    assert Run.objects.count() == runs


def test_a_difference_ends_with_1_and_healing_it_with_0(command, flow, pair):
    sys_id = slip(pair)

    seen = command("reconcile", flow.name)
    healed = command("reconcile", flow.name, "--heal")

    (case,) = pair.salesforce.rows("Case", ServiceNow_Sys_Id__c=sys_id)
    assert (seen.status, seen.data["unequal"], seen.data["agree"]) == (1, 1, False)
    assert "unequal: INC" in seen.told
    assert "Subject" in seen.told
    assert (healed.status, healed.data["unequal"], healed.data["healed"]) == (0, 0, 1)
    assert (healed.data["kind"], seen.data["kind"]) == ("heal", "reconcile")
    assert case["Subject"] == DRIFTED


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["incident-to-case"], "There is no flow 'incident-to-case'. Did you mean 'incidents-to-cases'?"),
        ([], "Name the flow to reconcile"),
        (["incidents-to-cases"], "incidents-to-cases is disabled. Enable it first."),
    ],
)
def test_what_cannot_run_ends_with_2_and_a_sentence(command, incidents_flow, arguments, sentence):
    Flow.objects.update(enabled=False)

    ended = command("reconcile", *arguments)

    assert ended.status == 2
    assert sentence in ended.told


def test_an_unreachable_platform_is_told_in_one_sentence(command, incidents_flow):
    ended = command("reconcile", incidents_flow.name)

    assert ended.status == 2
    assert "Traceback" not in ended.told
    assert not Reconciliation.objects.done().exists()
