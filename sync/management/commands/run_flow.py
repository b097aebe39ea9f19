"""`manage.py run_flow NAME`: run a flow here and now, with its progress, and say how it ended."""

from __future__ import annotations

import time
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from sync import services
from sync.configuration.problems import did_you_mean
from sync.engine.execute import execute, unattended
from sync.management.base import CannotRun, ConsoleCommand, Status
from sync.management.progress import progress_bar
from sync.models import Flow, Run
from sync.models.base import Lane
from sync.models.run import RunKind, RunMode, RunStatus

WAIT_SECONDS = 60.0
_TROUBLE = ("failed", "conflicts", "in_doubt")


def moment(text: str) -> datetime:
    """ISO 8601 with an offset, as UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(
            f"{text!r} is not a time; write one like 2026-11-23T08:00:00+01:00."
        ) from None
    if found.tzinfo is None:
        raise ArgumentTypeError(f"{text!r} has no offset; write one like {text}Z or {text}+01:00.")
    return found.astimezone(UTC)


class Command(ConsoleCommand):
    help = "Run a flow now. Exit status: 0 done, 1 done with failed, conflict or in doubt, 2 could not run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the flow")
        parser.add_argument("--dry-run", action="store_true", help="plan and validate, write nothing")
        parser.add_argument("--resync", action="store_true", help="read everything in scope again")
        parser.add_argument(
            "--since",
            type=moment,
            metavar="T",
            help="only records updated at or after T (ISO 8601 with offset)",
        )
        parser.add_argument("--until", type=moment, metavar="T", help="only records updated before T")
        parser.add_argument(
            "--ids", default="", metavar="a,b", help="only these records (sys_id or Salesforce Id)"
        )
        parser.add_argument(
            "--wait",
            type=float,
            default=WAIT_SECONDS,
            metavar="S",
            help="seconds to wait for an active run (60)",
        )

    def run(self, **options: Any) -> Status:
        flow = _flow(options["name"])
        run = self._ask(flow, options)
        with progress_bar(flow.name) as show:
            run = execute(run.pk, show)
        run = self._follow(run)
        self.result(run.summary())
        self.say(outcome(run))
        return status_of(run)

    def _ask(self, flow: Flow, options: dict[str, Any]) -> Run:
        """Queue the run for ourselves; while another is active, wait for it to end."""
        ids = [part.strip() for part in options["ids"].split(",") if part.strip()]
        if problem := services.not_an_id(ids):
            raise CannotRun(problem)
        windowed = bool(ids or options["since"] or options["until"])
        kind = RunKind.RESYNC if options["resync"] or windowed else RunKind.MANUAL
        lane = Lane.BACKFILL if kind == RunKind.RESYNC else Lane.LIVE
        deadline = time.monotonic() + options["wait"]
        told = False
        while True:
            try:
                return services.request_run(
                    flow=flow,
                    by=None,
                    kind=kind,
                    mode=RunMode.DRY if options["dry_run"] else RunMode.WRITE,
                    since=options["since"],
                    until=options["until"],
                    ids=ids,
                    enqueue=False,
                )
            except services.Refused as refused:
                active = Run.objects.active().filter(flow=flow, lane=lane).first()
                if (active is None and _idle(flow)) or time.monotonic() >= deadline:
                    raise CannotRun(str(refused)) from refused
                if active is not None and active.pk in unattended(timezone.now()):
                    self.say(f"{active} of {flow.name} has nobody working on it: ending it first.")
                    execute(active.pk)
                    continue
                if active is not None and not told:
                    self.say(
                        f"{active} of {flow.name} is active: waiting up to {options['wait']:.0f} s for its end."
                    )
                    told = True
                time.sleep(0.2)

    def _follow(self, run: Run) -> Run:
        """If a worker took the run before us (it looks for work that nobody holds), watch it to its end."""
        while run.is_active:
            time.sleep(0.5)
            run.refresh_from_db()
        return run


def _idle(flow: Flow) -> bool:
    """Whether the flow itself refuses runs; otherwise the active run ended just now and the next try succeeds."""
    flow.refresh_from_db()
    return not flow.enabled or bool(flow.paused_reason) or flow.revision is None


def _flow(name: str) -> Flow:
    flow = Flow.objects.filter(name=name).first()
    if flow is None:
        names = list(Flow.objects.values_list("name", flat=True))
        known = (
            f" There are: {', '.join(names)}." if names else " There is none yet: apply a configuration file."
        )
        raise CannotRun(f"There is no flow {name!r}.{did_you_mean(name, names) or known}")
    return flow


def outcome(run: Run) -> str:
    counts = [f"{getattr(run, name):,} {name.replace('_', ' ')}" for name in Run.COUNTS if getattr(run, name)]
    calls = f"{run.calls_servicenow:,} calls to ServiceNow, {run.calls_salesforce:,} to Salesforce"
    dry = " (dry run: nothing is written)" if run.mode == RunMode.DRY else ""
    head = f"{run.flow.name}, {run}{dry}: {run.status} in {run.seconds:.1f} s"
    lines = [f"{head} – {', '.join(counts) or 'nothing to read'} ({calls})."]
    if run.error:
        lines.append(f"{run.error} {run.advice}".strip())
    return "\n".join(lines)


def status_of(run: Run) -> Status:
    """A run that failed as a whole could not run; one that parked records is done with failures."""
    if run.status in (RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.DEFERRED):
        return Status.COULD_NOT_RUN
    return Status.WITH_FAILURES if any(getattr(run, name) for name in _TROUBLE) else Status.DONE
