"""What a revision makes of single records: each row's source, steps, result, present value and verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NamedTuple

from mappings.apply import CompiledRow, canonical
from mappings.explaining import explain
from mappings.values import Unmapped
from sync.connectors.advice import rule_and_advice
from sync.core.planner import FieldWrite, Plan, plan_create
from sync.core.records import Operation, Outcome, Side
from sync.engine import failures
from sync.engine.items import Failure, Item, values_on
from sync.engine.looking import Looking
from sync.engine.naming import find_named
from sync.engine.validation import violations

# Verdicts of a row.
WRITTEN, REFUSED, CONFLICT, SAME, LEFT, OTHER_WAY, SETTLED, NO_RECORD = (
    "written", "refused", "conflict", "same", "left", "other_way", "settled", "no_record",
)  # fmt: skip
OUTSIDE = "outside"  # of a record: it meets `enter` not, and gets no counterpart


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of one record. `to`: the side it writes; what is not clear (`values`) quotes values of the platforms."""

    row: str
    to: str
    verdict: str
    code: str = ""
    source: Any = None
    steps: tuple[dict[str, Any], ...] = ()
    result: Any = None
    note: str = ""
    now: Any = None
    text: str = ""
    advice: str = ""

    CLEAR: ClassVar[tuple[str, ...]] = ("row", "to", "verdict", "code")

    @property
    def values(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name not in self.CLEAR}

    @property
    def clear(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.CLEAR}


class Made(NamedTuple):
    value: Any = None
    note: str = ""
    problem: Unmapped | None = None


def preview(looking: Looking, names: Sequence[str], newest: int) -> tuple[dict[str, Any], list[Any]]:
    """The answer without values, and beside it, record by record, the values. No names: the newest records in scope."""
    context = looking.context
    ids: dict[Side, list[str]] = {side: [] for side in Side}
    unknown: list[str] = []
    if names:
        found = find_named(names, context, looking.store, looking.connectors)
        ids, unknown = found.ids, found.unknown
    else:
        ids[context.reads[0]] = looking.newest(context.reads[0], newest)
    clear: list[dict[str, Any]] = []
    values: list[Any] = []
    for side, wanted in ids.items():
        items, missing = looking.decided(side, wanted) if wanted else ([], [])
        unknown += missing
        for item in items:
            told, hidden = _record(looking, item)
            clear.append(told)
            values.append(hidden)
    return {"records": clear, "unknown": unknown}, values


def _record(looking: Looking, item: Item) -> tuple[dict[str, Any], dict[str, Any]]:
    outside = item.link is None and item.plan is None and item.failure is None and item.later is None
    plan = item.plan or (
        plan_create(looking.context.rows, item.record.values, item.to) if outside else Plan()
    )
    broken = _broken(looking, item, plan)
    cells = [_Row(looking, item, plan, broken, outside=outside).cell(row) for row in looking.context.rows]
    failure = item.failure or next(iter(broken.values()), None)
    here, there = item.servicenow, item.salesforce
    link = item.link if item.link is not None and not item.new_link else None
    clear = {
        "servicenow": {"id": item.id_on(Side.SERVICENOW), "number": here.number if here else ""},
        "salesforce": {"id": item.id_on(Side.SALESFORCE), "number": there.number if there else ""},
        "link": str(link.pk) if link else "",
        "verdict": OUTSIDE if outside else _verdict(item, failure),
        "code": failure.code if failure and not outside else item.code,
        "rows": [cell.clear for cell in cells],
    }
    advice = (failure.advice or rule_and_advice(failure.code).advice) if failure else ""
    text = failure.message if failure else item.later.message if item.later else ""
    hidden = {
        "text": "" if outside else text, "advice": "" if outside else advice, "notes": list(item.notes),
        "rows": [cell.values for cell in cells],
    }  # fmt: skip
    return clear, hidden


def _verdict(item: Item, failure: Failure | None) -> str:
    if failure is not None:
        return str(Outcome.FAILED)
    if item.outcome is not None:
        return str(item.outcome)
    if item.operation is Operation.CREATE:
        return str(Outcome.CREATED)
    return str(Outcome.UPDATED) if item.writes or item.extra or item.ending else str(Outcome.UNCHANGED)


