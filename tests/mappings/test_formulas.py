"""A field row whose cell is a formula: there, back by inverses or by a formula of its own, and refused where neither is."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mappings import documentation
from mappings.apply import CompiledRow, MappingError, canonical, compile_mapping
from mappings.cells import Reference, columns_of, maps_of
from mappings.demonstration import DEMONSTRATION
from mappings.expressions import ExpressionError, parse
from mappings.grammar import Call, Filled, Name
from mappings.spec import Direction, Environment, FieldSpec, MappingSpec, PeopleSpec, ValueMapSpec
from mappings.text import clean, cut
from mappings.tools import Tools
from mappings.values import Projected, Unmapped, as_text
from tests.mappings.test_expressions import formulas, values

STATE = ValueMapSpec(
    "state", {"1": "New", "2": "Working"}, {"New": "1", "Working": "2"}, along={"2": {"a": "b"}}
)
GRADE = ValueMapSpec("grade", {"1,2": "High", "3,3": "Low"}, {"High": "1,2", "Low": "3,3"})
WORLD = Environment(
    PeopleSpec(
        {"abel": "005A", "desk": "00GQ"}, {"005A": "abel", "00GQ": "desk"}, groups=frozenset({"desk"})
    ),
    salesforce_lengths={"Subject": 20},
    servicenow_lengths={"short_description": 10},
)


def row(
    transform: str, *servicenow: str, direction: Direction = Direction.TO_SALESFORCE, **more: Any
) -> CompiledRow:
    field = FieldSpec("row", servicenow, "Subject", direction, transform, **more)
    spec = MappingSpec(Direction.BOTH, (field,), {"state": STATE, "grade": GRADE}, "Europe/Berlin")
    return compile_mapping(spec, WORLD).rows[0]


@pytest.mark.parametrize(
    ("transform", "record", "sent"),
    [
        ("truncate(html_to_text(description), 9)", {"description": "<b>Printer</b> on fire"}, "Printer…"),
        (
            'template("{number}: {caller_id.name}")',
            {"number": "INC1", "caller_id.name": "Beth"},
            "INC1: Beth",
        ),
        ('template("{number}: {caller_id.name}")', {"number": "INC1"}, "INC1:"),
        ('if(state in ("6", "7"), "Closed", map(state, "state"))', {"state": "2"}, "Working"),
        ('if(state in ("6", "7"), "Closed", map(state, "state"))', {"state": "7"}, "Closed"),
        ('map(impact, urgency, "grade")', {"impact": "1", "urgency": "2"}, "High"),
        ("coalesce(close_notes, description)", {"close_notes": "", "description": "x"}, "x"),
        ("date(due_date)", {"due_date": "2026-11-23 23:30:00"}, "2026-11-24"),
        ("number(count)", {"count": "0"}, 0),
        ("not active", {"active": "false"}, True),
        ("display(state)", {"state.display_value": "In Progress"}, "In Progress"),
        ("trim(short_description)", {}, None),
        ('constant("ServiceNow")', {}, "ServiceNow"),
        ("upper(short_description)", {"short_description": "x" * 30}, "X" * 19 + "…"),
    ],
)
def test_a_formula_carries_what_it_says(transform: str, record: dict[str, Any], sent: Any) -> None:
    compiled = row(transform)

    assert compiled.to_salesforce(compiled.read(record)).value == sent


def test_a_name_is_the_formula_of_its_column() -> None:
    for name, formula in [
        ("trim", "trim(short_description)"),
        ("html_to_text", "html_to_text(short_description)"),
        ("copy", "copy(short_description)"),
        ("date", "date(short_description)"),
    ]:
        short, long = row(name, "short_description"), row(formula)
        for raw in ("", " <b>a</b> ", "2026-11-23 23:30:00"):
            assert outcome(short.to_salesforce, raw) == outcome(long.to_salesforce, raw)


def outcome(step: Any, raw: Any) -> Any:
    try:
        return step(raw)
    except Unmapped as problem:
        return problem.code


@pytest.mark.parametrize("transform", ["truncate", "join", "link"])
def test_a_name_takes_its_setting_from_the_rows_value(transform: str) -> None:
    assert row("truncate", "short_description", value="5").to_salesforce("Printer").value == "Prin…"
    assert row("join", "a", "b", value=", ").to_salesforce(["x", "y"]).value == "x, y"
    assert row("template", "number", value="{number}!").to_salesforce("INC1").value == "INC1!"
    assert row("link", "parent", value="tasks").references == (Reference("tasks", "parent"),)


def test_a_way_back_is_made_of_inverses_from_the_outside_in() -> None:
    both = row('map(trim(state), "state")', "state", direction=Direction.BOTH)
    grades = row('map(impact, urgency, "grade")', "impact", "urgency", direction=Direction.BOTH)
    owners = row(
        "user(assigned_to, assignment_group)", "assigned_to", "assignment_group", direction=Direction.BOTH
    )

    assert both.to_servicenow("New") == Projected("1")
    assert both.along == STATE.along
    assert grades.to_servicenow("Low").value == ["3", "3"]
    assert owners.to_servicenow("00GQ").value == ["", "desk"]
    assert owners.to_servicenow("005A", ["beth", "desk"]).value == ["abel", "desk"]


def test_a_reverse_formula_writes_the_named_column_and_leaves_the_others() -> None:
    compiled = row(
        'template("{number}: {short_description}")', "short_description",
        direction=Direction.BOTH, reverse='extract(Subject, "^\\w+: (.*)$")',
    )  # fmt: skip

    assert compiled.columns == ("short_description", "number")
    assert compiled.to_servicenow("INC1: Disk full", ["Disk", "INC1"]).value == ["Disk full", "INC1"]
    assert compiled.to_servicenow("INC1: Printer on fire", ["", "INC1"]).value[0] == "Printer o…"


def test_a_function_that_goes_both_ways_works_towards_servicenow_in_a_reverse_formula() -> None:
    compiled = row("copy", "state", direction=Direction.BOTH, reverse='map(Subject, "state")')

    assert compiled.to_servicenow("Working").value == "2"
    assert maps_of(compiled.spec) == ("state",)


@pytest.mark.parametrize(
    ("transform", "columns", "more", "said"),
    [
        ("truncate(short_description, 9)", ("short_description",), {}, "has no inverse. Make it to_salesforce, or write in reverse"),
        ("trim(lower(state))", ("state",), {}, "has no inverse"),
        ("join(a, b, ' ')", ("a", "b"), {}, "has no inverse"),
        ("trim(short_description)", (), {}, "name the column that it writes"),
        ("trim(a)", ("b",), {}, "reads a, so its way back writes a"),
        ("trim(caller_id.name)", ("caller_id.name",), {}, "lies behind a reference"),
        ("copy", ("a",), {"reverse": "trim(Subject"}, "The reverse formula does not read: The ( of character 5"),
        ("copy", ("a",), {"reverse": "trim(Name)"}, "reads Name, but there is only the row's own field: Subject"),
        ("copy(a)", ("a", "b"), {"reverse": "trim(Subject)"}, "the one ServiceNow column"),
        ("lower", ("a",), {}, "lower has no inverse. Make it to_salesforce, or give it a reverse"),
    ],
)  # fmt: skip
def test_a_row_that_goes_both_ways_without_a_way_back_is_refused(
    transform: str, columns: tuple[str, ...], more: dict[str, str], said: str
) -> None:
    with pytest.raises(MappingError, match="The row for Subject") as raised:
        row(transform, *columns, direction=Direction.BOTH, **more)

    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        ("trimm(a)", "Did you mean trim?"),
        ("short_description", "To carry a column as it is, write copy(short_description)"),
        ('map(a, "gone")', "value map 'gone', which this revision does not hold"),
        ("trim(a", "is not closed"),
        ("if", "Write if(condition, then, [otherwise])"),
    ],
)
def test_a_cell_that_is_neither_name_nor_formula_says_what_to_write(transform: str, said: str) -> None:
    with pytest.raises(MappingError) as raised:
        row(transform, "a")

    assert said in str(raised.value)


def test_links_and_columns_and_maps_are_known_without_compiling() -> None:
    field = FieldSpec(
        "row", (), "Subject", transform='if(link(caller_id, "people") != empty, map(state, "state"), a.b)'
    )

    assert columns_of(field) == ("caller_id", "state", "a.b")
    assert maps_of(field) == ("state",)
    assert row(field.transform).references == (Reference("people", "caller_id"),)


def test_what_may_change_meanwhile_is_asked_each_time() -> None:
    found: dict[str, str] = {}
    world = Environment(counterpart=lambda flow, to, id: found.get(id, ""))
    field = FieldSpec("row", ("parent",), "ParentId", transform='trim(link(parent, "tasks"))')
    compiled = compile_mapping(MappingSpec(Direction.TO_SALESFORCE, (field,), {}), world).rows[0]

    for counterpart in ("500A", "500B"):
        found["i1"] = counterpart
        assert compiled.to_salesforce("i1").value == counterpart


INVERTIBLE = [
    "copy(a)", "trim(a)", "text_to_html(a)", "text_to_html(trim(a))", "trim(text_to_html(a))", "number(trim(a))", "boolean(a)",
    "datetime(a)", 'map(a, "state")', 'trim(map(trim(a), "state"))', "user(a)", "trim(number(a))",
]  # fmt: skip
texts = (
    st.text("ab1 <>&;.\n")
    | st.text()
    | st.sampled_from(["1", "2", "Working", "1,250.0", "abel", "005A", "true"])
)
moments = st.datetimes().map(lambda moment: moment.isoformat(" ", "seconds"))


@pytest.mark.parametrize("formula", INVERTIBLE)
@given(raw=texts | moments)
def test_what_has_gone_there_and_back_goes_there_again_the_same(formula: str, raw: str) -> None:
    """A published mapping reaches a fixed point: after one exchange neither side has anything left to write."""
    compiled = row(formula, "a", direction=Direction.BOTH)
    compiled = compile_mapping(
        MappingSpec(Direction.BOTH, (compiled.spec,), {"state": STATE}), Environment(WORLD.people)
    ).rows[0]  # where nothing is cut
    try:
        there = compiled.to_salesforce(raw).value
        back = compiled.to_servicenow(there).value
    except Unmapped:
        return

    assert canonical(compiled.to_salesforce(back).value) == canonical(there)
    assert canonical(compiled.to_servicenow(compiled.to_salesforce(back).value).value) == canonical(back)


def test_the_page_about_transforms_is_what_the_functions_say() -> None:
    assert Path("docs/transforms.md").read_text() == documentation.page(), (
        "run: python -m mappings.documentation > docs/transforms.md"
    )


def as_interpreted(text: str, columns: tuple[str, ...], raw: Any, tools: Tools) -> Any:
    """What the tree of the formula says of the raw value when it is walked through in a scope, and what is sent of it."""
    parts = raw if isinstance(raw, list) and len(columns) > 1 else [raw]
    scope = {**dict.fromkeys(columns, ""), **dict(zip(columns, parts, strict=False))}
    value, note = parse(text).project(scope, tools)
    tree = parse(text).tree
    if isinstance(value, str) and (
        isinstance(tree, Filled | Name) or (isinstance(tree, Call) and tree.function.fits)
    ):
        value, cut_off = cut(clean(value), tools.longest)
        note = "; ".join(filter(None, (note, cut_off)))
    if isinstance(value, bool | int | float):
        if isinstance(value, float) and not math.isfinite(value):
            raise Unmapped("", code="NOT_A_NUMBER")
        return Projected(value, note)
    return Projected(as_text(value or "") or None, note)


HTML_IS_CUT_ELSEWHERE = "text_to_html"  # and tested in test_rest.py
nested = formulas.filter(lambda text: HTML_IS_CUT_ELSEWHERE not in text)
few = st.sampled_from(
    ["", "1", "2026-11-23 10:00:00", " <b>Disk</b>  full \r\n", "x" * 70, "é\x00🔥", "true", "abel"]
)
raws = few | values


@settings(max_examples=100)
@given(nested, st.lists(raws, min_size=1, max_size=4), st.sampled_from([0, 1, 20]))
@example("truncate(trim(a), 5)", [" Printer on fire "], 20)
@example("upper(truncate(a, 5))", ["Printer on fire", 5, None, ["x"]], 1)
@example("copy(a)", [5, True, 1.0, float("inf"), {"a": 1}], 0)
@example("trim(a)", ["1", 1, 1.0, True], 0)
def test_a_compiled_formula_says_what_the_interpreted_one_says_whatever_it_is_given(
    text: str, given_values: list[Any], limit: int
) -> None:
    """Each value twice, because what was made once may be remembered."""
    try:
        columns = tuple(dict.fromkeys(parse(text).names))
        field = FieldSpec("row", (), "Subject", Direction.TO_SALESFORCE, text)
        spec = MappingSpec(Direction.BOTH, (field,), DEMONSTRATION.value_maps)
        world = Environment(
            DEMONSTRATION.people, {"Subject": limit}, servicenow_record_url=DEMONSTRATION.record_url,
            counterpart=DEMONSTRATION.counterpart, key_of=DEMONSTRATION.key_of, sys_id_of=DEMONSTRATION.sys_id_of,
        )  # fmt: skip
        (compiled,) = compile_mapping(spec, world).rows
    except (ExpressionError, MappingError):
        return
    tools = replace(Tools.of(spec, world), longest=limit)
    for raw in [*given_values, *given_values]:
        whole = [raw, *given_values][: len(columns)] if len(columns) > 1 else raw
        expected = outcome(lambda value: as_interpreted(text, columns, value, tools), whole)
        assert repr(outcome(compiled.to_salesforce, whole)) == repr(expected)
