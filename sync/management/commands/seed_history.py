"""`manage.py seed_history`: a long history, made up, to measure pages against."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from sync import seeding
from sync.management.base import CannotRun, ConsoleCommand, Status

EVENTS, LINKS, DEAD_LETTERS = 1_000_000, 200_000, 10_000


class Command(ConsoleCommand):
    help = (
        "Fill an empty database with a made-up history of thirty days: events, links, runs, hourly totals, conflicts, dead "
        "letters. Its flow is disabled. A database that holds a connection is refused. Exit status: 0 done, 2 could not run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        for name, usual in (("events", EVENTS), ("links", LINKS), ("dead-letters", DEAD_LETTERS)):
            parser.add_argument(
                f"--{name}", type=int, default=usual, metavar="N", help=f"{usual:,} unless given"
            )

    def run(self, **options: Any) -> Status:
        sizes = seeding.Sizes(
            events=options["events"], links=options["links"], dead_letters=options["dead_letters"]
        )
        if min(sizes.events, sizes.links, sizes.dead_letters) < 1:
            raise CannotRun("How many of each is a number, 1 or more.")
        try:
            self.result(seeding.seed(sizes, self.say))
        except seeding.NotEmpty as error:
            raise CannotRun(str(error), code="not_empty") from error
        return Status.DONE
