"""`manage.py restore FILE`: a backup into an empty console."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from sync import services
from sync.backup import restoring
from sync.management.base import ConsoleCommand, Status
from sync.management.progress import counting_bar


class Command(ConsoleCommand):
    help = (
        "Read a backup of this or an earlier release into an empty, migrated database. The whole file is checked before "
        "anything is written. Flows come back paused. Exit status: 0 done, 2 could not run, and nothing was written."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="what manage.py backup has written")
        parser.add_argument("--check", action="store_true", help="only check the file and say what is in it")
        parser.add_argument(
            "--resume", action="store_true", help="let the flows go on at once, without anybody having looked"
        )

    def about(self, **options: Any) -> dict[str, Any]:
        return {"file": options["file"]}

    def run(self, **options: Any) -> Status:
        if not options["check"]:
            restoring.refuse_if_used()
        with counting_bar("checking") as show:
            found = restoring.check(Path(options["file"]), progress=show)
        told = {
            "file": found.file, "made_at": found.made_at.isoformat(), "events": found.history, "rows": found.rows,
            "total": found.total,
        }  # fmt: skip
        self.result(told)
        self.say(
            f"{found.file} is whole: {found.total:,} rows, of which {found.rows['sync.RecordLink']:,} links, "
            f"as of {found.made_at:%Y-%m-%d %H:%M:%S} UTC."
        )
        if not options["check"]:
            self.result({**told, **self._restore(found, resume=options["resume"])})
        return Status.DONE

    def _restore(self, found: restoring.Contents, *, resume: bool) -> dict[str, Any]:
        with counting_bar("restoring") as show:
            flows = services.restore(contents=found, resume=resume, progress=show)
        state = (
            "go on"
            if resume
            else "are paused: look, then resume each (run_flow NAME --resume, or the button)"
        )
        self.say(
            f"Restored. Flows in use: {len(flows)}; they {state}. Their first run reads again what changed since the backup; "
            "manage.py reconcile NAME then proves that both sides agree."
        )
        return {"flows": flows, "resumed": resume}
