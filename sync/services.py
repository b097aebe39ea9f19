"""What an operator can ask for: permission, audit, then the deed. The one way in for admin, commands and webhooks.

`by` is the person, or None for the command line and the scheduler, who have no need to ask. Every function raises
PermissionDenied when `by` may not, and `Refused` with a sentence for the person when it cannot be done now.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone
from django_q.tasks import async_task

from sync import audit, revisions
from sync.actor import NOBODY, current_actor
from sync.cron import next_tick
from sync.models import (
    AuditEntry,
    Connection,
    DeadLetter,
    Event,
    Flow,
    Question,
    RecordLink,
    Revision,
    Run,
    Schedule,
    Waiting,
)
from sync.models.attention import DeadLetterState, WaitingReason
from sync.models.base import Lane
from sync.models.question import QuestionKind
from sync.models.run import RunKind, RunMode, RunStatus


class Refused(Exception):
    """It cannot be done now; the message tells the person why and what to do."""


def require(by: User | None, permission: str) -> None:
    if by is not None and not by.has_perm(permission):
        raise PermissionDenied(f"You need the permission {permission} for this.")


def ring(task: str, *args: Any) -> None:
    """Tell the queue, after commit. A lost ring loses nothing: workers look for due rows themselves."""
    transaction.on_commit(partial(async_task, task, *args))


# Runs

_NUMBER = re.compile(
    r"[A-Z]{2,8}\d{4,14}|\d{8,10}"
)  # INC0010004, 00001001; no sys_id or Salesforce Id looks like it


def request_run(
    *,
    flow: Flow,
    by: User | None,
    kind: str = RunKind.MANUAL,
    mode: str = RunMode.WRITE,
    since: datetime | None = None,
    until: datetime | None = None,
    ids: Iterable[str] = (),
    enqueue: bool = True,
) -> Run:
    """Queue a run of the flow's published revision. Resyncs work in the backfill lane, all else in the live one."""
    require(by, "sync.resync_flow" if kind == RunKind.RESYNC else "sync.run_flow")
    _refuse_idle_flow(flow)
    lane = Lane.BACKFILL if kind == RunKind.RESYNC else Lane.LIVE
    params = {
        name: value
        for name, value in (
            ("since", since.isoformat() if since else ""),
            ("until", until.isoformat() if until else ""),
            ("ids", list(ids)),
        )
        if value
    }
    actor = current_actor()
    try:
        with transaction.atomic():
            run = Run.objects.create(
                flow=flow, lane=lane, kind=kind, mode=mode, params=params, revision=flow.revision,
                asked_by=by, asked_by_name=actor.name, asked_from=actor.ip or None,
            )  # fmt: skip
            if actor != NOBODY:  # the log is of people; what the schedule starts is in the runs
                audit.record(
                    "run.started", run, after={"flow": flow.name, "kind": kind, "mode": mode, **params}
                )
            if enqueue:
                ring("sync.tasks.execute_run", run.pk)
    except IntegrityError:
        active = Run.objects.active().filter(flow=flow, lane=lane).first()
        name = f"Run {active.pk:,} ({active.get_kind_display()})" if active else "Another run"
        raise Refused(
            f"{name} of {flow.name} is active in the {lane} lane. Wait for its end, or cancel it."
        ) from None
    return run


def not_an_id(ids: Iterable[str]) -> str:
    """What to say of a record number among ids, "" if there is none: a run of it would read nothing and look well."""
    number = next((each for each in ids if _NUMBER.fullmatch(each)), "")
    return (
        f"{number} is a number; give the sys_id, or find the record by its number and sync it there."
        if number
        else ""
    )


def _refuse_idle_flow(flow: Flow) -> None:
    if not flow.enabled:
        raise Refused(f"{flow.name} is disabled. Enable it first.")
    if flow.paused_reason:
        raise Refused(f"{flow.name} is paused: {flow.paused_reason} Resume it first.")
    if flow.revision is None:
        raise Refused(f"{flow.name} has no published revision. Save it to publish one.")


def cancel_run(*, run: Run, by: User | None) -> None:
    """Ask the run to end at its next safe point; one that no worker has taken ends at once."""
    require(by, "sync.cancel_run")
    with transaction.atomic():
        taken = Run.objects.active().filter(pk=run.pk)
        if not taken.update(cancel_requested=True):
            raise Refused(f"Run {run.pk:,} has ended already.")
        taken.filter(status=RunStatus.QUEUED).update(status=RunStatus.CANCELLED, finished_at=timezone.now())
        audit.record("run.cancelled", run)


def sync_record(*, link: RecordLink, by: User | None) -> Run:
    """Read one pair again and bring it in step."""
    require(by, "sync.sync_recordlink")
    return request_run(flow=link.flow, by=None, kind=RunKind.RESYNC, ids=[link.servicenow_id])


# Flows


def publish_flow(*, flow: Flow, by: User | None, reason: str = "") -> Revision:
    """Publish the draft as a numbered revision that runs cite from now on."""
    require(by, "sync.publish_flow")
    with transaction.atomic():
        before = Flow.objects.select_related("revision").get(pk=flow.pk).revision
        revision = revisions.publish(
            flow, author_id=by.pk if by else None, author_name=current_actor().name, reason=reason
        )
        if before is None or revision.pk != before.pk:
            audit.record(
                "flow.published",
                flow,
                before=before.snapshot if before else None,
                after={"revision": revision.number, **revision.snapshot},
            )
    return revision


