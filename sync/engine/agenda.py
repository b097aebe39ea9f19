"""What the database keeps of actions: which are to be done, how far each has come, and what is about to be sent."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from sync.connectors.advice import rule_and_advice
from sync.core.actions import Action, Due, On, Place, Results, Step, Trigger, plan_of
from sync.core.notes import TAG, Mark
from sync.core.records import Operation, Outcome, Side
from sync.core.retry import backoff
from sync.encryption import keyring
from sync.engine import bulk
from sync.engine import lease as leases
from sync.engine.marks import PURPOSE
from sync.engine.store import Store
from sync.models import ActionRun, ActionStep, DeadLetter, Event
from sync.models.action import ACTION_UNDECIDED, ACTION_UNDER_WAY, ActionStatus, StepStatus
from sync.models.attention import DeadLetterState

# Statuses of a step that hold up what follows it. What was sent is settled before it is sent again.
STUCK = (StepStatus.SENT, StepStatus.REFUSED, StepStatus.IN_DOUBT, StepStatus.WAITING)
# Those whose request may have taken effect.
UNSETTLED = (StepStatus.SENT, StepStatus.IN_DOUBT)

RESTORED = "restored"  # code of a doubt that comes of a restoration, not of a lost answer
HAD = "had"  # in a step's content: who has its message already


class Overtaken(Exception):
    """A person has decided about the action since it was read: what is here is of before, and nothing of it was committed."""


@dataclass
class Work:
    """An action that is being done: its row, what it is told to do, and what its steps have brought so far."""

    row: ActionRun
    action: Action
    state: dict[str, Any]
    steps: dict[Place, ActionStep] = field(default_factory=dict)
    seen: tuple[str, datetime] = field(
        init=False
    )  # of the row as the database holds it: a person's word moves it

    def __post_init__(self) -> None:
        self.note_seen()

    def note_seen(self) -> None:
        self.seen = (self.row.status, self.row.since)

    @property
    def is_gone(self) -> bool:
        """Whether the flow, as it is followed now, has no such action any more."""
        return not self.action.steps

    @property
    def results(self) -> Results:
        found: Results = self.state.setdefault("steps", {})
        return found

    @property
    def side(self) -> Side:
        """Of the record that it is about."""
        return Side(self.row.side)

    def put(self, due: Due, brought: Mapping[str, Any]) -> None:
        self.state.setdefault("steps", {}).setdefault(due.step.name, {})[due.audience] = dict(brought)

    def put_rows(self, due: Due, rows: Mapping[str, Mapping[str, Any]]) -> None:
        self.state.setdefault("steps", {})[due.step.name] = {key: dict(row) for key, row in rows.items()}

    def take_over(self, state: Mapping[str, Any]) -> None:
        """What steps have brought by a person's word, beside what they have brought here."""
        brought: Mapping[str, Any] = state.get("steps") or {}
        whole = {name: {**self.results.get(name, {}), **rows} for name, rows in brought.items()}
        self.state = {**state, **self.state, "steps": {**self.results, **whole}}

    def stuck(self) -> set[Place]:
        """What holds up others now. What waited and is due again is tried once more."""
        return {place for place, step in self.steps.items() if step.status in STUCK}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a step needs a person: the words of a dead letter."""

    code: str
    message: str
    field: str = ""
    value: str = ""
    rule: str = ""
    advice: str = ""


@dataclass
class Agenda:
    """Everything that the doing of actions reads from and writes to the database, under the run's lease."""

    store: Store

    @contextmanager
    def _commit(
        self, work: Work | None = None, *, has_happened: bool = False, answered: bool = False
    ) -> Iterator[None]:
        """Raises Overtaken, mostly before anything is committed. `has_happened`: what is committed is noted of an action that was
        dropped meanwhile, too. `answered`: it is what came of a request, and is noted whatever a person said of other steps
        meanwhile, or that request would be taken for one that was never answered; Overtaken is raised after that."""
        overtaken = False
        with transaction.atomic():
            leases.renew(self.store.lease, self.store.now())
            if work is not None:
                overtaken = self._meet(work, has_happened=has_happened, answered=answered)
            yield
            self.store.calls.save()
        if work is not None:
            work.note_seen()
        if overtaken:
            raise Overtaken

    def _meet(self, work: Work, *, has_happened: bool, answered: bool) -> bool:
        """Hold the row as it was read. A person's word that came after that stands; True if it was taken over."""
        held = ActionRun.objects.select_for_update(of=("self",)).values_list("status", "since", "finished_at")
        status, since, finished_at = held.get(pk=work.row.pk)
        if (status, since) == work.seen:
            return False
        dropped = status == ActionStatus.DROPPED
        if not (has_happened if dropped else answered):
            raise Overtaken
        work.row.status, work.row.finished_at, work.row.due_at = status, finished_at, None
        if not dropped:
            work.take_over(ActionRun.objects.get(pk=work.row.pk).state or {})
        return not dropped

    # What is to be done

    def is_empty(self) -> bool:
        """Whether the flow has never had an action to do."""
        return not bulk.holds(ActionRun, flow_id=self.store.context.flow.pk)

    def due(self, limit: int) -> list[Work]:
        now = self.store.now()
        wanted = Q(due_at=None) | Q(due_at__lte=now)
        mine = ActionRun.objects.filter(wanted, flow=self.store.context.flow, status__in=ACTION_UNDER_WAY)
        return [self.work(row) for row in mine.select_related("link", "revision").order_by("pk")[:limit]]

    def work(self, row: ActionRun) -> Work:
        assert row.revision is not None, "an action that is over is not taken up"
        named = plan_of(row.revision.snapshot["options"].get("actions")).named(row.action)
        nothing = Action(row.action, Trigger(On(row.trigger), Side(row.side)), ())
        found = Work(row, named or nothing, row.state or {})
        found.steps = {(step.name, step.audience): step for step in row.steps.all()}
        now = self.store.now()
        for step in found.steps.values():
            if step.status == StepStatus.WAITING and (step.due_at is None or step.due_at <= now):
                step.status = StepStatus.PLANNED
        return found

    def left_sent(self) -> list[tuple[UUID, Place]]:
        """Requests of workers that died, and those in doubt that may still turn up: the actions' keys, and which step."""
        rows = ActionStep.objects.filter(
            action_run__flow=self.store.context.flow,
            action_run__status__in=ACTION_UNDECIDED,
            status__in=UNSETTLED,
        )
        return [
            (key, (name, audience))
            for key, name, audience in rows.order_by("pk").values_list("action_run", "name", "audience")
        ]

    def again(self, key: UUID) -> Work:
        """An action as it is now: an earlier step of it may just have been settled."""
        return self.work(ActionRun.objects.select_related("link", "revision").get(pk=key))

    def seconds_to_next(self) -> float | None:
        """Until the next action is due that waits; None if none does."""
        mine = ActionRun.objects.filter(
            flow=self.store.context.flow, status__in=ACTION_UNDER_WAY, due_at__isnull=False
        )
        at = mine.order_by("due_at").values_list("due_at", flat=True).first()
        return None if at is None else max(0.0, (at - self.store.now()).total_seconds())

    def count_unsettled(self) -> None:
        """What waits and what is in doubt is counted with the run that leaves it."""
        mine = ActionRun.objects.filter(flow=self.store.context.flow)
        in_doubt = mine.filter(status=ActionStatus.IN_DOUBT).count()
        waiting = mine.filter(status=ActionStatus.WAITING).count()
        if in_doubt or waiting:
            self.store.run.in_doubt += in_doubt
            self.store.run.waiting += waiting
            self.store.save_run("in_doubt", "waiting")

    # Marks

    def sign(self, mark: Mark, to: Side) -> Mark:
        """As entries are signed that are carried from the other side, so that what an action says is carried nowhere."""
        return Mark(mark.source, mark.part, _tag(self._message(mark, to)))

    def verify(self, mark: Mark, to: Side) -> bool:
        message = self._message(mark, to)
        return any(hmac.compare_digest(mark.tag, _tag(message, key_id)) for key_id in keyring().raw)

    def _message(self, mark: Mark, to: Side) -> str:
        flow, source = self.store.context.flow, to.other
        origin = flow.servicenow_connection if source is Side.SERVICENOW else flow.salesforce_connection
        return f"{source}:{origin.url}:{mark.message}"

    # How far it has come

    def begin(self, work: Work) -> None:
        """Its condition holds, and what it reads of the counterpart is known."""
        work.row.status = ActionStatus.RUNNING
        with self._commit(work):
            self._save(work)
            self._tally(work)

    def step(self, work: Work, due: Due) -> ActionStep:
        """The step's row, made if there is none."""
        place = (due.step.name, due.audience)
        row = work.steps.get(place)
        if row is None:
            position = [step.name for step in work.action.steps].index(due.step.name)
            row = ActionStep(
                action_run=work.row, position=position, name=due.step.name, kind=due.step.do.value, audience=due.audience,
                side=due.step.side.value if due.step.side else "",
            )  # fmt: skip
            work.steps[place] = row
        return row

    def intend(self, work: Work, step: ActionStep, request: Mapping[str, Any]) -> datetime:
        """Commit that this is about to be sent; returns when, by our clock."""
        now = self.store.now()
        step.status, step.intent_at, step.lease_token = StepStatus.SENT, now, self.store.lease.token
        step.attempts += 1
        had = (step.content or {}).get(HAD)
        step.content = {"request": dict(request), **({HAD: had} if had else {})}
        work.row.step, work.row.status = step.name, ActionStatus.RUNNING
        with self._commit(work):
            step.save()
            self._save(work)
        return now

    def done(
        self, work: Work, due: Due, step: ActionStep, *, id: str = "", number: str = "", note: str = ""
    ) -> None:
        """Commit what a step has brought, which `work` holds already."""
        came_late, answered = step.status == StepStatus.IN_DOUBT, step.status == StepStatus.SENT
        step.status, step.code, step.due_at = StepStatus.DONE, "", None
        step.target_id, step.target_number, step.done_at = id[:40], number[:80], self.store.now()
        if note:
            step.content = {**(step.content or {}), "message": note}
        work.row.attempts, work.row.since = 0, self.store.now()
        with self._commit(work, has_happened=True, answered=answered):
            step.save()
            self._save(work)
            if due.step.writes:
                self._tell(work, step, Outcome.CREATED if due.step.do != "update" else Outcome.UPDATED, note)
        if came_late and not work.row.is_over:
            work.row.status = ActionStatus.RUNNING

    def skip(self, work: Work, due: Due) -> None:
        step = self.step(work, due)
        step.status, step.done_at = StepStatus.SKIPPED, self.store.now()
        with self._commit(work):
            step.save()
            self._save(work)

    def wait(
        self, work: Work, step: ActionStep, code: str, message: str, *, after: float | None = None
    ) -> None:
        """It is tried again by itself; `after`: seconds."""
        answered = step.status == StepStatus.SENT
        step.status, step.code = StepStatus.WAITING, code[:80]
        step.attempts = max(1, step.attempts)
        work.row.attempts += 1
        step.due_at = self.store.now() + backoff(work.row.attempts, self.store.rng, retry_after=after)
        self._stuck(work, step, message, answered=answered)

    def doubt(self, work: Work, step: ActionStep, message: str, code: str = "in_doubt") -> None:
        answered = step.status == StepStatus.SENT
        step.status, step.code = StepStatus.IN_DOUBT, code
        self._stuck(work, step, message, Outcome.IN_DOUBT, answered=answered)

    def refuse(self, work: Work, step: ActionStep, failure: Failure) -> None:
        answered = step.status == StepStatus.SENT
        step.status, step.code = StepStatus.REFUSED, failure.code[:80]
        work.row.code = step.code
        self._stuck(work, step, failure.message, Outcome.FAILED, failure, answered=answered)

    def _stuck(
        self,
        work: Work,
        step: ActionStep,
        message: str,
        outcome: Outcome | None = None,
        failure: Failure | None = None,
        *,
        answered: bool,
    ) -> None:
        step.content = {**(step.content or {}), "message": message[:4000]}
        work.row.step = step.name
        with self._commit(work):
            step.save()
            self._save(work)
            if outcome is not None:
                self._tell(work, step, outcome, message)
            if failure is not None:
                self._letter(work, step, failure)
                self.store.run.failed += 1
                self.store.save_run("failed")

    def replan(self, step: ActionStep) -> None:
        """What was sent is to be sent again: its repetition is harmless, or it never left."""
        step.status = StepStatus.PLANNED
        with self._commit():
            step.save(update_fields=["status"])

    def end(self, work: Work, status: ActionStatus, code: str = "") -> None:
        """What has become of the action, as far as it can go now."""
        row = work.row
        row.status, row.code = status, code[:80] or (row.code if status == ActionStatus.FAILED else "")
        row.due_at = min(
            (s.due_at for s in work.steps.values() if s.status == StepStatus.WAITING and s.due_at),
            default=None,
        )
        over = status in (ActionStatus.DONE, ActionStatus.SKIPPED, ActionStatus.DROPPED)
        row.finished_at = self.store.now() if over else None
        row.step = "" if over else row.step
        with self._commit(work):
            self._save(work)
            if over:
                self._close_letter(row)

    def _save(self, work: Work) -> None:
        row = work.row
        row.state = work.state
        names = [
            "status",
            "step",
            "code",
            "attempts",
            "since",
            "due_at",
            "finished_at",
            "link",
            "state_sealed",
            "record_number",
        ]
        row.save(update_fields=names)

    # Counts, events, letters

    def _tally(self, work: Work) -> None:
        tally(self.store, [work.action.name])

    def _tell(self, work: Work, step: ActionStep, outcome: Outcome, message: str) -> None:
        row, link, context = work.row, work.row.link, self.store.context
        ids = {Side(row.side): (row.record_id, row.record_number)}
        if link is not None:
            ids = {side: (link.end(side), getattr(link, f"{side}_number")) for side in Side}
        here, there = (ids.get(side, ("", "")) for side in (Side.SERVICENOW, Side.SALESFORCE))
        side = Side(step.side) if step.side else Side(row.side)
        event = Event(
            flow=context.flow, run=self.store.run, revision=row.revision, link=link, at=self.store.now(), side=side,
            operation=Operation.UPDATE if step.kind == "update" else Operation.CREATE, outcome=outcome, code=step.code,
            servicenow_id=here[0], servicenow_number=here[1], salesforce_id=there[0], salesforce_number=there[1],
            field_names=title(row, step),
        )  # fmt: skip
        what = f"{step.target} {step.target_number or step.target_id}".strip()
        notes = [text for text in (what, message) if text]
        event.detail = {"fields": [], **({"notes": notes} if notes else {})}
        event.save(force_insert=True)

    def _letter(self, work: Work, step: ActionStep, failure: Failure) -> None:
        row, now, known = work.row, self.store.now(), rule_and_advice(failure.code)
        side = step.side or row.side
        open_one = DeadLetter.objects.filter(
            flow=row.flow_id, record_id=row.pk.hex, state=DeadLetterState.OPEN
        ).first()
        letter = open_one or DeadLetter(flow_id=row.flow_id, record_id=row.pk.hex, first_at=now, attempts=0)
        letter.side, letter.run, letter.revision, letter.link = side, self.store.run, row.revision, row.link
        letter.record_number = row.record_number or row.record_id
        letter.operation = Operation.UPDATE if step.kind == "update" else Operation.CREATE
        letter.code, letter.field = failure.code[:80], title(row, step)[:200]
        letter.rule, letter.advice = (
            (failure.rule or known.rule)[:500],
            (failure.advice or known.advice)[:500],
        )
        letter.attempts, letter.last_at = letter.attempts + 1, now
        request = (step.content or {}).get("request") or {}
        letter.content = {
            "message": f"{failure.field}: {failure.message}" if failure.field else failure.message, "value": failure.value,
            "source": work.state.get("record") or {}, "target": {}, "planned": request,
        }  # fmt: skip
        letter.save()

    def _close_letter(self, row: ActionRun) -> None:
        DeadLetter.objects.filter(flow=row.flow_id, record_id=row.pk.hex, state=DeadLetterState.OPEN).update(
            state=DeadLetterState.CLOSED, closed_at=self.store.now()
        )

    def is_impatient(self, work: Work) -> bool:
        waited: timedelta = self.store.now() - work.row.since
        return waited > self.store.context.patience


