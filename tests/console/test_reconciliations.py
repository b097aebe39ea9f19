"""Reconciliations in the console: the statement stands on top of the Overview, and leads to what differs."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from sync.models import AuditEntry, Reconciliation, Run
from tests.console import seed

CONFIRMED = {"_form_submitted": "on"}
pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


@pytest.fixture
def row(flow) -> Reconciliation:
    """One pair unequal, one incident missing, of four in scope; its link is in the list of records."""
    made = Reconciliation.objects.create(
        flow=flow, run=seed.run(flow, timezone.now()), state="done", as_of=timezone.now(), in_scope=4, paired=3,
        unequal=1, missing=1, statement="Integration Console: reconciliation\n",
    )  # fmt: skip
    link = seed.link(flow, 1)
    made.suspects.create(
        link=link, side="servicenow", servicenow_id=link.servicenow_id, servicenow_number="INC0010001",
        salesforce_id=link.salesforce_id, salesforce_number="00001001", finding="unequal", field_names="Subject",
    )  # fmt: skip
    made.suspects.create(
        side="servicenow", servicenow_id="f" * 32, servicenow_number="INC0010002", finding="missing"
    )
    return made


def page(row: Reconciliation) -> str:
    return reverse("admin:sync_reconciliation_change", args=[row.pk])


def test_the_overview_shows_the_statement_first(root, row):
    text = root.get(reverse("admin:index")).content.decode()

    assert f"4 in scope, 3 paired, 1 missing, 1 unequal, 0 in conflict, as of {row.as_of:%H:%M} UTC" in text
    assert page(row) in text
    assert text.index(" in scope, ") < text.index("synced, 24 h")


def test_only_the_last_statement_of_a_flow_is_shown(root, row):
    Reconciliation.objects.create(
        flow=row.flow, state="done", as_of=timezone.now(), in_scope=4, paired=4, statement="later"
    )

    text = root.get(reverse("admin:index")).content.decode()

    assert "4 in scope, 4 paired, 0 unequal" in text
    assert "1 unequal" not in text


def test_the_page_lists_what_differs_with_links_to_both_records(root, row):
    text = root.get(page(row)).content.decode()
    unequal = root.get(page(row), {"finding": "unequal"}).content.decode()

    assert "INC0010002" in text
    assert "INC0010002" not in unequal
    assert f"https://acme.service-now.com/nav_to.do?uri=incident.do?sys_id={'f' * 32}" in text
    assert "https://acme.my.salesforce.com/lightning/r/Case/" in unequal
    assert reverse("admin:sync_recordlink_change", args=[row.suspects.first().link_id]) in unequal


def test_the_signed_statement_is_a_file(as_role, row):
    answer = as_role("viewer").get(reverse("admin:sync_reconciliation_statement", args=[row.pk]))

    assert answer.content.decode() == row.statement
    assert answer["Content-Type"].startswith("text/plain")
    assert "attachment" in answer["Content-Disposition"]


def test_an_operator_heals_after_a_confirmation_and_a_viewer_may_not(as_role, row, flow):
    url = reverse("admin:sync_reconciliation_heal_now", args=[row.pk])
    refused = as_role("viewer").post(url, CONFIRMED)
    operator = as_role("operator")
    asked = operator.get(url)
    runs = list(Run.objects.filter(kind="heal"))

    operator.post(url, CONFIRMED)

    assert refused.status_code == 403
    assert (asked.status_code, runs) == (200, [])
    run = Run.objects.get(kind="heal")
    assert (run.lane, run.asked_by_name) == ("backfill", "operator")
    assert AuditEntry.objects.filter(action="run.started", actor_name="operator").exists()


def test_the_list_asks_a_fixed_number_of_queries(root, row):
    for number in range(30):
        Reconciliation.objects.create(
            flow=row.flow,
            run=seed.run(row.flow, timezone.now()),
            state="done",
            as_of=timezone.now(),
            in_scope=number,
        )
    url = reverse("admin:sync_reconciliation_changelist")
    root.get(url)
    with CaptureQueriesContext(connection) as asked:
        assert root.get(url).status_code == 200

    assert len(asked) <= 13, [query["sql"][:120] for query in asked]


def test_the_run_leads_to_its_statement(root, row, flow):
    other = seed.run(flow, timezone.now())
    text = root.get(reverse("admin:sync_run_change", args=[row.run_id])).content.decode()

    assert page(row) in text
    assert "4 in scope" in text
    assert "/reconciliation/" not in root.get(
        reverse("admin:sync_run_change", args=[other.pk])
    ).content.decode().replace(reverse("admin:sync_reconciliation_changelist"), "")
