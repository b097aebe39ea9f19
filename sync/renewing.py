"""After publishing: which linked pairs the new revision makes otherwise than they stand, and sending those again.

Services, as in `sync.services`. Why pairs at rest are not rewritten by themselves: docs/decisions/0037.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from mappings.apply import CompiledMapping, compile_mapping
from mappings.spec import Environment
from sync import people, revisions
from sync.core.planner import target_of
from sync.core.records import Schema, Side
from sync.engine.impact import calls_to_write
from sync.engine.pictures import Pictures
from sync.engine.references import References
from sync.engine.renewal import Renewal, changed_rows
from sync.linting import last_read
from sync.models import Flow, Question, RecordLink, Revision, Run
from sync.models.link import LinkState
from sync.models.question import QuestionKind, QuestionState
from sync.models.run import RunKind, RunMode, RunStatus
from sync.services import Refused, request_run, require, ring

PERMISSION = "sync.resync_flow"
SECONDS = 120.0  # how long links are looked at for one count
MOST_REVISIONS = 10  # that pairs which were not sent again may still stand by


def ask(*, flow: Flow, before: Revision, by: User | None, enqueue: bool = True) -> Question | None:
    """After `flow` was published over `before`: have the pairs counted; None where there is nothing to count.

    What the revision before was offered for and nobody sent is counted with it.
    """
    present = flow.revision
    assert present is not None
    earlier = [before.number]
    last = of_revision(flow, before.number)
    if last is not None and not is_sent(last):
        earlier += (last.params or {})["earlier"]
    elif not changed_rows(before.snapshot, present.snapshot):
        return None
    if not RecordLink.objects.filter(flow=flow, state=LinkState.ACTIVE).exists():
        return None
    params = {"revision": present.number, "earlier": earlier[:MOST_REVISIONS]}
    question = Question.objects.create(kind=QuestionKind.RENEWAL, flow=flow, params=params, asked_by=by)
    if enqueue:
        ring("sync.tasks.answer_question", question.pk)
    return question


def ask_again(*, flow: Flow, by: User | None, enqueue: bool = True) -> Question:
    """Have them counted anew. Raises Refused where the published revision was not counted for."""
    require(by, PERMISSION)
    last = present(flow)
    if last is None:
        raise Refused(f"Nothing of {flow.name} was made otherwise by its published revision.")
    if last.state == QuestionState.ASKED:
        return last
    with transaction.atomic():
        question = Question.objects.create(
            kind=QuestionKind.RENEWAL, flow=flow, params=last.params, asked_by=by
        )
        if enqueue:
            ring("sync.tasks.answer_question", question.pk)
    return question


def present(flow: Flow) -> Question | None:
    """The last count for the published revision."""
    return of_revision(flow, flow.revision.number) if flow.revision is not None else None


def of_revision(flow: Flow, number: int) -> Question | None:
    asked = Question.objects.filter(flow=flow, kind=QuestionKind.RENEWAL, params__revision=number)
    return asked.select_related("asked_by").first()


def run_of(question: Question) -> Run | None:
    """The run that sends them, if one was asked for."""
    pk = question.answer.get("run")
    return Run.objects.filter(pk=pk).first() if pk else None


def is_sent(question: Question) -> bool:
    """Whether nothing is left to be sent: all were, or there was none."""
    if question.state == QuestionState.ANSWERED and not question.answer["pairs"]:
        return True
    run = run_of(question)
    return run is not None and run.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL)


def send_again(*, flow: Flow, by: User | None, mode: str = RunMode.WRITE, enqueue: bool = True) -> Run:
    """Queue the run that sends the pairs again, or plans that. It looks at the links anew: who was edited since is merged.

    Raises Refused where nothing was counted, or nothing is left.
    """
    require(by, PERMISSION)
    with transaction.atomic():
        question = present(flow)
        if question is None or question.state != QuestionState.ANSWERED or is_sent(question):
            raise Refused(f"No pair of {flow.name} is left to be sent again. Count them anew.")
        renew = {"earlier": (question.params or {})["earlier"], "pairs": question.answer["pairs"]}
        run = request_run(flow=flow, by=by, kind=RunKind.RESYNC, mode=mode, renew=renew, enqueue=enqueue)
        if mode == RunMode.WRITE:
            question.answer = {**question.answer, "run": run.pk}
            question.save(update_fields=["answer"])
    return run


# The answer, in a worker


def answer(question: Question) -> dict[str, Any]:
    """See Question. Reads the database alone. Raises SyncError where the flow refers to one that is gone."""
    flow = question.flow
    assert flow is not None
    assert flow.revision is not None
    linked = RecordLink.objects.filter(flow=flow, state=LinkState.ACTIVE).count()
    mapping, environment = _compiled(flow, flow.revision)
    renewal = Renewal.of(flow, flow.revision, (question.params or {})["earlier"], mapping, environment)
    pairs, looked, until = 0, 0, time.monotonic() + SECONDS
    fields: Counter[tuple[str, Side]] = Counter()
    writes: Counter[Side] = Counter()
    for link in renewal.each() if renewal.earlier else ():
        ends = [_end(mapping, id) for id in renewal.moves(mapping, link.base or {})]
        fields.update(ends)
        writes.update({side for _, side in ends})
        pairs, looked = pairs + bool(ends), looked + 1
        if time.monotonic() > until:
            break
    options = flow.revision.snapshot["options"] or {}
    guarded = options.get("guard") == "strict"  # in the backfill lane others are not
    return {
        "pairs": pairs, "linked": linked, "looked": looked if renewal.earlier else linked,
        "fields": [{"field": name, "to": str(to), "pairs": count} for (name, to), count in fields.most_common()],
        "writes": {str(side): writes[side] for side in Side},
        "calls": {str(side): calls_to_write(side, writes[side], guarded=guarded) for side in Side},
    }  # fmt: skip


def _end(mapping: CompiledMapping, id: str) -> tuple[str, Side]:
    """The field that a row writes when it is sent again, and on which side."""
    row = mapping.row(id)
    assert row is not None
    side = Side(row.one_way or Side.SALESFORCE)
    return target_of(row, side), side


def _compiled(flow: Flow, revision: Revision) -> tuple[CompiledMapping, Environment]:
    """As a run compiles it, but for addresses, of which no row is made otherwise."""
    known: Mapping[Side, Schema | None] = last_read(flow, revision.snapshot)
    references = References(flow)
    environment = Environment(
        counterpart=references,
        picture=Pictures(flow),
        people=people.people_spec(flow.user_table),
        salesforce_lengths=_lengths(known[Side.SALESFORCE]),
        servicenow_lengths=_lengths(known[Side.SERVICENOW]),
    )
    return compile_mapping(revisions.mapping_spec(revision.snapshot), environment), environment


def _lengths(schema: Schema | None) -> dict[str, int]:
    return {name: field.length for name, field in (schema.fields if schema else {}).items() if field.length}
