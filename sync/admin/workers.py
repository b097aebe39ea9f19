"""Which worker processes live, and whether their queue still moves."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import admin
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.admin import ReadOnlyAdmin
from sync.models import Worker

SILENT_AFTER = timedelta(seconds=60)


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ("name", "state", "seen", "canary", "started", "restarts")
    list_display_links = None

    @admin.display(description="state")
    def state(self, obj: Worker) -> SafeString:
        return present.badge("silent" if present.older_than(obj.seen_at, SILENT_AFTER) else "alive")

    @admin.display(description="last seen", ordering="seen_at")
    def seen(self, obj: Worker) -> SafeString:
        return present.ago(obj.seen_at)

    @admin.display(description="last task through the queue", ordering="canary_at")
    def canary(self, obj: Worker) -> SafeString:
        return present.ago(obj.canary_at)

    @admin.display(description="started", ordering="started_at")
    def started(self, obj: Worker) -> SafeString:
        return present.ago(obj.started_at)
