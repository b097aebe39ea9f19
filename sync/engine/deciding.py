"""What to do with each record of a page, from what both sides show: settle what was in doubt, pair, plan.

Writes nothing: it fills the items, and the runner commits and sends what they hold. An item writes one side at a time:
where both sides must be written, Salesforce is first, and ServiceNow follows once its answer is recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from mappings.apply import canonical
from sync.core.planner import unchanged
from sync.core.records import Operation, Outcome, Record, Side
from sync.engine import failures, tombstones
from sync.engine.deleting import TOMBSTONE, Deleting, Policy, deleted_on
from sync.engine.failures import NAMES
from sync.engine.grounds import EXECUTES_WITHIN, SEND_WITHIN, Look, base_of
from sync.engine.history import (
    Histories,
    updates_on,
)
from sync.engine.intending import put_off
from sync.engine.items import Item, Later
from sync.engine.meeting import Meeting
from sync.engine.rows import new_link
from sync.engine.settling import Settling, fought_for
from sync.models import Intent
from sync.models.attention import WaitingReason
from sync.models.link import LinkState


@dataclass
class Deciding(Meeting, Settling):
    """Decides for records read on one side what happens on either."""

    _buried: int = 0
    # Records that are gone from a side: their counterparts do not rest because they equal the base.
    vanished: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.deleting = Deleting(self.context)

    def decide(
        self,
        side: Side,
        records: Sequence[Record],
        look: Look,
        *,
        entered: bool,
        look_up: bool,
        asked: Collection[str] = (),
    ) -> list[Item]:
        """Items with outcome (at rest) or with writes.

        `entered`: the query already held `enter`. `look_up`: search unlinked records by key. `asked`: ids of records
        that a person wants tried again.
        """
        items = [Item(record, side, side.other) for record in records]
        if self.context.references is not None:
            self.context.references.look_up(side, records)
        self._recall(side, items, asked)
        self._leave_to_owners(items)
        if not look_up:
            self._rest_flying(items)
        self._rest_outdated([item for item in items if not item.at_rest], look)
        if not look_up:
            self._rest_known([item for item in items if not item.at_rest])
        self._rest_quiet([item for item in items if not item.at_rest], look_up=look_up)
        self._decide_linked([item for item in items if not item.at_rest and item.link is not None], look)
        unlinked = [item for item in items if not item.at_rest and item.link is None]
        self._decide_unlinked(side, unlinked, look, entered=entered, look_up=look_up)
        return [
            item for item in items if item.outcome is not None or item.writes or item.extra or item.ending
        ]

    def _recall(self, side: Side, items: Sequence[Item], asked: Collection[str]) -> None:
        """What is known of the records: their links, and the requests that were left open."""
        ids = [item.record.id for item in items]
        links = self.store.links(side, ids)
        other_ends = [link.end(side.other) for link in links.values()]
        intents = self.store.open_intents([*ids, *other_ends])
        for item in items:
            id = item.record.id
            item.link, item.retried = links.get(id), id in asked
            there = item.id_on(side.other)
            item.found = [*intents.get(id, ()), *(intents.get(there, ()) if there else ())]
        self._choices = self.store.choices([link.pk for link in links.values()])
        self._orders = self.store.hand_overs([link.pk for link in links.values()])

    def _leave_to_owners(self, items: Sequence[Item]) -> None:
        """Where several flows connect the same two ends, each follows its own pairs alone."""
        for item in items:
            if item.link is not None and item.link.flow_id in self.store.neighbours:
                item.found = ()
                item.rest(Outcome.UNCHANGED)

    def _rest_flying(self, items: Sequence[Item]) -> None:
        """A record that was edited while its page was under way is met again while our own request is in flight."""
        mine = self.store.lease.token
        for item in items:
            if any(intent.lease_token == mine for intent in item.found):
                item.found = ()  # its batch settles it
                soon = timedelta(seconds=1)
                why = "An earlier page of this run is writing the record."
                item.wait(Later(WaitingReason.CLAIMED, why, soon), Outcome.WAITING)

    @staticmethod
    def _rest_outdated(items: Sequence[Item], look: Look) -> None:
        """A page is read ahead and by two lanes: a record read before its base moved would undo what moved it."""
        for item in items:
            moved = item.link.synced_at if item.link is not None else None
            if moved is not None and moved >= look.at:
                put_off(item)

    def _rest_known(self, items: Sequence[Item]) -> None:
        """A dead letter needs a person: a poll that meets the same state again neither sends nor tells it again."""
        letters = self.store.told_letters(items)
        for item in items:
            for id in (item.id_on(side) for side in Side if letters):
                for letter in letters.get(id, ()):
                    seen = letter.content.get("source" if letter.side == item.side.other else "target")
                    same = letter.revision_id == self.context.revision.pk and seen == item.record.values
                    if same and not item.found and not item.at_rest:
                        item.known = True
                        item.rest(Outcome.UNCHANGED)

    def _rest_quiet(self, items: Sequence[Item], *, look_up: bool) -> None:
        """Nothing to do for tombstones and for records whose mapped values equal the base.

        A pair that is looked at again may have waited for its other end: of a two-way flow both are read.
        """
        two_way = len(self.context.reads) > 1
        rows = self.context.rows
        for item in items:
            if item.link is None:
                continue
            if item.link.state != LinkState.ACTIVE:
                if not self._may_be_back(item, look_up=look_up):
                    item.rest(Outcome.UNCHANGED)
            elif (
                item.found
                or item.retried
                or item.link.pk in self._orders
                or self._lacks_key(item)
                or (look_up and two_way)
                or self.context.renewal is not None
                or item.id_on(item.side.other) in self.vanished
            ):
                continue
            elif self.recovery.touched(item.side, item.record):
                continue  # it may have moved and come back, and its counterpart have been given what it was meanwhile
            elif unchanged(rows, item.record.values, item.known_base(), canonical, item.side):
                item.rest(Outcome.UNCHANGED)

    def _may_be_back(self, item: Item, *, look_up: bool) -> bool:
        """Whether a pair of which one record was deleted must be looked at: that record is shown again, or may be.

        Of a side that is not followed only the other one's changes give occasion to look.
        """
        assert item.link is not None
        side = deleted_on(item.link.state)
        return side is not None and (side is item.side or look_up or side not in self.context.reads)

    def _decide_linked(self, items: Sequence[Item], look: Look) -> None:
        if not items:
            return
        other = items[0].side.other
        doubts = self._asking.of_doubts([item for item in items if item.found])
        looks = {items[0].side: look, other: self._look(other)}
        ids = [item.id_on(other) for item in items]
        found = self.connectors[other].read(
            self.context.name(other), ids, self.context.fields(other), self.context.number_field(other)
        )
        self._read_again([item for item in items if updates_on(item, item.side)], doubts)
        settled: list[Item] = []
        for item in items:
            item.other = found.get(item.id_on(other))
        self._bury([item for item in items if item.other is None], other, looks, doubts)
        for item in items:
            if item.other is not None and self._settle(item, looks, doubts):
                self._revive(item)
                settled.append(item)
        self._asking.tell_edits(settled, self._chosen)
        for item in settled:
            self._merge(item, looks)
            self._tell_birth(item)

    @staticmethod
    def _tell_birth(item: Item) -> None:
        """A worker died between making the pair a link and telling that it was created: it is told now."""
        born = any(intent.operation == Operation.CREATE for intent in item.found)
        if born and item.link is not None and item.outcome in (Outcome.UNCHANGED, Outcome.ADOPTED):
            item.operation, item.to = Operation.CREATE, Side(item.link.born_in).other
            item.rest(Outcome.CREATED)

    def _read_again(self, items: Sequence[Item], doubts: Mapping[Side, Histories]) -> None:
        """A request may have been executed after its record was read and before the history was: read it after that."""
        if not items or items[0].side not in doubts:
            return
        side = items[0].side
        found = self.connectors[side].read(
            self.context.name(side), [item.record.id for item in items], self.context.fields(side),
            self.context.number_field(side),
        )  # fmt: skip
        for item in items:
            item.record = found.get(item.record.id, item.record)

    def _bury(
        self,
        items: Sequence[Item],
        side: Side,
        looks: Mapping[Side, Look],
        doubts: Mapping[Side, Histories],
    ) -> None:
        """Pairs of which `side` shows no record: those that it says were deleted follow the policy, others need a person."""
        gone = self.proven(side, [item.id_on(side) for item in items])
        may = self._may_bury(side, sum(item.id_on(side) in gone and _lives(item) for item in items))
        for item in items:
            assert item.link is not None
            if not _lives(item):
                self._leave_buried(item, side, looks[side], proven=item.id_on(side) in gone)
            elif item.id_on(side) not in gone:
                item.operation, item.to = Operation.UPDATE, side
                item.fail(failures.counterpart_missing(item, side))
            elif not may:
                item.to = item.side
                why = "Too many records disappeared at once: a person must allow it."
                item.wait(Later(WaitingReason.GUARD, why, timedelta(minutes=15)), Outcome.WAITING)
            elif not self._may_be_made_again(item, side, looks) and not self._may_be_undone(
                item, side, looks, doubts
            ):
                for intent in item.found:  # whatever it was about to write is gone
                    self._let_go(item, intent, side, looks[side].at)
                self.deleting.plan(item, side)

    def _may_be_made_again(self, item: Item, side: Side, looks: Mapping[Side, Look]) -> bool:
        """Whether a request for the record that is to be deleted may still be executed: it would stand there again.

        One that was sent twice because no answer came has been answered once.
        """
        assert item.link is not None
        ours = item.link.born_in == side
        born = item.link.created_at
        if self.deleting.policy(side) is not Policy.DELETE or not ours or born is None:
            return False
        settled = born + SEND_WITHIN + EXECUTES_WITHIN
        if looks[side].at > settled:
            return False
        item.to = item.side
        why = "It was made a moment ago: a request for it may still be executed."
        item.wait(Later(WaitingReason.IN_DOUBT, why, settled - looks[side].at), Outcome.WAITING)
        return True

    def _may_be_undone(
        self, item: Item, side: Side, looks: Mapping[Side, Look], doubts: Mapping[Side, Histories]
    ) -> bool:
        """Whether an earlier request may still change the record that is to be closed: the closing waits for it."""
        earlier = [
            intent
            for intent in item.found
            if intent.side == item.side and not intent.conditional and not self.deleting.is_closing(intent)
        ]
        if not earlier or self.deleting.policy(side) is not Policy.CLOSE:
            return False
        found, item.found = item.found, earlier
        settled = self._settle(item, looks, doubts)
        item.found = found
        return not settled

    def _leave_buried(self, item: Item, side: Side, look: Look, *, proven: bool) -> None:
        """Of a pair that has ended: what was about to be written to the record that is gone is over, and the tombstone
        names that record, so that the pair lives again once it is restored."""
        assert item.link is not None
        for intent in item.found:
            if (proven and intent.side == side) or look.at > intent.at + SEND_WITHIN + EXECUTES_WITHIN:
                self._let_go(item, intent, side, look.at)
        item.rest(Outcome.UNCHANGED)
        if proven and item.link.state == TOMBSTONE[item.side]:
            item.ending = item.tombstone = TOMBSTONE[side]
            item.notes.append(
                f"The deleted record was restored, but {NAMES[side]} has deleted its own since: it stays on its own."
            )

    def _let_go(self, item: Item, intent: Intent, side: Side, at: datetime) -> None:
        """Whether a request was executed is not learnt any more, now that the record of `side` is gone: what it went over, if
        it was, goes on record. Of the record that is left closing tells that itself."""
        intent.settled_at = at
        told = intent.side != side and self.deleting.policy(side) is Policy.CLOSE
        if intent.operation != Operation.CREATE and not told:
            item.learnt.append("An earlier write has an unknown outcome; its pair has ended since.")
            item.overwrote += fought_for(item, intent.payload["fields"], Side(intent.side))

    def _meet_deleted(self, item: Item, id: str, look: Look) -> None:
        """A pair is noted whose other record is in the recycle bin already; what is left follows the policy."""
        if not self._may_bury(item.to, 1):
            why = "Too many records disappeared at once: a person must allow it."
            item.wait(Later(WaitingReason.GUARD, why, timedelta(minutes=15)), Outcome.WAITING)
            return
        item.link = new_link(item, self.context, self.store.now(), other_id=id, born_in=item.side)
        item.new_link, item.base = True, {}
        for intent in item.found:
            intent.settled_at = look.at
            for row, (_, sent, source, _) in intent.payload["fields"].items():
                item.set_base(row, base_of(item.to, source, sent))
        if item.found:
            self.deleting.plan(item, item.to)
        else:
            # Nothing tells what of the record that is left was seen over there: the pair is a tombstone from its birth.
            item.operation, item.tombstone = Operation.DELETE, TOMBSTONE[item.to]
            item.link.state = item.tombstone
            item.rest(Outcome.DELETED)

    def _may_bury(self, side: Side, count: int) -> bool:
        """Whether so many more pairs may end because their records were deleted on `side`; all of them or none.

        More than a run may do unasked are `withheld`, for the runner to pause deletions. What touches no record needs no guard.
        """
        if not count or self.deleting.policy(side) is Policy.IGNORE:
            return True
        if self._buried + count > self.burial_limit:
            self.withheld[side] = self._buried + count
        if self.withheld or self.context.flow.deletions_paused:
            return False
        self._buried += count
        return True

    @cached_property
    def burial_limit(self) -> int:
        return self.deleting.allowed(tombstones.living(self.store))

    def _revive(self, item: Item) -> None:
        """Both records are shown: a tombstone comes back to life."""
        assert item.link is not None
        if deleted_on(item.link.state) is not None:
            item.link.state = LinkState.ACTIVE
            item.revived = True
            item.notes.append("The deleted record was restored: the pair lives again.")


def _lives(item: Item) -> bool:
    return item.link is not None and item.link.state == LinkState.ACTIVE
