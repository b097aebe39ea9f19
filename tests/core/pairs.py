"""Generated mapping rows, and a pair of records that obeys what a merge decides: the ground the laws stand on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from mappings.apply import CompiledRow, canonical, compile_mapping
from mappings.spec import Direction, Environment, FieldSpec, MappingSpec, PeopleSpec, ValueMapSpec
from sync.core.merge import Base, Merged, Move, Policy, merge_field
from sync.core.records import Side

STATES = ("", "1", "2", "3", "6", "7")
STATUSES = ("", "New", "Working", "Escalated", "Closed")
HERE = ("", "abel", "beth", "luke")  # sys_ids
THERE = ("", "005A", "005B", "00GQ")  # Ids


@dataclass(frozen=True)
class Field:
    """One compiled row with the raw values that may occur on each side."""

    row: CompiledRow
    here: st.SearchStrategy[str]
    there: st.SearchStrategy[Any]


def compiled(
    transform: str = "copy",
    *,
    direction: Direction = Direction.BOTH,
    value_map: ValueMapSpec | None = None,
    people: PeopleSpec | None = None,
    here: int = 0,
    there: int = 0,
    **row: Any,
) -> CompiledRow:
    """One row from `field` to `Field`; `here` and `there` are the greatest lengths of the two."""
    maps = {value_map.name: value_map} if value_map else {}
    spec = FieldSpec("row", ("field",), "Field", transform=transform, value_map=next(iter(maps), ""), **row)
    world = Environment(people or PeopleSpec(), {"Field": there}, {"field": here})
    return compile_mapping(MappingSpec(direction, (spec,), maps), world).rows[0]


def status_map(
    out: dict[str, str], back: dict[str, str], unmapped: tuple[str, str] = ("fail", ""), default: str = ""
) -> ValueMapSpec:
    """`unmapped`: what happens to a value without an entry, for each direction."""
    return ValueMapSpec("status", out, back, (unmapped[0], default), (unmapped[1] or unmapped[0], default))


any_direction = st.sampled_from(Direction)
both_ways = st.just(Direction.BOTH)
any_policy = st.sampled_from(["fail", "pass", "default"])
texts = st.text("ab \n", max_size=9)


def raws(values: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """Salesforce says null where there is nothing."""
    return st.sampled_from(values).map(lambda value: value or None)


@st.composite
def value_maps(
    draw: st.DrawFn,
    directions: st.SearchStrategy[Direction] = any_direction,
    unmapped: st.SearchStrategy[str] = any_policy,
) -> Field:
    """Many-to-one each way, with holes."""
    out = draw(st.dictionaries(st.sampled_from(STATES), st.sampled_from(STATUSES)))
    back = draw(st.dictionaries(st.sampled_from(STATUSES), st.sampled_from(STATES)))
    spec = ValueMapSpec("status", out, back, (draw(unmapped), "Working"), (draw(unmapped), "2"))
    row = compiled("value_map", direction=draw(directions), value_map=spec)
    return Field(row, st.sampled_from(STATES), raws(STATUSES))


@st.composite
def user_tables(draw: st.DrawFn, directions: st.SearchStrategy[Direction] = any_direction) -> Field:
    out = draw(st.dictionaries(st.sampled_from(HERE[1:]), st.sampled_from(THERE[1:])))
    back = draw(st.dictionaries(st.sampled_from(THERE[1:]), st.sampled_from(HERE[1:])))
    people = PeopleSpec(out, back, draw(st.sampled_from(THERE)), draw(st.sampled_from(HERE)))
    return Field(
        compiled("user", direction=draw(directions), people=people), st.sampled_from(HERE), raws(THERE)
    )


@st.composite
def texts_of_lengths(draw: st.DrawFn, directions: st.SearchStrategy[Direction] = any_direction) -> Field:
    """Either side may be the shorter one, or neither."""
    here, there = draw(st.sampled_from([(0, 0), (8, 5), (5, 8), (4, 4)]))
    row = compiled(
        direction=draw(directions), here=here, there=there, default=draw(st.sampled_from(["", "ab"]))
    )
    of = lambda limit: texts.map(lambda text: text[: limit or None])  # noqa: E731
    return Field(row, of(here), of(there).map(lambda text: text or None))


@st.composite
def numbers(draw: st.DrawFn, directions: st.SearchStrategy[Direction] = any_direction) -> Field:
    row = compiled("number", direction=draw(directions))
    few = st.integers(-2, 2)
    return Field(row, few.map(str) | st.sampled_from(["", "1.0", "1.5"]), few | few.map(float) | st.none())


fields = st.one_of(value_maps(), user_tables(), texts_of_lengths(), numbers())
two_way_fields = st.one_of(value_maps(both_ways), texts_of_lengths(both_ways), numbers(both_ways))
sides = st.sampled_from(Side)
policies = st.builds(
    Policy,
    conflict=st.sampled_from(["newest", "servicenow", "salesforce", "ask"]),
    adopt=st.sampled_from(["newest", "servicenow", "salesforce", "ask", "refuse"]),
    restore_drift=st.booleans(),
    tie=sides,
    newest=st.none() | sides,
)


@dataclass(frozen=True)
class Pair:
    """One field of two linked records and the base."""

    row: CompiledRow
    x: str
    y: Any
    base: Base | None

    def merge(self, policy: Policy) -> Merged:
        return merge_field(self.row, self.x, self.y, self.base, policy, canonical)

    def apply(self, merged: Merged) -> Pair:
        """What is so after the deed: platforms strip the end of a text and know one empty."""
        if merged.move is Move.AGREE:
            return replace(self, base=(self.x, self.y))
        if merged.move is Move.TO_SALESFORCE:
            return replace(self, y=stored(merged.value), base=(self.x, merged.value))
        if merged.move is Move.TO_SERVICENOW:
            return replace(self, x=stored(merged.value) or "", base=(merged.value, self.y))
        return self

    def changed(self, side: Side) -> bool:
        assert self.base is not None
        now, then = (self.x, self.base[0]) if side is Side.SERVICENOW else (self.y, self.base[1])
        return bool(canonical(now) != canonical(then))

    def value(self, side: Side) -> Any:
        return self.x if side is Side.SERVICENOW else self.y

    def projected(self, side: Side) -> Any:
        """What the other side's value is on `side`, in canonical form; `Unmapped` itself where it is nothing."""
        try:
            there = (
                self.row.to_salesforce(self.x) if side is Side.SALESFORCE else self.row.to_servicenow(self.y)
            )
        except ValueError as problem:
            return problem
        return canonical(there.value)

    def agrees(self) -> bool:
        """By the projections that the row's direction allows."""
        return any(self.projected(side) == canonical(self.value(side)) for side in writable(self.row))


def stored(value: Any) -> Any:
    return value.rstrip() or None if isinstance(value, str) else value


def writable(row: CompiledRow) -> list[Side]:
    return [Side(row.one_way)] if row.one_way else list(Side)


def target(merged: Merged) -> Side | None:
    """The side that it writes to."""
    return {Move.TO_SALESFORCE: Side.SALESFORCE, Move.TO_SERVICENOW: Side.SERVICENOW}.get(merged.move)


@st.composite
def pairs(
    draw: st.DrawFn,
    field: st.SearchStrategy[Field] = fields,
    *,
    met: bool | None = None,
    edited: int | None = None,
) -> Pair:
    """`met`: whether the two have a base; None: either. `edited`: how many sides may differ from it; None: any."""
    chosen = draw(field)
    based = draw(st.booleans()) if met is None else met
    base = (draw(chosen.here), draw(chosen.there)) if based else None
    moving = (
        list(Side)
        if base is None or edited == 2
        else draw(st.sets(sides, min_size=edited or 0, max_size=edited or 2))
    )
    x = draw(chosen.here) if base is None or Side.SERVICENOW in moving else base[0]
    y = draw(chosen.there) if base is None or Side.SALESFORCE in moving else base[1]
    return Pair(chosen.row, x, y, base)
