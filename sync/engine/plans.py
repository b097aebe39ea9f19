"""A dry run's plan: how it is kept with the pages that found it, and how a later run writes exactly that.

    keep        a dry run's page -> items, in the page's own transaction
    Applier     items -> records read again -> the ordinary decision, held against the plan -> intents, requests, answers
    settle      what came of them -> the items, in the page's own transaction

Whatever is not as planned on is left and marked stale. What is written goes the ordinary way, so that a death at any
moment doubles nothing: an item is planned until its outcome is recorded, and is then held against what both sides show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from mappings.apply import canonical
from sync.core.planner import FieldWrite
from sync.core.records import Operation, Outcome, Record, Side
from sync.core.window import Poll
from sync.engine import lease as leases
from sync.engine.bulk import chunks
from sync.engine.grounds import Look, value_of
from sync.engine.items import Batch, Item
from sync.engine.planning import FRESH
from sync.engine.runner import Runner
from sync.engine.store import Store
from sync.errors import RunAborted
from sync.models import Flow, Intent, Plan, PlanItem, Run
from sync.models.plan import ItemFate, PlanStage
from sync.models.run import RunKind

AT_ONCE = 500
ROUNDS, PAUSE = 5, 1.0  # how often what somebody holds is tried, and seconds in between
BUSY, GONE, NOTHING, MOVED = "BUSY", "NOT_SHOWN", "NOTHING_TO_WRITE", "MOVED"


# Keeping


def keep(store: Store, items: Sequence[Item]) -> None:
    """Inside the page's transaction of a dry run: what a run would have written. A pair met at its other end is the same."""
    found = [each for item in items if _is_a_write(item) for each in _planned(store.run.pk, item)]
    if not found:
        return
    Plan.objects.get_or_create(run_id=store.run.pk, defaults={"flow": store.context.flow})
    known = _known(store.run.pk, found)
    PlanItem.objects.bulk_create([each for each in found if _key(each) not in known], batch_size=AT_ONCE)


def _is_a_write(item: Item) -> bool:
    if item.outcome not in (Outcome.CREATED, Outcome.UPDATED) or item.failure or item.later:
        return False
    return bool(item.writes or item.extra) or item.operation is Operation.DELETE


def _known(plan: int, items: Sequence[PlanItem]) -> set[tuple[str, str]]:
    ids = [each.end(side) for each in items for side in Side if each.end(side)]
    kept = PlanItem.objects.filter(plan=plan)
    known: set[tuple[str, str]] = set()
    for part in chunks(ids):
        for side in Side:
            known |= set(kept.filter(**{f"{side}_id__in": part}).values_list("side", f"{side}_id"))
    return known


def _key(item: PlanItem) -> tuple[str, str]:
    return item.side, item.end(item.read)


def _planned(plan: int, item: Item) -> list[PlanItem]:
    """One for each side that would be written: this attempt's first, then what would follow it."""
    first = _item(plan, item, item.to, item.operation, item.writes, item.extra)
    if not item.unfinished or item.plan is None:
        return [first]
    other = item.to.other
    return [first, _item(plan, item, other, Operation.UPDATE, item.plan.writes(other), {})]


def _item(
    plan: int,
    item: Item,
    to: Side,
    operation: Operation,
    writes: Sequence[FieldWrite],
    extra: Mapping[str, Any],
) -> PlanItem:
    here, there = item.servicenow, item.salesforce
    made = PlanItem(
        plan_id=plan, link=item.link if item.link is not None and not item.new_link else None, side=to,
        read=item.side, operation=operation,
        servicenow_id=item.id_on(Side.SERVICENOW), servicenow_number=here.number if here else "",
        salesforce_id=item.id_on(Side.SALESFORCE), salesforce_number=there.number if there else "",
        servicenow_version=here.version.changed_at if here else None,
        salesforce_version=there.version.changed_at if there else None,
        field_names=", ".join([*(write.field for write in writes), *extra])[:1000], ending=item.ending,
    )  # fmt: skip
    made.content = {
        "fields": [
            {
                "row": write.row, "field": write.field, "source": write.source, "now": write.under, "will": write.sent,
                "note": write.note, "rule": write.rule,
            }
            for write in writes
        ],
        "extra": dict(extra),
    }  # fmt: skip
    return made


# Applying


