"""The report: what is counted, for whom, at what cost, and the token by which a program reads it."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sync import reporting
from sync.models import AuditEntry, CachedSchema, Flow, RecordLink, ReportToken

PAGE, API = "/admin/report/", "/api/report.json"
REPORT_QUERIES = 23
pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


def lines(found: reporting.Report, name: str) -> dict[str, tuple[int, int]]:
    return {line.value: (line.servicenow, line.salesforce) for line in found.by[name]}


def test_pairs_are_counted_by_what_each_side_holds(in_use):
    flow = Flow.objects.first()
    found = reporting.report(flow, with_values=True)

    assert found.pairs == RecordLink.objects.filter(flow=flow).count()
    assert found.complete
    states = lines(found, "state")
    assert sum(here for here, _ in states.values()) == found.pairs
    assert states["Working"][0] == 0  # Salesforce's word
    assert states["Working"][1] > 0


def test_a_choice_is_told_by_its_label_with_the_value_beside_it(root, in_use):
    flow = Flow.objects.first()
    fields = {"state": {"choices": ["2", "7"], "labels": ["In Progress", "Closed"]}, "short_description": {}}
    CachedSchema.objects.create(
        connection=flow.servicenow_connection, name="incident", fields=fields, fetched_at=timezone.now()
    )
    found = reporting.report(flow, with_values=True)

    assert {line.value: line.label for line in found.by["state"]} == {"2": "In Progress", "Working": ""}
    page = " ".join(root.get(PAGE).content.decode().split())
    assert '<th scope="row">In Progress <span class="ic-dim">2</span></th>' in page
    told = csv.DictReader(io.StringIO(root.get(f"{PAGE}export.csv").content.decode("utf-8-sig")))
    assert {row["label"] for row in told if row["value"] == "2"} == {"In Progress"}


def test_of_many_pairs_the_newest_are_counted_and_the_report_says_so(in_use):
    found = reporting.report(Flow.objects.first(), with_values=True, at_most=5)

    assert (found.pairs, found.complete) == (5, False)


def test_a_page_of_the_report_asks_a_fixed_number_of_queries(root, in_use):
    root.get(PAGE)
    with CaptureQueriesContext(connection) as asked:
        body = root.get(PAGE).content.decode()

    assert len(asked) <= REPORT_QUERIES, [query["sql"][:100] for query in asked]
    assert "Counted over" in body
    assert "By state" in body


def test_who_may_not_see_values_sees_counts_without_them_and_who_may_is_noted(as_role, in_use):
    viewer, operator = as_role("viewer"), as_role("operator")

    seen = viewer.get(PAGE).content.decode()
    assert "By link state" in seen
    assert "By state" not in seen
    assert not AuditEntry.objects.filter(action="payload.opened", object_type="sync.flow").exists()
    for _ in range(2):
        assert "By state" in operator.get(PAGE).content.decode()
    assert AuditEntry.objects.filter(action="payload.opened", object_type="sync.flow").count() == 1


def test_the_report_leaves_as_csv(root, in_use):
    rows = list(csv.DictReader(io.StringIO(root.get(f"{PAGE}export.csv").content.decode("utf-8-sig"))))

    assert rows[0]["counted"] == "pairs counted"
    assert {"state", "last change"} <= {row["counted"] for row in rows}


def test_a_program_reads_the_report_with_a_token_that_was_shown_once(root, browser, in_use):
    page = root.post(f"{PAGE}token/", {"name": "dashboard of Acme"})
    token = page.context["token"]
    assert token in page.content.decode()
    assert token not in root.get(PAGE).content.decode()
    assert token not in str(list(ReportToken.objects.values()))
    assert token not in str(list(AuditEntry.objects.values()))

    reply = browser().get(API, {"flow": "incidents-to-cases"}, headers={"Authorization": f"Bearer {token}"})
    assert reply.status_code == 200
    told = reply.json()
    assert told["pairs"] == RecordLink.objects.count()
    assert {"value", "label", "servicenow", "salesforce"} == set(told["by"]["state"][0])
    entry = AuditEntry.objects.order_by("-number").first()
    assert (entry.action, entry.actor_name) == ("report.read", "token dashboard of Acme")


def test_a_revoked_token_opens_nothing_from_that_moment(root, browser, in_use):
    token = root.post(f"{PAGE}token/", {"name": "old"}).context["token"]
    root.post(f"{PAGE}token/{ReportToken.objects.get(name='old').pk}/revoke/")

    assert browser().get(API, headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert AuditEntry.objects.filter(action="report_token.revoked").count() == 1


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer icr_guess", "Basic cm9vdDpyb290", "Bearer \udcff"])
def test_without_a_valid_token_nothing_is_told_whoever_is_logged_in(root, in_use, header):
    reply = root.get(API, {"flow": "incidents-to-cases"}, headers={"Authorization": header} if header else {})

    assert reply.status_code == 401
    assert "flows" not in reply.json()


def test_a_token_writes_nothing_and_an_unknown_flow_is_told_the_known_ones(root, browser, in_use):
    token = root.post(f"{PAGE}token/", {"name": "reader"}).context["token"]
    program, header = browser(), {"Authorization": f"Bearer {token}"}

    assert program.post(API, headers=header).status_code == 405
    assert program.get(API, {"flow": "nothing"}, headers=header).json()["flows"] == sorted(
        Flow.objects.values_list("name", flat=True)
    )
    assert program.get(PAGE, headers=header).status_code == 302


def test_a_forged_link_makes_and_revokes_no_token(root, in_use):
    before = ReportToken.objects.count()

    assert root.get(f"{PAGE}token/", {"name": "forged"}).url == PAGE
    assert ReportToken.objects.count() == before
