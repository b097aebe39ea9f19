"""What to do with each record of a page, from what both sides show: settle what was in doubt, pair, plan.

Writes nothing: it fills the items, and the runner commits and sends what they hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mappings.apply import canonical
from sync.connectors.base import Connector
from sync.core.merge import Policy
from sync.core.planner import FieldWrite, PlanRow, plan_create_in_salesforce, plan_pair, unchanged
from sync.core.records import Operation, Outcome, Record, Side
from sync.engine.context import Context
from sync.engine.items import Failure, Item, Later
from sync.engine.rows import new_link
from sync.engine.store import Store, put_off
from sync.engine.validation import violation
from sync.models import Intent
from sync.models.link import LinkState

# Longest time between an intent and its request leaving, and longest time the platform may still execute a
# request that we gave up on (its own cut-off, Salesforce: ten minutes, unverified).
SEND_WITHIN = timedelta(seconds=60)
EXECUTES_WITHIN = timedelta(seconds=600)
# How much older than its intent a record may look because of the clocks, and still be that intent's work.
CLOCK_SLACK = timedelta(seconds=10)
# Two stamps closer than this are a tie: whole seconds on both sides, and the spread of the measured clock offsets.
TIE = timedelta(seconds=2)
BIRTH = "CreatedDate"


@dataclass
class Deciding:
    """Decides for records of ServiceNow what happens in Salesforce."""

    context: Context
    store: Store
    servicenow: Connector
    salesforce: Connector

    def decide(self, records: list[Record], *, entered: bool, look_up: bool) -> list[Item]:
        """Items with outcome (at rest) or with writes. `entered`: the query already held `enter`. `look_up`: search unlinked records by key."""
        items = [Item(record) for record in records]
        ids = [record.id for record in records]
        links, intents = self.store.links(ids), self.store.open_intents(ids)
        for item in items:
            item.link, item.found = links.get(item.record.id), intents.get(item.record.id)
        if not look_up:
            self._rest_flying(items)
            self._rest_known([item for item in items if not item.at_rest])
        self._rest_quiet([item for item in items if not item.at_rest])
        self._decide_linked([item for item in items if not item.at_rest and item.link is not None])
        unlinked = [item for item in items if not item.at_rest and item.link is None]
        self._decide_unlinked(unlinked, entered=entered, look_up=look_up)
        return [item for item in items if item.outcome is not None or item.writes]

    def _rest_flying(self, items: list[Item]) -> None:
        """A record that was edited while its page was under way is met again while our own request is in flight."""
        for item in items:
            if item.found is not None and item.found.lease_token == self.store.lease.token:
                item.found = None  # its batch settles it
                soon = timedelta(seconds=1)
                item.wait(
                    Later("claimed", "An earlier page of this run is writing the record.", soon),
                    Outcome.WAITING,
                )

    def _rest_known(self, items: list[Item]) -> None:
        """A dead letter needs a person: a poll that meets the same state again neither sends nor tells it again."""
        letters = self.store.open_letters([item.record.id for item in items])
        for item in items:
            letter = letters.get(item.record.id)
            if letter is None or letter.revision_id != self.context.revision.pk or item.found is not None:
                continue
            if letter.content.get("source") == item.record.values:
                item.known = True
                item.rest(Outcome.UNCHANGED)

    # Linked records

    def _rest_quiet(self, items: list[Item]) -> None:
        """Nothing to do for tombstones and for records whose mapped values equal the base."""
        for item in items:
            if item.link is None:
                continue
            if item.link.state != LinkState.ACTIVE or (
                item.found is None
                and unchanged(self.context.rows, item.record.values, item.known_base(), canonical)
            ):
                item.rest(Outcome.UNCHANGED)

    def _decide_linked(self, items: list[Item]) -> None:
        if not items:
            return
        read_at = self.store.now()
        ids = [item.link.salesforce_id for item in items if item.link is not None]
        found = self.salesforce.read(
            self.context.object, ids, self.context.mapping.salesforce_fields, self.context.salesforce_number
        )
        for item in items:
            assert item.link is not None
            item.target = found.get(item.link.salesforce_id)
            if item.target is None:
                item.operation = Operation.UPDATE
                item.fail(counterpart_missing(item))
            elif item.found is None or self._settle_update(item, item.found, read_at):
                self._merge(item)

    def _settle_update(self, item: Item, intent: Intent, read_at: datetime) -> bool:
        """Learn from the target whether an earlier request was executed; False while that can still happen."""
        target = item.target
        assert target is not None
        fields = intent.payload["fields"]
        landed = [
            row
            for row, (name, sent, *_) in fields.items()
            if canonical(target.values.get(name)) == canonical(sent)
        ]
        for row in landed:
            _landed(item, row, fields[row])
        expired = read_at > intent.at + SEND_WITHIN + EXECUTES_WITHIN
        if len(landed) == len(fields):
            item.notes.append("An earlier write whose answer was lost did take effect.")
        elif intent.planned_stamp != target.version.edited_at:
            item.notes.append("An earlier write has an unknown outcome; the record was changed since.")
        if len(landed) == len(fields) or expired:
            intent.settled_at = read_at
            return True
        delay = max(timedelta(seconds=1), intent.at + SEND_WITHIN + EXECUTES_WITHIN - read_at)
        item.operation = Operation.UPDATE
        item.wait(Later("in_doubt", "An earlier write may still take effect.", delay), Outcome.IN_DOUBT)
        return False

    def _merge(self, item: Item) -> None:
        """Plan the pair as both sides stand now."""
        assert item.target is not None
        adopting = item.new_link
        plan = plan_pair(
            self.context.rows, item.record.values, item.target.values, item.known_base(),
            lambda row: self._policy(row, item), canonical,
        )  # fmt: skip
        item.plan = plan
        item.writes = plan.to_salesforce
        item.operation = Operation.ADOPT if adopting else Operation.UPDATE
        for row, pair in plan.agreed.items():
            item.set_base(row, pair)
        item.notes += [f"{write.field}: {write.note}" for write in plan.to_salesforce if write.note]
        if plan.problems:
            first = plan.problems[0]
            item.failure = Failure(first.code, first.message, first.field, first.value, advice=first.advice)
        if any(problem.code == "ADOPT_REFUSED" for problem in plan.problems):
            item.writes, item.link, item.new_link, item.base = [], None, False, None
        if not item.writes:
            item.rest(self._quiet_outcome(item, adopting))
        else:
            self._check(item)

    def _quiet_outcome(self, item: Item, adopting: bool) -> Outcome:
        assert item.plan is not None
        if item.failure is not None:
            item.code = item.failure.code
            return Outcome.FAILED
        if item.plan.clashes:
            return Outcome.CONFLICT
        return Outcome.ADOPTED if adopting else Outcome.UNCHANGED

    def _policy(self, row: PlanRow, item: Item) -> Policy:
        return self.context.policy(row, self._newest(item))

    def _newest(self, item: Item) -> Side | None:
        """Which record was changed later, by stamps corrected for each platform's clock; None for a tie."""
        assert item.target is not None
        here = item.record.version.changed_at - self._offset(self.servicenow)
        there = item.target.version.edited_at - self._offset(self.salesforce)
        if abs(here - there) <= TIE:
            return None
        return Side.SERVICENOW if here > there else Side.SALESFORCE

    def _offset(self, connector: Connector) -> timedelta:
        """The platform's clock minus ours; asked after a call, so that its answer has told the time already."""
        return connector.server_now() - self.store.now()

    # Unlinked records

    def _decide_unlinked(self, items: list[Item], *, entered: bool, look_up: bool) -> None:
        if not entered:
            self._drop_outsiders(items, named=look_up)
        items = [item for item in items if not item.at_rest]
        wanted = [
            item for item in items if look_up or item.found is not None or not self.context.key_is_unique
        ]
        if wanted:
            self._pair_by_key(wanted)
        for item in items:
            if not item.at_rest and not item.writes:
                self._create(item)

    def _drop_outsiders(self, items: list[Item], *, named: bool) -> None:
        """Which of the unlinked records meet `enter` only the platform can say; who was sent before has entered.

        A poll read within the scope; of records that were `named` that is asked too.
        """
        settings = self.context.settings
        asked = [item for item in items if item.found is None]
        inside = {item.record.id for item in asked}
        for condition in (settings["servicenow_enter"], settings["servicenow_scope"] if named else ""):
            if condition and inside:
                inside &= self.servicenow.matching(self.context.table, condition, sorted(inside))
        for item in asked:
            if item.record.id not in inside or not self.context.creates:
                item.rest(Outcome.UNCHANGED)

    def _pair_by_key(self, items: list[Item]) -> None:
        """Search Salesforce for records that carry these keys; nothing is ever created while one might exist."""
        read_at = self.store.now()
        found = self.salesforce.find(
            self.context.object, self.context.key_field, [item.record.id for item in items],
            [*self.context.mapping.salesforce_fields, BIRTH], self.context.salesforce_number,
        )  # fmt: skip
        twins = self.store.links_by_target([record.id for records in found.values() for record in records])
        for item in items:
            carriers = found.get(item.record.id, ())
            held = twins.get(carriers[0].id) if carriers else None
            if not carriers:
                self._nothing_found(item, read_at)
            elif len(carriers) == 1 and held is not None and held.servicenow_id == item.record.id:
                put_off(item)  # another lane has paired them since this record was read
            elif len(carriers) > 1 or held is not None:
                item.operation = Operation.ADOPT
                item.fail(
                    twin_failure(self.context, item, [carrier.number or carrier.id for carrier in carriers])
                )
            else:
                self._pair(item, carriers[0], read_at)

    def _nothing_found(self, item: Item, read_at: datetime) -> None:
        intent = item.found
        if intent is None:
            return
        if self.context.key_is_unique:
            # Repeat the very same request: under the unique key only one of the two can ever take effect, and
            # whichever does, these are the values that it wrote.
            item.intent, item.operation = intent, Operation.CREATE
            item.writes = [FieldWrite(row, *values) for row, values in intent.payload["fields"].items()]
            item.extra = intent.payload["extra"]
        elif read_at <= intent.at + SEND_WITHIN + EXECUTES_WITHIN:
            delay = max(timedelta(seconds=1), intent.at + SEND_WITHIN + EXECUTES_WITHIN - read_at)
            item.operation = Operation.CREATE
            item.wait(Later("in_doubt", "An earlier create may still take effect.", delay), Outcome.IN_DOUBT)
        else:
            intent.settled_at = read_at

    def _pair(self, item: Item, target: Record, read_at: datetime) -> None:
        item.target = target
        item.link = new_link(item, self.context, read_at, target_id=target.id, born_in=Side.SERVICENOW)
        item.new_link = True
        item.base = {}
        intent = item.found
        if intent is not None:
            intent.settled_at = read_at
            if self._born_by(intent, target):
                # Our create took effect: what it sent is what the sides agreed on, whatever a person changed since.
                for row, (_, sent, source, _) in intent.payload["fields"].items():
                    item.set_base(row, (source, sent))
                item.notes.append("The create whose answer was lost did take effect.")
        self._merge(item)
        if item.base_moved and intent is not None and item.outcome is Outcome.ADOPTED:
            item.operation = Operation.CREATE
            item.rest(Outcome.CREATED)

    def _born_by(self, intent: Intent, target: Record) -> bool:
        """Whether the found record was created after the intent was written: nobody else makes records with this key."""
        born = target.values.get(BIRTH)
        if not born:
            return False
        return datetime.fromisoformat(str(born)) >= intent.at + self._offset(self.salesforce) - CLOCK_SLACK

    def _create(self, item: Item) -> None:
        item.operation = Operation.CREATE
        if not self.context.creates:
            item.rest(Outcome.UNCHANGED)
            return
        plan = plan_create_in_salesforce(self.context.rows, item.record.values)
        item.plan = plan
        item.writes = plan.to_salesforce
        item.extra = {self.context.key_field: item.record.id}
        item.notes += [f"{write.field}: {write.note}" for write in plan.to_salesforce if write.note]
        if plan.problems:
            # A newborn with a hole would show a false state: nothing is created until the value has a counterpart.
            first = plan.problems[0]
            item.fail(Failure(first.code, first.message, first.field, first.value, advice=first.advice))
        else:
            self._check(item)

    def _check(self, item: Item) -> None:
        """A dry run asks of each value what the platform would ask."""
        if self.store.dry and (failure := violation(item, self.context.salesforce_schema)):
            item.fail(failure)