@dataclass
class Applier(Runner):
    """A run of the kind apply. It goes on after a crash, or in its next slice, with the items that are still planned."""

    _due: dict[str, PlanItem] = field(
        default_factory=dict
    )  # of the page at hand, by the id of the record that is read
    # That apply this plan or did before: what they sent and did not live to record was sent for it.
    _runs: frozenset[int] = frozenset()
    _side: Side = Side.SALESFORCE
    _asked: datetime = datetime.min  # Salesforce's time before the page was read

    def _steps(self) -> None:
        self._step("applying the plan")
        plan = Plan.objects.get(pk=self.run.params["plan"])
        self._refuse_another_mapping()
        runs = Run.objects.filter(flow=plan.flow_id, kind=RunKind.APPLY, params__plan=plan.pk)
        self._runs = frozenset(runs.values_list("pk", flat=True))
        items = PlanItem.objects.filter(plan=plan, fate=ItemFate.PLANNED)
        if self.run.expected is None:
            self.run.expected = items.count()
            self.store.save_run("expected")
        for round in range(ROUNDS):
            if round:
                self.sleep(PAUSE)
            # Salesforce first, as a run does; the other side of a pair follows once that is recorded.
            for to in (Side.SALESFORCE, Side.SERVICENOW):
                for read in Side:
                    self._apply_all(to, read, items.filter(side=to, read=read))
            if not items.exists():
                break
        items.update(fate=ItemFate.STALE, code=BUSY, settled_at=self.store.now())
        self._conclude_plan(plan)

    def _apply_all(self, to: Side, read: Side, items: Any) -> None:
        last = None
        while page := list((items.filter(pk__gt=last) if last else items).order_by("pk")[:AT_ONCE]):
            last = page[-1].pk
            self._apply_page(to, read, page)

    def _apply_page(self, to: Side, read: Side, page: Sequence[PlanItem]) -> None:
        self._safe_point()
        self._refuse_another_mapping()
        connector = self._connectors[read]
        self._asked = self._connectors[Side.SALESFORCE].server_now()
        self._side, self._due = to, {each.end(read): each for each in page}
        look = Look(self.store.now(), connector.server_now())
        found = connector.read(
            self.context.name(read),
            list(self._due),
            self.context.fields(read),
            self.context.number_field(read),
        )
        self._leave([each for id, each in self._due.items() if id not in found], GONE)
        self._flying.append(self._begin(read, list(found.values()), look, entered=False, look_up=True))
        self._drain()

    def _refuse_another_mapping(self) -> None:
        """A plan stands as long as its revision is the published one, also while it waits for a worker, and between pages."""
        flow = self.context.flow
        if not Flow.objects.filter(pk=flow.pk, revision=self.run.revision_id).exists():
            raise RunAborted(
                f"{flow.name} was published anew since this was planned: the rest is not written.",
                code="published_anew", advice="Make a new dry run. What is written already stays.",
            )  # fmt: skip

    def _decided(self, side: Side, records: Sequence[Record], look: Look, **how: Any) -> list[Item]:
        """What the ordinary plan would do with them now, cut to what was planned then; the rest is left as it is."""
        decided = {item.record.id: item for item in super()._decided(side, records, look, **how)}
        kept = []
        for id in [record.id for record in records]:
            planned, item = self._due[id], decided.get(id)
            if item is None:
                self._leave([planned], NOTHING)
            elif self._fits(planned, item):
                kept.append(item)
        return kept

    def _fits(self, planned: PlanItem, item: Item) -> bool:
        """Whether the item goes on, shaped to what was planned; if not, nothing of it is carried out or recorded."""
        if item.later is not None:
            if (
                item.outcome is Outcome.IN_DOUBT
            ):  # an earlier request may still take effect: it is never guessed
                return True
            if item.later.reason not in _FREE_SOON:
                self._leave([planned], item.later.reason)
            return False
        content = planned.content
        writes = {write.row: write for write in self._writes_to(item)}
        moved = [each["field"] for each in content["fields"] if not _same(each, writes.get(each["row"]))]
        if moved or not self._same_deed(planned, item, content):
            if self._was_executed(planned, item, content):
                self._strip(item, self._side)
                return True
            self._leave([planned], item.code or (item.failure.code if item.failure else MOVED), moved)
            return False
        guarded = self._side is Side.SALESFORCE and item.operation in (Operation.UPDATE, Operation.ADOPT)
        if (
            guarded
            and item.salesforce is not None
            and item.salesforce.version.edited_at + FRESH >= self._asked
        ):
            return False  # who edits within the same second is not noticed: it is looked at again
        item.plan = (
            item.plan if item.operation is Operation.CREATE else None
        )  # conflicts are the live lane's to tell
        item.to = self._side
        item.writes = [writes[each["row"]] for each in content["fields"]]
        item.extra = {name: value for name, value in item.extra.items() if name in content["extra"]}
        item.unfinished, item.awaited, item.failure = False, "", None
        item.outcome = None
        item.conditional = guarded
        return True

    def _writes_to(self, item: Item) -> Sequence[FieldWrite]:
        if item.to is self._side and item.writes:
            return item.writes
        return item.plan.writes(self._side) if item.plan is not None else ()

    def _same_deed(self, planned: PlanItem, item: Item, content: Mapping[str, Any]) -> bool:
        """Whether it is the same kind of write, with the same beside its fields."""
        extra = item.extra if item.to is self._side else {}
        same = {name: canonical(value) for name, value in content["extra"].items()}
        beside = {name: canonical(extra.get(name)) for name in same}
        return planned.operation == item.operation and planned.ending == item.ending and beside == same

    def _was_executed(self, planned: PlanItem, item: Item, content: Mapping[str, Any]) -> bool:
        """Whether an earlier attempt of this very plan wrote it, and died before that was recorded."""
        mine = [intent for intent in item.found if intent.side == self._side and intent.run_id in self._runs]
        target = item.target if item.to is self._side else item.source
        if not mine or target is None or any(intent.settled_at is None for intent in mine):
            return False
        return planned.operation == Operation.CREATE or all(
            canonical(value_of(target, each["field"])) == canonical(each["will"])
            for each in content["fields"]
        )

    @staticmethod
    def _strip(item: Item, to: Side) -> None:
        """What it taught is recorded; what else the ordinary plan would write is not part of this one."""
        created = any(intent.operation == Operation.CREATE for intent in item.found)
        item.writes, item.extra, item.plan, item.failure = [], {}, None, None
        item.unfinished, item.awaited, item.conditional = False, "", False
        item.to, item.operation = to, Operation.CREATE if created else Operation.UPDATE
        item.rest(Outcome.CREATED if created else Outcome.UPDATED)

    def _leave(self, items: Sequence[PlanItem], code: str, moved: Sequence[str] = ()) -> None:
        for each in items:
            PlanItem.objects.filter(pk=each.pk).update(
                fate=ItemFate.STALE,
                code=str(code)[:80],
                moved=", ".join(moved)[:1000],
                settled_at=self.store.now(),
            )

    def _conclude_plan(self, plan: Plan) -> None:
        stale = PlanItem.objects.filter(plan=plan, fate=ItemFate.STALE).count()
        Plan.objects.filter(pk=plan.pk).update(stage=PlanStage.APPLIED, applied_at=self.store.now())
        if stale:
            self.run.error_code, self.run.error = (
                "stale",
                f"{stale:,} of the plan's writes were left: what they stood on has moved.",
            )
            self.run.advice = "The plan's page names them. What still differs, a new dry run plans anew."
            self.store.save_run("error_code", "error", "advice")


