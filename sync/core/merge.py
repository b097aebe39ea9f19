"""Three-way merge of one field: current ServiceNow value, current Salesforce value, and the base they last agreed on.

Pure. The table it implements stands in docs/architecture.md; each line of it is a law in tests/core/test_merge.py.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from sync.core.records import Side

Base = tuple[Any, Any]  # raw ServiceNow value, raw Salesforce value, as last known to agree


class Move(StrEnum):
    SKIP = "skip"  # nothing changed; also how our own echo dies
    AGREE = "agree"  # take both values as the new base, write nothing
    TO_SALESFORCE = "to_salesforce"
    TO_SERVICENOW = "to_servicenow"
    CONFLICT = "conflict"  # a person must choose; the base stays
    UNMAPPED = "unmapped"  # the value has no counterpart: dead letter; the base stays
    DRIFT = "drift"  # the target of a one-way row was changed there, and is left so; the base stays
    REFUSE = "refuse"  # two records met without a base, and the flow refuses to adopt


class Projection(Protocol):
    @property
    def value(self) -> Any: ...
    @property
    def note(self) -> str: ...


class Row(Protocol):
    """What the merge needs of a mapping row. The projections raise an exception that says why there is no counterpart."""

    @property
    def one_way(self) -> str | None:
        """The only side it writes to (a Side's value), or None if it goes both ways."""
        ...

    def to_salesforce(self, raw: Any) -> Projection: ...
    def to_servicenow(self, raw: Any, over: Any = None) -> Projection:
        """`over`: what stands there now, for columns that the value leaves as they are."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """`conflict`: newest, servicenow, salesforce, ask. `adopt`: the same or refuse. `newest`: which record is newer, None for a tie.

    `chosen`: whose value a person has chosen for this field, over everything else. `renewed`: another mapping made the
    values of one another on which both sides agree, and they are to be what the present one makes of them.
    """

    conflict: str = "newest"
    adopt: str = "servicenow"
    restore_drift: bool = False
    tie: Side = Side.SERVICENOW
    newest: Side | None = None
    chosen: Side | None = None
    renewed: bool = False


@dataclass(frozen=True, slots=True)
class Merged:
    """`value` is what to send, `rule` why, `contested` True where another value was there and must be on record.

    Unmapped: `value` is the source's, as it stands, `problem` says why it has no counterpart, and `to` where.
    """

    move: Move
    value: Any = None
    note: str = ""
    rule: str = ""
    contested: bool = False
    problem: Exception | None = None
    to: Side | None = None


SKIP = Merged(Move.SKIP)
AGREE = Merged(Move.AGREE)
QUIET = frozenset({Move.SKIP, Move.AGREE})
Canonical = Callable[[Any], Hashable]


class _View:
    """Both projections of one field's values, each worked out when it is first asked for."""

    def __init__(self, row: Row, x: Any, y: Any, canonical: Canonical) -> None:
        self.row, self.x, self.y, self.canonical = row, x, y, canonical

    def project(self, side: Side) -> Projection | Exception:
        """What the other side's present value becomes on `side`, or why it becomes nothing."""
        return (
            _attempt(self.row.to_salesforce, self.x)
            if side is Side.SALESFORCE
            else _attempt(self._back, self.y)
        )

    def _back(self, raw: Any) -> Projection:
        return self.row.to_servicenow(raw, self.x)

    def agree(self) -> bool:
        """The two values agree if either projection holds: that is why lossy maps do not flap."""
        one_way = self.row.one_way
        if one_way != Side.SERVICENOW and self._holds(self.project(Side.SALESFORCE), self.y):
            return True
        return one_way != Side.SALESFORCE and self._holds(self.project(Side.SERVICENOW), self.x)

    def _holds(self, projected: Projection | Exception, there: Any) -> bool:
        return not isinstance(projected, Exception) and self.canonical(projected.value) == self.canonical(
            there
        )

    def invisible(self, side: Side, base: Base) -> bool:
        """Whether the move from the base to the present value cannot be seen on `side`; never so for unmapped values."""
        project, old = (self.row.to_salesforce, base[0]) if side is Side.SALESFORCE else (self._back, base[1])
        before, after = _attempt(project, old), self.project(side)
        if isinstance(before, Exception) or isinstance(after, Exception):
            return False
        return self.canonical(before.value) == self.canonical(after.value)

    def cut_from(self, side: Side, base: Base) -> bool:
        """Whether the other side held only a part of this side's text: an edit of the part must not cut the original."""
        project, whole = (
            (self.row.to_salesforce, base[0]) if side is Side.SERVICENOW else (self._back, base[1])
        )
        projected = _attempt(project, whole)
        return not isinstance(projected, Exception) and projected.note.startswith("cut ")

    def carry(self, side: Side, base: Base, *, rule: str = "", contested: bool = False) -> Merged:
        """Write to `side`, unless its text would be replaced by an edited part of it: then a person chooses."""
        if self.cut_from(side, base):
            return Merged(Move.CONFLICT, rule="cut text")
        return self.write(side, rule=rule, contested=contested)

    def write(self, side: Side, *, rule: str = "", contested: bool = False) -> Merged:
        projected = self.project(side)
        if isinstance(projected, Exception):
            source = self.x if side is Side.SALESFORCE else self.y
            return Merged(Move.UNMAPPED, source, problem=projected, rule=rule, to=side)
        move = Move.TO_SALESFORCE if side is Side.SALESFORCE else Move.TO_SERVICENOW
        return Merged(move, projected.value, projected.note, rule, contested)


def merge_field(row: Row, x: Any, y: Any, base: Base | None, policy: Policy, canonical: Canonical) -> Merged:
    """Decide one field. `x`, `y`: raw values of ServiceNow and Salesforce; `base` None: the two have not met before."""
    view = _View(row, x, y, canonical)
    if policy.chosen is not None:
        return _as_chosen(view, policy.chosen)
    if base is None:
        return AGREE if view.agree() else _adopt(view, policy)
    changed_x = canonical(x) != canonical(base[0])
    changed_y = canonical(y) != canonical(base[1])
    if not changed_x and not changed_y:
        return _renew(view) if policy.renewed else SKIP
    if view.agree():
        return AGREE
    if row.one_way is not None:
        return _one_way(view, Side(row.one_way), base, changed_x, changed_y, policy)
    if changed_x and changed_y:
        return _both_changed(view, base, policy)
    return _one_changed(view, Side.SALESFORCE if changed_x else Side.SERVICENOW, base, policy)


def agree(row: Row, x: Any, y: Any, canonical: Canonical) -> bool:
    """Whether the mapping makes either value of the other."""
    return _View(row, x, y, canonical).agree()


def is_contested(row: Row, x: Any, y: Any, base: Base, canonical: Canonical) -> bool:
    """Whether both sides have changed the field since they agreed, and not to the same."""
    if canonical(x) == canonical(base[0]) or canonical(y) == canonical(base[1]):
        return False
    return not _View(row, x, y, canonical).agree()


def _as_chosen(view: _View, chosen: Side) -> Merged:
    """A person has seen both values and said which one counts: that one is written, even where it cuts a text."""
    if view.agree() or view.row.one_way == chosen:
        return Merged(Move.AGREE, rule="chosen by a person")
    return view.write(chosen.other, rule="chosen by a person")


def _adopt(view: _View, policy: Policy) -> Merged:
    """Two records met that have no base for this field."""
    only = view.row.one_way
    if policy.adopt in ("ask", "refuse"):
        return Merged(Move.CONFLICT if policy.adopt == "ask" else Move.REFUSE, rule=f"adopt: {policy.adopt}")
    rule = f"adopt: {policy.adopt}"
    winner = (policy.newest or policy.tie) if policy.adopt == "newest" else Side(policy.adopt)
    if only == winner:  # a one-way row cannot carry the winner's value away: both stay as they are
        return Merged(Move.AGREE, rule=rule)
    return view.write(winner.other, rule=rule, contested=True)


def _one_way(
    view: _View, target: Side, base: Base, changed_x: bool, changed_y: bool, policy: Policy
) -> Merged:
    source_changed, target_changed = (
        (changed_x, changed_y) if target is Side.SALESFORCE else (changed_y, changed_x)
    )
    if source_changed and not view.invisible(target, base):
        # The source decides a one-way field; what a person had put there is kept on record.
        return view.write(target, rule="one-way" if target_changed else "", contested=target_changed)
    if not target_changed:
        return _renew(view) if policy.renewed else AGREE
    return (
        view.write(target, rule="drift: restore", contested=True)
        if policy.restore_drift
        else Merged(Move.DRIFT)
    )


def _one_changed(view: _View, target: Side, base: Base, policy: Policy) -> Merged:
    if view.invisible(target, base):
        return _renew(view) if policy.renewed and target is _renewed_on(view.row) else AGREE
    return view.carry(target, base)


def _renew(view: _View) -> Merged:
    """Nobody has moved the field, or not so that it would be seen, but its mapping was: its source is carried over anew."""
    if view.agree():
        return AGREE
    return view.write(_renewed_on(view.row), rule="changed mapping")


def _renewed_on(row: Row) -> Side:
    """Of a field that goes both ways ServiceNow counts."""
    return Side(row.one_way or Side.SALESFORCE)


def _both_changed(view: _View, base: Base, policy: Policy) -> Merged:
    x_invisible, y_invisible = view.invisible(Side.SALESFORCE, base), view.invisible(Side.SERVICENOW, base)
    if x_invisible and y_invisible:
        return AGREE
    if x_invisible != y_invisible:
        visible = Side.SERVICENOW if x_invisible else Side.SALESFORCE
        return view.carry(visible, base, rule="the visible move", contested=True)
    if policy.conflict == "ask":
        return Merged(Move.CONFLICT, rule="ask")
    if policy.conflict != "newest":
        return view.carry(Side(policy.conflict).other, base, rule=policy.conflict, contested=True)
    rule = "newest" if policy.newest else f"tie: {policy.tie}"
    return view.carry((policy.newest or policy.tie).other, base, rule=rule, contested=True)


def _attempt(project: Callable[[Any], Projection], raw: Any) -> Projection | Exception:
    try:
        return project(raw)
    except ValueError as problem:
        return problem
