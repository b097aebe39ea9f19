"""`manage.py plan list | show | approve | apply`: what dry runs would write, approved by a second person and applied."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandParser

from sync import plans
from sync.engine.execute import execute
from sync.management.base import CannotRun, Status, account
from sync.management.commands import run_flow
from sync.management.commands.config import accept_json
from sync.management.progress import progress_bar
from sync.models import Plan, PlanItem, Run
from sync.models.base import SideChoices
from sync.models.plan import ItemFate
from sync.services import look_at_payload

SHOWN = 50
_LEFT = (ItemFate.STALE, ItemFate.REFUSED, ItemFate.IN_DOUBT)


class Command(run_flow.Command):
    help = "List, show, approve or apply the plans of dry runs. Exit status of apply: 0 all is written, 1 some was left, 2 could not run."

    def add_arguments(self, parser: CommandParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True, metavar="list|show|approve|apply")
        listed = deeds.add_parser("list", help="the newest plans")
        listed.add_argument("--flow", default="", metavar="NAME", help="of this flow alone")
        listed.add_argument("--waiting", action="store_true", help="only those that wait for approval")
        listed.add_argument("--limit", type=int, default=SHOWN, metavar="N", help="at most so many (50)")
        show = deeds.add_parser("show", help="what one would write, record by record")
        show.add_argument("--values", action="store_true", help="the values, too; the audit log notes it")
        show.add_argument("--limit", type=int, default=SHOWN, metavar="N", help="at most so many writes (50)")
        approve = deeds.add_parser("approve", help="let it be applied; not by who asked for the dry run")
        apply = deeds.add_parser("apply", help="write exactly that, here and now")
        for deed, takes in ((show, False), (approve, True), (apply, False)):
            deed.add_argument("run", type=int, help="the dry run, by its number")
            deed.add_argument(
                "--as", dest="person", default="", required=takes, metavar="USER",
                help="the person who does it, with their permissions; the audit log notes the account as well",
            )  # fmt: skip
        for deed in (listed, show, approve, apply):
            accept_json(deed)

    def about(self, **options: Any) -> dict[str, Any]:
        return {"plan": options["run"]} if "run" in options else {}

    def run(self, **options: Any) -> Status:
        if options["deed"] == "list":
            return self._list(options)
        plan = _named(options["run"])
        with self.as_person(options["person"]) as by:
            deed = {"show": self._show, "approve": self._approve, "apply": self._apply}[options["deed"]]
            return deed(plan, by, options)

    def _list(self, options: dict[str, Any]) -> Status:
        found = plans.awaiting_approval() if options["waiting"] else Plan.objects.all()
        if options["flow"]:
            found = found.filter(flow=run_flow.named_flow(options["flow"]))
        rows = list(_whole(found)[: max(0, options["limit"])])
        self.result({"plans": [told(plan) for plan in rows]})
        for plan in rows:
            self.say(in_a_line(plan))
        if not rows:
            self.say("No plan waits for approval." if options["waiting"] else "There is no plan: make a dry run.")  # fmt: skip
        return Status.DONE

    def _show(self, plan: Plan, by: User | None, options: dict[str, Any]) -> Status:
        if options["values"]:
            look_at_payload(target=plan, by=by)
        items = list(plan.items.order_by("pk")[: max(0, options["limit"])])
        more = plan.items.count() - len(items)
        lines = [_told_item(item, values=options["values"]) for item in items]
        self.result({**told(plan), "items": lines, "more": more})
        self.say(in_a_line(plan))
        if why := plans.hindrance(plan):
            self.say(f"  {why}")
        for item, line in zip(items, lines, strict=True):
            self.say(f"  {_in_words(item, line)}")
        if more:
            self.say(f"  and {more:,} more: --limit shows them.")
        return Status.DONE

    def _approve(self, plan: Plan, by: User | None, options: dict[str, Any]) -> Status:
        assert by is not None  # the argument is required, and must name somebody
        plans.approve(plan=plan, by=by, account=account())
        return self._tell(plan, Status.DONE)

    def _apply(self, plan: Plan, by: User | None, options: dict[str, Any]) -> Status:
        run = plans.apply_plan(plan=plan, by=by, enqueue=False)
        with progress_bar(plan.flow.name) as show, run_flow.told_by_signal() as stopping:
            run = execute(run.pk, show, stopping=stopping)
            if stopping() and run.is_active:
                raise CannotRun(f"{run} was told to stop; a worker goes on with it.", code="stopped")
        run = self._follow(run)
        self.say(run_flow.outcome(run))
        left = any(plans.counts(plan).get(fate) for fate in _LEFT)
        return self._tell(plan, Status.WITH_FAILURES if left else run_flow.status_of(run), run)

    def _tell(self, plan: Plan, status: Status, run: Run | None = None) -> Status:
        now = _named(plan.pk)
        self.result({**told(now), **({"run": run.summary()} if run is not None else {})})
        self.say(in_a_line(now))
        return status


def _whole(found: Any) -> Any:
    return found.select_related("run__revision", "flow__revision", "applying").order_by("-run_id")


def _named(number: int) -> Plan:
    plan: Plan | None = _whole(Plan.objects.filter(pk=number)).first()
    if plan is None:
        raise CannotRun(f"Run {number} has no plan: only a dry run has one. See: plan list.", code="unknown_plan")  # fmt: skip
    return plan


def told(plan: Plan) -> dict[str, Any]:
    """A plan as JSON; stamps in UTC. `waits`: for a second person."""
    return {
        "plan": plan.pk, "flow": plan.flow.name, "stage": plan.stage, "made_at": plan.made_at, "asked_by": plan.run.asked_by_name,
        "revision": plan.run.revision.number if plan.run.revision else None,
        "waits": plans.lacks_approval(plan), "hindrance": plans.hindrance(plan), "approved_by": plan.approved_by_name,
        "approved_at": plan.approved_at, "applied_by_run": plan.applying_id, "applied_at": plan.applied_at,
        "writes": plans.counts(plan),
    }  # fmt: skip


def in_a_line(plan: Plan) -> str:
    writes = ", ".join(f"{count:,} {ItemFate(fate).label}" for fate, count in plans.counts(plan).items())
    said = [f"run {plan.pk}", plan.flow.name, plan.get_stage_display(), f"writes: {writes or 'none'}",
            f"asked by {plan.run.asked_by_name or 'the schedule'} at {plan.made_at:%Y-%m-%d %H:%M} UTC"]  # fmt: skip
    if plan.approved_by_name:
        said.append(f"approved by {plan.approved_by_name}")
    elif plans.lacks_approval(plan) and not plans.hindrance(plan):
        said.append("waits for approval")
    return " · ".join(said)


def _told_item(item: PlanItem, *, values: bool) -> dict[str, Any]:
    """`values`: decrypts, which the caller has asked for."""
    shown: Any = item.field_names.split(", ") if item.field_names else []
    if values:
        content = item.content or {"fields": [], "extra": {}}
        shown = {each["field"]: {"now": each["now"], "will": each["will"]} for each in content["fields"]}
        shown |= {name: {"now": None, "will": value} for name, value in content["extra"].items()}
    return {
        "servicenow": item.servicenow_number or item.servicenow_id, "salesforce": item.salesforce_number or item.salesforce_id,
        "operation": item.operation, "to": item.side, "fields": shown, "fate": item.fate, "code": item.code, "moved": item.moved,
    }  # fmt: skip


def _in_words(item: PlanItem, line: dict[str, Any]) -> str:
    fields = line["fields"]
    what = (
        ", ".join(f"{name}: {each['now']!r} → {each['will']!r}" for name, each in fields.items())
        if isinstance(fields, dict)
        else ", ".join(fields)
    )
    ends = f"{line['servicenow'] or 'new'} – {line['salesforce'] or 'new'}"
    fate = " ".join(filter(None, [item.get_fate_display(), item.moved, item.code]))
    return f"{ends}: {item.operation} in {SideChoices(item.side).label}: {what} ({fate})"
