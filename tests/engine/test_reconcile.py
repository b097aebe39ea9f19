"""Reconcile: what differs between the two sides is found, told and healed, and nothing else is touched."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sync import services, statement
from sync.core.records import Side
from sync.engine.execute import execute
from sync.models import Checkpoint, Conflict, DeadLetter, Flow, Reconciliation, RecordLink, Run, Suspect
from sync.sandbox.pair import Pair
from tests.engine.both import make_both
from tests.engine.conftest import run_now
from tests.engine.equality import differences
from tests.engine.killing import Moment, Worker, worker_on_the_test_database

HOUR = timedelta(hours=1)
# More in the lane that brings PostgreSQL and Redis.
TAKEN_OVER = 20 if os.environ.get("REDIS_URL") else 4


@pytest.fixture
def worker(flow: Flow) -> Iterator[Worker]:
    with worker_on_the_test_database() as worker:
        yield worker


@pytest.fixture
def both(transactional_db: None, pair: Pair) -> Callable[..., Flow]:
    return lambda **changes: make_both(pair, **changes)


def reconcile(flow: Flow, *, heal: bool = False, full: bool = False, page_size: int = 2000) -> Reconciliation:
    flow = Flow.objects.get(pk=flow.pk)
    run = services.reconcile(flow=flow, by=None, heal=heal, full=full, enqueue=False)
    run = execute(run.pk, page_size=page_size)
    assert run.status in ("succeeded", "partial"), run.error
    return Reconciliation.objects.get(run=run)


def later(flow: Flow, pair: Pair, hours: int = 1) -> None:
    """Time passes, and the flow polls: what is stamped before is old news to it."""
    for side in (pair.servicenow, pair.salesforce):
        side.skew_clock(HOUR * hours)
    run_now(flow)


def incidents(pair: Pair, count: int = 3) -> list[str]:
    return [
        pair.servicenow.add("incident", short_description=f"Printer {number} on fire")["sys_id"]
        for number in range(count)
    ]


def slip(pair: Pair, sys_id: str, **values: str) -> None:
    """A change that shows no newer stamp, as one that commits late, or a script's that keeps the system fields."""
    pair.servicenow.platform.migrate("incident", {"sys_id": sys_id, **values})


def found(row: Reconciliation) -> list[tuple[str, str, str]]:
    return list(
        Suspect.objects.filter(reconciliation=row)
        .order_by("servicenow_id")
        .values_list("finding", "servicenow_id", "field_names")
    )


def case_of(pair: Pair, sys_id: str) -> dict[str, Any]:
    (case,) = pair.salesforce.rows("Case", ServiceNow_Sys_Id__c=sys_id)
    return dict(case)


def test_two_sides_in_step_agree_and_the_statement_says_so(flow: Flow, pair: Pair) -> None:
    incidents(pair)
    run_now(flow)
    later(flow, pair)
    pair.servicenow.reset_counters()
    pair.salesforce.reset_counters()

    row = reconcile(flow)

    assert row.counts.agree
    assert (row.in_scope, row.paired, row.unequal) == (3, 3, 0)
    assert re.fullmatch(r"3 in scope, 3 paired, 0 unequal, 0 in conflict, as of \d\d:\d\d UTC", row.sentence)
    assert (pair.servicenow.counters.writes, pair.salesforce.counters.writes) == (0, 0)
    assert statement.is_genuine(row.statement)
    assert not statement.is_genuine(row.statement.replace("3 paired", "4 paired"))


def test_a_change_that_no_poll_could_see_is_found_and_healed(flow: Flow, pair: Pair) -> None:
    _, printer, _ = incidents(pair)
    run_now(flow)
    later(flow, pair)
    slip(pair, printer, short_description="Printer is wet now")

    row = reconcile(flow)
    assert run_now(flow).updated == 0  # a poll passes it by
    healed = reconcile(flow, heal=True)

    assert found(row) == [("unequal", printer, "Subject")]
    assert (row.unequal, row.paired, row.counts.agree) == (1, 3, False)
    assert (healed.unequal, healed.healed, healed.paired, healed.counts.agree) == (0, 1, 3, True)
    assert differences(pair) == []
    assert pair.salesforce.counters.writes == 3 + 1  # the creates, and what differed