def _broken(looking: Looking, item: Item, plan: Plan) -> dict[str, Failure]:
    """What the platforms' own descriptions would refuse of the plan, by field; a run's validation, on either side."""
    found: dict[str, Failure] = {}
    for to in Side:
        schema = looking.context.schema(to)
        creating = item.link is None and to is item.to
        writes = plan.writes(to)
        if schema is None or not (writes or creating):
            continue
        extra = item.extra
        if creating and not extra:
            extra = looking.context.born_with(to, item.record.id)
        over = item.servicenow if to is Side.SERVICENOW else item.salesforce
        for failure in violations(writes, extra, schema, creating=creating, over=over):
            found.setdefault(failure.field, failure)
    return found


@dataclass(frozen=True, slots=True)
class _Row:
    looking: Looking
    item: Item
    plan: Plan
    broken: Mapping[str, Failure]
    outside: bool

    def cell(self, row: CompiledRow) -> Cell:
        to = self._to(row)
        here, there = values_on(self.item, Side.SERVICENOW), values_on(self.item, Side.SALESFORCE)
        x, y = row.read(here), there.get(row.target)
        source, now = (x, y) if to is Side.SALESFORCE else (y, x)
        if not (there if to is Side.SERVICENOW else here) and row.columns:
            return Cell(row.id, to, NO_RECORD, now=now)
        spec = self.looking.context.spec
        assert spec is not None
        steps = explain(row, spec, self.looking.context.environment, source, to)
        made = made_of(row, to, x, y)
        verdict, code, text, advice = self._verdict(row, to, made, now)
        shown = tuple({"how": step.how, "value": step.value, "note": step.note, "problem": step.problem} for step in steps)  # fmt: skip
        return Cell(row.id, to, verdict, code, source, shown, made.value, made.note, now, text, advice)

    def _to(self, row: CompiledRow) -> Side:
        if row.one_way:
            return Side(row.one_way)
        planned = [to for to in Side if any(write.row == row.id for write in self.plan.writes(to))]
        troubled = [problem.to for problem in self.plan.problems if problem.row == row.id]
        return next(iter([*planned, *troubled]), self.item.side.other)

    def _verdict(self, row: CompiledRow, to: Side, made: Made, now: Any) -> tuple[str, str, str, str]:
        write = next((write for write in self.plan.writes(to) if write.row == row.id), None)
        if write is not None:
            return self._of_write(write)
        problem = next((each for each in self.plan.problems if each.row == row.id), None)
        if problem is not None:
            return REFUSED, problem.code, problem.message, problem.advice
        clash = next((each for each in self.plan.clashes if each.row == row.id), None)
        if clash is not None:
            return (
                CONFLICT,
                "",
                f"Both sides differ: {clash.rule}.",
                "A person chooses, on the conflict's page.",
            )
        if row.id in self.plan.unborn:
            return OTHER_WAY, "", "This row writes the other way, so not into a new record.", ""
        if row.target in self.plan.drifted:
            return LEFT, "", "Somebody changed it there, and the flow leaves it so.", ""
        state = self.item.known_fields().get(row.id, {})
        if "parked" in state:
            failure = failures.parked(row, str(state["parked"][0]))
            return LEFT, failure.code, failure.message, failure.advice
        if (unmapped := made.problem) is not None:
            return REFUSED, unmapped.code, unmapped.message, unmapped.advice
        if canonical(made.value) == canonical(now):
            return SAME, "", "", ""
        return SETTLED, "", "", ""

    def _of_write(self, write: FieldWrite) -> tuple[str, str, str, str]:
        if (broken := self.broken.get(write.field)) is not None:
            known = rule_and_advice(broken.code)
            return REFUSED, broken.code, broken.message, broken.advice or known.advice
        return WRITTEN, "", write.rule, ""


def made_of(row: CompiledRow, to: Side, x: Any, y: Any) -> Made:
    """What the row makes of its source by itself. `x`, `y`: the raw values of ServiceNow and Salesforce."""
    try:
        made = row.to_salesforce(x) if to is Side.SALESFORCE else row.to_servicenow(y, x)
    except Unmapped as problem:
        return Made(problem=problem)
    return Made(made.value, made.note)
