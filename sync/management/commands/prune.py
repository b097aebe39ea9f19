"""`manage.py prune`: delete history that has had its time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from sync import services
from sync.management.base import CannotRun, ConsoleCommand, Status

USUAL_DAYS = 90


class Command(ConsoleCommand):
    help = (
        "Delete events, calls, closed dead letters, answered questions, finished runs and the details of actions that are "
        "over, where they are older than --days, beside running workers. Links, conflicts, statements, hourly totals and what "
        "actions have followed stay, and the audit log unless --audit names an age. Exit status: 0 done, 2 could not run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--days", type=int, default=USUAL_DAYS, help=f"age in days; {USUAL_DAYS} unless given"
        )
        parser.add_argument(
            "--audit",
            type=int,
            metavar="DAYS",
            help="also delete audit entries older than this, leaving a signed stub",
        )
        parser.add_argument("--dry-run", action="store_true", help="count and delete nothing")

    def run(self, **options: Any) -> Status:
        now, dry = timezone.now(), bool(options["dry_run"])
        ages = {name: options[name] for name in ("days", "audit") if options[name] is not None}
        if any(age < 1 for age in ages.values()):
            raise CannotRun("An age is a number of days, 1 or more.")
        spared = {name: now - timedelta(days=age) for name, age in ages.items()}
        found = services.prune_history(before=spared["days"], audit_before=spared.get("audit"), dry_run=dry)
        self.result({"before": spared["days"].isoformat(), "dry_run": dry, "rows": found})
        told = ", ".join(f"{number:,} {name}" for name, number in found.items())
        self.say(
            f"{'Would delete' if dry else 'Deleted'} {told}, older than {spared['days']:%Y-%m-%d %H:%M} UTC."
        )
        return Status.DONE
