"""What a draft would change over all linked records: counts by field, samples, calls; nothing is written."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from dataclasses import field as attribute
from typing import Any

from mappings.apply import CompiledMapping, CompiledRow, canonical, compile_mapping
from sync.connectors.salesforce.writing import COLLECTION
from sync.core.planner import FieldWrite, Plan, target_of
from sync.core.records import Side
from sync.engine.items import Item, values_on
from sync.engine.looking import Looking
from sync.engine.previewing import made_of
from sync.engine.validation import violations
from sync.models import RecordLink, Revision
from sync.models.link import LinkState
from sync.revisions import mapping_spec

SAMPLES = 5  # of a field and kind of effect
AT_ONCE = 500
MOST, SECONDS = 10_000, 120.0  # pairs, and how long to look at them
GUARDED = 25  # conditional updates of one call to Salesforce


@dataclass
class FieldImpact:
    """Of one row towards one side, in pairs. `later`: another value by the draft, once the source changes again."""

    row: str
    field: str
    to: str
    written: int = 0
    refused: int = 0
    conflicts: int = 0
    later: int = 0
    samples: list[dict[str, Any]] = attribute(default_factory=list)

    def note(self, kind: str, item: Item, **values: Any) -> None:
        setattr(self, kind, getattr(self, kind) + 1)
        if sum(sample["kind"] == kind for sample in self.samples) < SAMPLES:
            here, there = item.servicenow, item.salesforce
            numbers = {"servicenow": here.number if here else "", "salesforce": there.number if there else ""}
            link = str(item.link.pk) if item.link is not None else ""
            self.samples.append({"kind": kind, "link": link, **numbers, **values})


@dataclass
class Impact:
    """`looking` stands on the draft; `published`: the mapping that runs use until it is published."""

    looking: Looking
    published: CompiledMapping | None
    most: int = MOST
    seconds: float = SECONDS
    _fields: dict[tuple[str, Side], FieldImpact] = attribute(default_factory=dict)
    _pairs: dict[Side, int] = attribute(default_factory=lambda: dict.fromkeys(Side, 0))

    def __call__(self) -> tuple[dict[str, Any], list[Any]]:
        """The answer without values, and the samples of each of its fields."""
        context = self.looking.context
        links = RecordLink.objects.filter(flow=context.flow, state=LinkState.ACTIVE)
        total, looked, until = links.count(), 0, time.monotonic() + self.seconds
        for ids in self._pages(context.reads[0]):
            items, _ = self.looking.decided(context.reads[0], ids)
            for item in items:
                self._add(item)
            looked += len(ids)
            if time.monotonic() > until:
                break
        found = sorted(self._fields.values(), key=lambda each: (-each.written, -each.later, each.field))
        clear = [{name: value for name, value in asdict(each).items() if name != "samples"} for each in found]
        share = total / looked if looked else 0
        guarded = any(row.one_way is None for row in context.rows)
        guarded = guarded or context.settings["options"].get("guard") == "strict"
        answer = {
            "linked": total, "looked": looked, "fields": clear,
            "pairs": {str(side): round(count * share) for side, count in self._pairs.items()},
            "calls": {
                str(side): calls_to_write(side, round(self._pairs[side] * share), guarded=guarded) for side in Side
            },
        }  # fmt: skip
        return answer, [each.samples for each in found]

    def _pages(self, side: Side) -> Iterator[list[str]]:
        """The youngest pairs first, as far as the look goes."""
        links = RecordLink.objects.filter(flow=self.looking.context.flow, state=LinkState.ACTIVE)
        links = links.order_by("-pk").only("pk", "servicenow_id", "salesforce_id")
        last, left = None, self.most
        while left > 0:
            page = list((links.filter(pk__lt=last) if last else links)[: min(AT_ONCE, left)])
            if not page:
                return
            yield [link.end(side) for link in page]
            last, left = page[-1].pk, left - len(page)

    def _add(self, item: Item) -> None:
        plan = item.plan or Plan()
        for to in Side:
            self._add_writes(to, plan.writes(to), item)
        for problem in plan.problems:
            self._of(problem.row, problem.to).note("refused", item, now=None, will=None, why=problem.message)
        for clash in plan.clashes:
            there = self._of(clash.row, Side.SALESFORCE)
            there.note("conflicts", item, now=clash.salesforce, will=None, why=clash.rule)
        told = {write.row for to in Side for write in plan.writes(to)}
        told |= {problem.row for problem in plan.problems} | {clash.row for clash in plan.clashes}
        for row in self.looking.context.rows:
            if row.id not in told:
                self._add_later(row, item)

    def _add_writes(self, to: Side, writes: Sequence[FieldWrite], item: Item) -> None:
        schema = self.looking.context.schema(to)
        over = item.servicenow if to is Side.SERVICENOW else item.salesforce
        broken = (
            {each.field: each.message for each in violations(writes, {}, schema, creating=False, over=over)}
            if schema is not None
            else {}
        )
        for write in writes:
            kind = "refused" if write.field in broken else "written"
            why = broken.get(write.field) or write.rule
            self._of(write.row, to).note(kind, item, now=write.under, will=write.sent, why=why)
        self._pairs[to] += any(write.field not in broken for write in writes)

    def _add_later(self, row: CompiledRow, item: Item) -> None:
        """A pair at rest stays so: what the draft makes of its values is written once they change again."""
        before = self.published.row(row.id) if self.published is not None else None
        if before is None or item.servicenow is None or item.salesforce is None:
            return
        x = row.read(values_on(item, Side.SERVICENOW))
        y = values_on(item, Side.SALESFORCE).get(row.target)
        to = Side(row.one_way or Side.SALESFORCE)
        old, new = made_of(before, to, x, y), made_of(row, to, x, y)
        same = canonical(old.value) == canonical(new.value) and (old.problem is None) == (new.problem is None)
        now = y if to is Side.SALESFORCE else x
        if not same and (new.problem is not None or canonical(new.value) != canonical(now)):
            why = new.problem.message if new.problem is not None else ""
            self._of(row.id, to).note("later", item, now=now, will=new.value, why=why)

    def _of(self, row: str, to: Side) -> FieldImpact:
        if (row, to) not in self._fields:
            known = self.looking.context.mapping.row(row)
            self._fields[row, to] = FieldImpact(row, target_of(known, to) if known else "", str(to))
        return self._fields[row, to]


def calls_to_write(side: Side, pairs: int, *, guarded: bool) -> int:
    """Salesforce takes collections, of guarded updates smaller ones; ServiceNow one by one."""
    if side is Side.SERVICENOW:
        return pairs
    return -(-pairs // (GUARDED if guarded else COLLECTION))


def impact(looking: Looking, published: Revision | None, **bounds: Any) -> tuple[dict[str, Any], list[Any]]:
    """`bounds`: `most` pairs, `seconds`."""
    compiled = (
        compile_mapping(mapping_spec(published.snapshot), looking.context.environment) if published else None
    )
    return Impact(looking, compiled, **bounds)()
