"""Approving and applying what a dry run planned. `by` is as in `sync.services`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from sync import audit
from sync.actor import current_actor
from sync.models import Plan, PlanItem, Run
from sync.models.plan import ItemFate, PlanStage
from sync.models.run import RunKind, RunStatus
from sync.services import Refused, request_run, require

WHOLE = (RunStatus.SUCCEEDED, RunStatus.PARTIAL)  # a run whose plan lacks nothing
APPROVAL = "approval"  # option of a flow: its plans are approved before they are applied


def needs_approval(plan: Plan) -> bool:
    """Whether the flow says so: as edited, as published, or by the revision that was planned with. One of them is enough."""
    flow, planned = plan.flow, plan.run.revision
    held: list[Mapping[str, Any]] = [flow.options]
    held += [revision.snapshot.get("options", {}) for revision in (flow.revision, planned) if revision]
    return any(options.get(APPROVAL) for options in held)


def counts(plan: Plan) -> dict[str, int]:
    """Items by what became of them."""
    found = PlanItem.objects.filter(plan=plan).order_by().values_list("fate").annotate(count=Count("pk"))
    return dict(found)


def hindrance(plan: Plan) -> str:
    """Why the plan can be neither approved nor applied now; "" if it can."""
    run = plan.run
    if run.is_unfinished:
        return f"{_name(run)} is not done yet: its plan is not whole."
    if run.status not in WHOLE:
        return f"{_name(run)} did not come to its end, so its plan is not whole. Make a new dry run."
    if plan.stage == PlanStage.APPLIED:
        return "The plan was applied already. Make a new dry run."
    if run.revision_id != plan.flow.revision_id:
        return f"{plan.flow.name} was published anew since it was planned. Make a new dry run."
    if plan.applying is not None and plan.applying.is_unfinished:
        return f"{_name(plan.applying)} is applying it."
    if not PlanItem.objects.filter(plan=plan, fate=ItemFate.PLANNED).exists():
        return "There is nothing to write."
    return ""


def is_own(plan: Plan, by: User) -> bool:
    """Whether this person asked for the plan."""
    return plan.run.asked_by_id == by.pk or (
        plan.run.asked_by_id is None and plan.run.asked_by_name == by.get_username()
    )


def approve(*, plan: Plan, by: User) -> None:
    """Raises Refused for who asked for it, and for a plan that does not stand any more."""
    require(by, "sync.approve_plan")
    with transaction.atomic():
        held = _locked(plan)
        if is_own(held, by):
            raise Refused("You asked for this plan: somebody else approves it.")
        if why := hindrance(held):
            raise Refused(why)
        if held.stage != PlanStage.PLANNED:
            raise Refused(f"{held.approved_by_name or 'Somebody'} has approved it already.")
        Plan.objects.filter(pk=held.pk).update(
            stage=PlanStage.APPROVED, approved_by=by, approved_by_name=current_actor().name or by.get_username(),
            approved_at=timezone.now(),
        )  # fmt: skip
        audit.record("plan.approved", held, after=_told(held))


def apply_plan(*, plan: Plan, by: User | None, enqueue: bool = True) -> Run:
    """Queue the run that writes what was planned and nothing else; one that ended early is gone on with."""
    require(by, "sync.apply_plan")
    with transaction.atomic():
        held = _locked(plan)
        if why := hindrance(held):
            raise Refused(why)
        if held.stage == PlanStage.PLANNED and needs_approval(held):
            raise Refused(f"{held.flow.name} demands that somebody else approves it first.")
        run = request_run(flow=held.flow, by=by, kind=RunKind.APPLY, plan=held, enqueue=enqueue)
        Plan.objects.filter(pk=held.pk).update(stage=PlanStage.APPLYING, applying=run)
        audit.record("plan.applied", held, after={**_told(held), "by run": run.pk})
    return run


def _locked(plan: Plan) -> Plan:
    rows = Plan.objects.select_for_update(of=("self",)).select_related(
        "run__revision", "flow__revision", "applying"
    )
    return rows.get(pk=plan.pk)


def _told(plan: Plan) -> dict[str, Any]:
    return {"flow": plan.flow.name, "run": plan.run_id, **counts(plan)}


def _name(run: Run) -> str:
    return f"Run {run.pk:,}"
