"""Rows that have had their time: old events, calls, closed dead letters, answered questions, details of actions, finished runs.

Hourly totals stay, so that charts keep their past; so does all that the engine or a person still goes by: links and bases,
conflicts, open letters, reconciliations and their statements, and of each flow and lane the first run and the last. An action
that is over keeps the row by which it is not done again, and what was last seen of a record stays with its flow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from django.db import models, transaction
from django.db.models import Max, Min, Q, QuerySet
from django.utils import timezone

from sync import audit
from sync.models import ActionRun, DeadLetter, Event, Question, RemoteCall, Run
from sync.models.action import ACTION_OVER
from sync.models.attention import DeadLetterState
from sync.models.base import least_key
from sync.models.question import QuestionState
from sync.models.run import ACTIVE

DETAILS = "details of actions"  # of which the row stays
AT_ONCE = 1_000  # rows of a transaction: a worker that writes beside it waits for one at most
Rows = QuerySet[models.Model]


def _events(before: datetime) -> Rows:
    return QuerySet(Event).filter(
        pk__lt=least_key(before)
    )  # by the key, which is the only index in time's order


def _calls(before: datetime) -> Rows:
    return QuerySet(RemoteCall).filter(pk__lt=least_key(before))


def _letters(before: datetime) -> Rows:
    return QuerySet(DeadLetter).exclude(state=DeadLetterState.OPEN).filter(closed_at__lt=before)


def _questions(before: datetime) -> Rows:
    return QuerySet(Question).exclude(state=QuestionState.ASKED).filter(asked_at__lt=before)


def _runs(before: datetime) -> Rows:
    """Reconciling asks when a flow's first run began; pages show its last one."""
    ends = Run.objects.values("flow", "lane").annotate(first=Min("pk"), last=Max("pk"))
    kept = {run for row in ends for run in (row["first"], row["last"])}
    ended = Run.objects.exclude(Q(status__in=ACTIVE) | Q(resume_at__isnull=False)).exclude(pk__in=kept)
    return ended.filter(finished_at__lt=before)


def _actions(before: datetime) -> Rows:
    over: Rows = QuerySet(ActionRun).filter(status__in=ACTION_OVER, finished_at__isnull=False)
    return over.filter(finished_at__lt=before, details_removed_at=None)


# What goes, in this order: what cites a run before the run.
KINDS: Mapping[str, Callable[[datetime], Rows]] = {
    "events": _events,
    "calls": _calls,
    "dead letters": _letters,
    "questions": _questions,
    DETAILS: _actions,
    "runs": _runs,
}


def count(before: datetime) -> dict[str, int]:
    """How many rows of each kind `prune` would delete, or rid of their details."""
    return {name: rows(before).count() for name, rows in KINDS.items()}


def prune(before: datetime) -> Iterator[tuple[str, int]]:
    """Delete what is older, some rows at a time; yields the kind and how many went. Interrupted, it keeps what it did."""
    done = dict.fromkeys(KINDS, 0)
    try:
        for name, rows in KINDS.items():
            while gone := _some(rows(before)):
                done[name] += gone
                yield name, gone
    finally:
        if any(done.values()):
            audit.record("history.pruned", after={"before": before.isoformat(), **done})


def _some(rows: Rows) -> int:
    with transaction.atomic():
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
        if rows.model is ActionRun:
            return ActionRun.objects.remove_details(keys, now=timezone.now())
        QuerySet(rows.model).filter(pk__in=keys).delete()
    return len(keys)
