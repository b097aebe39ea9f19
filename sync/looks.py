"""Preview and impact: what a person may ask of a mapping before it is published, and how a worker answers.

Both ask the engine's own plan (`sync.engine.looking`) and write nothing. `by` is as in `sync.services`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from sync import audit, revisions
from sync.errors import ConfigurationError
from sync.models import Flow, Question, Revision, SealedAnswer
from sync.models.question import QuestionKind, QuestionState
from sync.services import RECENT, Refused, require, ring

PERMISSION = "sync.preview_flow"
DRAFT, PUBLISHED = "draft", "published"
MOST_NAMES, NEWEST = 10, 3


def ask_preview(
    *, flow: Flow, by: User | None, names: Iterable[str] = (), of: str = DRAFT, enqueue: bool = True
) -> Question:
    """Ask a worker what becomes of these records, by number or id, or of the newest three.

    Raises Refused for more than ten, and where nothing is published to look at.
    """
    require(by, PERMISSION)
    wanted = list(dict.fromkeys(names))
    if len(wanted) > MOST_NAMES:
        raise Refused(f"Name {MOST_NAMES} records at most: each is a column.")
    if of == PUBLISHED and flow.revision is None:
        raise Refused(f"{flow.name} has no published revision yet. Look at the draft.")
    params = {"of": of, "names": wanted, "digest": _revision(flow, of).digest}
    return _ask(QuestionKind.PREVIEW, flow, params, by, enqueue=enqueue)


def ask_impact(*, flow: Flow, by: User | None, enqueue: bool = True) -> Question:
    """Ask a worker what the draft would change over all linked records."""
    require(by, PERMISSION)
    params = {"of": DRAFT, "digest": _revision(flow, DRAFT).digest}
    return _ask(QuestionKind.IMPACT, flow, params, by, enqueue=enqueue)


def _ask(
    kind: QuestionKind, flow: Flow, params: Mapping[str, Any], by: User | None, *, enqueue: bool
) -> Question:
    """What was asked a moment ago and is not answered yet is not asked again."""
    asked = Question.objects.filter(kind=kind, flow=flow, state=QuestionState.ASKED)
    for question in asked.filter(asked_at__gt=timezone.now() - RECENT)[:20]:
        if question.params == params:
            return question
    with transaction.atomic():
        question = Question.objects.create(kind=kind, flow=flow, params=params, asked_by=by)
        audit.record(f"flow.{kind}_asked", flow, after=dict(params))
        if enqueue:
            ring("sync.tasks.answer_question", question.pk)
    return question


def _revision(flow: Flow, of: str) -> Revision:
    if of == DRAFT:
        return revisions.draft(flow)
    if flow.revision is None:
        raise ConfigurationError("The flow has no published revision.", advice="Save it to publish one.")
    return flow.revision


# Answers, in a worker


def preview(question: Question) -> dict[str, Any]:
    """See Question. Raises SyncError where a platform cannot be asked, or the flow by this mapping could not start."""
    from sync.engine.looking import looking
    from sync.engine.previewing import preview as previewed

    flow, params = _asked(question)
    revision = _revision(flow, params["of"])
    with looking(flow, revision) as look:
        answer, values = previewed(look, params["names"], NEWEST)
    _seal(question, values)
    return {**answer, **_by(revision)}


def impact(question: Question) -> dict[str, Any]:
    """Likewise, of the draft against what is published."""
    from sync.engine.impact import impact as measured
    from sync.engine.looking import looking

    flow, _ = _asked(question)
    revision = _revision(flow, DRAFT)
    with looking(flow, revision) as look:
        answer, values = measured(look, flow.revision)
    _seal(question, values)
    return {**answer, **_by(revision)}


def _asked(question: Question) -> tuple[Flow, Mapping[str, Any]]:
    assert question.flow is not None
    return question.flow, question.params or {}


def _by(revision: Revision) -> dict[str, Any]:
    """By which mapping, and its rows as they were then: they may be edited since."""
    rows = [
        {
            name: row[name]
            for name in ("id", "servicenow", "salesforce", "transform", "value_map", "direction")
        }
        for row in revision.snapshot["fields"]
    ]
    return {"digest": revision.digest, "revision": revision.number, "rows": rows}


def _seal(question: Question, values: list[Any]) -> None:
    with transaction.atomic():
        SealedAnswer.objects.filter(question=question).delete()
        kept = SealedAnswer(question=question)
        kept.content = values
        kept.save()