def title(row: ActionRun, step: ActionStep) -> str:
    return f"action {row.action}, step {step.name}"


def tally(store: Store, names: Sequence[str]) -> None:
    """Count actions as begun (in a dry run: to be begun), by name."""
    for name, count in Counter(names).items():
        store.run.actions[name] = store.run.actions.get(name, 0) + count
    if names:
        store.save_run("actions")


def tell_intended(store: Store, rows: Sequence[ActionRun]) -> None:
    """In a dry run: what would be done, and for which record."""
    context, events = store.context, []
    for row in rows:
        action = context.actions.named(row.action)
        number = {f"{row.side}_id": row.record_id, f"{row.side}_number": row.record_number}
        event = Event(
            flow=context.flow, run=store.run, revision=context.revision, link=None, at=store.now(), side=Side(row.side).other,
            operation=Operation.CREATE, outcome=Outcome.CREATED, code="intended", field_names=f"action {row.action}", **number,
        )  # fmt: skip
        steps = ", then ".join(describe(step) for step in action.steps) if action else ""
        event.detail = {"fields": [], "notes": [f"Would follow “{row.state['occasion']}”: {steps}."]}
        events.append(event)
    Event.objects.bulk_create(events)


def describe(step: Step) -> str:
    """A step in words."""
    words = [
        step.do.replace("_", " "),
        *(step.text(key) for key in ("table", "to", "by", "item") if step.text(key)),
    ]
    return f"{step.name} ({' '.join(words)})"


def _tag(message: str, key_id: str = "") -> str:
    return keyring().mac(PURPOSE, message.encode(), key_id)[:TAG]
