"""The stage at the end of a live run that does what actions say: one step after the other, each once.

    settle what was sent and not answered -> complete what is due with its counterpart -> step by step: render, commit the
    intent, call, commit the result

What the platform takes for a repetition is sent again when its outcome is unknown. What it does not is looked for by our mark,
or by the condition that the step names for it, and waits in doubt for a person if it is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from mappings.values import NOT_YET, Unmapped
from sync.connectors.base import Connector
from sync.core import texts
from sync.core.actions import NOTHING_DONE, OWN_NAMES, Do, Due, Meaning, brought, due, meaning, scope_of
from sync.core.records import Reply, Side, WriteResult
from sync.engine.agenda import RESTORED, UNSETTLED, Agenda, Failure, Overtaken, Work
from sync.engine.context import Context
from sync.engine.deeds import Deeds, Request
from sync.engine.finding import Finding, Found
from sync.engine.grounds import EXECUTES_WITHIN, SEND_WITHIN
from sync.engine.store import Store
from sync.errors import AuthenticationError, ConfigurationError, RecordError, SyncError, TransientError
from sync.models import ActionStep
from sync.models.action import ActionStatus, StepStatus

AT_ONCE = 100  # actions between two looks at what is due
PATIENCE = 4.0  # seconds a run waits at its end for actions that will be due


@dataclass
class Acting:
    context: Context
    store: Store
    connectors: Mapping[Side, Connector]
    safe_point: Callable[[], None]
    sleep: Callable[[float], None]
    agenda: Agenda = field(init=False)
    _deeds: Deeds = field(init=False)
    _finding: Finding = field(init=False)

    def __post_init__(self) -> None:
        self.agenda = Agenda(self.store)
        self._deeds = Deeds(self.context, self.connectors, self.agenda)
        self._finding = Finding(self.context, self.store, self.connectors, self.agenda)

    def __call__(self) -> None:
        """Bring every action as far as it goes now."""
        if self.store.dry or self.agenda.is_empty():
            return
        self._settle()
        patience = PATIENCE
        while True:
            while works := self.agenda.due(AT_ONCE):
                if self.context.references is not None:
                    self.context.references.forget()
                self._complete(works)
                for work in works:
                    self.safe_point()
                    try:
                        self._advance(work)
                    except Overtaken:
                        self._settle()  # before it is taken up again as it is now
            seconds = self.agenda.seconds_to_next()
            if seconds is None or seconds > patience:
                break
            self.sleep(seconds)
            patience -= max(0.01, seconds)
        self.agenda.count_unsettled()

    # What earlier workers left

    def _settle(self) -> None:
        """Look for what was sent and not answered: what cannot be repeated unasked is found, or waits for a person."""
        for key, place in self.agenda.left_sent():
            work = self.agenda.again(key)
            step, named = work.steps.get(place), work.action.step(place[0])
            if step is None or named is None or step.status not in UNSETTLED:
                continue
            if step.status == StepStatus.SENT and named.is_keyed:
                self.agenda.replan(step)
                continue
            late = step.intent_at is None or self.store.now() > step.intent_at + SEND_WITHIN + EXECUTES_WITHIN
            if step.status == StepStatus.IN_DOUBT and late:
                continue  # it was looked for when it could still turn up
            self.safe_point()
            with suppress(Overtaken):
                self._look_for(work, Due(named, step.audience, work.action.lists[named.name]), step)
                self._rest(work)

    def _look_for(self, work: Work, what: Due, step: ActionStep) -> None:
        """What cannot be looked for any more, as where a table is gone, is in doubt like what is not found."""
        message = "The worker ended before the answer came."
        try:
            self._search(work, what, step, message)
        except AuthenticationError:
            raise
        except (ConfigurationError, RecordError) as error:
            self.agenda.doubt(work, step, f"{message} It could not be looked for: {error.message}")

    def _search(self, work: Work, what: Due, step: ActionStep, message: str) -> None:
        found = self._finding(what.step, step)
        if found is not None:
            work.put(what, brought(found.id, found.number))
            self.agenda.done(work, what, step, id=found.id, number=found.number,
                             note="Found by its mark: the answer to its request was lost.")  # fmt: skip
        elif step.status != StepStatus.IN_DOUBT:
            self.agenda.doubt(work, step, message)

    # Before the first step

    def _complete(self, works: Sequence[Work]) -> None:
        """Read what texts name and was not captured: the counterpart, as it is when an action begins, and columns that only a
        later revision names."""
        for side in Side:
            lacking = {
                work.row.pk: work
                for work in works
                if not _known(work, side).issuperset(work.action.columns[side])
            }
            ids = {pk: id for pk, work in lacking.items() if (id := self._id_on(work, side))}
            columns = sorted({name for pk in ids for name in lacking[pk].action.columns[side]})
            found = (
                self.connectors[side].read(self.context.name(side), list(set(ids.values())), columns, "")
                if ids
                else {}
            )
            for pk, work in lacking.items():
                shown = found[ids[pk]].values if ids.get(pk) in found else {}
                kept = work.state.get(_PART[side is work.side]) or {}
                fresh = {name: shown.get(name) for name in work.action.columns[side]}
                work.state[_PART[side is work.side]] = {**fresh, **kept}

    def _id_on(self, work: Work, side: Side) -> str:
        """The id of the record, or of its counterpart; "" where there is none."""
        if side is work.side:
            return work.row.record_id
        if work.row.link is None:
            work.row.link = self.store.links(work.side, [work.row.record_id]).get(work.row.record_id)
        return work.row.link.end(side) if work.row.link is not None else ""

    def _scope(self, work: Work, audience: str = "") -> dict[str, object]:
        found: dict[str, object] = {}
        for side in Side:
            own = dict.fromkeys(OWN_NAMES, self._id_on(work, side))
            values = work.state.get(_PART[side is work.side]) or {}
            found |= {f"{side}.{name}": value for name, value in {**values, **own}.items()}
        found |= {f"before.{name}": value for name, value in (work.state.get("before") or {}).items()}
        return {**found, **scope_of(work.action, work.results, audience)}

    # One action

    def _advance(self, work: Work) -> None:
        if work.is_gone:
            self.agenda.end(work, ActionStatus.DROPPED, "ACTION_GONE")
            return
        if work.row.status == ActionStatus.PLANNED and not self._begins(work):
            return
        while not work.row.is_over and (what := next(due(work.action, work.results, work.stuck()), None)):
            self.safe_point()
            self._do(work, what)
        self._rest(work)

    def _begins(self, work: Work) -> bool:
        try:
            if not texts.holds(work.action.when, self._scope(work), self.context.tools(work.side.other)):
                self.agenda.end(work, ActionStatus.SKIPPED, "CONDITION")
                return False
        except Unmapped as error:
            first = Due(work.action.steps[0])
            self.agenda.refuse(work, self.agenda.step(work, first), _unmapped(error, "when"))
            self._rest(work)
            return False
        self.agenda.begin(work)
        return True

    def _rest(self, work: Work) -> None:
        """What has become of the action: the gravest of what holds its steps up. One that was dropped stays so."""
        if work.row.is_over:
            return
        statuses = {step.status for step in work.steps.values()}
        for status, so in (
            (StepStatus.IN_DOUBT, ActionStatus.IN_DOUBT),
            (StepStatus.REFUSED, ActionStatus.FAILED),
            (StepStatus.WAITING, ActionStatus.WAITING),
        ):
            if status in statuses:
                self.agenda.end(work, so)
                return
        if next(due(work.action, work.results), None) is None:
            self.agenda.end(work, ActionStatus.DONE)
        else:
            self.agenda.end(work, ActionStatus.RUNNING)

    # One step

    def _do(self, work: Work, what: Due) -> None:
        step = self.agenda.step(work, what)
        scope = self._scope(work, what.audience)
        try:
            if not texts.holds(what.step.when, scope, self._deeds.tools(what.step)):
                work.put(what, NOTHING_DONE) if not what.step.makes_list else work.put_rows(what, {})
                self.agenda.skip(work, what)
            elif not what.step.writes:
                self._look_up(work, what, step, scope)
            else:
                self._send(work, what, step, self._deeds.request(work, what, step, scope))
        except Unmapped as error:
            self._unmapped(work, step, error)
        except AuthenticationError:
            raise
        except (ConfigurationError, RecordError) as error:
            # Of this action, not of the flow: its records go on.
            self.agenda.refuse(work, step, Failure(error.code, error.message, advice=error.advice))

    def _unmapped(self, work: Work, step: ActionStep, error: Unmapped) -> None:
        if error.code == NOT_YET and not self.agenda.is_impatient(work):
            self.agenda.wait(work, step, error.code, error.message)
        else:
            self.agenda.refuse(work, step, _unmapped(error))

    def _look_up(self, work: Work, what: Due, step: ActionStep, scope: Mapping[str, object]) -> None:
        said = what.step
        rows = self._deeds.rows(said, scope)
        if not rows:
            self._found_none(work, what, step, self._deeds.asked(said, scope))
            return
        many = said.text("many", "fail")
        if len(rows) > 1 and many == "fail" and not said.makes_list:
            shown = ", ".join(row["number"] or row["id"] for row in rows[:5])
            failure = Failure("FOUND_MANY", f"{said.text('table')}: more than one record was found: {shown}.")
            self.agenda.refuse(work, step, failure)
            return
        audiences = [self._deeds.audience(work, said, row) for row in rows]
        if said.makes_list:
            work.put_rows(what, dict(zip(audiences, rows, strict=True)))
        else:
            work.put(what, rows[0])
        step.target = said.text("table")
        self.agenda.done(
            work,
            what,
            step,
            id=audiences[0] if len(rows) == 1 else "",
            number=f"{len(rows)} found",
        )

    def _found_none(self, work: Work, what: Due, step: ActionStep, asked: str) -> None:
        said = what.step
        none = said.text("none", "fail")
        message = f"{said.text('table')}: nothing was found by {asked}"
        if said.do is Do.LIST:
            message = "There is nothing in the list."
        rule, advice = ADVICE.get((said.do.value, "FOUND_NONE"), ("", ""))
        if none == "continue":
            work.put(what, NOTHING_DONE) if not said.makes_list else work.put_rows(what, {})
            self.agenda.skip(work, what)
        elif none == "skip":
            self._skip_rest(work, what.audience)
        elif none == "wait" and not self.agenda.is_impatient(work):
            self.agenda.wait(work, step, "FOUND_NONE", message)
        elif none == "wait":
            waited = f"It waited since {work.row.since:%Y-%m-%d %H:%M} UTC: {message}"
            self.agenda.refuse(work, step, Failure("PATIENCE_ENDED", waited, rule=rule, advice=advice))
        else:
            self.agenda.refuse(work, step, Failure("FOUND_NONE", message, rule=rule, advice=advice))

    def _skip_rest(self, work: Work, audience: str) -> None:
        """Nothing was found, and so there is nothing to do: for all, or for the audience that it was looked up for."""
        while (what := next(self._left(work, audience), None)) is not None:
            work.put(what, NOTHING_DONE) if not what.step.makes_list else work.put_rows(what, {})
            self.agenda.skip(work, what)

    @staticmethod
    def _left(work: Work, audience: str) -> Iterator[Due]:
        found = due(work.action, work.results, work.stuck())
        return (what for what in found if not audience or what.audience == audience)

    # Writing

    def _send(self, work: Work, what: Due, step: ActionStep, request: Request) -> None:
        if (found := self._there_already(what, step, request)) is not None:
            work.put(what, brought(found.id, found.number))
            self.agenda.done(work, what, step, id=found.id, number=found.number, note="It was there already.")
            return
        if self._finding.is_untold(what.step, step, request.condition):
            message = "It may have been done since the backup that this console was restored from, and cannot be looked for."
            self.agenda.doubt(work, step, message, code=RESTORED)
            return
        at = self.agenda.intend(work, step, request.shown)
        if self.store.now() > at + SEND_WITHIN:
            result = WriteResult(str(step.pk), Reply.UNSENT, message="It did not leave in time.")
        else:
            result = request.send()
        self._came(work, what, step, request, result)

    def _there_already(self, what: Due, step: ActionStep, request: Request) -> Found | None:
        """A record that the step's `find` finds is not made again. Of what was done before the backup that this console was
        restored from nothing is known: it is looked for by its mark before it is sent."""
        return self._finding.before(what.step, step, request.condition, request.shown)

    def _came(self, work: Work, what: Due, step: ActionStep, request: Request, result: WriteResult) -> None:
        creates = what.step.do is Do.CREATE
        sense = meaning(result, keyed=what.step.is_keyed, creates=creates)
        if sense is Meaning.DONE:
            self._done(work, what, step, request, result)
        elif sense is Meaning.EXISTS:
            self._exists(work, what, step, request, result)
        elif sense is Meaning.REPEAT:
            self.agenda.wait(work, step, "in_doubt", result.message or "No answer came.", after=0.2)
        elif sense is Meaning.DOUBT:
            self._search_at_once(work, what, step, result.message or "No answer came.")
        elif sense is Meaning.UNSENT:
            self.agenda.wait(work, step, "unsent", result.message, after=result.retry_after)
            self._rest(work)
            raise result.fault or TransientError(result.message)
        else:
            self._refused(work, step, result, sense)

    def _done(self, work: Work, what: Due, step: ActionStep, request: Request, result: WriteResult) -> None:
        if what.step.do is Do.POST and what.step.side is Side.SERVICENOW:
            self._search_at_once(
                work, what, step, "ServiceNow answered that it took the entry, and does not show it."
            )
            return
        id, number = request.outcome(result)
        work.put(what, brought(id, number))
        self.agenda.done(work, what, step, id=id, number=number)

    def _exists(self, work: Work, what: Due, step: ActionStep, request: Request, result: WriteResult) -> None:
        """The key is taken: by an earlier request of ours, whose answer was lost, or by a record that carries it."""
        found = self._finding.by_key(what.step, step, request.key_value)
        if found is None:
            self.agenda.wait(work, step, "in_doubt", "A record with this key exists, and is not shown yet.")
            return
        work.put(what, brought(found.id, found.number))
        self.agenda.done(
            work,
            what,
            step,
            id=found.id,
            number=found.number,
            note="A record with this key was there already.",
        )

    def _search_at_once(self, work: Work, what: Due, step: ActionStep, message: str) -> None:
        try:
            self._search(work, what, step, message)
        except SyncError as error:
            self.agenda.doubt(work, step, f"{message} It could not be looked for: {error.message}")

    def _refused(self, work: Work, step: ActionStep, result: WriteResult, sense: Meaning) -> None:
        refusal = result.refusal
        code, message = (refusal.code, refusal.message) if refusal else ("REFUSED", result.message)
        if sense is Meaning.LATER and not self.agenda.is_impatient(work):
            self.agenda.wait(work, step, code, message)
            return
        name = refusal.fields[0] if refusal and refusal.fields else ""
        rule, advice = ADVICE.get((step.kind, code), ("", ""))
        self.agenda.refuse(work, step, Failure(code, message, name, rule=rule, advice=advice))


# What refusals of a step mean, where it is not what they mean of a record.
ADVICE = {
    (Do.LOOK_UP.value, "FOUND_NONE"): (
        "What this step needs is not there, or the integration user may not see it.",
        "Show values tells what was looked for. Make it, or activate it again (a retired catalog item), then retry; or correct the "
        "action and publish the flow before.",
    ),
    (Do.LIST.value, "FOUND_NONE"): (
        "The list that this step takes apart is empty.",
        "A retry does not read it anew: ignore the letter, or let the step say none: skip and publish the flow, then retry.",
    ),
    (Do.ORDER.value, "NOT_FOUND"): (
        "The catalog item is not there any more, or the integration user may not see it.",
        "Name another item in the action (an active one, for example by a look-up), publish the flow, then retry.",
    ),
    (Do.ORDER.value, "BAD_REQUEST"): (
        "The catalog item does not take this order.",
        "See whether the item is active and which variables it demands; correct the action, publish the flow, then retry.",
    ),
    (Do.NOTIFY.value, "RECIPIENTS_REFUSED"): (
        "The mail server does not take the message for some of its recipients.",
        "Who was not refused has it. The message names the others: let them be reached, or correct the step's addresses and publish the "
        "flow, then retry. It is sent to those alone who have not had it.",
    ),
    (Do.ORDER.value, "TWO_STEP_CHECKOUT"): (
        "The instance orders in two steps: what is ordered goes into a cart first.",
        "Turn two-step checkout off for this catalog (glide.sc.checkout.twostep), empty the integration user's cart, then retry.",
    ),
}  # fmt: skip


# Where an action's state keeps what is known of its record, and of the record's counterpart.
_PART = {True: "record", False: "other"}


def _known(work: Work, side: Side) -> set[str]:
    return set(work.state.get(_PART[side is work.side]) or ())


def _unmapped(error: Unmapped, field: str = "") -> Failure:
    return Failure(error.code, error.message, field, advice=error.advice)
