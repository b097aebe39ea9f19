"""What to do with a record or a pair: pure, from values and base to a plan."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from sync.core.merge import Base, Move, Policy, Projection, Row, is_contested, merge_field
from sync.core.records import Side, Values


class PlanRow(Row, Protocol):
    """A mapping row as the planner sees it."""

    @property
    def id(self) -> str: ...
    @property
    def target(self) -> str:
        """The Salesforce field."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The ServiceNow columns; none for a constant."""
        ...

    @property
    def conflict(self) -> str:
        """The row's own conflict policy, or "" for the flow's."""
        ...

    def read(self, values: Mapping[str, Any]) -> Any:
        """The raw ServiceNow value out of a record's values."""
        ...


class FieldWrite(NamedTuple):
    """One planned field. `source`: the raw value merged on; `under`: the raw target value it goes over.

    `field` is the target's name; several ServiceNow columns are joined by ", ", and `sent` is then a list of as many.
    """

    row: str
    field: str
    sent: Any
    source: Any
    under: Any = None
    note: str = ""
    rule: str = ""
    contested: bool = False
    base: Base | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One field that cannot go over; `value` is the source value as text."""

    row: str
    field: str
    code: str
    message: str
    advice: str
    value: str
    to: Side  # where it should have been written


@dataclass(frozen=True, slots=True)
class Clash:
    """One field on which both sides differ and a person must choose."""

    row: str
    field: str
    servicenow: Any
    salesforce: Any
    base: Base | None
    rule: str


@dataclass(slots=True)
class Plan:
    """For one pair or newborn. `agreed`: bases that move without a write.

    `unborn`: the source's values of rows that write the other way, hence not into a newborn.
    """

    to_salesforce: list[FieldWrite] = field(default_factory=list)
    to_servicenow: list[FieldWrite] = field(default_factory=list)
    agreed: dict[str, Base] = field(default_factory=dict)
    clashes: list[Clash] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unborn: dict[str, Any] = field(default_factory=dict)
    drifted: list[str] = field(default_factory=list)  # target fields left as somebody changed them
    settled: list[str] = field(default_factory=list)  # rows at rest: an open conflict on one of them is gone

    @property
    def silent(self) -> bool:
        return not (self.to_salesforce or self.to_servicenow or self.clashes or self.problems)

    def writes(self, to: Side) -> list[FieldWrite]:
        return self.to_salesforce if to is Side.SALESFORCE else self.to_servicenow


COLUMNS = ", "


def values_of(writes: Sequence[FieldWrite]) -> dict[str, Any]:
    """What to send. Of several columns only those that differ from what stands there: the others may be edited meanwhile."""
    values: dict[str, Any] = {}
    for write in writes:
        if not isinstance(write.sent, list):
            values[write.field] = write.sent
            continue
        names = write.field.split(COLUMNS)
        under = write.under if isinstance(write.under, list) else [None] * len(names)
        for name, sent, present in zip(names, write.sent, under, strict=True):
            if sent != present and not (present is None and sent == ""):  # nothing, for a record that is made
                values[name] = sent
    return values


Canonical = Callable[[Any], Hashable]


def unchanged(
    rows: Sequence[PlanRow],
    values: Values,
    base: Mapping[str, Base],
    canonical: Canonical,
    side: Side = Side.SERVICENOW,
) -> bool:
    """Whether no mapped value of `side` differs from the base, so that the counterpart need not even be read."""
    here = 0 if side is Side.SERVICENOW else 1
    for row in rows:
        known = base.get(row.id)
        if known is None:
            return False
        raw = values.get(row.target) if here else row.read(values)
        if raw != known[here] and canonical(raw) != canonical(known[here]):
            return False
    return True


def plan_create(rows: Sequence[PlanRow], values: Values, to: Side) -> Plan:
    """All rows that write `to`, from the values of the other side's record; rows of the other direction are `unborn`."""
    plan = Plan()
    add, forward, back = plan.writes(to).append, to is Side.SALESFORCE, to.other
    for row in rows:
        source = row.read(values) if forward else values.get(row.target)
        if row.one_way == back:
            plan.unborn[row.id] = source
            continue
        try:
            projected = row.to_salesforce(source) if forward else row.to_servicenow(source)
        except ValueError as problem:
            plan.problems.append(_problem(row, source, problem, to))
            continue
        target = row.target if forward else target_of(row, to)
        add(FieldWrite(row.id, target, projected.value, source, None, projected.note))
    return plan