def pause_flow(*, flow: Flow, by: User | None, reason: str) -> None:
    require(by, "sync.pause_flow")
    with transaction.atomic():
        Flow.objects.filter(pk=flow.pk).update(
            paused_reason=reason[:500] or "Paused by a person.", health="paused"
        )
        audit.record("flow.paused", flow, after={"reason": reason})


def resume_flow(*, flow: Flow, by: User | None) -> None:
    require(by, "sync.pause_flow")
    with transaction.atomic():
        Flow.objects.filter(pk=flow.pk).update(paused_reason="", health="healthy", health_message="")
        audit.record("flow.resumed", flow)


def plan_next_run(*, flow: Flow) -> None:
    """Work out when the flow's schedule is due next: its cron, in the flow's own time zone. Other columns are left."""
    schedule = Schedule.objects.filter(flow=flow).first()
    if schedule is None:
        return
    upcoming = None
    if schedule.enabled and schedule.cron:
        upcoming = next_tick(schedule.cron, flow.time_zone, timezone.now())
    Schedule.objects.filter(pk=schedule.pk).update(next_at=upcoming)


# Connections


def set_secrets(*, connection: Connection, secrets: Mapping[str, str], by: User | None) -> None:
    """Replace the named secrets ("" removes one); the others stay. Values are never logged or shown again."""
    require(by, "sync.change_connection")
    with transaction.atomic():
        held = Connection.objects.select_for_update().get(
            pk=connection.pk
        )  # not what the caller read a while ago
        _replace_secrets(held, secrets)
        connection.secrets_sealed, connection.secrets_set = held.secrets_sealed, held.secrets_set
        forget_token(connection)
        audit.record("connection.secrets_changed", connection, after={"secrets": sorted(secrets)})


def _replace_secrets(held: Connection, secrets: Mapping[str, str]) -> None:
    stored, marks = dict(held.secrets or {}), dict(held.secrets_set or {})
    for name, value in secrets.items():
        stored.pop(name, None)
        marks.pop(name, None)
        if value:
            stored[name] = value
            marks[name] = {"at": timezone.now().isoformat(), "by": current_actor().name}
    held.secrets, held.secrets_set = stored, marks
    held.save(update_fields=["secrets_sealed", "secrets_set"])


def forget_token(connection: Connection) -> None:
    """Drop the cached token, so that the next call logs in with what is stored now."""
    from sync.models import ConnectionToken

    ConnectionToken.objects.filter(connection=connection).update(token_sealed=None, lease_until=None)


def test_connection(*, connection: Connection, by: User | None, enqueue: bool = True) -> Question:
    """Ask a worker to test the connection; the answer comes in the question's row."""
    require(by, "sync.test_connection")
    with transaction.atomic():
        question = Question.objects.create(
            kind=QuestionKind.TEST_CONNECTION, connection=connection, asked_by=by
        )
        audit.record("connection.tested", connection)
        if enqueue:
            ring("sync.tasks.answer_question", question.pk)
    return question


# Dead letters


def retry_dead_letters(*, letters: Iterable[DeadLetter], by: User | None) -> int:
    """Read and plan these records again with the next run, which is queued now; returns how many."""
    require(by, "sync.retry_deadletter")
    now = timezone.now()
    with transaction.atomic():
        chosen = _open_ones(letters)
        for letter in chosen:
            Waiting.objects.update_or_create(
                flow_id=letter.flow_id,
                side="servicenow" if letter.side == "salesforce" else "salesforce",
                record_id=letter.record_id,
                defaults={
                    "record_number": letter.record_number, "reason": WaitingReason.RETRY, "attempts": 0,
                    "since": now, "due_at": now, "message": f"Retry asked for by {current_actor().name}",
                },
            )  # fmt: skip
        DeadLetter.objects.filter(pk__in=[letter.pk for letter in chosen]).update(
            state=DeadLetterState.RETRIED, closed_at=now, closed_by=by
        )
        audit.record(
            "dead_letters.retried",
            after={"count": len(chosen), "records": [x.record_number for x in chosen][:50]},
        )
    for flow in {letter.flow for letter in chosen}:
        try:
            request_run(flow=flow, by=None, kind=RunKind.RETRY)
        except Refused:
            continue  # the active run, or the next one, takes them from the waiting list
    return len(chosen)


def _open_ones(letters: Iterable[DeadLetter]) -> list[DeadLetter]:
    """Those that are open now: one may have closed by itself since the page was shown."""
    keys = [letter.pk for letter in letters]
    locked = DeadLetter.objects.select_for_update(of=("self",)).select_related("flow")
    return list(locked.filter(pk__in=keys, state=DeadLetterState.OPEN))


def ignore_dead_letters(*, letters: Iterable[DeadLetter], by: User | None, reason: str) -> int:
    """Put them aside for good; a later failure of the same record opens a new one."""
    require(by, "sync.ignore_deadletter")
    with transaction.atomic():
        chosen = [letter.pk for letter in _open_ones(letters)]
        DeadLetter.objects.filter(pk__in=chosen).update(
            state=DeadLetterState.IGNORED, closed_at=timezone.now(), closed_by=by
        )
        audit.record("dead_letters.ignored", after={"count": len(chosen), "reason": reason})
    return len(chosen)


def look_at_payload(*, target: Event | DeadLetter | RecordLink, by: User | None) -> None:
    """Note in the audit log that a person opened decrypted values: one entry per person, record and hour."""
    require(by, "sync.view_payload")
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    seen = AuditEntry.objects.filter(
        action="payload.opened",
        actor=by,
        object_type=target._meta.label_lower,
        object_id=str(target.pk),
        at__gte=hour,
    )
    if not seen.exists():
        audit.record("payload.opened", target)
