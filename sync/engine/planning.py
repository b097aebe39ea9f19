"""What a pair needs as both sides stand now: merged, parked where it does not come to rest, written one side at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from mappings.apply import canonical
from mappings.values import NOT_YET
from sync.core import loops
from sync.core.planner import Plan, PlanRow, plan_pair, values_of
from sync.core.records import Operation, Outcome, Side
from sync.engine import failures
from sync.engine.grounds import Grounds, Look
from sync.engine.handing import owner_row, plan_hand_over
from sync.engine.items import Item, Later, values_on
from sync.engine.newest import Reckoning, reckon
from sync.engine.validation import violation
from sync.models.attention import WaitingReason
from sync.models.base import Lane

# A stamp younger than this when it was read proves nothing: whoever edits within the same second is not noticed.
FRESH = timedelta(seconds=1)


class Planning(Grounds):
    """Plans what a pair is given."""

    def _merge(self, item: Item, looks: Mapping[Side, Look]) -> None:
        """Plan the pair as both sides stand now."""
        adopting = item.new_link
        self.recovery.forget_doubtful(item)
        reckoning: dict[str, Reckoning] = {}
        base = item.known_base()
        plan = plan_pair(
            self.context.rows, values_on(item, Side.SERVICENOW), values_on(item, Side.SALESFORCE), base,
            lambda row: self.context.policy(
                row, self._newest(row, item, reckoning), self._chosen(row, item), base.get(row.id)
            ),
            canonical, self._parked(item),
        )  # fmt: skip
        item.plan = plan
        item.reckonings = {row: each.text for row, each in reckoning.items()}
        item.reckoning = item.reckonings.pop("", "")
        item.operation = Operation.ADOPT if adopting else Operation.UPDATE
        for row, pair in plan.agreed.items():
            item.set_base(row, pair)
        if refused := [problem for problem in plan.problems if problem.code != NOT_YET]:
            item.failure = failures.of_problem(refused[0])
        item.awaited = next((problem.message for problem in plan.problems if problem.code == NOT_YET), "")
        self._park_restless(item, plan)
        self._hand_over(item, plan)
        if any(problem.code == "ADOPT_REFUSED" for problem in plan.problems):
            item.link, item.new_link, item.base = None, False, None
        else:
            self._choose_writes(item, plan, looks)
        if item.at_rest:
            return
        if not item.writes and not item.extra:
            self._rest_unwritten(item, adopting)
        else:
            item.known = False
            item.notes += [f"{write.field}: {write.note}" for write in item.writes if write.note]
            self._check(item)

    def _hand_over(self, item: Item, plan: Plan) -> None:
        """What a person has asked for counts before what the merge found."""
        order = self._orders.get(item.link.pk) if item.link is not None and self._orders else None
        row = owner_row(self.context.rows) if order is not None else None
        if order is not None and row is not None:
            plan_hand_over(item, order, row, plan)

    def _choose_writes(self, item: Item, plan: Plan, looks: Mapping[Side, Look]) -> None:
        """Which side this attempt writes. The other one, if it must be written too, follows at once."""
        name, value = self.context.key_of(Side.SALESFORCE, item.id_on(Side.SERVICENOW))
        key = {name: value} if self._lacks_key(item) else {}
        there, here = bool(plan.to_salesforce or key), bool(plan.to_servicenow)
        if there:
            item.to = Side.SALESFORCE
            item.writes, item.extra = plan.to_salesforce, dict(key)
            item.conditional = self._is_conditional(item)
            if item.conditional and (wait := self._too_fresh(item, looks[Side.SALESFORCE])):
                item.writes, item.extra, item.conditional = [], {}, False
                if not here:
                    why = "Salesforce's record was edited this very second."
                    for intent in item.found:  # what they tell is of use when it is planned again
                        intent.settled_at = None
                    item.wait(Later(WaitingReason.CHANGED, why, wait), Outcome.WAITING)
                    return
                there = False
        if here and not there:
            item.to = Side.SERVICENOW
            item.writes = plan.to_servicenow
            item.extra = self._along(item)
        item.unfinished = bool(plan.to_salesforce or key) and here

    def _is_conditional(self, item: Item) -> bool:
        """Two-way fields in the live lane are written only over what was read; elsewhere the window is seconds."""
        if not item.writes:
            return False
        if self.context.settings["options"].get("guard") == "strict":
            return True
        two_way = any(self._rows[write.row].one_way is None for write in item.writes)
        return two_way and self.store.run.lane == Lane.LIVE

    @staticmethod
    def _too_fresh(item: Item, look: Look) -> timedelta | None:
        assert item.salesforce is not None
        trusted = item.salesforce.version.edited_at + FRESH
        return None if look.server > trusted else trusted - look.server + FRESH

    def _along(self, item: Item) -> dict[str, Any]:
        """Columns that the platform demands together with a value: a close code with Resolved."""
        planned, present = values_of(item.writes), values_on(item, Side.SERVICENOW)
        found: dict[str, Any] = {}
        for write in item.writes:
            along = self._rows[write.row].along
            sent = ",".join(map(str, write.sent)) if isinstance(write.sent, list) else str(write.sent)
            for name, value in along.get(sent, {}).items():
                if name not in planned and not present.get(name):
                    found[name] = value
        return found

    def _lacks_key(self, item: Item) -> bool:
        """Whether the Salesforce record of a pair that was born there does not name its counterpart yet."""
        record = item.salesforce
        return (
            record is not None
            and item.link is not None
            and item.link.born_in == Side.SALESFORCE
            and self.context.keeps_key_in_salesforce
            and not record.values.get(self.context.key_field)
        )

    def _rest_unwritten(self, item: Item, adopting: bool) -> None:
        outcome = self._quiet_outcome(item, adopting)
        if item.awaited and outcome in (Outcome.UNCHANGED, Outcome.ADOPTED):
            item.wait(Later(WaitingReason.REFERENCE, item.awaited), Outcome.WAITING)
        else:
            item.rest(outcome)

    def _quiet_outcome(self, item: Item, adopting: bool) -> Outcome:
        assert item.plan is not None
        if item.failure is not None and item.known:
            return Outcome.UNCHANGED  # its letter is open, and nothing has changed since
        if item.failure is not None:
            item.code = item.failure.code
            return Outcome.FAILED
        if item.plan.clashes:
            return Outcome.CONFLICT
        return Outcome.ADOPTED if adopting else Outcome.UNCHANGED

    def _newest(self, row: PlanRow, item: Item, memory: dict[str, Reckoning]) -> Side | None:
        """Which side's edit is newer; reckoned once a pair and where a field's history is known, and only where somebody asks."""
        settings = self.context.settings
        if (sure := item.newer.get(row.id)) is not None:
            memory[row.id] = Reckoning(
                sure, "It was edited after a look at which the other value stood already."
            )
            return sure
        if "newest" not in (row.conflict or settings["conflict"], settings["adopt"]):
            return None
        edits = {
            side: edit
            for side, edit in item.edits.get(row.id, {}).items()
            if edit.by != self.context.own_user(side)  # our own write does not say when a person edited
        }
        key = row.id if edits else ""
        if key not in memory:
            offsets = {side: self.connectors[side].server_now() - self.store.now() for side in Side}
            memory[key] = reckon(item, offsets, edits)
        return memory[key].newest

    def _chosen(self, row: PlanRow, item: Item) -> Side | None:
        """What a person chose, if both sides still show what the person saw."""
        if item.link is None or not self._choices:
            return None
        for conflict in self._choices.get(item.link.pk, ()):
            if str(conflict.row) == row.id:
                x, y = (
                    row.read(values_on(item, Side.SERVICENOW)),
                    values_on(item, Side.SALESFORCE).get(row.target),
                )
                seen = conflict.values
                same = canonical(seen["servicenow"]) == canonical(x) and canonical(
                    seen["salesforce"]
                ) == canonical(y)
                return Side(conflict.choice) if same else None
        return None

    def _parked(self, item: Item) -> set[str]:
        """The rows that are left alone. A new value on either side, or a person's retry, sets one free."""
        found: set[str] = set()
        for id, state in list(item.known_fields().items()):
            row = self._rows.get(id)
            if row is None or "parked" not in state:
                continue
            here, there = values_on(item, Side.SERVICENOW), values_on(item, Side.SALESFORCE)
            code = loops.still_parked(state, row.read(here), there.get(row.target), canonical)
            if code and not item.retried:
                found.add(id)
                item.failure = failures.parked(row, code)
                item.known = True
            else:
                item.set_field(id, loops.released(state))
        return found

    def _park_restless(self, item: Item, plan: Plan) -> None:
        """Leave alone what was written before and came back: it would be written for ever."""
        states = item.known_fields()
        if not states:
            return
        for to in Side:
            for write in list(plan.writes(to)):
                state = states.get(write.row, {})
                code = loops.restless(
                    state,
                    to,
                    write.sent,
                    self.store.now(),
                    canonical,
                    by_person=self._by_person(item, to.other),
                )
                if code:
                    plan.writes(to).remove(write)
                    x, y = (
                        (write.source, write.under) if to is Side.SALESFORCE else (write.under, write.source)
                    )
                    item.set_field(write.row, loops.parked(state, code, x, y))
                    item.failure = failures.parked(self._rows[write.row], code, to)
                    item.known = False

    def _by_person(self, item: Item, side: Side) -> bool:
        record = item.servicenow if side is Side.SERVICENOW else item.salesforce
        return record is None or record.version.by != self.context.own_user(side)

    def _check(self, item: Item) -> None:
        """A dry run asks of each value what the platform would ask."""
        schema = self.context.schema(item.to)
        if self.store.dry and schema is not None and (failure := violation(item, schema)):
            item.fail(failure)
