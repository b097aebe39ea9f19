"""`manage.py run_flow NAME`: run a flow here and now, with its progress, and say how it ended; or pause and resume it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from sync import services
from sync.configuration.problems import did_you_mean
from sync.engine.execute import execute, unattended
from sync.management.base import CannotRun, ConsoleCommand, Status
from sync.management.progress import progress_bar
from sync.models import DeadLetter, Flow, Run
from sync.models.attention import DeadLetterState
from sync.models.base import Lane
from sync.models.question import QuestionState
from sync.models.run import IN_BACKFILL, RunKind, RunMode, RunStatus
from sync.questions import answer
from sync.tasks import call_helpers

WAIT_SECONDS = 60.0
_TROUBLE = ("failed", "conflicts", "in_doubt")


def moment(text: str) -> datetime | None:
    """ISO 8601 with an offset, as UTC; None for an empty text. Raises CannotRun."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CannotRun(
            f"{text!r} is not a time; write one like 2026-11-23T08:00:00+01:00.", code="usage"
        ) from None
    if found.tzinfo is None:
        raise CannotRun(f"{text!r} has no offset; write one like {text}Z or {text}+01:00.", code="usage")
    return found.astimezone(UTC)


class Command(ConsoleCommand):
    help = "Run a flow now. Exit status: 0 done, 1 done with failed, conflict or in doubt, 2 could not run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the flow")
        parser.add_argument("--dry-run", action="store_true", help="plan and validate, write nothing")
        parser.add_argument("--resync", action="store_true", help="read everything in scope again")
        parser.add_argument(
            "--since",
            default="",
            metavar="T",
            help="only records updated at or after T (ISO 8601 with offset)",
        )
        parser.add_argument("--until", default="", metavar="T", help="only records updated before T")
        parser.add_argument(
            "--ids", default="", metavar="a,b", help="only these records (number, sys_id or Salesforce Id)"
        )
        parser.add_argument(
            "--dead-letters", action="store_true", help="only the records of the flow's open dead letters"
        )
        parser.add_argument("--count", action="store_true", help="only say how many records that would be")
        instead = parser.add_mutually_exclusive_group()
        instead.add_argument("--pause", metavar="REASON", help="start no new run until the flow is resumed")
        instead.add_argument("--resume", action="store_true", help="let a paused flow run again")
        instead.add_argument(
            "--cancel", action="store_true", help="end the flow's active runs at their next safe point"
        )
        parser.add_argument(
            "--wait",
            type=float,
            default=WAIT_SECONDS,
            metavar="S",
            help="seconds to wait for an active run (60)",
        )

    def about(self, **options: Any) -> dict[str, Any]:
        return {"flow": options["name"]}

    def run(self, **options: Any) -> Status:
        flow = named_flow(options["name"])
        if options["pause"] is not None or options["resume"] or options["cancel"]:
            return self._steer(flow, options)
        asked = _asked(flow, options)
        if options["count"]:
            return self._count(flow, asked)
        run = self._request(flow, asked, options["wait"])
        with progress_bar(flow.name) as show, told_by_signal() as stopping:
            run = execute(run.pk, show, stopping=stopping, ring=call_helpers)
            if stopping() and run.is_active:
                raise CannotRun(
                    f"{run} was told to stop and did so at a safe point. A worker goes on with it.",
                    code="stopped",
                )
        run = self._follow(run)
        self.result(run.summary())
        self.say(outcome(run))
        return status_of(run)

    def _steer(self, flow: Flow, options: dict[str, Any]) -> Status:
        """Pause, resume, or cancel; nothing is run."""
        if options["cancel"]:
            active = list(Run.objects.active().filter(flow=flow))
            for run in active:
                services.cancel_run(run=run, by=None)
            self.result({"flow": flow.name, "cancelled": [run.pk for run in active]})
            self.say(f"{flow.name}: {len(active)} active runs were asked to end at their next safe point.")
            return Status.DONE
        if options["resume"]:
            services.resume_flow(flow=flow, by=None)
        else:
            services.pause_flow(flow=flow, by=None, reason=options["pause"])
        flow.refresh_from_db()
        self.result({"flow": flow.name, "paused": bool(flow.paused_reason), "reason": flow.paused_reason})
        self.say(f"{flow.name} is {'paused: ' + flow.paused_reason if flow.paused_reason else 'resumed.'}")
        return Status.DONE

    def _count(self, flow: Flow, asked: dict[str, Any]) -> Status:
        span = {name: asked[name] for name in ("since", "until", "ids")}
        question = answer(services.count_run(flow=flow, by=None, enqueue=False, **span).pk)
        if question.state == QuestionState.FAILED:
            problem = question.answer["findings"][0]
            raise CannotRun(problem["text"], code=problem["code"], advice=problem["advice"])
        self.result({"flow": flow.name, **question.answer})
        for side in question.answer["sides"]:
            entering = "" if side["entering"] is None else f", {side['entering']:,} of them meet enter"
            self.say(f"{side['side']}: {side['records']:,} of {side['name']}{entering}.")
        return Status.DONE

    def _request(self, flow: Flow, asked: dict[str, Any], patience: float) -> Run:
        """Queue the run for ourselves; while another is active, wait for it to end."""
        lane = Lane.BACKFILL if asked["kind"] in IN_BACKFILL else Lane.LIVE
        deadline = time.monotonic() + patience
        told = False
        while True:
            try:
                return services.request_run(flow=flow, by=None, enqueue=False, **asked)
            except services.Refused as refused:
                active = Run.objects.active().filter(flow=flow, lane=lane).first()
                if (active is None and _idle(flow)) or time.monotonic() >= deadline:
                    raise CannotRun(str(refused), code="refused") from refused
                if active is not None and active.pk in unattended(timezone.now()):
                    self.say(f"{active} of {flow.name} has nobody working on it: ending it first.")
                    execute(active.pk)
                    continue
                if active is not None and not told:
                    self.say(
                        f"{active} of {flow.name} is active: waiting up to {patience:.0f} s for its end."
                    )
                    told = True
                time.sleep(0.2)

    def _follow(self, run: Run) -> Run:
        """If a worker took the run before us (it looks for work that nobody holds), watch it to its end."""
        while run.is_active:
            time.sleep(0.5)
            run.refresh_from_db()
            if run.parts and run.pk in unattended(timezone.now()):
                run = execute(run.pk)  # a worker left a part behind
        return run