_FREE_SOON = ("claimed", "changed", "locked")


def _same(planned: Mapping[str, Any], write: FieldWrite | None) -> bool:
    return write is not None and all(
        canonical(planned[name]) == canonical(value)
        for name, value in (("will", write.sent), ("now", write.under), ("source", write.source))
    )


# Recording


_FATES = {
    Outcome.CREATED: ItemFate.APPLIED, Outcome.UPDATED: ItemFate.APPLIED, Outcome.ADOPTED: ItemFate.APPLIED,
    Outcome.DELETED: ItemFate.APPLIED, Outcome.CONFLICT: ItemFate.APPLIED, Outcome.FAILED: ItemFate.REFUSED,
    Outcome.IN_DOUBT: ItemFate.IN_DOUBT, Outcome.UNCHANGED: ItemFate.REFUSED,
}  # fmt: skip


@dataclass(kw_only=True)
class PlanningStore(Store):
    """Of a dry run, which keeps its plan, or of a run that applies one; in the transaction of the page."""

    def record(self, batch: Batch, poll: Poll | None) -> None:
        with transaction.atomic():
            leases.renew(self.lease, self.now())
            if self.dry:
                keep(self, batch.items)
            else:
                settle(self, batch)
            super().record(batch, poll)


def settle(store: Store, batch: Batch) -> None:
    """Inside the page's transaction of a run that applies: what became of each item. What was not done is still planned."""
    now, plan = store.now(), store.run.params["plan"]
    planned = PlanItem.objects.filter(plan=plan, fate=ItemFate.PLANNED, read=batch.side)
    for item in batch.items:
        fate = _FATES.get(item.outcome) if item.outcome is not None else None
        if fate is None and item.link is None and isinstance(item.intent, Intent):
            fate = (
                ItemFate.IN_DOUBT
            )  # a create in doubt was not repeated, and its first attempt may still be executed
        if fate is None:
            # Refused because somebody was quicker, or never sent: it is looked at again, and nobody waits for it.
            item.outcome, item.later = None, None
            continue
        mine = planned.filter(side=item.to, **{f"{batch.side}_id": item.record.id})
        mine.update(fate=fate, code=item.code[:80], settled_at=now)