def target_of(row: PlanRow, to: Side) -> str:
    return row.target if to is Side.SALESFORCE else COLUMNS.join(row.columns)


def contested(
    rows: Sequence[PlanRow],
    servicenow: Values,
    salesforce: Values,
    base: Mapping[str, Base],
    canonical: Canonical,
) -> list[PlanRow]:
    """The rows that both sides have changed since they agreed, so that it matters who did it and when."""
    return [
        row
        for row in rows
        if (known := base.get(row.id)) is not None
        and is_contested(row, row.read(servicenow), salesforce.get(row.target), known, canonical)
    ]


def plan_pair(
    rows: Sequence[PlanRow],
    servicenow: Values,
    salesforce: Values,
    base: Mapping[str, Base],
    policy_for: Callable[[PlanRow], Policy],
    canonical: Canonical,
    parked: Collection[str] = (),
) -> Plan:
    """Merge every field of a pair as it stands on both sides now, but those that are parked."""
    plan = Plan()
    for row in rows:
        if row.id in parked:
            continue
        x, y, known = row.read(servicenow), salesforce.get(row.target), base.get(row.id)
        merged = merge_field(row, x, y, known, policy_for(row), canonical)
        if merged.move is Move.TO_SALESFORCE:
            plan.to_salesforce.append(
                FieldWrite(
                    row.id, row.target, merged.value, x, y, merged.note, merged.rule, merged.contested, known
                )
            )
        elif merged.move is Move.TO_SERVICENOW:
            plan.to_servicenow.append(
                FieldWrite(
                    row.id, target_of(row, Side.SERVICENOW), merged.value, y, x, merged.note, merged.rule,
                    merged.contested, known,
                )
            )  # fmt: skip
        elif merged.move is Move.AGREE:
            plan.agreed[row.id] = (x, y)
        elif merged.move is Move.CONFLICT:
            plan.clashes.append(Clash(row.id, row.target, x, y, known, merged.rule))
        elif merged.move is Move.UNMAPPED:
            assert merged.problem is not None
            assert merged.to is not None
            plan.problems.append(_problem(row, merged.value, merged.problem, merged.to))
        elif merged.move is Move.REFUSE:
            plan.problems.append(_refusal(row, x))
        elif merged.move is Move.DRIFT:
            plan.drifted.append(row.target)
        if merged.move not in (Move.CONFLICT, Move.UNMAPPED, Move.REFUSE):
            plan.settled.append(row.id)
    return plan


def _problem(row: PlanRow, source: Any, problem: Exception, to: Side) -> Problem:
    return Problem(
        row=row.id,
        to=to,
        field=target_of(row, to),
        code=getattr(problem, "code", "INVALID_VALUE"),
        message=str(problem),
        advice=getattr(problem, "advice", "")
        or "Correct the value at its source, or the mapping, then retry.",
        value=str(source)[:1000],
    )


def _refusal(row: PlanRow, source: Any) -> Problem:
    return Problem(
        row=row.id,
        to=Side.SALESFORCE,
        field=row.target,
        code="ADOPT_REFUSED",
        message="A record with this key exists already and differs, and the flow refuses to adopt it.",
        advice="Make the two records equal, or choose in the flow whose values count when records meet.",
        value=str(source)[:1000],
    )


__all__ = [
    "Clash", "FieldWrite", "Plan", "PlanRow", "Problem", "Projection", "contested", "plan_create", "plan_pair", "target_of",
    "unchanged", "values_of",
]  # fmt: skip
