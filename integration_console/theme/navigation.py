"""The menu: groups in the order of the day, entries for those who may open them, badges for what wants a look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

SILENT_AFTER = timedelta(seconds=60)
BADGE_MOST = 1_000  # each page counts so far, by an index, and says "1,000+" of more


@dataclass(frozen=True, slots=True)
class Entry:
    title: str
    icon: str
    model: str  # app_label.model; its list is the page and its view permission the right to see it
    badge: Callable[[], QuerySet[Any]] | None = None  # the rows that want a look
    colour: str = "danger"
    page: str = ""  # the name of another page than the model's list

    @property
    def permission(self) -> str:
        app, model = self.model.split(".")
        return f"{app}.view_{model}"

    @property
    def link(self) -> str:
        return reverse(self.page or "admin:{}_{}_changelist".format(*self.model.split(".")))


def _running() -> QuerySet[Any]:
    from sync.models import Run

    return Run.objects.active()


def _open_conflicts() -> QuerySet[Any]:
    from sync.models import Conflict

    return Conflict.objects.filter(state="open")


def _open_dead_letters() -> QuerySet[Any]:
    from sync.models import DeadLetter

    return DeadLetter.objects.filter(state="open")


def _plans_to_approve() -> QuerySet[Any]:
    from sync.plans import awaiting_approval

    return awaiting_approval()


def _unfit_mappings() -> QuerySet[Any]:
    """Flows whose published mapping has errors as both sides were last read; nothing is looked at here."""
    from sync.models import Flow

    return Flow.objects.filter(enabled=True, lint__errors__gt=0)


def _doubtful_actions() -> QuerySet[Any]:
    from sync.models import ActionRun

    return ActionRun.objects.filter(status="in_doubt")


def _failing_connections() -> QuerySet[Any]:
    from sync.models import Connection

    return Connection.objects.filter(health="failing")


def _silent_workers() -> QuerySet[Any]:
    from sync.models import Worker

    return Worker.objects.filter(seen_at__lt=timezone.now() - SILENT_AFTER)


GROUPS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "Synchronise",
        (
            Entry("Flows", "sync_alt", "sync.flow", _unfit_mappings, "danger"),
            Entry("Runs", "play_circle", "sync.run", _running, "info"),
            Entry("Records", "link", "sync.recordlink"),
            Entry("Reconciliations", "fact_check", "sync.reconciliation"),
        ),
    ),
    (
        "Attention",
        (
            Entry("Conflicts", "call_split", "sync.conflict", _open_conflicts, "warning"),
            Entry(
                "Dead letters",
                "report",
                "sync.deadletter",
                _open_dead_letters,
                "danger",
                "admin:sync_deadletter_causes",
            ),
            Entry("Plans", "approval", "sync.plan", _plans_to_approve, "warning"),
            Entry("Actions", "bolt", "sync.actionrun", _doubtful_actions, "warning"),
            Entry("Waiting", "hourglass_empty", "sync.waiting"),
        ),
    ),
    (
        "Map",
        (
            Entry("Drafts", "edit_note", "sync.revision", page="drafts"),
            Entry("Value maps", "swap_horiz", "mappings.valuemap"),
            Entry("User tables", "group", "mappings.usertable"),
            Entry("Routing tables", "alt_route", "mappings.routingtable"),
        ),
    ),
    (
        "Connect",
        (
            Entry("Connections", "cable", "sync.connection", _failing_connections, "danger"),
            Entry("Recipes", "menu_book", "sync.flow", page="recipes"),
            Entry("Calls", "http", "sync.remotecall"),
        ),
    ),
    (
        "Govern",
        (
            Entry("Audit log", "history", "sync.auditentry"),
            Entry("Report", "bar_chart", "sync.recordlink", page="report"),
            Entry("People", "person", "auth.user"),
            Entry("Roles", "badge", "auth.group"),
            Entry("Workers", "memory", "sync.worker", _silent_workers, "warning"),
        ),
    ),
)


def groups(request: HttpRequest) -> list[dict[str, Any]]:
    """The theme's own description of the menu, for this person."""
    top = {"title": "Overview", "icon": "dashboard", "link": reverse("admin:index")}
    menu: list[dict[str, Any]] = [{"items": [top]}]
    for title, entries in GROUPS:
        items = [_item(entry) for entry in entries if request.user.has_perm(entry.permission)]
        if items:
            menu.append({"title": title, "items": items})
    return menu


def _item(entry: Entry) -> dict[str, Any]:
    count = entry.badge().order_by()[: BADGE_MOST + 1].count() if entry.badge else 0
    said = f"{BADGE_MOST:,}+" if count > BADGE_MOST else f"{count:,}"
    badge = {"badge": said, "badge_variant": entry.colour} if count else {}
    return {"title": entry.title, "icon": entry.icon, "link": entry.link, **badge}


def environment(request: HttpRequest) -> list[str] | None:
    """The label beside the account: development is named, production needs no name."""
    return ["Development", "warning"] if settings.DEBUG else None
