"""What the answers of a page's writes mean for its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from mappings.apply import canonical
from sync.connectors.base import Connector
from sync.core import loops
from sync.core.history import Sent, trace
from sync.core.planner import COLUMNS, FieldWrite, unchanged, values_of
from sync.core.records import CHANGED_SINCE, Change, Operation, Outcome, Reply, Side, Values, WriteResult
from sync.engine import failures
from sync.engine.context import Context
from sync.engine.grounds import base_of
from sync.engine.history import Asking, Histories, what_went_under
from sync.engine.items import Answers, Batch, Failure, Item, Later
from sync.engine.rows import jittered, new_link
from sync.engine.store import Store
from sync.errors import ConfigurationError, SchemaError, SyncError, TransientError
from sync.models import Connection
from sync.models.attention import WaitingReason

# Refusals that say something of the whole flow, not of the record.
FLOW_FAULTS = frozenset(
    {"INVALID_FIELD", "INVALID_TYPE", "INVALID_FIELD_FOR_INSERT_UPDATE", "INSUFFICIENT_ACCESS", "API_ACL"}
)
DELETED = frozenset({"ENTITY_IS_DELETED"})


@dataclass
class Applying:
    context: Context
    store: Store
    connectors: Mapping[Side, Connector]
    _overtaken: list[Item] = field(default_factory=list)

    def __call__(self, batch: Batch, answers: Answers) -> None:
        """Bring each item that was sent to rest, or say when it is looked at again."""
        self._overtaken = []
        for item in batch.sending:
            result = answers.results.get(item.record.id)
            if result is None and answers.cut:
                why = "The worker was told to stop."
                item.wait(Later(WaitingReason.UNSENT, why), Outcome.DEFERRED)
                continue
            self._apply(
                item,
                result or WriteResult(item.record.id, Reply.UNSENT, message="It did not leave in time."),
                batch,
            )
            if item.link is not None and item.outcome is Outcome.CREATED:
                number = answers.numbers.get(item.link.end(item.to), "")
                setattr(item.link, f"{item.to}_number", number)
        if self._overtaken:
            self._name_overwritten(self._overtaken)

    def _apply(self, item: Item, result: WriteResult, batch: Batch) -> None:
        if item.ending and (result.reply is Reply.DONE or _is_gone(result)):
            item.tombstone, item.written = item.ending, True
            if result.reply is Reply.DONE:
                item.overwrote += item.at_stake
                item.set_bases(item.expected)
            item.rest(Outcome.DELETED)
            return
        if result.reply is Reply.DONE:
            self._done(item, result, batch)
        elif result.reply is Reply.UNKNOWN:
            why = result.message or "No answer came."
            item.wait(Later(WaitingReason.IN_DOUBT, why), Outcome.IN_DOUBT)
        elif result.reply is Reply.UNSENT:
            batch.fault = batch.fault or result.fault or TransientError(result.message)
            asked = timedelta(
                seconds=result.retry_after or 1
            )  # until a window frees calls, where one is used up
            item.wait(Later(WaitingReason.UNSENT, result.message, asked), Outcome.DEFERRED)
        else:
            self._refused(item, result, batch)

    # Done

    def _done(self, item: Item, result: WriteResult, batch: Batch) -> None:
        item.written = True
        if item.to is Side.SERVICENOW:
            self._compare(item, result)
            self._learn_own_user(result)
        kept = [write for write in item.writes if write.field not in result.left_out]
        if item.failure is not None:
            kept = [write for write in kept if not self._is_parked(item, write)]
        item.set_bases({write.row: base_of(item.to, write.source, write.sent) for write in kept})
        if item.link is None:
            self._born(item, result, batch)
            return
        if item.writes and not kept and item.failure is None:
            item.rest(Outcome.UNCHANGED)
            return
        self._remember(item)
        if item.failure is not None:
            item.rest(Outcome.FAILED, code=item.failure.code)  # the other fields went over
        elif item.plan is not None and item.plan.clashes:
            item.rest(Outcome.CONFLICT)
        else:
            item.rest(Outcome.ADOPTED if item.operation is Operation.ADOPT else Outcome.UPDATED)
        if item.unfinished and item.failure is None:
            item.later = Later(WaitingReason.CHANGED, "The other side is written next.")
        elif item.awaited and item.failure is None:
            item.later = Later(WaitingReason.REFERENCE, item.awaited)

    def _born(self, item: Item, result: WriteResult, batch: Batch) -> None:
        for row, value in (item.plan.unborn if item.plan else {}).items():
            # Blank there must not blank it here; what the platform has filled in itself (a number) goes back.
            item.set_base(row, base_of(item.to, value, None))
        item.link = new_link(
            item, self.context, self.store.now(), other_id=result.id, born_in=item.side, read_at=batch.read_at
        )
        item.link.base = item.known_base()  # a pair is a list in JSON
        if item.fields:
            item.link.fields = item.fields
        item.link.synced_at = batch.read_at
        item.rest(Outcome.CREATED)
        rows, values = self.context.rows, item.record.values
        if item.found and not unchanged(rows, values, item.known_base(), canonical, item.side):
            # A create in doubt was repeated with the values of its time; those of now were read and follow.
            item.later = Later(WaitingReason.IN_DOUBT, "The record changed while its create was in doubt.")
        elif item.side is Side.SALESFORCE and self.context.keeps_key_in_salesforce:
            item.later = Later(WaitingReason.KEY, "The record is given the key of its counterpart.")
        chosen = item.extra.get("sys_id")
        if item.to is Side.SERVICENOW and chosen and result.id != chosen:
            batch.fault = batch.fault or ConfigurationError(
                "ServiceNow did not keep the sys_id that was sent, so a repeated create could make a second record.",
                code="sys_id_not_kept",
                advice="Choose a key field (correlation_id) for this flow, or let the integration user set sys_id.",
            )

    def _remember(self, item: Item) -> None:
        """Our last writes of fields that both sides may write: so that a loop is noticed."""
        for write in item.writes:
            row = self.context.mapping.row(write.row)
            watched = row is not None and (row.one_way is None or write.rule == "drift: restore")
            if watched and not self._is_parked(item, write):
                state = item.known_fields().get(write.row, {})
                item.set_field(
                    write.row, loops.remembered(state, item.to, write.sent, self.store.now(), canonical)
                )

    # What ServiceNow answers that it stored

    def _compare(self, item: Item, result: WriteResult) -> None:
        """ServiceNow drops what it does not take without a word; its answer tells."""
        stored = result.stored or {}
        for write in item.writes:
            kept = _kept(write, stored)
            if canonical(kept) == canonical(write.sent):
                continue
            if canonical(kept) == canonical(write.under):
                self._park(item, write, kept)
            else:
                item.notes.append(f"{write.field}: the platform changed the value that was written.")
        seen = item.target.version.count if item.target else None
        now = result.version.count if result.version else None
        if seen is not None and now is not None and now > seen + 1:
            self._overtaken.append(item)

    def _name_overwritten(self, items: Sequence[Item]) -> None:
        """More updates than ours since the records were read: history tells whether one of them went under, and whose."""
        asking = Asking(self.context, self.store, self.connectors)
        since = min(item.target.version.changed_at for item in items if item.target)
        rows = {write.row for item in items for write in item.writes}
        histories: Histories | None = None
        with suppress(SyncError):  # what was written must be recorded, whether or not history can be asked
            histories = asking.ask(
                Side.SERVICENOW, [item.id_on(Side.SERVICENOW) for item in items], rows, since
            )
        for item in items:
            self._judge(item, (histories or {}).get(item.id_on(Side.SERVICENOW), ()))

    def _judge(self, item: Item, changes: Sequence[Change]) -> None:
        assert item.target is not None
        under = item.target.values
        sent = [Sent(name, value, under.get(name)) for name, value in values_of(item.writes).items()]
        found = trace(
            changes, sent, self.context.own_user(Side.SERVICENOW), canonical,
            over_count=item.target.version.count,
        )  # fmt: skip
        gone = [what_went_under(write, item.to, found.lost) for write in item.writes] if found else []
        named = [each for each in gone if each is not None]
        item.overwrote += named
        for each in named:
            who = each.seen[f"{item.to}_by"] or "somebody"
            item.notes.append(f"{each.write.field}: what {who} wrote between look and write was overwritten.")
            item.code = "overwritten"
        if not named and (found is None or not found.whole):
            item.notes.append(
                "Overwrite suspected: the record was changed by somebody else between look and write."
            )
            item.code = "overwrite_suspected"

    def _park(self, item: Item, write: FieldWrite, kept: Any) -> None:
        row = self.context.mapping.row(write.row)
        assert row is not None
        state = item.known_fields().get(write.row, {})
        item.set_field(write.row, loops.parked(state, loops.REFUSED_SILENTLY, kept, write.source))
        item.failure = failures.parked(row, loops.REFUSED_SILENTLY, item.to)
        item.known = False

    @staticmethod
    def _is_parked(item: Item, write: FieldWrite) -> bool:
        return "parked" in item.known_fields().get(write.row, {})

    def _learn_own_user(self, result: WriteResult) -> None:
        """The answer to our own write names us."""
        connection = self.context.flow.servicenow_connection
        if result.version and result.version.by and result.version.by != connection.own_user:
            connection.own_user = result.version.by
            Connection.objects.filter(pk=connection.pk).update(own_user=connection.own_user)

    # Refused

    def _refused(self, item: Item, result: WriteResult, batch: Batch) -> None:
        refusal = result.refusal
        code = refusal.code if refusal else "REFUSED"
        message = refusal.message if refusal else result.message
        if code == CHANGED_SINCE:
            item.wait(
                Later(WaitingReason.CHANGED, message), Outcome.WAITING
            )  # merged again, over what stands now
        elif refusal is not None and refusal.retry:
            item.wait(Later(WaitingReason.LOCKED, message, jittered(1.0, self.store.rng)), Outcome.WAITING)
        elif code == "DUPLICATE_VALUE" and item.operation is Operation.CREATE:
            # A record with this key exists: pair by the key, then merge.
            item.wait(
                Later(WaitingReason.REFERENCE, "A record with this key exists already."), Outcome.WAITING
            )
        elif code in DELETED:
            # Read again, the pair is found to lack a record, and meets the policy and its guard like any other.
            item.wait(Later(WaitingReason.CHANGED, message), Outcome.WAITING)
        elif code in FLOW_FAULTS:
            name = failures.NAMES[item.to]
            batch.fault = batch.fault or SchemaError(
                f"{name} refuses the flow's writes: {message}", code=code,
                advice="Correct the mapping, or give the integration user access to the field, then run again.",
            )  # fmt: skip
            item.wait(Later(WaitingReason.UNSENT, message, timedelta(seconds=1)), Outcome.DEFERRED)
        else:
            name = refusal.fields[0] if refusal and refusal.fields else ""
            value = next((str(write.sent) for write in item.writes if write.field == name), "")
            item.fail(Failure(code, message, name, value))


def _is_gone(result: WriteResult) -> bool:
    """Whether what we wanted to delete or close is not there any more either."""
    return result.refusal is not None and result.refusal.code in (*DELETED, "NOT_FOUND")


def _kept(write: FieldWrite, stored: Values) -> Any:
    """What the platform says it holds now in the columns of a write; what it does not say is taken as sent."""
    if not isinstance(write.sent, list):
        return stored.get(write.field, write.sent)
    names = write.field.split(COLUMNS)
    return [stored.get(name, sent) for name, sent in zip(names, write.sent, strict=True)]