def test_an_incident_that_commits_late_is_missing_until_it_is_healed(flow: Flow, pair: Pair) -> None:
    incidents(pair)
    run_now(flow)
    later(flow, pair)
    pair.servicenow.skew_clock(timedelta(minutes=30))
    late = pair.servicenow.add("incident", short_description="Seen too late")["sys_id"]
    pair.servicenow.skew_clock(HOUR)
    run_now(flow)

    row = reconcile(flow)
    healed = reconcile(flow, heal=True)

    assert found(row) == [("missing", late, "")]
    assert (row.in_scope, row.paired, row.missing) == (4, 3, 1)
    assert (healed.in_scope, healed.paired, healed.healed) == (4, 4, 1)
    assert differences(pair) == []


def test_what_does_not_enter_is_not_missing(make_flow: Callable[..., Flow], pair: Pair) -> None:
    flow = make_flow(servicenow_enter="priority=1")
    incidents(pair)
    urgent = pair.servicenow.add("incident", short_description="Fire", impact="1", urgency="1")["sys_id"]
    run_now(flow)
    later(flow, pair)
    RecordLink.objects.filter(servicenow_id=urgent).delete()
    pair.salesforce.delete("Case", case_of(pair, urgent)["Id"])

    row = reconcile(flow)

    assert found(row) == [("missing", urgent, "")]
    assert row.in_scope == 1


def test_an_end_that_vanished_leaves_an_orphan_which_healing_leaves_alone(flow: Flow, pair: Pair) -> None:
    printer, *_ = incidents(pair)
    run_now(flow)
    later(flow, pair)
    pair.servicenow.platform.access.hidden_rows.add(printer)

    row = reconcile(flow, heal=True)

    assert found(row) == [("orphaned", printer, "")]
    assert (row.in_scope, row.paired, row.orphaned) == (3, 2, 1)
    assert len(pair.salesforce.rows("Case")) == 3
    assert not DeadLetter.objects.exists()


def test_a_record_deleted_just_now_is_the_live_lanes_business(flow: Flow, pair: Pair) -> None:
    printer, vpn, _ = incidents(pair)
    run_now(flow)
    later(flow, pair)
    pair.salesforce.delete("Case", case_of(pair, printer)["Id"])
    pair.servicenow.delete("incident", vpn)

    row = reconcile(flow, heal=True)

    assert sorted(found(row)) == sorted([("in_flight", printer, ""), ("in_flight", vpn, "")])
    assert (row.orphaned, row.in_flight, row.counts.agree) == (0, 2, True)
    assert len(pair.salesforce.rows("Case")) == 2
    assert set(RecordLink.objects.values_list("state", flat=True)) == {"active"}


def test_links_that_a_restored_database_has_lost_are_found_by_their_keys(flow: Flow, pair: Pair) -> None:
    sys_ids = incidents(pair)
    run_now(flow)
    later(flow, pair)
    RecordLink.objects.all().delete()

    row = reconcile(flow)
    healed = reconcile(flow, heal=True)

    assert sorted(found(row)) == sorted(("orphaned", sys_id, "") for sys_id in sys_ids)
    assert (row.in_scope, row.paired, row.orphaned) == (3, 0, 3)
    assert (healed.paired, healed.healed, healed.counts.agree) == (3, 3, True)
    assert len(pair.salesforce.rows("Case")) == 3


def test_a_copied_case_is_a_twin(make_flow: Callable[..., Flow], pair: Pair) -> None:
    pair.salesforce.platform.dialect = replace(
        pair.salesforce.platform.dialect, non_unique_fields=frozenset({"Case.ServiceNow_Sys_Id__c"})
    )
    flow = make_flow(salesforce_key="lookup")
    printer, *_ = incidents(pair)
    run_now(flow)
    copy = pair.salesforce.add("Case", Subject="Printer 0 on fire", ServiceNow_Sys_Id__c=printer)["Id"]
    later(flow, pair)

    row = reconcile(flow, heal=True)

    assert row.twins == 1
    assert Suspect.objects.get(reconciliation=row).salesforce_id == copy
    assert (row.paired, row.in_scope) == (3, 4)


