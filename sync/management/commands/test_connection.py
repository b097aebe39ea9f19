"""`manage.py test_connection NAME`: what the console can prove about a connection."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from sync import services
from sync.configuration.problems import did_you_mean
from sync.management.base import CannotRun, ConsoleCommand, Status
from sync.models import Connection
from sync.questions import answer

MARKS = {"ok": "✓", "warning": "!", "error": "✗"}


class Command(ConsoleCommand):
    help = "Test a connection: reached, authenticated, as whom, permissions, budget. Exit status 1 if anything failed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the connection")

    def run(self, **options: Any) -> Status:
        connection = named_connection(options["name"])
        question = answer(services.test_connection(connection=connection, by=None, enqueue=False).pk)
        findings = question.answer["findings"]
        for finding in findings:
            advice = f" {finding['advice']}" if finding["advice"] and finding["status"] != "ok" else ""
            self.say(f"{MARKS.get(finding['status'], '?')} {finding['text']}{advice}")
        good = all(finding["status"] != "error" for finding in findings)
        self.result({"connection": connection.name, "ok": good, **question.answer})
        return Status.DONE if good else Status.WITH_FAILURES


def named_connection(name: str) -> Connection:
    """Raises CannotRun with the names there are."""
    connection = Connection.objects.filter(name=name).first()
    if connection is None:
        names = list(Connection.objects.values_list("name", flat=True))
        known = f" There are: {', '.join(names)}." if names else " There is none yet."
        raise CannotRun(f"There is no connection {name!r}.{did_you_mean(name, names) or known}")
    return connection
