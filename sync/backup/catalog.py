"""What a backup holds. Every table of the console is named here, in it or left out with the reason: a test walks them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import models

from mappings.models import (
    Desk,
    FieldRow,
    Route,
    RoutingTable,
    UserTable,
    UserTableEntry,
    ValueMap,
    ValueMapEntry,
)
from mappings.models import (
    Mapping as FieldMapping,
)
from sync.models import (
    ActionRun,
    ActionStep,
    Attachment,
    AuditEntry,
    Checkpoint,
    Conflict,
    Connection,
    ConnectionToken,
    DataKey,
    DeadLetter,
    Event,
    Flow,
    HandOver,
    HourlyTotal,
    Intent,
    JournalEntry,
    Picture,
    Placement,
    Reconciliation,
    RecordLink,
    RemoteCall,
    Revision,
    Run,
    Schedule,
    Waiting,
    Watch,
)
from sync.models.base import Lane
from sync.models.reconciliation import ReconciliationState
from sync.models.run import ACTIVE, RunStatus

Rows = models.QuerySet[Any]


def every_row(rows: Rows) -> Rows:
    return rows


@dataclass(frozen=True, slots=True)
class Table:
    """`rows`: which of them. `blank`: columns that are written as this value instead: they belong to processes that are
    no more. `mend`: changes a row, given by column, in a
    backup made at a moment. `replaces`: those that migrations make give way. `history`: only with the event history; `of_run`: the columns that
    name a run, which only that holds."""

    model: type[models.Model]
    rows: Callable[[Rows], Rows] = every_row
    blank: Mapping[str, Any] = field(default_factory=dict)
    mend: Callable[[dict[str, Any], datetime], None] | None = None
    replaces: bool = False
    history: bool = False
    of_run: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return self.model._meta.label

    @property
    def columns(self) -> tuple[str, ...]:
        """Of a flow's row, what the flow adds to its mapping, whose row is another one."""
        return tuple(column.attname for column in self.model._meta.local_concrete_fields)


def _first_live_run_of_each_flow(runs: Rows) -> Rows:
    """They say since when a flow with `start: now` follows records."""
    live = runs.filter(lane=Lane.LIVE, started_at__isnull=False).order_by()
    return runs.filter(pk__in=live.values("flow").annotate(first=models.Min("pk")).values("first"))


def _end(run: dict[str, Any], made_at: datetime) -> None:
    """What was queued, at work or put off is asked for anew."""
    if run["status"] in ACTIVE or (run["status"] == RunStatus.DEFERRED and run["resume_at"] is not None):
        run |= {
            "status": RunStatus.CANCELLED, "error_code": "restored", "finished_at": run["progress_at"],
            "error": "It had not ended when the backup was made.",
        }  # fmt: skip
    run |= {"position": None, "resume_at": None, "step": ""}


CLOSED_CIRCUIT = {
    "blocked_until": None, "circuit_failures": 0, "circuit_openings": 0, "circuit_open_until": None,
    "circuit_tried_until": None,
}  # fmt: skip


def _in_step(link: dict[str, Any], made_at: datetime) -> None:
    """No base has moved later than the backup was made, also where the clock of its worker went before ours."""
    if link["synced_at"] is not None:
        link["synced_at"] = min(link["synced_at"], made_at)


FIRST_RUNS = Table(Run, _first_live_run_of_each_flow, mend=_end)
RUNS = Table(Run, mend=_end, history=True)

# In an order in which rows follow those that they name; where that is impossible the database checks at the end.
TABLES = (
    Table(User),
    Table(DataKey, replaces=True),
    Table(Connection, blank=CLOSED_CIRCUIT),
    Table(ConnectionToken, blank={"lease_until": None}),
    Table(UserTable),
    Table(UserTableEntry),
    Table(RoutingTable),
    Table(Desk),
    Table(Route),
    Table(ValueMap),
    Table(ValueMapEntry),
    Table(FieldMapping),
    Table(FieldRow),
    Table(Flow),
    Table(Revision),
    Table(Schedule),
    FIRST_RUNS,
    RUNS,
    Table(Checkpoint, of_run=("poll_run_id",)),
    Table(RecordLink, blank={"claim_token": "", "claim_until": None}, mend=_in_step),
    Table(Placement),
    Table(HandOver),
    Table(Intent, of_run=("run_id",)),
    Table(Waiting),
    Table(Attachment),
    Table(Picture),
    Table(JournalEntry, blank={"lease_token": ""}, of_run=("run_id",)),
    Table(ActionRun, of_run=("run_id",)),
    Table(ActionStep, blank={"lease_token": ""}),
    Table(Watch),
    Table(Conflict, of_run=("run_id",)),
    Table(DeadLetter, of_run=("run_id",)),
    # Their findings and marks are not kept: the next one reads everything.
    Table(
        Reconciliation,
        lambda rows: rows.filter(state=ReconciliationState.DONE),
        {"buckets": None, "position": None, "full_at": None},
        of_run=("run_id",),
    ),
    Table(Event, history=True),
    Table(RemoteCall, history=True),
    Table(HourlyTotal, history=True),
    Table(AuditEntry),
)  # fmt: skip

LEFT_OUT = {
    "admin.LogEntry": "the audit log tells more",
    "auth.Permission": "made by migrations; named where somebody has one",
    "auth.Group": "among the accounts, with its members and permissions by name",
    "auth.Group_permissions": "likewise",
    "auth.User_groups": "likewise",
    "auth.User_user_permissions": "likewise",
    "contenttypes.ContentType": "made by migrations",
    "sessions.Session": "everybody logs in again",
    "django_q.Task": "the queue only rings the bell",
    "django_q.Success": "likewise",
    "django_q.Failure": "likewise",
    "django_q.Schedule": "likewise",
    "django_q.OrmQ": "likewise",
    "sync.LaneLease": "held by processes that are no more",
    "sync.Partition": "a first load that had not ended is asked for anew",
    "sync.BulkJob": "likewise",
    "sync.LoginTally": "attempts to log in within a quarter of an hour",
    "sync.ReportToken": "made anew, so that no old one opens a restored console",
    "sync.Question": "answers of the moment",
    "sync.SealedAnswer": "likewise",
    "sync.Plan": "a plan holds for what was seen then; a new dry run makes a new one",
    "sync.PlanItem": "likewise",
    "sync.CachedSchema": "asked of the platform again",
    "sync.SchemaChange": "told against what was read last, which is asked for again",
    "sync.LintReport": "made again each night",
    "sync.CallCount": "the platform tells what is left of its window",
    "sync.Worker": "processes that are no more",
    "sync.Sighting": "marks of reconciliations: the next one reads everything",
    "sync.Suspect": "findings of reconciliations, which their statements list",
}


def tables(*, history: bool) -> tuple[Table, ...]:
    """What a backup holds, with or without the event history. Each model comes once."""
    if history:
        return tuple(table for table in TABLES if table is not FIRST_RUNS)
    return tuple(table for table in TABLES if not table.history)
