"""Approving and applying what a dry run planned. `by` is as in `sync.services`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from sync import audit
from sync.actor import current_actor
from sync.models import Flow, Plan, PlanItem, Run
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


def lacks_approval(plan: Plan) -> bool:
    """Whether somebody else has to approve it first, also where a run that applies it has ended early meanwhile."""
    return plan.approved_at is None and needs_approval(plan)


def awaiting_approval() -> QuerySet[Plan]:
    """Those that stand and lack an approval: what `lacks_approval` and `hindrance` tell of one, in one query."""
    # Asked of flows, which are few, and not of each plan: a revision's snapshot is long.
    demanding = Flow.objects.filter(Q(options__approval=True) | Q(revision__snapshot__options__approval=True))
    unfinished = Run.objects.active() | Run.objects.deferred()
    return Plan.objects.filter(
        Exists(PlanItem.objects.filter(plan=OuterRef("pk"), fate=ItemFate.PLANNED)),
        ~Exists(unfinished.filter(pk=OuterRef("applying"))),
        flow__in=demanding.values("pk"),
        approved_at=None,
        run__status__in=WHOLE,
        run__revision=F("flow__revision"),
    ).exclude(stage=PlanStage.APPLIED)


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


def approve(*, plan: Plan, by: User, account: str = "") -> None:
    """Raises Refused for who asked for it, and for a plan that does not stand any more.

    `account`: the one at whose command line `by` is only named; what it asked for there itself it cannot approve either.
    """
    require(by, "sync.approve_plan")
    with transaction.atomic():
        held = _locked(plan)
        if is_own(held, by):
            raise Refused("You asked for this plan: somebody else approves it.")
        if account and held.run.asked_by_id is None and held.run.asked_by_name == account:
            raise Refused(f"{account} asked for this plan: somebody else approves it, in the console.")
        if why := hindrance(held):
            raise Refused(why)
        if held.approved_at is not None:
            raise Refused(f"{held.approved_by_name or 'Somebody'} has approved it already.")
        actor = current_actor()
        Plan.objects.filter(pk=held.pk).update(
            stage=PlanStage.APPROVED, approved_by=by, approved_at=timezone.now(),
            approved_by_name=actor.name if actor.user_id == by.pk else by.get_username(),
        )  # fmt: skip
        audit.record("plan.approved", held, after=_told(held))


def apply_plan(*, plan: Plan, by: User | None, enqueue: bool = True) -> Run:
    """Queue the run that writes what was planned and nothing else; one that ended early is gone on with."""
    require(by, "sync.apply_plan")
    with transaction.atomic():
        held = _locked(plan)
        if why := hindrance(held):
            raise Refused(why)
        if lacks_approval(held):
            raise Refused(f"{held.flow.name} demands that somebody else approves it first.")
        renew = held.run.params.get("renew")  # it decides as the dry run did
        run = request_run(flow=held.flow, by=by, kind=RunKind.APPLY, plan=held, renew=renew, enqueue=enqueue)
        Plan.objects.filter(pk=held.pk).update(stage=PlanStage.APPLYING, applying=run)
        audit.record("plan.applied", held, after={**_told(held), "by run": run.pk})
    return run


def _locked(plan: Plan) -> Plan:
    """The plan as it is once nobody else decides of it, or publishes its flow; locked first and then looked at."""
    Flow.objects.select_for_update(of=("self",)).get(pk=plan.flow_id)
    Plan.objects.select_for_update(of=("self",)).get(pk=plan.pk)
    return Plan.objects.select_related("run__revision", "flow__revision", "applying").get(pk=plan.pk)


def _told(plan: Plan) -> dict[str, Any]:
    return {"flow": plan.flow.name, "run": plan.run_id, **counts(plan)}


def _name(run: Run) -> str:
    return f"Run {run.pk:,}"
