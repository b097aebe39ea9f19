"""Compiling a mapping: what cannot work is refused by name, and what is compiled says what a value becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.apply import CompiledMapping, MappingError, canonical, compile_mapping
from mappings.spec import Direction, Environment, FieldSpec, MappingSpec, ValueMapSpec
from mappings.transforms import TRANSFORMS
from mappings.values import Projected, Unmapped

STATE = ValueMapSpec("state", {"1": "New"}, {"New": "1"})
SUBJECT = FieldSpec("subject", ("short_description",), "Subject")


def compiled(*rows: FieldSpec, direction: Direction = Direction.BOTH, zone: str = "UTC") -> CompiledMapping:
    return compile_mapping(MappingSpec(direction, rows, {"state": STATE}, zone), Environment())


@pytest.mark.parametrize(
    ("row", "direction", "said"),
    [
        ({"transform": "magic"}, Direction.BOTH, "no transform 'magic'"),
        ({"transform": "value_map", "value_map": "gone"}, Direction.BOTH, "value map 'gone'"),
        ({"transform": "value_map"}, Direction.BOTH, "value map ''"),
        ({"servicenow": ()}, Direction.BOTH, "names no ServiceNow column"),
        ({"servicenow": ("a", "b")}, Direction.BOTH, "several ServiceNow columns"),
        ({"direction": Direction.BOTH}, Direction.TO_SALESFORCE, "wider than its flow's to_salesforce"),
        (
            {"direction": Direction.TO_SERVICENOW},
            Direction.TO_SALESFORCE,
            "wider than its flow's to_salesforce",
        ),
        ({"transform": "constant"}, Direction.BOTH, "has no inverse"),
        ({"transform": "date"}, Direction.TO_SERVICENOW, "has no inverse"),
        ({"transform": "user", "servicenow": ("a", "b", "c")}, Direction.BOTH, "has no inverse"),
    ],
)
def test_a_row_that_cannot_work_is_refused_by_name(
    row: dict[str, Any], direction: Direction, said: str
) -> None:
    broken = FieldSpec(**{"id": "row", "servicenow": ("field",), "salesforce": "Priority", **row})

    with pytest.raises(MappingError, match="The row for Priority") as raised:
        compiled(SUBJECT if direction is Direction.BOTH else broken, broken, direction=direction)

    assert said in str(raised.value)


@pytest.mark.parametrize("zone", ["Atlantis/Capital", "", "America", "../etc/passwd", "/UTC"])
def test_a_time_zone_that_is_none_is_refused_by_name(zone: str) -> None:
    row = FieldSpec("row", ("due_date",), "Due__c", transform="date")

    with pytest.raises(MappingError, match="The row for Due__c.*time zone"):
        compiled(row, direction=Direction.TO_SALESFORCE, zone=zone)


@pytest.mark.parametrize("outer", Direction)
@pytest.mark.parametrize("inner", Direction)
def test_a_row_may_narrow_its_flows_direction_and_never_widen_it(outer: Direction, inner: Direction) -> None:
    row = FieldSpec("row", ("field",), "Field", direction=inner)
    if outer not in (Direction.BOTH, inner):
        with pytest.raises(MappingError):
            compiled(row, direction=outer)
        return

    assert compiled(row, direction=outer).rows[0].one_way == {
        Direction.TO_SALESFORCE: "salesforce", Direction.TO_SERVICENOW: "servicenow", Direction.BOTH: None
    }[inner]  # fmt: skip


def test_each_column_is_read_once() -> None:
    again = FieldSpec("again", ("short_description",), "Title__c")
    mapping = compiled(SUBJECT, again)

    assert mapping.servicenow_fields == ("short_description",)
    assert mapping.salesforce_fields == ("Subject", "Title__c")
    assert mapping.row("again") is mapping.rows[1]
    assert mapping.row("gone") is None


def test_a_column_that_was_not_sent_is_empty() -> None:
    assert compiled(SUBJECT).rows[0].read({}) == ""
    several = FieldSpec("owner", ("a", "b"), "OwnerId", transform="user", direction=Direction.TO_SALESFORCE)
    assert compiled(several).rows[0].read({"b": "abel"}) == ["", "abel"]


def test_an_empty_source_takes_the_default_and_a_required_one_without_it_is_named() -> None:
    kept = FieldSpec("row", ("field",), "Subject", default="(none)", required=True)
    strict = FieldSpec("row", ("field",), "Subject", required=True)

    assert compiled(kept).rows[0].to_salesforce("") == Projected("(none)")
    assert compiled(strict).rows[0].to_salesforce("here") == Projected("here")
    with pytest.raises(Unmapped) as raised:
        compiled(strict).rows[0].to_salesforce(" \n")
    assert raised.value.code == "REQUIRED_SOURCE_EMPTY"


names = st.text(min_size=1, max_size=5)
field_specs = st.builds(
    FieldSpec,
    id=names,
    servicenow=st.lists(names).map(tuple),
    salesforce=names,
    direction=st.none() | st.sampled_from(Direction),
    transform=st.sampled_from(sorted(TRANSFORMS)),
    value_map=st.text(max_size=3),
    value=st.text(max_size=3),
    default=st.text(max_size=3),
    required=st.booleans(),
    conflict=st.sampled_from(["", "ask"]),
)
unmapped = st.tuples(st.sampled_from(["fail", "pass", "default"]), st.text(max_size=3))
entries = st.dictionaries(st.text(max_size=3), st.text(max_size=3))
map_specs = st.builds(
    ValueMapSpec, names, entries, entries, unmapped_to_salesforce=unmapped, unmapped_to_servicenow=unmapped
)


@given(field_specs, map_specs)
def test_a_specification_survives_json(field: FieldSpec, value_map: ValueMapSpec) -> None:
    assert FieldSpec.from_json(json.loads(json.dumps(field.to_json()))) == field
    assert ValueMapSpec.from_json(json.loads(json.dumps(value_map.to_json()))) == value_map


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()))
def test_a_value_in_canonical_form_is_itself_in_canonical_form(raw: Any) -> None:
    assert canonical(canonical(raw)) == canonical(raw)
    assert hash(canonical(raw)) == hash(canonical(raw))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", None), ([], None), (["", ""], None), ("  ", None), ("a\r\nb", "a\nb "), (5, 5.0), (5, "5"), (True, "true"),
        (["a\r"], ["a"]), (float("nan"), float("nan")), (-0.0, 0),
    ],
)  # fmt: skip
def test_what_platforms_spell_differently_is_the_same(one: Any, other: Any) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"), [(True, 1), (False, None), (0, None), ("a", "A"), (" a", "a"), (["a", ""], ["", "a"])]
)
def test_what_differs_for_people_differs(one: Any, other: Any) -> None:
    assert canonical(one) != canonical(other)
