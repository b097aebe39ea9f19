"""`manage.py worker`: task queue, schedules and watchdog in one command."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import CommandParser

from sync.actor import NOBODY, acting_as
from sync.management.base import ConsoleCommand, Status
from sync.worker import Patience, Supervisor


class Command(ConsoleCommand):
    logs = True
    help = "Work: run the task queue, tick the schedules, watch both. Ends in order on SIGTERM or Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--stop-within", type=float, default=Patience().stop, metavar="S",
            help="seconds that slices under way may take to finish when told to stop (%(default)s)",
        )  # fmt: skip

    def run(self, **options: Any) -> Status:
        supervisor = Supervisor(patience=Patience(stop=options["stop_within"]))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: supervisor.stop.set())
        self.say(f"Worker {supervisor.name}: running until Ctrl-C.")
        with acting_as(NOBODY):  # what the schedule starts, nobody did
            supervisor.run()
        self.result({"worker": supervisor.name})
        return Status.DONE
