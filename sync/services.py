"""What an operator can ask for: permission, audit, then the deed. The one way in for admin, commands and webhooks.

`by` is the person, or None for the command line and the scheduler, who have no need to ask. Every function raises
PermissionDenied when `by` may not, and `Refused` with a sentence for the person when it cannot be done now.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone
from django_q.tasks import async_task

from sync import audit, linting, revisions
from sync.actor import NOBODY, current_actor
from sync.constraints import breaks
from sync.core.records import Side
from sync.cron import next_tick
from sync.engine.sharing import Claim, clashes, moved_keys
from sync.models import (
    ActionRun,
    ActionStep,
    Attachment,
    AuditEntry,
    Conflict,
    Connection,
    DeadLetter,
    Event,
    Flow,
    JournalEntry,
    Plan,
    Question,
    RecordLink,
    RemoteCall,
    Revision,
    Run,
    Schedule,
    Waiting,
)
from sync.models.action import ActionStatus, StepStatus
from sync.models.attention import ConflictState, DeadLetterState, WaitingReason
from sync.models.base import Lane, SideChoices
from sync.models.question import QuestionKind, QuestionState
from sync.models.run import IN_BACKFILL, ONE_ACTIVE, RunKind, RunMode, RunStatus

if TYPE_CHECKING:
    from sync.backup.restoring import Contents
    from sync.backup.saving import Progress, Summary
    from sync.probing import Report


RECENT = timedelta(seconds=30)
# Of a kind of run, where it is another than that of running a flow.
PERMISSIONS: Mapping[str, str] = {RunKind.RESYNC: "sync.resync_flow", RunKind.APPLY: "sync.apply_plan"}
AT_ONCE = 500
_HEX = re.compile(r"[0-9a-f]{32}")


class Refused(Exception):
    """It cannot be done now; the message tells the person why and what to do."""


def require(by: User | None, permission: str) -> None:
    if by is not None and not by.has_perm(permission):
        raise PermissionDenied(f"You need the permission {permission} for this.")


def ring(task: str, *args: Any) -> None:
    """Tell the queue, after commit. A lost ring loses nothing: workers look for due rows themselves."""
    transaction.on_commit(partial(async_task, task, *args))


# Runs


def request_run(
    *,
    flow: Flow,
    by: User | None,
    kind: str = RunKind.MANUAL,
    mode: str = RunMode.WRITE,
    since: datetime | None = None,
    until: datetime | None = None,
    ids: Iterable[str] = (),
    full: bool = False,
    first: bool = False,
    plan: Plan | None = None,
    renew: Mapping[str, Any] | None = None,
    enqueue: bool = True,
) -> Run:
    """Queue a run of the flow's published revision. Resyncs and plans work in the backfill lane, all else in the live one.

    `plan`: of kind apply, what it writes (sync.plans). A dry run is given a plan to fill. `renew`: which revisions pairs
    may have been brought to rest by that are to be what the present one makes of them (sync.renewing).
    """
    require(by, PERMISSIONS.get(kind, "sync.run_flow"))
    _refuse_idle_flow(flow)
    lane = Lane.BACKFILL if kind in IN_BACKFILL else Lane.LIVE
    params = _params(since, until, ids)
    if full:
        params["full"] = True
    if first:
        params["first"] = True
    if plan is not None:
        params["plan"] = plan.pk
    if renew is not None:
        params["renew"] = dict(renew)
    actor = current_actor()
    try:
        with transaction.atomic():
            run = Run.objects.create(
                flow=flow, lane=lane, kind=kind, mode=mode, params=params, revision=flow.revision,
                asked_by=by, asked_by_name=actor.name, asked_from=actor.ip or None,
            )  # fmt: skip
            if mode == RunMode.DRY:
                Plan.objects.create(run=run, flow=flow)
            if actor != NOBODY:  # the log is of people; what the schedule starts is in the runs
                audit.record(
                    "run.started", run, after={"flow": flow.name, "kind": kind, "mode": mode, **params}
                )
            if enqueue:
                ring("sync.tasks.execute_run", run.pk)
    except IntegrityError as error:
        if not breaks(error, Run, ONE_ACTIVE):
            raise
        active = Run.objects.active().filter(flow=flow, lane=lane).first()
        name = f"Run {active.pk:,} ({active.get_kind_display()})" if active else "Another run"
        raise Refused(
            f"{name} of {flow.name} is active in the {lane} lane. Wait for its end, or cancel it."
        ) from None
    return run


def begin_first_load(run: Run, since: str) -> bool:
    """Read a flow's large table in the backfill lane, while `run` and those after it follow what changes.

    `since`: as the flow's `start`. False if that lane is taken: then the live lane reads everything itself.
    """
    moment = datetime.fromisoformat(since) if since else None
    try:
        request_run(flow=run.flow, by=None, kind=RunKind.RESYNC, since=moment, first=True)
    except Refused:
        return False
    return True


def count_run(
    *,
    flow: Flow,
    by: User | None,
    kind: str = RunKind.RESYNC,
    since: datetime | None = None,
    until: datetime | None = None,
    ids: Iterable[str] = (),
    enqueue: bool = True,
) -> Question:
    """Ask a worker how many records such a run would look at, before a person confirms it.

    `kind` is "first" for what the flow's very first run does. The same count asked for a moment ago is not asked again.
    """
    require(by, "sync.resync_flow" if kind == RunKind.RESYNC else "sync.run_flow")
    params = {"kind": str(kind), **_params(since, until, ids)}
    asked = Question.objects.filter(kind=QuestionKind.COUNT, flow=flow, state=QuestionState.ASKED)
    for question in asked.filter(asked_at__gt=timezone.now() - RECENT)[:20]:
        if question.params == params:
            return question
    with transaction.atomic():
        question = Question.objects.create(kind=QuestionKind.COUNT, flow=flow, params=params, asked_by=by)
        audit.record("flow.counted", flow, after=params)
        if enqueue:
            ring("sync.tasks.answer_question", question.pk)
    return question


def _params(since: datetime | None, until: datetime | None, ids: Iterable[str]) -> dict[str, Any]:
    named = (
        ("since", since.isoformat() if since else ""),
        ("until", until.isoformat() if until else ""),
        ("ids", list(ids)),
    )
    return {name: value for name, value in named if value}


def _refuse_idle_flow(flow: Flow) -> None:
    if not flow.enabled:
        raise Refused(f"{flow.name} is disabled. Enable it first.")
    if flow.paused_reason:
        raise Refused(f"{flow.name} is paused: {flow.paused_reason} Resume it first.")
    if flow.revision is None:
        raise Refused(f"{flow.name} has no published revision. Save it to publish one.")


def reconcile(
    *, flow: Flow, by: User | None, heal: bool = False, full: bool = False, enqueue: bool = True
) -> Run:
    """Compare both sides of all links of the flow; with `heal`, write what differs. `full`: believe no earlier marks."""
    require(by, "sync.resync_flow" if heal else "sync.run_flow")
    kind = RunKind.HEAL if heal else RunKind.RECONCILE
    return request_run(flow=flow, by=by, kind=kind, full=full, enqueue=enqueue)


def cancel_run(*, run: Run, by: User | None) -> None:
    """Ask the run to end at its next safe point; one that no worker has taken, or that is deferred, ends at once."""
    require(by, "sync.cancel_run")
    with transaction.atomic():
        taken = (Run.objects.active() | Run.objects.deferred()).filter(pk=run.pk)
        if not taken.update(cancel_requested=True):
            raise Refused(f"Run {run.pk:,} has ended already.")
        taken.filter(status__in=(RunStatus.QUEUED, RunStatus.DEFERRED)).update(
            status=RunStatus.CANCELLED, finished_at=timezone.now(), resume_at=None
        )
        audit.record("run.cancelled", run)


def sync_record(*, link: RecordLink, by: User | None) -> Run:
    """Read one pair again and bring it in step."""
    require(by, "sync.sync_recordlink")
    return request_run(flow=link.flow, by=None, kind=RunKind.RESYNC, ids=[link.servicenow_id])


def sync_named(*, flow: Flow, name: str, by: User | None) -> Run:
    """Read the one record of that number or id, which the console need not know yet, and bring it in step."""
    require(by, "sync.sync_recordlink")
    return request_run(flow=flow, by=None, kind=RunKind.RESYNC, ids=[name])


# Flows


def publish_flow(*, flow: Flow, by: User | None, reason: str = "") -> Revision:
    """Publish the draft as a numbered revision that runs cite from now on.

    Raises Refused where the linter finds an error, and where it warns of something new and a person gives no reason.
    """
    require(by, "sync.publish_flow")
    with transaction.atomic():
        revisions.hold([flow.pk])  # before it is looked at: what is published is what was checked
        before = Flow.objects.select_related("revision").get(pk=flow.pk).revision
        _refuse_shared(flow.pk, before)
        warnings = _refuse_broken(flow.pk, before, argued=by is None or bool(reason.strip()))
        revision = revisions.publish(
            flow,
            author_id=by.pk if by else None,
            author_name=current_actor().name,
            reason=reason,
            warnings=warnings,
        )
        if before is None or revision.pk != before.pk:
            audit.record(
                "flow.published",
                flow,
                before=before.snapshot if before else None,
                after={"revision": revision.number, **revision.snapshot},
            )
            linting.note(Flow.objects.select_related("revision", "user_table").get(pk=flow.pk))
            if before is not None:
                from sync import renewing

                renewing.ask(flow=flow, before=before, by=by)
    return revision


def _refuse_shared(pk: int, published: Revision | None) -> None:
    """An enabled flow shares neither keys nor a user table with one of another instance or org."""
    draft = Flow.objects.select_related("servicenow_connection", "salesforce_connection").get(pk=pk)
    claim = Claim.of(draft)
    moved = moved_keys(claim, published.snapshot if published else None)
    found = moved or (next(clashes(claim), None) if draft.enabled else None)
    if found is not None:
        raise Refused(f"{draft.name} is not published. {found}")


def _refuse_broken(pk: int, published: Revision | None, *, argued: bool) -> list[str]:
    """What the linter warns of, by key. A draft that differs in nothing is not looked at: nothing is published."""
    draft = Flow.objects.select_related("revision", "user_table", "servicenow_connection").get(pk=pk)
    if not revisions.differs(draft):
        return []
    found = linting.lint_flow(draft)
    if found.errors:
        raise Refused(
            f"{draft.name} is not published. {linting.in_words(found.errors)} If that has changed over there since, have "
            "both schemas read again."
        )
    if not argued and (new := linting.unargued(found, published)):
        raise Refused(
            f"{draft.name} is not published without a reason, as there are warnings. {linting.in_words(new)}"
        )
    return [each.key for each in found.warnings]


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


def allow_deletions(*, flow: Flow, by: User | None) -> None:
    """Let the next run carry over the deletions that made the guard stop, however many they are by then."""
    require(by, "sync.pause_flow")
    with transaction.atomic():
        held = Flow.objects.select_for_update(of=("self",)).get(pk=flow.pk)
        if not held.deletions_paused:
            raise Refused(f"The deletions of {flow.name} are not paused.")
        links = RecordLink.objects.filter(flow=held).count()
        Flow.objects.filter(pk=held.pk).update(deletions_paused="", deletions_allowance=links)
        audit.record("deletions.allowed", held, before={"reason": held.deletions_paused})


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
    """Drop the access token, so that the next call logs in with what is stored now."""
    from sync.engine.tokens import forget_access

    forget_access(connection)


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


def check_recipe(
    *, recipe: str, servicenow: Connection, salesforce: Connection, by: User | None, enqueue: bool = True
) -> Question:
    """Ask a worker whether a recipe would work between these two; what was asked a moment ago is not asked again."""
    require(by, "sync.check_recipe")
    params = {"recipe": recipe, "servicenow": str(servicenow.pk), "salesforce": str(salesforce.pk)}
    asked = Question.objects.filter(kind=QuestionKind.RECIPE, state=QuestionState.ASKED)
    for question in asked.filter(asked_at__gt=timezone.now() - RECENT)[:20]:
        if question.params == params:
            return question
    with transaction.atomic():
        question = Question.objects.create(kind=QuestionKind.RECIPE, params=params, asked_by=by)
        named = {"recipe": recipe, "servicenow": servicenow.name, "salesforce": salesforce.name}
        audit.record("recipe.checked", label=recipe, after=named)
        if enqueue:
            ring("sync.tasks.answer_question", question.pk)
    return question


def probe_connection(*, connection: Connection, by: User | None) -> Report:
    """Ask the platform now, by reads alone, what its documentation leaves open: a minute's work, not for a page.

    Raises SyncError where the platform cannot be reached or refuses the login.
    """
    require(by, "sync.test_connection")
    audit.record("connection.probed", connection)
    from sync.probing import probe  # costs the connectors, which no page needs

    return probe(connection)


# Dead letters


def retry_dead_letters(*, letters: Iterable[DeadLetter], by: User | None) -> int:
    """Read and plan these records again with the next run, which is queued now; returns how many."""
    require(by, "sync.retry_deadletter")
    now = timezone.now()
    with transaction.atomic():
        chosen = _open_ones(letters)
        apart = _plan_again(chosen)
        wait_again(
            (
                (letter.flow_id, Side(letter.side).other, letter.record_id, letter.record_number)
                for letter in chosen
                if letter.pk not in apart
            ),
            f"Retry asked for by {current_actor().name}",
        )
        for part in _parts(chosen):
            DeadLetter.objects.filter(pk__in=[letter.pk for letter in part]).update(
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


def resync_dead_letters(*, letters: Iterable[DeadLetter], by: User | None, enqueue: bool = True) -> list[Run]:
    """Read the records of these dead letters again, in the backfill lane of each flow; those not open are left out."""
    require(by, "sync.resync_flow")
    with transaction.atomic():
        by_flow: dict[Flow, list[str]] = {}
        chosen = _open_ones(letters)
        acted = {letter.pk: row.record_id for letter in chosen for row in ActionRun.objects.of_letter(letter)}
        apart = _plan_again(chosen)
        for letter in chosen:
            about = letter.link.servicenow_id if letter.link and letter.pk in apart else letter.record_id
            about = acted.get(letter.pk, about)
            by_flow.setdefault(letter.flow, []).append(about)
        return [
            request_run(flow=flow, by=by, kind=RunKind.RESYNC, ids=ids, enqueue=enqueue)
            for flow, ids in by_flow.items()
        ]


def _plan_again(letters: list[DeadLetter]) -> set[UUID]:
    """Those of the letters that are about files, entries or actions, which go on where they stopped."""
    files, entries = (
        Attachment.objects.plan_again(letters),
        JournalEntry.objects.plan_again(_of_entries(letters)),
    )
    return files | entries | ActionRun.objects.plan_again(_of_actions(letters))


def _of_entries(letters: list[DeadLetter]) -> list[DeadLetter]:
    """Those that may be about entries; of ten thousand letters hardly any is, and each would be asked for."""
    ids: set[str] = set()
    for part in _parts(letters):
        known = JournalEntry.objects.filter(source_id__in=[letter.record_id for letter in part])
        ids.update(known.values_list("source_id", flat=True))
    return [letter for letter in letters if letter.record_id in ids]


def _of_actions(letters: list[DeadLetter]) -> list[DeadLetter]:
    """Likewise: a letter about an action names it by its key."""
    keys: set[str] = set()
    for part in _parts([letter for letter in letters if _HEX.fullmatch(letter.record_id)]):
        known = ActionRun.objects.filter(pk__in=[UUID(hex=letter.record_id) for letter in part])
        keys.update(key.hex for key in known.values_list("pk", flat=True))
    return [letter for letter in letters if letter.record_id in keys]


def _open_ones(letters: Iterable[DeadLetter]) -> list[DeadLetter]:
    """Those that are open now: one may have closed by itself since the page was shown."""
    keys = [letter.pk for letter in letters]
    locked = DeadLetter.objects.select_for_update(of=("self",)).select_related("flow")
    still = locked.filter(state=DeadLetterState.OPEN).defer("content_sealed")
    return [letter for part in _parts(keys) for letter in still.filter(pk__in=part)]


def wait_again(records: Iterable[tuple[int, str, str, str]], message: str) -> None:
    """Have these records read and planned again by the next run: flow, side, id and number of each."""
    now = timezone.now()
    rows = {
        (flow, side, id): Waiting(
            flow_id=flow, side=side, record_id=id, record_number=number, reason=WaitingReason.RETRY, attempts=0,
            since=now, due_at=now, message=message[:500],
        )
        for flow, side, id, number in records
    }  # fmt: skip
    Waiting.objects.bulk_create(
        rows.values(), batch_size=AT_ONCE, update_conflicts=True, unique_fields=["flow", "side", "record_id"],
        update_fields=["record_number", "reason", "attempts", "since", "due_at", "message"],
    )  # fmt: skip


def _parts(rows: list[Any]) -> Iterable[list[Any]]:
    """As many at once as every database takes in one statement."""
    return (rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE))


def resolve_conflicts(
    *, conflicts: Iterable[Conflict], side: Side, by: User | None, seen: str | None = None
) -> int:
    """Take `side`'s value for these fields; the next run, which is queued now, writes exactly that. Returns how many.

    `seen`: the choice that the page showed. Raises Refused where somebody else has chosen since.

    A choice holds for the two values that the person saw: where either has changed meanwhile, the conflict stays open
    and shows the new ones.
    """
    require(by, "sync.resolve_conflict")
    keys = [conflict.pk for conflict in conflicts]
    with transaction.atomic():
        locked = Conflict.objects.select_for_update(of=("self",)).select_related("link__flow")
        chosen = list(locked.filter(pk__in=keys, state=ConflictState.OPEN))
        for conflict in chosen if seen is not None else ():
            _refuse_overtaken(conflict, seen)
        for conflict in chosen:
            Conflict.objects.filter(pk=conflict.pk).update(choice=side, resolved_by=by)
        wait_again(map(record_of, chosen), f"Conflict resolved by {current_actor().name}")
        audit.record(
            "conflicts.resolved",
            after={
                "count": len(chosen), "choice": side,
                "fields": [f"{conflict.link}: {conflict.field}" for conflict in chosen][:50],
            },
        )  # fmt: skip
    for flow in {conflict.link.flow for conflict in chosen}:
        try:
            request_run(flow=flow, by=None, kind=RunKind.RETRY)
        except Refused:
            continue  # the active run, or the next one, takes them from the waiting list
    return len(chosen)


def _refuse_overtaken(conflict: Conflict, seen: str | None) -> None:
    if conflict.choice != seen and conflict.choice:
        who = str(conflict.resolved_by) if conflict.resolved_by else "Somebody"
        raise Refused(
            f"{who} has chosen {conflict.get_choice_display()}'s value of {conflict.field} meanwhile, and yours was not taken. "
            "Look again; until the next run has written it, the other one can still be chosen."
        )


def record_of(conflict: Conflict) -> tuple[int, str, str, str]:
    link = conflict.link
    return link.flow_id, SideChoices.SERVICENOW, link.servicenow_id, link.servicenow_number


def ignore_dead_letters(*, letters: Iterable[DeadLetter], by: User | None, reason: str) -> int:
    """Put them aside for good; a later failure of the same record opens a new one."""
    require(by, "sync.ignore_deadletter")
    with transaction.atomic():
        open_ones = _open_ones(letters)
        chosen = [letter.pk for letter in open_ones]
        ActionRun.objects.drop(_of_actions(open_ones))
        for part in _parts(chosen):
            DeadLetter.objects.filter(pk__in=part).update(
                state=DeadLetterState.IGNORED, closed_at=timezone.now(), closed_by=by
            )
        audit.record("dead_letters.ignored", after={"count": len(chosen), "reason": reason})
    return len(chosen)


# Actions in doubt


def say_action_happened(*, step: ActionStep, by: User | None, id: str = "", number: str = "") -> None:
    """A person has looked: what was sent did take effect. `id`, `number`: of what it made, for steps that name it."""
    require(by, "sync.decide_action")
    _decide(step, StepStatus.DONE, "action.happened", {"id": id, "number": number})


def do_action_again(*, step: ActionStep, by: User | None) -> None:
    """A person has looked: what was sent did not take effect, and is sent once more."""
    require(by, "sync.decide_action")
    _decide(step, StepStatus.PLANNED, "action.repeated", {})


def _decide(step: ActionStep, status: StepStatus, deed: str, told: dict[str, str]) -> None:
    with transaction.atomic():
        # The action before its step, as a run that commits holds them.
        row = ActionRun.objects.select_for_update(of=("self",)).get(pk=step.action_run_id)
        held = ActionStep.objects.select_for_update(of=("self",)).get(pk=step.pk)
        if held.status != StepStatus.IN_DOUBT:
            raise Refused(f"{held.name} is not in doubt any more.")
        if row.is_over:
            raise Refused(f"{row} has ended already.")
        held.decide(row, status, **told)
        row.go_on()
        audit.record(deed, row, after={"step": held.name, "audience": held.audience, **told})
    with suppress(Refused):  # else the active run, or the next one, goes on with it
        request_run(flow=row.flow, by=None, kind=RunKind.RETRY)


def drop_action(*, action: ActionRun, by: User | None, reason: str) -> None:
    """Put an action aside for good: what it has done stays done, and nothing more is."""
    require(by, "sync.decide_action")
    with transaction.atomic():
        row = ActionRun.objects.select_for_update(of=("self",)).get(pk=action.pk)
        if row.is_over:
            raise Refused(f"{row} has ended already.")
        now = timezone.now()
        row.status, row.finished_at, row.due_at = ActionStatus.DROPPED, now, None
        row.save(update_fields=["status", "finished_at", "due_at"])
        DeadLetter.objects.filter(flow=row.flow_id, record_id=row.pk.hex, state=DeadLetterState.OPEN).update(
            state=DeadLetterState.IGNORED, closed_at=now, closed_by=by
        )
        audit.record("action.dropped", row, after={"reason": reason})


def look_at_payload(
    *,
    target: ActionRun | Conflict | DeadLetter | Event | Flow | Plan | RecordLink | RemoteCall,
    by: User | None,
) -> None:
    """Note in the audit log that a person opened decrypted values: one entry per person, record and hour."""
    require(by, "sync.view_payload")
    note_look(target, by)


def note_look(
    target: ActionRun | Conflict | DeadLetter | Event | Flow | Plan | RecordLink | RemoteCall,
    person: User | None,
) -> None:
    """As `look_at_payload`, for a look that the caller has found another permission for."""
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    seen = AuditEntry.objects.filter(
        action="payload.opened",
        actor=person,
        object_type=target._meta.label_lower,
        object_id=str(target.pk),
        at__gte=hour,
    )
    if not seen.exists():
        audit.record("payload.opened", target)


# The whole console: at the command line alone, whose user holds the database and its keys anyway


def back_up(*, file: Path, history: bool, replace: bool, progress: Progress) -> Summary:
    """Write the console to an encrypted file (sync.backup). Raises BackupError, and then there is no file."""
    from sync.backup import saving

    made = saving.save(file, history=history, replace=replace, progress=progress)
    audit.record(
        "console.backed_up", label=file.name,
        after={"file": file.name, "made_at": made.made_at, "history": history, "rows": made.rows, "key": made.key},
    )  # fmt: skip
    return made


def restore(*, contents: Contents, resume: bool, progress: Progress) -> list[str]:
    """Bring what a file was found to hold into this empty console; returns the flows that were in use, which are paused
    now unless `resume`. Raises BackupError, and then the console is as empty as it was."""
    from sync.backup import restoring

    restoring.restore(contents, progress=progress)
    reason = f"Restored from the backup of {contents.made_at:%Y-%m-%d %H:%M} UTC. Look whether all is as it should be, then resume."
    with transaction.atomic():
        entries = AuditEntry.objects.count()
        names = restoring.finish(contents, reason="" if resume else reason)
        audit.record(
            "console.restored", label=Path(contents.file).name,
            after={
                "file": Path(contents.file).name, "made_at": contents.made_at, "rows": contents.rows,
                "flows": names, "resumed": resume,
                "note": f"What was logged after entry {entries:,}, between the backup and its restoration, is lost.",
            },
        )  # fmt: skip
    return names


def prune_history(*, before: datetime, audit_before: datetime | None, dry_run: bool) -> dict[str, int]:
    """Delete history that is older, the audit log only where it is named; returns how many rows of each kind went, or
    would. Raises Refused for an audit log that is not whole."""
    from sync import pruning

    if dry_run:
        found = pruning.count(before)
        return found if audit_before is None else {**found, "audit entries": audit.older_than(audit_before)}
    done = dict.fromkeys(pruning.KINDS, 0)
    for name, rows in pruning.prune(before):
        done[name] += rows
    if audit_before is None:
        return done
    try:
        return {**done, "audit entries": audit.prune(audit_before)}
    except ValueError as error:
        raise Refused(str(error)) from None
