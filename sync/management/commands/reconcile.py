"""`manage.py reconcile NAME`: do both sides agree? Says so in a signed statement, and heals what differs if asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from sync import statement
from sync.engine.book import differences_of
from sync.engine.execute import execute
from sync.management.base import CannotRun, Status
from sync.management.commands import run_flow
from sync.management.progress import progress_bar
from sync.models import Flow, Reconciliation, Run
from sync.models.run import RunKind, RunStatus

SHOWN = 20


class Command(run_flow.Command):
    help = (
        "Compare both sides of every link of a flow. Exit status: 0 both sides agree, 1 differences are left, "
        "2 could not run. With --verify: 0 the statement is genuine, 1 it is not, 2 that cannot be told."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", default="", help="the flow")
        parser.add_argument("--heal", action="store_true", help="write what differs, by the ordinary plan")
        parser.add_argument("--full", action="store_true", help="read everything, whatever earlier marks say")
        parser.add_argument(
            "--statement", default="", metavar="FILE", help="write the signed statement to FILE"
        )
        parser.add_argument(
            "--verify", default="", metavar="FILE", help="check a signed statement, and run nothing"
        )
        parser.add_argument(
            "--wait", type=float, default=run_flow.WAIT_SECONDS, metavar="S",
            help="seconds to wait for an active run of the backfill lane (60)",
        )  # fmt: skip

    def run(self, **options: Any) -> Status:
        if options["verify"]:
            return self._verify(Path(options["verify"]))
        flow = self.named_flow(options["name"])
        kind = RunKind.HEAL if options["heal"] else RunKind.RECONCILE
        run = self._request(flow, {"kind": kind, "full": options["full"]}, options["wait"])
        with progress_bar(flow.name) as show, run_flow.told_by_signal() as stopping:
            run = execute(run.pk, show, stopping=stopping)
            if stopping() and run.is_active:
                raise CannotRun(f"{run} was told to stop; a worker goes on with it.", code="stopped")
        run = self._follow(run)
        if run.status in (RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.DEFERRED):
            raise CannotRun(run_flow.outcome(run), code=run.error_code or run.status, advice=run.advice)
        row = Reconciliation.objects.select_related("flow", "run", "revision").get(run=run)
        self._tell(run, row)
        if options["statement"]:
            Path(options["statement"]).write_text(row.statement, encoding="utf-8")
        return Status.DONE if row.counts.agree else Status.WITH_FAILURES

    def named_flow(self, name: str) -> Flow:
        if not name:
            raise CannotRun("Name the flow to reconcile, or a statement to --verify.", code="usage")
        return run_flow.named_flow(name)

    def _tell(self, run: Run, row: Reconciliation) -> None:
        self.result({
            "flow": run.flow.name, "run": run.pk, "kind": run.kind, "status": run.status, **row.summary(),
            "api_calls": {"servicenow": run.calls_servicenow, "salesforce": run.calls_salesforce},
            "seconds": run.seconds, "statement": row.statement,
        })  # fmt: skip
        self.say(f"{run.flow.name}: {row.sentence}.")
        suspects = differences_of(row)
        for each in suspects[:SHOWN]:
            self.say(f"  {each.get_finding_display()}: {each} {each.field_names or each.note}".rstrip())
        if (more := suspects.count() - SHOWN) > 0:
            self.say(f"  and {more:,} more, listed in the console under Reconciliations.")

    def _verify(self, file: Path) -> Status:
        try:
            genuine = statement.is_genuine(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise CannotRun(f"{file} cannot be read: {error}.", code="unreadable") from error
        except statement.UnknownKeyError as error:
            raise CannotRun(
                str(error), code="unknown_key", advice="Add that key to ENCRYPTION_KEYS (it may stand last)."
            ) from error
        self.result({"file": str(file), "genuine": genuine})
        self.say(
            f"{file} is as it was signed here." if genuine else f"{file} was changed, or was not signed here."
        )
        return Status.DONE if genuine else Status.WITH_FAILURES
