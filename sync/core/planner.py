"""What to do with a record or a pair: pure, from values and base to a plan."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from sync.core.merge import Base, Move, Policy, Projection, Row, merge_field
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
    def conflict(self) -> str:
        """The row's own conflict policy, or "" for the flow's."""
        ...

    def read(self, values: Mapping[str, Any]) -> Any:
        """The raw ServiceNow value out of a record's values."""
        ...


class FieldWrite(NamedTuple):
    """One planned field. `source`: the raw value merged on; `under`: the raw target value it goes over."""

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
    """For one pair or newborn. `agreed`: bases that move without a write."""

    to_salesforce: list[FieldWrite] = field(default_factory=list)
    to_servicenow: list[FieldWrite] = field(default_factory=list)
    agreed: dict[str, Base] = field(default_factory=dict)
    clashes: list[Clash] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    drifted: list[str] = field(default_factory=list)  # target fields left as somebody changed them
    settled: list[str] = field(default_factory=list)  # rows at rest: an open conflict on one of them is gone

    @property
    def silent(self) -> bool:
        return not (self.to_salesforce or self.to_servicenow or self.clashes or self.problems)


def values_of(writes: Sequence[FieldWrite]) -> dict[str, Any]:
    return {write.field: write.sent for write in writes}


Canonical = Callable[[Any], Hashable]


def unchanged(
    rows: Sequence[PlanRow], values: Values, base: Mapping[str, Base], canonical: Canonical
) -> bool:
    """Whether no mapped ServiceNow value differs from the base, so that the counterpart need not even be read."""
    for row in rows:
        known = base.get(row.id)
        if known is None:
            return False
        raw = row.read(values)
        if raw != known[0] and canonical(raw) != canonical(known[0]):
            return False
    return True


def plan_create_in_salesforce(rows: Sequence[PlanRow], values: Values) -> Plan:
    """All rows that write Salesforce; empty values are left to the platform's defaults."""
    plan = Plan()
    add = plan.to_salesforce.append
    for row in rows:
        if row.one_way == Side.SERVICENOW:
            continue
        source = row.read(values)
        try:
            projected = row.to_salesforce(source)
        except ValueError as problem:
            plan.problems.append(_problem(row, source, problem))
            continue
        add(FieldWrite(row.id, row.target, projected.value, source, None, projected.note))
    return plan


def plan_pair(
    rows: Sequence[PlanRow],
    servicenow: Values,
    salesforce: Values,
    base: Mapping[str, Base],
    policy_for: Callable[[PlanRow], Policy],
    canonical: Canonical,
) -> Plan:
    """Merge every field of a pair as it stands on both sides now."""
    plan = Plan()
    for row in rows:
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
                    row.id, row.target, merged.value, y, x, merged.note, merged.rule, merged.contested, known
                )
            )
        elif merged.move is Move.AGREE:
            plan.agreed[row.id] = (x, y)
        elif merged.move is Move.CONFLICT:
            plan.clashes.append(Clash(row.id, row.target, x, y, known, merged.rule))
        elif merged.move is Move.UNMAPPED:
            assert merged.problem is not None
            plan.problems.append(_problem(row, merged.value, merged.problem))
        elif merged.move is Move.REFUSE:
            plan.problems.append(_refusal(row, x))
        elif merged.move is Move.DRIFT:
            plan.drifted.append(row.target)
        if merged.move not in (Move.CONFLICT, Move.UNMAPPED, Move.REFUSE):
            plan.settled.append(row.id)
    return plan


def _problem(row: PlanRow, source: Any, problem: Exception) -> Problem:
    return Problem(
        row=row.id,
        field=row.target,
        code=getattr(problem, "code", "INVALID_VALUE"),
        message=str(problem),
        advice=getattr(problem, "advice", "")
        or "Correct the value at its source, or the mapping, then retry.",
        value=str(source)[:1000],
    )


def _refusal(row: PlanRow, source: Any) -> Problem:
    return Problem(
        row=row.id,
        field=row.target,
        code="ADOPT_REFUSED",
        message="A record with this key exists already and differs, and the flow refuses to adopt it.",
        advice="Make the two records equal, or choose in the flow whose values count when records meet.",
        value=str(source)[:1000],
    )


__all__ = [
    "Clash", "FieldWrite", "Plan", "PlanRow", "Problem", "Projection", "plan_create_in_salesforce", "plan_pair",
    "unchanged", "values_of",
]  # fmt: skip
