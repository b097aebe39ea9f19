"""Every published mapping reaches a fixed point: a value that goes over, comes back and goes over again is at rest.

Held of every row that goes both ways in a shipped recipe, and of any row that the linter lets pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.apply import CompiledRow, canonical, compile_mapping
from mappings.linting import ERROR, End, Ground, lint
from mappings.spec import Direction, Environment, FieldSpec, MappingSpec, PeopleSpec, ValueMapSpec
from sync.configuration.check import spec_of
from sync.recipes import shipped
from tests.mappings.test_linting import Facts

ROUNDS = 4


def travelled(row: CompiledRow, side: str, raw: Any) -> Iterator[tuple[Any, Any, bool]]:
    """Round for round: what stands in ServiceNow, what in Salesforce, and whether something was said of the way.

    A platform strips the end of a text. What has no counterpart is a dead letter and moves no more.
    """
    here, there = (raw, None) if side == "servicenow" else (None, raw)
    try:
        if side == "salesforce":
            here = stored(row.to_servicenow(there).value, "")
        for _ in range(ROUNDS):
            out = row.to_salesforce(here)
            there = stored(out.value, None)
            back = row.to_servicenow(there, here)
            here = stored(back.value, "")
            yield canonical(here), canonical(there), bool(out.note or back.note)
    except ValueError:
        return


def stored(value: Any, empty: Any) -> Any:
    if isinstance(value, list):
        return [stored(part, "") for part in value]
    return (value.rstrip() or empty) if isinstance(value, str) else empty if value is None else value


def assert_at_rest(row: CompiledRow, side: str, raw: Any) -> None:
    states = [state[:2] for state in travelled(row, side, raw)]

    assert states[1:] == states[1:2] * len(states[1:]), f"{raw!r} never comes to rest: {states}"


# Shipped recipes

COLUMNS = {"assigned_to": 32, "assignment_group": 32, "short_description": 160, "description": 4000}
PEOPLE = [f"{name}{'0' * 28}" for name in ("abel", "beth", "desk", "luke")]
OWNERS = [f"005{name}" for name in "ABCD"] + ["00GQ"]
TWO_WAY = [
    pytest.param(recipe, part.flow, row, id=f"{part.flow.name}-{row.salesforce}")
    for recipe in shipped().values()
    for part in recipe.parts
    for row in part.flow.fields
    if Direction(part.flow.direction) is Direction.BOTH and row.spec().direction in (None, Direction.BOTH)
]

texts = st.text(max_size=300) | st.text("ab <&>;é🔥\r\n\x00\ud800", max_size=400)
stamps = st.datetimes().map(lambda moment: moment.replace(microsecond=0))


@st.composite
def people(draw: st.DrawFn) -> PeopleSpec:
    """A user table as people fill it: who goes out goes to one, who comes back to one, and who is neither falls back."""
    pairs = draw(st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(OWNERS)), unique_by=(lambda pair: pair[0], lambda pair: pair[1])))  # fmt: skip
    more = draw(st.dictionaries(st.sampled_from(PEOPLE), st.sampled_from([owner for _, owner in pairs])) if pairs else st.just({}))  # fmt: skip
    return PeopleSpec(
        {**more, **dict(pairs)}, {owner: person for person, owner in pairs},
        draw(st.sampled_from(["", *OWNERS])), draw(st.sampled_from(["", *PEOPLE])), frozenset({PEOPLE[2]}),
    )  # fmt: skip


def held(
    row: FieldSpec, maps: dict[str, ValueMapSpec]
) -> tuple[st.SearchStrategy[Any], st.SearchStrategy[Any]]:
    """What the columns of the row, and its field, may hold."""
    if row.value_map:
        known = maps[row.value_map]
        here = st.sampled_from([*known.to_salesforce, "", "99"])
        there = st.sampled_from([*known.to_servicenow, *known.to_salesforce.values(), None, "Other"])
        return (here.map(lambda value: value.split(",")) if len(row.servicenow) > 1 else here), there
    if row.transform == "user":
        return st.tuples(*[st.sampled_from(["", *PEOPLE])] * 2).map(list), st.sampled_from([*OWNERS, None])
    return texts, texts | st.none()


@pytest.mark.parametrize(("recipe", "flow", "row"), TWO_WAY)
@given(data=st.data())
def test_whatever_a_record_holds_the_rows_of_a_shipped_recipe_bring_it_to_rest(recipe, flow, row, data):
    maps = {doc.name: spec_of(doc) for doc in recipe.value_maps}
    lengths = st.sampled_from([0, 1, 2, 30, 160])
    world = Environment(
        data.draw(people()), {row.salesforce: data.draw(lengths)}, dict.fromkeys(COLUMNS, data.draw(lengths))
    )
    mapping = MappingSpec(Direction.BOTH, (row.spec(),), maps)
    (compiled,) = compile_mapping(mapping, world).rows

    for side, values in zip(("servicenow", "salesforce"), held(row.spec(), maps), strict=True):
        assert_at_rest(compiled, side, data.draw(values, label=side))


# Any row that the linter lets pass

STATES = ("1", "2", "6", "8", "")
STATUSES = ("New", "Working", "Closed", "")
STAMPS = stamps.map(lambda at: at.isoformat(" "))
MOMENTS = stamps.map(lambda at: f"{at.isoformat()}.000+0000") | st.none()
DAYS = stamps.map(lambda at: at.date().isoformat())
# Type of a ServiceNow column and of the field it is carried to, and what the two may hold.
KINDS: list[tuple[Facts, Facts, st.SearchStrategy[Any], st.SearchStrategy[Any]]] = [
    (Facts("column", "string"), Facts("Field", "string"), texts, texts | st.none()),
    (Facts("column", "string", 40), Facts("Field", "string", 12), texts, texts | st.none()),
    (Facts("column", "string", 12), Facts("Field", "string", 40), texts, texts | st.none()),
    (Facts("column", "boolean"), Facts("Field", "boolean"), st.sampled_from(["true", "false"]), st.booleans()),
    (Facts("column", "integer"), Facts("Field", "double"), st.integers().map(str), st.floats(allow_nan=False) | st.integers() | st.none()),
    (Facts("column", "glide_date_time"), Facts("Field", "datetime"), STAMPS, MOMENTS),
    (Facts("column", "glide_date_time"), Facts("Field", "string"), STAMPS, texts),
    (Facts("column", "glide_date"), Facts("Field", "date"), DAYS, DAYS),
    (Facts("column", "string", choices=STATES), Facts("Field", "picklist", choices=STATUSES), st.sampled_from(STATES), st.sampled_from(STATUSES)),
    (Facts("column", "reference"), Facts("Field", "reference", reference_to=("User",)), st.sampled_from(["", *PEOPLE]), st.sampled_from([None, *OWNERS])),
]  # fmt: skip
WAYS = {
    "copy": "", "trim": "", "number": "", "boolean": "", "datetime": "", "text_to_html": "", "user": "",
    'map(column, "states")': "", 'map(trim(column), "states")': "", "trim(text_to_html(column))": "", "number(trim(column))": "",
    "upper(column)": "lower(Field)", "title(column)": "upper(Field)", "html_to_text(column)": "text_to_html(Field)",
    "html_clean(column)": "Field", "not column": "Field", "date(column)": "datetime(Field)", "round(column, 1)": "Field",
    'coalesce(column, "x")': 'if(Field == "x", empty, Field)', 'template("INC{column}")': 'replace(Field, "INC", "")',
    'extract(column, "a(.*)")': 'template("a{Field}")', 'replace(column, "a", "b")': 'replace(Field, "b", "a")',
}  # fmt: skip
POLICIES = st.sampled_from([("fail", ""), ("pass", ""), ("default", "New"), ("default", "1")])
known_states = st.sampled_from(STATES), st.sampled_from(STATUSES)


@st.composite
def value_maps(draw: st.DrawFn) -> ValueMapSpec:
    here, there = known_states
    out, back = draw(st.dictionaries(here, there)), draw(st.dictionaries(there, here))
    return ValueMapSpec("states", out, back, draw(POLICIES), draw(POLICIES))


crossed_tables = st.builds(
    PeopleSpec, st.dictionaries(st.sampled_from(PEOPLE), st.sampled_from(OWNERS)),
    st.dictionaries(st.sampled_from(OWNERS), st.sampled_from(PEOPLE)), st.sampled_from(["", OWNERS[0]]), st.sampled_from(["", PEOPLE[0]]),
)  # fmt: skip


def ground(
    column: Facts,
    field: Facts,
    transform: str,
    reverse: str,
    states: ValueMapSpec,
    table: PeopleSpec,
    default: str = "",
) -> Ground:
    row = FieldSpec("row", ("column",), "Field", transform=transform, reverse=reverse, default=default)
    ends = End("incident", {"column": column}), End("Case", {"Field": field})
    return Ground(MappingSpec(Direction.BOTH, (row,), {"states": states}), *ends, (), table)


def refused(mapping: Ground) -> list[str]:
    return [finding.code for finding in lint(mapping) if finding.severity == ERROR]


@settings(max_examples=150)
@given(
    st.sampled_from(KINDS),
    st.sampled_from(list(WAYS.items())),
    value_maps(),
    crossed_tables,
    st.sampled_from(["", "x"]),
    st.data(),
)
def test_a_row_that_the_linter_lets_pass_comes_to_rest_whatever_it_carries(
    kind, way, states, table, default, data
):
    column, field, here, there = kind
    mapping = ground(column, field, *way, states, table, default)
    if refused(mapping):
        return
    (compiled,) = compile_mapping(mapping.spec, mapping.environment).rows

    for side, values in (("servicenow", here), ("salesforce", there)):
        assert_at_rest(compiled, side, data.draw(values, label=side))


LONG, SHORT = Facts("Field", "string", 255), Facts("column", "string", 40)
NO_MAP, NO_TABLE = ValueMapSpec("states", {}, {}), PeopleSpec()
# Somebody unknown becomes 005A, who is luke, who is 005B, who is abel, who is 005D.
CHAIN = PeopleSpec({"luke": "005B", "abel": "005D"}, {"005A": "luke"}, "005A", "abel")


@pytest.mark.parametrize(
    ("transform", "reverse", "table", "default"),
    [
        ('template("{column}!")', "Field", NO_TABLE, ""),
        ("round(column)", 'template("{Field}0")', NO_TABLE, ""),
        ("copy(column)", 'template("{Field}{Field}")', NO_TABLE, "x"),
        ('if(column == "1", "2", "1")', 'if(Field == "1", "1", "2")', NO_TABLE, ""),
        ("html_clean(column)", "Field", NO_TABLE, ""),
        ("user", "", CHAIN, ""),
    ],
)
def test_a_row_that_never_comes_to_rest_is_refused(transform, reverse, table, default):
    assert set(refused(ground(SHORT, LONG, transform, reverse, NO_MAP, table, default))) == {
        "round_trip_drifts"
    }


def test_html_that_is_cut_ends_before_an_entity_so_that_it_comes_back_as_it_was():
    mapping = ground(LONG, SHORT, "text_to_html", "", NO_MAP, NO_TABLE)
    compiled = compile_mapping(
        mapping.spec, replace(mapping.environment, salesforce_lengths={"Field": 12})
    ).rows[0]

    sent, note = compiled.to_salesforce("Smith & Sons & Co")

    assert (sent, note) == ("Smith &amp;…", "cut from 25 to 12 characters")
    assert compiled.to_salesforce("Smiths & Sons").value == "Smiths …"
    assert_at_rest(compiled, "servicenow", "<" * 40)
