"""`manage.py backup FILE`: the whole console in one encrypted file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from sync import services
from sync.management.base import ConsoleCommand, Status
from sync.management.progress import counting_bar


class Command(ConsoleCommand):
    help = (
        "Write configuration, accounts, links, watermarks and the audit log to one encrypted file, beside running workers. "
        "It opens with ENCRYPTION_KEYS alone: keep those elsewhere. Exit status: 0 done, 2 could not run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the file to write")
        parser.add_argument(
            "--events", action="store_true", help="with the history of runs, events and calls"
        )
        parser.add_argument("--force", action="store_true", help="overwrite the file if there is one")

    def about(self, **options: Any) -> dict[str, Any]:
        return {"file": options["file"]}

    def run(self, **options: Any) -> Status:
        with counting_bar("backup") as show:
            made = services.back_up(
                file=Path(options["file"]), history=options["events"], replace=options["force"], progress=show
            )
        self.result({
            "file": made.file, "made_at": made.made_at.isoformat(), "events": made.history, "rows": made.rows,
            "total": made.total, "bytes": made.bytes, "keys": sorted({made.key, *made.keys}),
        })  # fmt: skip
        self.say(
            f"{made.file}: {made.total:,} rows in {made.bytes / 1e6:,.1f} MB, of which {made.rows['sync.RecordLink']:,} "
            f"links, as of {made.made_at:%Y-%m-%d %H:%M:%S} UTC.\n"
            f"To restore it, ENCRYPTION_KEYS must list {_listed({made.key, *made.keys})}: keep .env apart from this file."
        )
        return Status.DONE


def _listed(keys: set[str]) -> str:
    return ", ".join(repr(key) for key in sorted(keys))
