"""`manage.py verify_audit`: whether the audit log is whole."""

from __future__ import annotations

from typing import Any

from sync import audit
from sync.management.base import ConsoleCommand, Status
from sync.models import AuditEntry


class Command(ConsoleCommand):
    help = "Check the audit log's chain: edited, missing or unverifiable entries. Exit status 1 if there are any."

    def run(self, **options: Any) -> Status:
        faults = list(audit.verify())
        for fault in faults:
            self.say(f"Entry {fault.number}: {fault.text}.")
        entries = AuditEntry.objects.count()
        if not faults:
            self.say(f"{entries:,} entries, each continuing the one before it.")
        found = [{"entry": fault.number, "fault": fault.text} for fault in faults]
        self.result({"entries": entries, "whole": not faults, "faults": found})
        return Status.WITH_FAILURES if faults else Status.DONE