def _asked(flow: Flow, options: dict[str, Any]) -> dict[str, Any]:
    """What is asked of `services.request_run`. Raises CannotRun."""
    ids = [part.strip() for part in options["ids"].split(",") if part.strip()]
    if options["dead_letters"]:
        letters = DeadLetter.objects.filter(flow=flow, state=DeadLetterState.OPEN)
        # A letter may be about a file or a comment of its record.
        ids += [x.link.servicenow_id if x.link else x.record_id for x in letters.select_related("link")]
        if not ids:
            raise CannotRun(f"{flow.name} has no open dead letters.", code="nothing_to_do")
    since, until = moment(options["since"]), moment(options["until"])
    resync = options["resync"] or ids or since or until
    return {
        "kind": RunKind.RESYNC if resync else RunKind.MANUAL,
        "mode": RunMode.DRY if options["dry_run"] else RunMode.WRITE,
        "since": since, "until": until, "ids": ids,
    }  # fmt: skip


@contextmanager
def told_by_signal() -> Iterator[Callable[[], bool]]:
    """Whether SIGTERM, or a first Ctrl-C, told us to stop; a second Ctrl-C interrupts at once."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    told = threading.Event()

    def tell(number: int, _frame: object) -> None:
        told.set()
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, tell)
    try:
        yield told.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _idle(flow: Flow) -> bool:
    """Whether the flow itself refuses runs; otherwise the active run ended just now and the next try succeeds."""
    flow.refresh_from_db()
    return not flow.enabled or bool(flow.paused_reason) or flow.revision is None


def named_flow(name: str) -> Flow:
    flow = Flow.objects.filter(name=name).first()
    if flow is None:
        names = list(Flow.objects.values_list("name", flat=True))
        known = (
            f" There are: {', '.join(names)}." if names else " There is none yet: apply a configuration file."
        )
        raise CannotRun(
            f"There is no flow {name!r}.{did_you_mean(name, names) or known}", code="unknown_flow"
        )
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