def _landed(item: Item, row: str, values: Sequence[Any]) -> None:
    """An earlier write took effect: what it sent is the base now, and what it went over must still be on record."""
    name, sent, source, under = values
    known = item.known_base().get(row)
    if known == (source, sent):
        return
    if known is None or canonical(under) != canonical(known[1]):
        item.overwrote.append(
            FieldWrite(row, name, sent, source, under, rule="answer lost", contested=True, base=known)
        )
    item.set_base(row, (source, sent))


def counterpart_missing(item: Item) -> Failure:
    assert item.link is not None
    return Failure(
        "COUNTERPART_NOT_VISIBLE",
        f"Salesforce shows no record {item.link.salesforce_id}: it was deleted, or the integration user may not see it.",
        rule="A linked record is updated by its Id and never created again.",
        advice="Restore it from the recycle bin or give the integration user access to it, then retry; or ignore this letter.",
    )


def twin_failure(context: Context, item: Item, carriers: list[str]) -> Failure:
    return Failure(
        "TWIN",
        f"{item.record.number} already stands on {', '.join(carriers)} in {context.key_field}, which belongs to another pair.",
        field=context.key_field,
        value=item.record.id,
        rule="One record has exactly one counterpart.",
        advice=f"Clear {context.key_field} on the copy in Salesforce, then retry.",
    )
