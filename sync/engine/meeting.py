"""Records without a counterpart: whom they name, whether they enter, who carries their key, and what a newborn is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from mappings.values import NOT_YET
from sync.core.planner import FieldWrite, plan_create
from sync.core.records import Operation, Outcome, Record, Side
from sync.engine import failures
from sync.engine.grounds import EXECUTES_WITHIN, SEND_WITHIN, Look, base_of
from sync.engine.history import (
    CLOCK_SLACK,
)
from sync.engine.intending import put_off
from sync.engine.items import Item, Later
from sync.engine.planning import Planning
from sync.engine.rows import new_link
from sync.models import Intent
from sync.models.attention import WaitingReason

BIRTH = {Side.SERVICENOW: "sys_created_on", Side.SALESFORCE: "CreatedDate"}
MAKER = {Side.SERVICENOW: "sys_created_by", Side.SALESFORCE: "CreatedById"}


class Meeting(Planning):
    """Finds or makes the counterpart of a record that has none."""

    def _decide_unlinked(
        self, side: Side, items: Sequence[Item], look: Look, *, entered: bool, look_up: bool
    ) -> None:
        if not items:
            return
        self._rest_newborn(side, items)
        self._rest_anothers(side, items)
        self._meet_named(side, [item for item in items if not item.at_rest], look)
        open_ones = [item for item in items if not item.at_rest and item.link is None]
        keyed = side.other is Side.SALESFORCE or self.context.creates(side.other)
        looked_up = self.recovery.is_on and keyed
        if looked_up:
            # It may have been linked since the backup, and have ceased to enter since then.
            self._pair_by_key(side, open_ones, look)
            open_ones = [item for item in open_ones if not item.at_rest and item.link is None]
        if not entered:
            self._drop_outsiders(side, open_ones, named=look_up)
        open_ones = [item for item in open_ones if not item.at_rest]
        harmless = self.context.repeats_are_harmless(side.other)
        if not looked_up:
            wanted = [
                item
                for item in open_ones
                if look_up or item.found or not harmless or item.record.id in self.existing
            ]
            self._pair_by_key(side, wanted, look)
        for item in open_ones:
            if not item.at_rest and not item.writes and item.link is None:
                self._create(item)

    def _rest_newborn(self, side: Side, items: Sequence[Item]) -> None:
        """A record that we are making ourselves, its answer not recorded yet, is not another record to copy."""
        ours = self.store.being_born(side, [item.record.id for item in items])
        for item in items:
            if item.record.id in ours:
                item.rest(Outcome.UNCHANGED)

    def _rest_anothers(self, side: Side, items: Sequence[Item]) -> None:
        """A Case that names a record of another instance is that one's counterpart, and gets none of ours."""
        for item in items:
            if side is Side.SALESFORCE and self.context.is_anothers(item.record.values):
                item.rest(Outcome.UNCHANGED)

    def _meet_named(self, side: Side, items: Sequence[Item], look: Look) -> None:
        """Records that name their counterpart themselves: pair them, and never make another one."""
        if len(self.context.reads) < 2:
            return
        named = {
            item.record.id: id
            for item in items
            if (id := self.context.named_counterpart(side, item.record.id, item.record.values))
        }
        if not named:
            return
        other = side.other
        under_way = self.store.open_intents(named.values(), of_neighbours=True)
        held = self.store.links(other, named.values())
        free = [id for id in named.values() if id not in under_way and id not in held]
        looks = {side: look, other: self._look(other)}
        found = self.connectors[other].read(
            self.context.name(other), free, self.context.fields(other), self.context.number_field(other)
        ) if free else {}  # fmt: skip
        gone = self.proven(other, [id for id in free if id not in found])
        for item in items:
            id = named.get(item.record.id, "")
            if side is Side.SERVICENOW and id in found and self.context.is_anothers(found[id].values):
                continue  # a clone's record names what its original was made for
            if id in under_way:
                item.rest(Outcome.UNCHANGED)  # the write that made it settles it
            elif id in found:
                self._pair(item, found[id], looks, born_in=other)
            elif id in gone:
                item.to = other
                item.notes.append(f"{failures.NAMES[other]} has deleted {id}, which this record names.")
                self._meet_deleted(item, id, looks[other])
            elif id and id not in held:
                item.operation, item.to = Operation.ADOPT, other
                item.fail(failures.named_missing(item, id, other))
            elif id and side is Side.SALESFORCE:
                item.operation, item.to = Operation.ADOPT, Side.SALESFORCE
                item.fail(
                    failures.twin(
                        self.context,
                        item,
                        Side.SALESFORCE,
                        [held[id].salesforce_number or held[id].salesforce_id],
                    )
                )

    def _drop_outsiders(self, side: Side, items: Sequence[Item], *, named: bool) -> None:
        """Which of the unlinked records meet `enter` only the platform can say; who was sent before has entered.

        A poll read within the scope; of records that were `named` that is asked too.
        """
        asked = [item for item in items if not item.found]
        inside = {item.record.id for item in asked} if self.context.creates(side.other) else set()
        for name in ("enter", "scope") if named else ("enter",):
            condition = self.context.setting(side, name)
            if condition and inside:
                inside &= self.connectors[side].matching(self.context.name(side), condition, sorted(inside))
        for item in asked:
            if item.record.id not in inside:
                item.rest(Outcome.UNCHANGED)

    def _pair_by_key(self, side: Side, items: Sequence[Item], look: Look) -> None:
        """Search the other side for records that carry these keys; nothing is ever created while one might exist."""
        if not items:
            return
        to = side.other
        looks = {side: look, to: self._look(to)}
        keys = {item.record.id: self.context.key_of(to, item.record.id) for item in items}
        found = self._carriers(to, next(iter(keys.values()))[0], [value for _, value in keys.values()])
        taken = self.store.links(to, [record.id for records in found.values() for record in records])
        sought = [item for item in items if item.found or self.recovery.is_on]
        gone = self._deleted_carriers(
            to, [keys[item.record.id] for item in sought if keys[item.record.id][1] not in found]
        )
        for item in items:
            carriers = found.get(keys[item.record.id][1], ())
            held = taken.get(carriers[0].id) if carriers else None
            if not carriers and (id := gone.get(keys[item.record.id][1])):
                self._meet_deleted(item, id, looks[to])
            elif not carriers:
                self._nothing_found(item, looks[to])
            elif len(carriers) == 1 and held is not None and held.end(side) == item.record.id:
                put_off(item)  # another lane has paired them since this record was read
            elif len(carriers) > 1 or held is not None:
                item.operation = Operation.ADOPT
                names = [carrier.number or carrier.id for carrier in carriers]
                item.fail(failures.twin(self.context, item, to, names))
            else:
                self._pair(item, carriers[0], looks, born_in=side)

    def proven(self, side: Side, ids: Sequence[str]) -> set[str]:
        """Which of these records, none of which is shown any more, the platform says were deleted."""
        return (
            {found.id for found in self.connectors[side].deleted(self.context.name(side), ids=ids)}
            if ids
            else set()
        )

    def _deleted_carriers(self, to: Side, keys: Sequence[tuple[str, str]]) -> Mapping[str, str]:
        """Of counterparts that we may have made without knowing it: those that people have deleted since, by key."""
        if not keys:
            return {}
        return self.connectors[to].deleted_by_key(
            self.context.name(to), keys[0][0], [value for _, value in keys]
        )

    def _meet_deleted(self, item: Item, id: str, look: Look) -> None:
        """The record had a counterpart, which was deleted: it is given no other one."""
        raise NotImplementedError  # policies of deletion are Deciding's

    def _carriers(self, to: Side, name: str, keys: Sequence[str]) -> Mapping[str, Sequence[Record]]:
        """Records of `to` by the value of their key. Those known to exist are read by id, in fewer calls."""
        fields = [*self.context.fields(to), BIRTH[to], MAKER[to]]
        table, number = self.context.name(to), self.context.number_field(to)
        known = {key: self.existing[key] for key in keys if key in self.existing}
        rows = self.connectors[to].read(table, list(known.values()), [*fields, name], number) if known else {}
        found: dict[str, Sequence[Record]] = {
            key: [rows[id]] for key, id in known.items() if id in rows and rows[id].values.get(name) == key
        }
        rest = [key for key in keys if key not in found]
        return {**found, **self.connectors[to].find(table, name, rest, fields, number)} if rest else found

    def _nothing_found(self, item: Item, look: Look) -> None:
        intent = next(iter(item.found), None)
        if intent is None:
            return
        end = intent.at + SEND_WITHIN + EXECUTES_WITHIN
        if self.context.repeats_are_harmless(item.to):
            # Repeat the very same request: under the unique key only one of the two can ever take effect, and
            # whichever does, these are the values that it wrote.
            item.intent, item.operation = intent, Operation.CREATE
            item.writes = [FieldWrite(row, *values) for row, values in intent.payload["fields"].items()]
            item.extra = intent.payload["extra"]
        elif look.at <= end:
            delay = max(timedelta(seconds=1), end - look.at)
            item.operation = Operation.CREATE
            why = "An earlier create may still take effect."
            item.wait(Later(WaitingReason.IN_DOUBT, why, delay), Outcome.IN_DOUBT)
        else:
            intent.settled_at = look.at

    def _pair(self, item: Item, other: Record, looks: Mapping[Side, Look], *, born_in: Side) -> None:
        item.other = other
        item.link = new_link(item, self.context, self.store.now(), other_id=other.id, born_in=born_in)
        item.new_link = True
        item.base = {}
        intent = next(iter(item.found), None)
        if intent is not None:
            intent.settled_at = looks[item.to].at
            if self._born_by(intent, other, item.to):
                # Our create took effect: what it sent is what the sides agreed on, whatever a person changed since.
                for row, (_, sent, source, _) in intent.payload["fields"].items():
                    item.set_base(row, base_of(item.to, source, sent))
                item.notes.append("The create whose answer was lost did take effect.")
        created = item.base_moved
        self._merge(item, looks)
        if created and item.outcome is Outcome.ADOPTED:
            item.operation, item.to = Operation.CREATE, born_in.other
            item.rest(Outcome.CREATED)

    def _born_by(self, intent: Intent, record: Record, side: Side) -> bool:
        """Whether the found record was created by us after the intent was written; a person may have made one with this key."""
        born, maker = record.values.get(BIRTH[side]), record.values.get(MAKER[side])
        own = self.context.own_user(side)
        if not born or (maker and own and maker != own):
            return False
        moment = datetime.fromisoformat(str(born))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        offset = self.connectors[side].server_now() - self.store.now()
        return moment >= intent.at + offset - CLOCK_SLACK

    def _create(self, item: Item) -> None:
        item.operation = Operation.CREATE
        if not self.context.creates(item.to):
            item.rest(Outcome.UNCHANGED)
            return
        plan = plan_create(self.context.rows, item.record.values, item.to)
        item.plan = plan
        item.writes = plan.writes(item.to)
        along = self._along(item) if item.to is Side.SERVICENOW else {}
        item.extra = {**along, **self.context.born_with(item.to, item.record.id)}
        item.notes += [f"{write.field}: {write.note}" for write in item.writes if write.note]
        # A newborn with a hole would show a false state: nothing is created until each value has a counterpart.
        if refused := [problem for problem in plan.problems if problem.code != NOT_YET]:
            item.fail(failures.of_problem(refused[0]))
        elif plan.problems:
            item.wait(Later(WaitingReason.REFERENCE, plan.problems[0].message), Outcome.WAITING)
        else:
            self._check(item)
