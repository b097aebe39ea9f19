"""The console's pages, one file per noun."""

from django.contrib import admin

from sync.admin import (
    actions,
    attention,
    audit,
    calls,
    conflicts,
    connections,
    deadletters,
    flows,
    people,
    queue,
    reconciliations,
    records,
    revisions,
    runs,
    workers,
)

# Whatever changes rows goes through `console_action`; Django's own bulk delete does not.
admin.site.disable_action("delete_selected")

__all__ = [
    "actions",
    "attention",
    "audit",
    "calls",
    "conflicts",
    "connections",
    "deadletters",
    "flows",
    "people",
    "queue",
    "reconciliations",
    "records",
    "revisions",
    "runs",
    "workers",
]
