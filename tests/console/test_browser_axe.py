"""axe looks at the console's pages as a screen reader and a keyboard would, and no page is wider than its window.

Each page is loaded once and looked at twice: in a wide light window, and as narrow and dark. With PICTURES=folder
it leaves a picture of each there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import TimeoutError

from mappings.models import UserTable, ValueMap
from sync.models import AuditEntry, Conflict, Connection, DeadLetter, Plan, RecordLink, RemoteCall, Run
from tests.console.browsing import NARROW, WIDE, in_browser
from tests.console.test_fields import read
from tests.console.test_matching import answered
from tests.console.test_why import why_url, wrote

pytestmark = in_browser
AXE = Path(__file__).parent / "axe" / "axe.min.js"
# Only what people with a screen reader or a keyboard cannot get past, of the rules of WCAG 2.1 A and AA.
LOOK = """async () => {
    const found = await axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], resultTypes: ["violations"]});
    return found.violations.filter(each => ["serious", "critical"].includes(each.impact)).map(each =>
        `${each.id} (${each.nodes.length}): ${each.nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(" | ")}`);
}"""
WIDTH = "document.documentElement.scrollWidth"
# As the theme's own switch does. Colours that fade from one theme to the other would be caught in between.
DARK = """dark => {
    document.documentElement.classList.toggle("dark", dark);
    document.documentElement.classList.toggle("light", !dark);
    document.getAnimations().forEach(each => each.finish());
}"""


def lists() -> list[str]:
    """The lists of the menu, and the pages that are lists of another kind."""
    names = (
        "sync_flow", "sync_run", "sync_recordlink", "sync_deadletter", "sync_conflict", "sync_remotecall",
        "sync_connection", "sync_auditentry", "mappings_valuemap", "mappings_usertable", "auth_user", "sync_waiting",
        "sync_reconciliation", "sync_actionrun", "sync_worker", "sync_plan",
    )  # fmt: skip
    return [
        reverse("admin:index"),
        *(reverse(f"admin:{name}_changelist") for name in names),
        reverse("admin:sync_deadletter_causes"),
        reverse("report"),
        reverse("drafts"),
        "/admin/trace/?q=INC00100",
        "/admin/trace/?q=INC0099999",
        "/admin/recipes/",
    ]


def pages(flow) -> list[str]:
    """The page of one of each, with its values, and the dialogs of the most used buttons."""
    link, row = RecordLink.objects.get(servicenow_number="INC0010003"), flow.rows.get(salesforce="Status")
    wrote(link, row, "Working", source="2", under="New", minutes=3)
    read(flow)
    answered(flow, flow.user_table)
    RecordLink.objects.update(servicenow_read_at=timezone.now() - timedelta(minutes=3))
    one = {
        "sync_flow": flow,
        "sync_run": Run.objects.get(status="partial"),
        "sync_revision": flow.revision,
        "sync_plan": Plan.objects.get(),
        "sync_recordlink": link,
        "sync_deadletter": DeadLetter.objects.first(),
        "sync_conflict": Conflict.objects.first(),
        "sync_remotecall": RemoteCall.objects.first(),
        "sync_connection": Connection.objects.first(),
        "sync_auditentry": AuditEntry.objects.first(),
        "mappings_valuemap": ValueMap.objects.first(),
        "mappings_usertable": UserTable.objects.first(),
        "auth_user": User.objects.first(),
    }
    with_values = {"sync_plan", "sync_recordlink", "sync_deadletter", "sync_conflict"}
    addresses = [
        reverse(f"admin:{name}_change", args=[row.pk]) + ("?values=1" if name in with_values else "")
        for name, row in one.items()
    ]
    return [
        *addresses,
        f"{addresses[0]}#rows",
        why_url(link, row),
        reverse("compare_revisions", args=[flow.pk]),
        reverse("add_fields", args=[flow.pk]),
        reverse("sheet", args=["fields", flow.pk]),
        reverse("match_people", args=[flow.user_table_id]),
        *(reverse(f"admin:sync_flow_{name}", args=[flow.pk]) for name in ("run_now", "resync", "pause")),
        reverse("admin:sync_deadletter_add_value", args=[one["sync_deadletter"].pk]),
        reverse("admin:sync_connection_add"),
        "/admin/recipes/incident-case/",
    ]


def settled_width(page, most: int) -> int:
    """Some elements follow the window's size a moment later, by script."""
    with suppress(TimeoutError):
        page.wait_for_function(f"{WIDTH} <= {most}", timeout=3_000)
    return page.evaluate(WIDTH)


def faults(page, path: str) -> Iterator[str]:
    page.goto(path)
    page.evaluate(AXE.read_text())  # the policy forbids scripts from elsewhere, not the inspector's own
    for name, size, dark in (("wide", WIDE, False), ("narrow, dark", NARROW, True)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.evaluate(DARK, dark)
        yield from (f"{path} ({name}): {told}" for told in page.evaluate(LOOK))
        if (width := settled_width(page, size[0])) > size[0]:
            yield f"{path} ({name}): {width} pixels wide"
        if folder := os.environ.get("PICTURES"):
            said = path.strip("/").replace("/", "-").replace("?", "-").replace("#", "-") or "admin"
            page.screenshot(path=str(Path(folder) / f"{said}-{size[0]}.png"), full_page=True)
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})


@pytest.mark.parametrize("which", ["lists", "pages"])
def test_axe_finds_no_serious_fault_and_nothing_is_wider_than_its_window(
    open_page, console, complaints, which
):
    page = open_page()
    addresses = lists() if which == "lists" else pages(console)
    found = [fault for path in addresses for fault in faults(page, path)]

    assert not found, "\n".join(found)
    assert complaints == []
