"""What all commands share: who acts, JSON as the last line, exit statuses, and one sentence when they cannot run."""

from __future__ import annotations

import errno
import getpass
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, ProgrammingError, connection

from sync.actor import Actor, acting_as
from sync.backup.sealed import BackupError
from sync.encryption import DecryptionError, keyring
from sync.errors import SyncError
from sync.models import Connection
from sync.services import Refused


class Status(IntEnum):
    DONE = 0
    WITH_FAILURES = 1  # done, with failed records, conflicts or writes in doubt
    COULD_NOT_RUN = 2


class CannotRun(CommandError):
    """Ends the command with status 2 and this sentence. `code` and `advice` are for the JSON."""

    def __init__(self, message: str, *, code: str = "could_not_run", advice: str = "") -> None:
        super().__init__(message, returncode=Status.COULD_NOT_RUN)
        self.code, self.advice = code, advice


class ConsoleCommand(BaseCommand):
    """Subclasses write `run`, say things with `say`, and give their JSON to `result`."""

    requires_system_checks: list[str] = []
    opens_database = True  # False: it begins with a database of its own
    logs = False  # a command that ends says what happened in its own words; one that serves writes the log

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
        return parser

    def run(self, **options: Any) -> Status:
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json = bool(options["json"])
        if not self.logs and options["verbosity"] < 2:
            logging.getLogger("sync").setLevel(logging.WARNING)
        self._result: Mapping[str, Any] = {}
        try:
            with readable_failures(), acting_as(Actor(name=account())):
                keyring()  # before anything is begun: without keys that open, nothing can be done
                if self.opens_database:
                    check_keys()
                status = self.run(**options)
        except CannotRun as error:
            about = self.about(**options)
            self._result = {**about, "error": str(error), "code": error.code, "advice": error.advice}
            self.emit()
            if not getattr(self, "_called_from_command_line", False):
                raise
            self.stderr.write(str(error))  # the sentence alone, without the name of its class
            sys.exit(Status.COULD_NOT_RUN)
        self.emit()
        if status:
            sys.exit(status)

    def about(self, **options: Any) -> dict[str, Any]:
        """What the JSON of a command that could not run says it was about."""
        return {}

    @contextmanager
    def as_person(self, name: str) -> Iterator[User | None]:
        """Act as the person of this user name, asked for their permissions; as the command line for an empty one.

        The audit log keeps both: whoever holds the shell holds the database, and could name anybody. Raises CannotRun.
        """
        if not name:
            yield None
            return
        user = User.objects.filter(username=name, is_active=True).first()
        if user is None:
            raise CannotRun(f"There is no active user {name!r}.", code="unknown_user")
        with acting_as(Actor(user_id=user.pk, name=f"{user.username}, by {account()}"[:150])):
            yield user

    def say(self, text: str) -> None:
        """For people: on stdout, or on stderr where stdout is to end in JSON."""
        (self.stderr if self.as_json else self.stdout).write(text)

    def result(self, data: Mapping[str, Any]) -> None:
        self._result = data

    def emit(self) -> None:
        """Print the JSON, once; a command that goes on serving does so itself when there is something to tell."""
        if self.as_json and self._result:
            self.stdout.write(json.dumps(self._result, default=str))
            self.stdout.flush()
        self._result = {}


def check_keys() -> None:
    """Open one stored secret. Raises DecryptionError: another key under the old id would go on sealing values, and
    signing the audit log, so that the right key could not read them."""
    if Connection._meta.db_table not in connection.introspection.table_names():
        return  # nothing is stored yet
    stored = Connection.objects.exclude(secrets_sealed=None).first()
    if stored is not None:
        _ = stored.secrets


@contextmanager
def readable_failures() -> Iterator[None]:
    """Turn what an operator can put right into one sentence and status 2; faults of the console keep their traceback."""
    try:
        yield
    except Refused as error:
        raise CannotRun(str(error), code="refused") from error
    except PermissionDenied as error:
        raise CannotRun(str(error), code="permission") from error
    except (ImproperlyConfigured, DecryptionError) as error:
        raise CannotRun(str(error), code="configuration") from error
    except BackupError as error:
        raise CannotRun(str(error), code="backup") from error
    except SyncError as error:
        said = error.told
        raise CannotRun(said, code=error.code, advice=error.advice) from error
    except OperationalError as error:
        raise CannotRun(_database_sentence(error), code="database") from error
    except ProgrammingError as error:
        raise CannotRun(
            f"The database lacks a table or column ({_first_line(error)}): run manage.py migrate.",
            code="database",
        ) from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise CannotRun(
            "The disk is full: free some space and run this again; nothing half-done is left.",
            code="disk_full",
        ) from error


# Words of SQLite's and PostgreSQL's messages, and what to tell of them.
_DATABASE = {
    "disk is full": "The disk of the database is full: free some space and run this again; what was committed is kept.",
    "no space left": "The disk of the database is full: free some space and run this again; what was committed is kept.",
    # What SQLite says when its write-ahead log finds no room, and when a disk fails.
    "disk i/o error": "The disk of the database is full or failing: free some space and run this again; what was committed is kept.",
    "no such table": "The database is not migrated: run manage.py migrate.",
    "no such column": "The database is older than this release: run manage.py migrate.",
    "locked": "The database was locked for too long by another process: run this again.",
    "readonly": "The database file may not be written by this user.",
    "unable to open": "The database file cannot be opened: check DATABASE_URL and the directory's permissions.",
}


def _database_sentence(error: Exception) -> str:
    text = str(error).lower()
    known = next((sentence for words, sentence in _DATABASE.items() if words in text), None)
    return known or f"The database cannot be used: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def account() -> str:
    """The account at the command line, as the audit log shows it."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user without an entry in /etc/passwd
        name = f"uid {os.getuid()}"
    return f"{name} (command line)"
