"""`manage.py probe NAME`: what reading alone can tell about the real instance or org behind a connection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from sync import services
from sync.management.base import CannotRun, ConsoleCommand, Status
from sync.management.commands.test_connection import named_connection


class Command(ConsoleCommand):
    help = (
        "Ask an instance or org what no documentation tells, by reads alone, and print a report without values of "
        "records. Exit status 2 if it cannot be asked."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the connection")
        parser.add_argument("--output", type=Path, metavar="FILE", help="write the report there as text")

    def run(self, **options: Any) -> Status:
        report = services.probe_connection(connection=named_connection(options["name"]), by=None)
        if options["output"]:
            _write(options["output"], report.as_text())
            self.say(f"The report of {report.connection} is in {options['output']}.")
        elif not self.as_json:
            self.say(report.as_text())
        self.result(report.as_json())
        return Status.DONE


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotRun(f"The report cannot be written to {file}: {error.strerror}.") from error
