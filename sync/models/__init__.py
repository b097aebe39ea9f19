"""One file per noun; each model with its QuerySet."""

from sync.models.action import ActionRun, ActionStep, Watch
from sync.models.attachment import Attachment
from sync.models.attention import Conflict, DeadLetter, Waiting
from sync.models.audit import AuditEntry
from sync.models.budget import CallCount
from sync.models.connection import Connection, ConnectionToken
from sync.models.datakey import DataKey
from sync.models.entry import JournalEntry
from sync.models.event import Event, HourlyTotal, RemoteCall
from sync.models.flow import Flow, Revision, Schedule
from sync.models.lane import Checkpoint, LaneLease
from sync.models.link import Intent, RecordLink
from sync.models.login import LoginTally
from sync.models.partition import BulkJob, Partition
from sync.models.picture import Picture
from sync.models.plan import Plan, PlanItem
from sync.models.question import Question, SealedAnswer
from sync.models.reconciliation import Reconciliation, Sighting, Suspect
from sync.models.report import ReportToken
from sync.models.routing import HandOver, Placement
from sync.models.run import Run
from sync.models.schema import CachedSchema, LintReport, SchemaChange
from sync.models.worker import Worker

__all__ = [
    "ActionRun",
    "ActionStep",
    "Attachment",
    "AuditEntry",
    "BulkJob",
    "CachedSchema",
    "CallCount",
    "Checkpoint",
    "Conflict",
    "Connection",
    "ConnectionToken",
    "DataKey",
    "DeadLetter",
    "Event",
    "Flow",
    "HandOver",
    "HourlyTotal",
    "Intent",
    "JournalEntry",
    "LaneLease",
    "LintReport",
    "LoginTally",
    "Partition",
    "Picture",
    "Placement",
    "Plan",
    "PlanItem",
    "Question",
    "Reconciliation",
    "RecordLink",
    "RemoteCall",
    "ReportToken",
    "Revision",
    "Run",
    "Schedule",
    "SchemaChange",
    "SealedAnswer",
    "Sighting",
    "Suspect",
    "Waiting",
    "Watch",
    "Worker",
]