def test_what_is_younger_than_the_last_poll_is_in_flight(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    printer, *_ = incidents(pair)
    run_now(flow)
    later(flow, pair)
    pair.salesforce.edit("Case", case_of(pair, printer)["Id"], by="abel.tuter", Subject="Printer is wet now")
    pair.servicenow.add("incident", short_description="Just opened")

    row = reconcile(flow)

    assert sorted(finding for finding, *_ in found(row)) == ["in_flight", "in_flight"]
    assert (row.unequal, row.missing, row.in_flight, row.paired, row.in_scope) == (0, 0, 2, 3, 4)
    assert row.counts.agree


def test_an_open_conflict_is_told_as_one_and_not_decided(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both(conflict="ask")
    printer, *_ = incidents(pair)
    run_now(flow)
    pair.salesforce.edit("Case", case_of(pair, printer)["Id"], by="abel.tuter", Subject="Wet")
    pair.servicenow.edit("incident", printer, by="fred.luddy", short_description="Dry")
    run_now(flow)
    later(flow, pair)

    row = reconcile(flow, heal=True)

    assert found(row) == [("conflict", printer, "Subject")]
    assert (row.conflicts, row.unequal, row.paired) == (1, 0, 3)
    assert "1 in conflict" in row.sentence
    assert Conflict.objects.get().state == "open"


def test_a_record_with_a_dead_letter_counts_as_failed_and_keeps_its_letter(flow: Flow, pair: Pair) -> None:
    printer, *_ = incidents(pair)
    run_now(flow)
    pair.servicenow.edit("incident", printer, state="8")  # canceled: the value map has no such entry
    run_now(flow)
    later(flow, pair)

    row = reconcile(flow, heal=True)

    assert [(finding, sys_id) for finding, sys_id, _ in found(row)] == [("failed", printer)]
    assert DeadLetter.objects.get().state == "open"


@pytest.mark.parametrize(("drift", "finding"), [("leave", []), ("restore", ["unequal"])])
def test_drift_is_a_difference_only_where_it_is_restored(
    make_flow: Callable[..., Flow], pair: Pair, drift: str, finding: list[str]
) -> None:
    flow = make_flow(drift=drift)
    printer, *_ = incidents(pair)
    run_now(flow)
    pair.salesforce.edit("Case", case_of(pair, printer)["Id"], by="abel.tuter", Subject="Typed here")
    later(flow, pair)

    row = reconcile(flow)
    reconcile(flow, heal=True)

    assert [each for each, *_ in found(row)] == finding
    assert case_of(pair, printer)["Subject"] == ("Typed here" if drift == "leave" else "Printer 0 on fire")


def test_a_reconciliation_goes_on_in_its_next_slice(flow: Flow, pair: Pair) -> None:
    sys_ids = incidents(pair, 12)
    run_now(flow)
    later(flow, pair)
    slip(pair, sys_ids[0], short_description="Printer is wet now")

    run = services.reconcile(flow=Flow.objects.get(pk=flow.pk), by=None, enqueue=False)
    while (run := execute(run.pk, slice_seconds=0.0, page_size=5)).is_active:
        assert run.slices < 50

    row = Reconciliation.objects.get(run=run)
    assert run.slices > 3
    assert (row.read_servicenow, row.read_salesforce) == (12, 12)
    assert (row.in_scope, row.paired, row.unequal) == (12, 12, 1)


def test_what_people_edit_while_it_runs_is_never_told_as_unequal(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    sys_ids = incidents(pair, 9)
    run_now(flow)
    later(flow, pair)

    run = services.reconcile(flow=Flow.objects.get(pk=flow.pk), by=None, enqueue=False)
    while (run := execute(run.pk, slice_seconds=0.0, page_size=4)).is_active:
        number = run.slices % 9
        pair.servicenow.edit(
            "incident", sys_ids[number], by="fred.luddy", short_description=f"Here {run.slices}"
        )
        pair.salesforce.edit(
            "Case", case_of(pair, sys_ids[number - 1])["Id"], by="abel.tuter", Subject=f"There {run.slices}"
        )
        if run.slices % 3 == 0:
            run_now(flow)

    row = Reconciliation.objects.get(run=run)
    assert run.slices > 5
    assert (row.unequal, row.missing, row.orphaned, row.twins) == (0, 0, 0, 0), found(row)
    assert row.paired == row.in_scope == 9
    assert not Suspect.objects.filter(reconciliation=row, finding="").exists()


def test_killed_in_the_middle_it_is_taken_over_and_states_the_same(
    flow: Flow, pair: Pair, worker: Worker
) -> None:
    first, second, third, *_ = incidents(pair, 30)
    run_now(flow)
    later(flow, pair)
    slip(pair, first, short_description="Changed behind our back")
    pair.salesforce.delete("Case", case_of(pair, second)["Id"])
    pair.salesforce.empty_recycle_bin("Case")
    RecordLink.objects.get(servicenow_id=third).delete()
    whole = reconcile(flow, full=True)
    assert found(whole)
    for side in (pair.servicenow, pair.salesforce):
        side.slow_down(0.02)

    rng, kills = random.Random(4), 0
    while kills < TAKEN_OVER:
        run = services.reconcile(flow=Flow.objects.get(pk=flow.pk), by=None, full=True, enqueue=False)
        deaths = 0
        while Run.objects.active().filter(pk=run.pk).exists():
            # Later and later, so that each takes it a little further.
            moment = Moment(pair, rng.randrange(1, 4 + deaths), rng.uniform(0, 0.03))
            deaths += worker.killed_when(flow, moment, "reconcile")
            assert deaths < 50
        kills += deaths

        row = Reconciliation.objects.get(run=run)
        assert (row.state, row.counts, found(row)) == ("done", whole.counts, found(whole))
        assert (row.read_servicenow, row.read_salesforce) == (whole.read_servicenow, whole.read_salesforce)
        assert statement.is_genuine(row.statement)
        assert Run.objects.get(pk=run.pk).slices > 1


def test_a_cancelled_reconciliation_states_nothing(flow: Flow, pair: Pair) -> None:
    incidents(pair)
    run_now(flow)
    run = services.reconcile(flow=Flow.objects.get(pk=flow.pk), by=None, enqueue=False)
    Run.objects.filter(pk=run.pk).update(cancel_requested=True)

    run = execute(run.pk)

    assert run.status == "cancelled"
    assert not Reconciliation.objects.done().exists()


def test_the_live_lane_goes_on_beside_it_and_no_watermark_moves(flow: Flow, pair: Pair) -> None:
    incidents(pair)
    run_now(flow)
    marks = list(Checkpoint.objects.values_list("lane", "side", "watermark"))

    reconcile(flow)

    assert list(Checkpoint.objects.filter(lane="live").values_list("lane", "side", "watermark")) == marks


def test_spans_whose_marks_have_not_moved_are_not_read_again(flow: Flow, pair: Pair) -> None:
    sys_ids = incidents(pair, 12)
    run_now(flow)
    later(flow, pair, hours=3)
    first = reconcile(flow, page_size=5)

    second = reconcile(flow, page_size=5)

    assert (first.full, first.read_servicenow, first.read_salesforce) == (True, 12, 12)
    assert (second.full, second.read_servicenow, second.read_salesforce) == (False, 0, 0)
    assert (second.paired, second.counts.agree) == (12, True)
    assert second.run is not None
    assert (
        second.run.calls_servicenow + second.run.calls_salesforce <= 2 + 2
    )  # marks asked, and where none are kept

    slip(pair, sys_ids[3], short_description="Printer is wet now", sys_mod_count="7")
    third = reconcile(flow, page_size=5)

    assert (third.read_servicenow, third.read_salesforce) == (12, 0)
    assert found(third) == [("unequal", sys_ids[3], "Subject")]
    assert reconcile(flow, page_size=5).unequal == 1  # told again until it is healed


def test_a_link_that_was_lost_here_has_its_span_read_again(flow: Flow, pair: Pair) -> None:
    sys_ids = incidents(pair, 12)
    run_now(flow)
    later(flow, pair, hours=3)
    reconcile(flow, page_size=5)
    RecordLink.objects.get(servicenow_id=sys_ids[3]).delete()

    row = reconcile(flow, page_size=5)

    assert found(row) == [("orphaned", sys_ids[3], "")]
    assert (row.in_scope, row.paired) == (12, 11)


def test_a_change_without_any_mark_is_found_when_everything_is_read(flow: Flow, pair: Pair) -> None:
    sys_ids = incidents(pair, 12)
    run_now(flow)
    later(flow, pair, hours=3)
    reconcile(flow, page_size=5)
    slip(pair, sys_ids[3], short_description="Printer is wet now")

    assert reconcile(flow, page_size=5).unequal == 0
    assert reconcile(flow, page_size=5, full=True).unequal == 1


def test_a_flow_that_creates_on_both_sides_agrees(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both(
        create_in_servicenow=True, servicenow_enter="active=true", salesforce_enter="IsEscalated = true"
    )
    incidents(pair)
    pair.salesforce.add("Case", by="abel.tuter", Subject="Coffee machine", IsEscalated=True)
    pair.salesforce.add("Case", by="abel.tuter", Subject="A question", Priority="Low")
    run_now(flow)
    later(flow, pair)

    row = reconcile(flow)

    assert row.counts.agree, found(row)
    assert (row.in_scope, row.paired) == (4, 4)
    assert {side for side in Side if getattr(row, f"read_{side}")} == set(Side)
