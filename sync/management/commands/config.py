"""`manage.py config apply | validate | diff | export`: the configuration as a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from sync.configuration.apply import apply, known_names
from sync.configuration.export import export
from sync.configuration.live import ask_platforms, check_live
from sync.configuration.parse import Parsed, parse
from sync.configuration.plan import Plan
from sync.configuration.problems import InvalidConfiguration
from sync.management.base import CannotRun, ConsoleCommand, Status
from sync.models import Revision


class Command(ConsoleCommand):
    help = "Apply, check, compare or export the configuration file."

    def add_arguments(self, parser: CommandParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True, metavar="apply|validate|diff|export")
        for name, text in (
            ("apply", "create and update what the file names, in one transaction"),
            ("validate", "name every problem of the file, and change nothing"),
            ("diff", "show what applying would change"),
        ):
            deed = deeds.add_parser(name, help=text)
            deed.add_argument("file", type=Path, help="YAML file")
            deed.add_argument(
                "--offline", action="store_true", help="do not ask the platforms for tables and fields"
            )
            if name != "validate":
                deed.add_argument(
                    "--prune", action="store_true", help="also remove what the file does not name"
                )
            if name == "apply":
                deed.add_argument("--dry-run", action="store_true", help="the same as diff")
                deed.add_argument(
                    "--reason", default="", metavar="TEXT",
                    help="why it is published, which the revisions keep; needed where the linter warns of something new",
                )  # fmt: skip
            accept_json(deed)
        deed = deeds.add_parser("export", help="print the configuration, without secrets")
        deed.add_argument(
            "--without-connections", action="store_true",
            help="for another installation, whose connections of the same names are used as they are",
        )  # fmt: skip
        accept_json(deed)

    def run(self, **options: Any) -> Status:
        deed = options["deed"]
        if deed == "export":
            return self._export(connections=not options["without_connections"])
        try:
            parsed = self._read(options["file"])
            notices = [] if options["offline"] else check_live(parsed, os.environ)
            if deed == "validate":
                plan = Plan(notices=[notice.at(parsed.file) for notice in parsed.notices])
            else:
                dry = deed == "diff" or options["dry_run"]
                reason = _reason(options.get("reason", ""))
                plan = apply(parsed, environ=os.environ, dry_run=dry, pruning=options["prune"], reason=reason)
        except InvalidConfiguration as invalid:
            return self._refuse(invalid if options["offline"] else _with_names_asked(invalid))
        plan.notices += notices
        self._tell(deed, plan, dry=deed == "diff" or bool(options.get("dry_run")))
        return Status.DONE

    def _read(self, file: Path) -> Parsed:
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise CannotRun(f"{file} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise CannotRun(f"{file} is not UTF-8 text.") from error
        return parse(text, file=str(file), known=known_names(), environ=os.environ)

    def _refuse(self, invalid: InvalidConfiguration) -> Status:
        count = len(invalid.problems)
        self.stderr.write(
            f"{invalid}\n{count} {'problem' if count == 1 else 'problems'}; nothing was applied."
        )
        problems = [{"line": x.line, "path": x.path, "problem": x.text} for x in invalid.problems]
        self.result({"valid": False, "file": invalid.file, "problems": problems})
        return Status.COULD_NOT_RUN

    def _tell(self, deed: str, plan: Plan, *, dry: bool) -> None:
        for notice in plan.notices:
            self.say(f"Notice: {notice}")
        for change in plan.changes:
            self.say(f"{'would ' if dry else ''}{change}")
        for warning in plan.warnings:
            self.say(f"Warning: {warning}")
        if dry and plan.unargued:
            self.say("Applying it takes --reason, as there are warnings that nobody gave a reason for yet.")
        if deed == "validate":
            self.say("The file is valid.")
        elif not plan.changes:
            self.say("Nothing to change.")
        changes = [
            {
                "action": change.action,
                "kind": change.kind,
                "name": change.name,
                "details": list(change.details),
            }
            for change in plan.changes
        ]
        self.result(
            {
                "valid": True,
                "applied": deed == "apply" and not dry,
                "changes": changes,
                "notices": plan.notices,
                "warnings": plan.warnings,
                "needs_reason": bool(plan.unargued),
            }
        )

    def _export(self, *, connections: bool) -> Status:
        text = export(connections=connections)
        self.stdout.write(text, ending="")
        self.result({"configuration": text})
        return Status.DONE


def _reason(text: str) -> str:
    """As a revision keeps it. Raises CannotRun."""
    most = Revision._meta.get_field("reason").max_length or 0
    if len(text) > most:
        raise CannotRun(f"--reason is longer than {most} characters.", code="usage")
    return text.encode(errors="replace").decode()  # bytes of the command line that are no text


def _with_names_asked(invalid: InvalidConfiguration) -> InvalidConfiguration:
    """Also what the platforms say of the readable part, so that a second try does not bring a second list."""
    if invalid.readable is None:
        return invalid
    problems, _ = ask_platforms(invalid.readable, os.environ)
    return InvalidConfiguration(invalid.file, [*invalid.problems, *problems])


def accept_json(parser: Any) -> None:
    """`--json` after the deed as well; a default here would undo the one given before it."""
    import argparse

    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
