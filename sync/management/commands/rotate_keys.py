"""`manage.py rotate_keys`: encrypt everything under the first of ENCRYPTION_KEYS."""

from __future__ import annotations

from typing import Any

from sync.encryption import keyring
from sync.management.base import ConsoleCommand, Status
from sync.rotation import rotate


class Command(ConsoleCommand):
    help = (
        "Encrypt all stored secrets and values under the first key of ENCRYPTION_KEYS. Safe beside running workers; "
        "stopped half-way, it goes on where it stood. Afterwards the older keys can be removed, except those that "
        "verify_audit still needs."
    )

    def run(self, **options: Any) -> Status:
        done = 0
        columns: dict[str, int] = {}
        for column, count in rotate():
            columns[column] = count
            done += count
            if count:
                self.say(f"{column}: {count:,} encrypted anew")
        self.say(f"{done:,} values encrypted anew; all are under key {keyring().first!r} now.")
        self.result({"key": keyring().first, "rotated": done, "columns": columns})
        return Status.DONE
