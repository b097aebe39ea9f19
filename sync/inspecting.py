"""What a person asks and mends about a flow's mapping: have schemas read, records counted, a finding mended.

Services, like those in `sync.services`: each asks for the permission, leaves an audit entry, and raises Refused.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from sync import audit
from sync.actor import NOBODY, current_actor
from sync.behind import fields_behind
from sync.core.records import Side
from sync.models import Connection, Flow, Question
from sync.models.question import QuestionKind, QuestionState
from sync.services import RECENT, require, ring

PERMISSION = "sync.lint_flow"


def read_schemas(
    *, by: User | None, flow: Flow | None = None, connection: Connection | None = None, enqueue: bool = True
) -> Question:
    """Ask a worker to read the fields of a flow's both sides, or of all that flows use of a connection, anew."""
    return _ask(QuestionKind.SCHEMAS, "schemas.read", flow or connection, by, enqueue)


def read_table(
    *, by: User | None, flow: Flow, side: Side, path: str, enqueue: bool = True
) -> Question | None:
    """Ask a worker to read the table behind a reference of the flow; None where there is nothing to be read there."""
    require(by, PERMISSION)
    table = fields_behind(flow, side, path).unread
    if not table:
        return None
    return _ask(QuestionKind.SCHEMAS, "schemas.read", flow, by, enqueue, {"side": str(side), "table": table})


def count_hits(*, flow: Flow, by: User | None, enqueue: bool = True) -> Question:
    """Ask a worker how many records each finding about the flow's draft would hit."""
    return _ask(QuestionKind.HITS, "findings.counted", flow, by, enqueue)


def _ask(
    kind: QuestionKind,
    action: str,
    of: Any,
    by: User | None,
    enqueue: bool,
    params: dict[str, Any] | None = None,
) -> Question:
    """What was asked a moment ago is not asked again."""
    require(by, PERMISSION)
    about = {"flow": of} if isinstance(of, Flow) else {"connection": of}
    asked = Question.objects.filter(kind=kind, state=QuestionState.ASKED, **about)
    for waiting in asked.filter(asked_at__gt=timezone.now() - RECENT)[:20]:
        if waiting.params == params:
            return waiting
    with transaction.atomic():
        question = Question.objects.create(kind=kind, asked_by=by, params=params, **about)
        if current_actor() != NOBODY:  # the log is of people
            audit.record(action, of)
        if enqueue:
            ring("sync.tasks.answer_question", question.pk)
    return question
