"""`manage.py demo`: both systems' look-alikes, the console and a worker, configured and synchronising."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandParser

import integration_console.demo
from integration_console.demo.files import carried, put_files
from integration_console.demo.logins import Login, make_logins
from integration_console.demo.place import MARK, claim_directory, environment, forget_database, free_port
from integration_console.demo.stage import Stage, StageError
from integration_console.demo.words import say_something, told
from sync import services
from sync.configuration.apply import apply, known_names
from sync.configuration.live import check_live
from sync.configuration.parse import parse
from sync.engine.execute import execute
from sync.management.base import CannotRun, ConsoleCommand, Status
from sync.management.commands.run_flow import outcome, status_of
from sync.management.progress import progress_bar
from sync.models import Connection, Flow, RecordLink, Run

PORT = 8000
FLOW = "incidents-to-cases"
FILE = Path(integration_console.demo.__file__).with_name("demo.yaml")


class Stopped(BaseException):
    """Ctrl-C, or a signal that asks us to end."""


class Command(ConsoleCommand):
    opens_database = False
    help = "Serve a demo on this machine until Ctrl-C: no accounts needed, your own database is not touched."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="exit after the first run of the flow")
        parser.add_argument(
            "--incidents", type=int, default=200, metavar="N", help="incidents at the start (200)"
        )

    def run(self, **options: Any) -> Status:
        if MARK not in os.environ:
            _become_the_demo(settings.BASE_DIR / "var")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _stop)
        status = Status.DONE
        try:
            with Stage(Path(os.environ[MARK])) as stage:
                status = self._show(stage, options["incidents"], once=options["once"])
                if not options["once"]:
                    stage.watch()
        except Stopped:
            self.say("\nStopped: the console, the worker and the sandbox have ended.")
        except StageError as error:
            raise CannotRun(str(error)) from error
        return status if options["once"] else Status.DONE

    def _show(self, stage: Stage, incidents: int, *, once: bool) -> Status:
        self._new_database(stage.directory)
        self.say("Starting the sandbox: a ServiceNow and a Salesforce on this machine.")
        pair = stage.sandbox(incidents=incidents, arriving=not once)
        self._configure(variables(pair))
        logins = make_logins()
        port = free_port(PORT)
        if port != PORT:
            self.say(f"Port {PORT} is taken; the console is on {port}.")
        stage.web(port)
        run = self._run_flow()
        put_files(run.flow)
        say_something(run.flow)
        second = self._run_flow()
        # Only now: its schedule would take the first run away from under the progress bar.
        stage.worker()
        for connection in Connection.objects.all():
            services.test_connection(connection=connection, by=None)
        self.say("\n".join(["", outcome(run), *_examples(run), *carried(run.flow), *told(second)]))
        if not once:
            self.say("\n".join(_welcome(port, logins, pair)))
        self.result(run.summary())
        self.emit()
        return status_of(run)

    def _new_database(self, directory: Path) -> None:
        if forget_database(directory):
            self.say("The last demo's database was removed: each demo begins with new data.")
        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)

    def _configure(self, variables: Mapping[str, str]) -> None:
        parsed = parse(FILE.read_text(), file=FILE.name, known=known_names(), environ=variables)
        notices = check_live(parsed, variables)
        plan = apply(parsed, environ=variables, reason="The demo's own file")
        for notice in [*plan.notices, *notices]:
            self.say(f"Notice: {notice}")
        self.say(
            f"Configured: {', '.join(change.name for change in plan.changes if change.action == 'create')}."
        )

    def _run_flow(self) -> Run:
        run = services.request_run(flow=Flow.objects.get(name=FLOW), by=None, enqueue=False)
        with progress_bar(FLOW) as show:
            return execute(run.pk, show)


def _become_the_demo(parent: Path) -> NoReturn:
    """Start this command again with the demo's own settings, in this very process."""
    directory = claim_directory(parent)
    os.execve(sys.executable, [sys.executable, *sys.argv], environment(directory, os.environ))  # noqa: S606


def _stop(*_: object) -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(
            number, signal.SIG_IGN
        )  # children are being ended: that takes a moment and is not to be cut short
    raise Stopped


def variables(pair: Mapping[str, Any]) -> dict[str, str]:
    """What demo.yaml refers to. Kept out of the environment, so that no child can pass the secrets on."""
    named = {
        f"{system.upper()}_{name.upper()}": str(pair[system][name])
        for system in ("servicenow", "salesforce")
        for name in ("url", "client_id", "client_secret")
    }
    return named | {"SANDBOX_CA_BUNDLE": str(pair["ca_file"])}


def _examples(run: Run) -> list[str]:
    """Some of the pairs, by the names that people know them by."""
    pairs = RecordLink.objects.filter(flow=run.flow).order_by("servicenow_number")
    lines = [f"  {pair.servicenow_number} <-> Case {pair.salesforce_number}" for pair in pairs[:3]]
    more = pairs.count() - len(lines)
    return [*lines, f"  and {more:,} more"] if more > 0 else lines


def _welcome(port: int, logins: list[Login], pair: Mapping[str, Any]) -> list[str]:
    lines = [f"  {login.name:<10} {login.password}   ({login.role})" for login in logins]
    return [
        "",
        f"Console: http://127.0.0.1:{port}/  – log in as",
        *lines,
        "",
        "The other sides, where you can play people who change records. Each link works once; your browser warns of a",
        f"certificate made for this demo (its authority: {pair['ca_file']}).",
        f"  ServiceNow: {pair['servicenow']['pages']}",
        f"  Salesforce: {pair['salesforce']['pages']}",
        "",
        "New incidents keep arriving, and every ten seconds both sides are brought in step. Try it:",
        "  Open a Case on the Salesforce page above, change its Status, Priority, Description or Owner, and save it:",
        "  ten seconds later its incident (the number is among the Case's more fields) shows the same on the ServiceNow page.",
        "  Make a new Case there with Escalated set to Yes: it becomes an incident.",
        "  Comment on a Case or an incident: ten seconds later it stands on the other side; work notes stay internal.",
        "  Add a file to a Case or an incident: it is on the other side ten seconds later, and on the record's page here.",
        "  Change the subject on both sides within ten seconds: the console asks you, on its page Conflicts.",
        "  Burlington Textiles has been won: see its Account (ServiceNow_Onboarding__c), its requests in ServiceNow (sc_request) and its",
        "  Assets. Make GenePoint a customer (its Account's Type): it wants a fax line, which was retired, and the console says so.",
        "  Activate that item on the ServiceNow page (sc_cat_item) and retry the dead letter: the onboarding goes on there.",
        "  Change the text of an article on the ServiceNow page: half a minute later it is a new version in Salesforce Knowledge.",
        "  Make an incident there, VPN drops every few minutes: within a minute its Case shows what belongs to it (ServiceNow_Context__c),",
        "  with a score, and has the article attached that answers it (CaseArticle).",
        "  Look at the Tasks of the Salesforce page: account teams are told when a change is approved, moved or called off, which",
        "  happens by itself every twenty seconds. Approve, move or cancel one yourself on the ServiceNow page (sysapproval_approver,",
        "  change_request). Chatter posts (FeedItem) tell how incidents come along. The console lists it all on its page Actions.",
        "Ctrl-C ends everything.",
    ]
