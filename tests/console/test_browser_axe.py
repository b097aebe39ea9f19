"""axe looks at the console's pages as a screen reader and a keyboard would, and finds no serious fault."""

from __future__ import annotations

from pathlib import Path

from django.contrib.auth.models import User
from django.urls import reverse

from mappings.models import UserTable, ValueMap
from sync.models import AuditEntry, Conflict, Connection, DeadLetter, RecordLink, RemoteCall, Run
from tests.console.test_browser import (  # noqa: F401  (fixtures)
    WIDE,
    chromium,
    complaints,
    console,
    open_page,
    pytestmark,
)

AXE = Path(__file__).parent / "axe" / "axe.min.js"
# Only what people with a screen reader or a keyboard cannot get past, of the rules of WCAG 2.1 A and AA.
LOOK = """async () => {
    const found = await axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], resultTypes: ["violations"]});
    return found.violations.filter(each => ["serious", "critical"].includes(each.impact)).map(each =>
        `${each.id} (${each.nodes.length}): ${each.nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(" | ")}`);
}"""


def addresses(flow) -> list[str]:
    """Every list of the menu, the page of one of each, and the dialogs of the most used buttons."""
    one = {
        "sync_flow": flow,
        "sync_run": Run.objects.get(status="partial"),
        "sync_recordlink": RecordLink.objects.first(),
        "sync_deadletter": DeadLetter.objects.first(),
        "sync_conflict": Conflict.objects.first(),
        "sync_remotecall": RemoteCall.objects.first(),
        "sync_connection": Connection.objects.first(),
        "sync_auditentry": AuditEntry.objects.first(),
        "mappings_valuemap": ValueMap.objects.first(),
        "mappings_usertable": UserTable.objects.first(),
        "auth_user": User.objects.first(),
    }
    lists = [*one, "sync_waiting", "sync_reconciliation", "sync_actionrun", "sync_worker"]
    return [
        reverse("admin:index"),
        *(reverse(f"admin:{name}_changelist") for name in lists),
        *(reverse(f"admin:{name}_change", args=[row.pk]) for name, row in one.items()),
        *(reverse(f"admin:sync_flow_{name}", args=[flow.pk]) for name in ("run_now", "resync", "pause")),
        reverse("admin:sync_connection_add"),
        "/admin/recipes/",
        "/admin/recipes/incident-case/",
    ]


def faults(page, paths: list[str]) -> dict[str, list[str]]:
    found = {}
    for path in paths:
        page.goto(path)
        page.evaluate(AXE.read_text())  # the policy forbids scripts from elsewhere, not the inspector's own
        if told := page.evaluate(LOOK):
            found[path] = told
    return found


def test_axe_finds_no_serious_fault_on_any_page(open_page, console):  # noqa: F811
    page = open_page(WIDE, "light")

    found = faults(page, addresses(console))
    assert not found, "\n".join(f"{path}: {told}" for path, told in found.items())
