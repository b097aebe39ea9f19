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
    plans,
    queue,
    reconciliations,
    records,
    revisions,
    runs,
    workers,
)
from sync.admin.login import LoginForm

# Whatever changes rows goes through `console_action`; Django's own bulk delete does not.
admin.site.disable_action("delete_selected")
admin.site.login_form = LoginForm

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
    "plans",
    "queue",
    "reconciliations",
    "records",
    "revisions",
    "runs",
    "workers",
]
