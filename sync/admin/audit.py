"""The audit log: one line an entry, before and after side by side; nobody changes it here."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.admin import ReadOnlyAdmin
from integration_console.theme.exporting import csv_text
from integration_console.theme.filters import IndexedValuesFilter
from integration_console.theme.paging import MOST
from sync import audit
from sync.models import AuditEntry, Connection

# What people read for the code that is stored.
DEEDS = {
    "login.succeeded": "logged in",
    "login.failed": "failed to log in",
    "list.exported": "exported the list of",
    "report.read": "read the report by",
    "report_token.made": "made the report token",
    "report_token.revoked": "revoked the report token",
    "login.throttled": "was held off after too many attempts to log in",
    "login.limit_lifted": "lifted the login limit of",
    "login.ended": "logged out",
    "run.started": "started",
    "run.cancelled": "cancelled",
    "flow.published": "published a revision of",
    "flow.drafted": "kept a draft of",
    "flow.rolled_back": "rolled back",
    "finding.mended": "mended the mapping of",
    "findings.counted": "had the records counted that hit findings of",
    "schemas.read": "had the schemas read of",
    "flow.paused": "paused",
    "flow.resumed": "resumed",
    "connection.secrets_changed": "changed the secrets of",
    "connection.tested": "tested",
    "recipe.checked": "checked the recipe",
    "recipe.used": "made of a recipe",
    "dead_letters.retried": "retried dead letters",
    "dead_letters.ignored": "ignored dead letters",
    "conflict.made_rule": "made a rule of a conflict of",
    "conflicts.resolved": "resolved conflicts",
    "value_map.entry_added": "added an entry to",
    "payload.opened": "opened the values of",
    "history.seeded": "made up a history for",
}
CHECKED = 1_000  # newest entries whose chain the list's page checks: a fraction of a second, whatever the log's length
# What an auditor asks for every day, as filters of the list.
WANTED = {
    "Who looked at values": ("payload.opened", "report.read"),
    "What was exported": ("list.exported",),
    "What was published": ("flow.published",),
    "Who was refused a login": ("login.failed", "login.throttled"),
}


def _flat(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def deed(entry: AuditEntry) -> str:
    noun, _, verb = entry.action.rpartition(".")
    return DEEDS.get(
        entry.action, f"{present.words(verb)} the {present.words(noun)}" if noun else entry.action
    )


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("entry", "when", "who", "what", "whom", "address")
    list_display_links = ("entry",)
    list_filter = (
        ("action", IndexedValuesFilter),
        ("object_type", IndexedValuesFilter),
        ("actor_name", IndexedValuesFilter),
        ("at", admin.DateFieldListFilter),
    )
    search_fields = ("actor_name", "object_label", "action", "ip")
    page_template = "console/audit_entry.html"
    list_before_template = "console/audit_head.html"
    export_kinds = ("csv", "jsonl")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        wanted = [(name, f"?{urlencode({'action__in': ','.join(deeds)})}") for name, deeds in WANTED.items()]
        context = {"chain": audit.check_newest(CHECKED), "wanted": wanted, **(extra_context or {})}
        return super().changelist_view(request, context)

    def exported(self, changelist: Any, kind: str) -> str:
        """Every column, and last the newest link of the whole chain: noted elsewhere, it shows that nothing was cut off."""
        entries = [audit.facts(entry) for entry in changelist.queryset[:MOST]]
        if kind == "jsonl":
            return "".join(
                f"{json.dumps(line, ensure_ascii=False)}\n" for line in (*entries, audit.newest_link())
            )
        link = audit.newest_link()
        last = {**dict.fromkeys(audit.FACTS, ""), "number": link["newest"], "at": link["at"], "mac": link["mac"],
                "action": "newest link of the chain"}  # fmt: skip
        return csv_text(
            audit.FACTS, ([_flat(line[name]) for name in audit.FACTS] for line in (*entries, last))
        )

    def page_context(self, request: HttpRequest, obj: AuditEntry) -> dict[str, Any]:
        names = {str(pk): name for pk, name in Connection.objects.values_list("pk", "name")}
        differences = [
            replace(row, before=names.get(row.before, row.before), after=names.get(row.after, row.after))
            for row in present.compare(obj.before, obj.after)
        ]
        return {
            "title": f"Entry {obj.number:,}",
            "deed": deed(obj),
            "changed": [row for row in differences if row.changed],
            "same": [row for row in differences if not row.changed],
        }

    @admin.display(description="entry", ordering="number")
    def entry(self, obj: AuditEntry) -> str:
        return f"{obj.number:,}"

    @admin.display(description="when", ordering="number")
    def when(self, obj: AuditEntry) -> SafeString:
        return present.ago(obj.at)

    @admin.display(description="who", ordering="actor_name")
    def who(self, obj: AuditEntry) -> str:
        return obj.actor_name or "nobody logged in"

    @admin.display(description="did what", ordering="action")
    def what(self, obj: AuditEntry) -> SafeString:
        return format_html('<span title="{}">{}</span>', obj.action, deed(obj))

    @admin.display(description="to what", ordering="object_label")
    def whom(self, obj: AuditEntry) -> str:
        return obj.object_label

    @admin.display(description="from address", ordering="ip", empty_value="–")
    def address(self, obj: AuditEntry) -> str | None:
        return obj.ip
