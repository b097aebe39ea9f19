"""From two records and a base to a plan: each field on its own, and nothing beyond what must be written."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mappings.apply import CompiledRow, canonical, compile_mapping
from mappings.spec import Direction, Environment, FieldSpec, MappingSpec, ValueMapSpec
from sync.core.merge import Base, Policy
from sync.core.planner import Plan, plan_create, plan_pair, unchanged, values_of
from sync.core.records import Side

STATE = ValueMapSpec(
    "state", {"1": "New", "2": "Working", "7": "Closed"}, {"New": "1", "Working": "2", "Closed": "7"}
)
SPECS = (
    FieldSpec("subject", ("short_description",), "Subject"),
    FieldSpec("status", ("state",), "Status", transform="value_map", value_map="state"),
    FieldSpec("number", ("number",), "Number__c", direction=Direction.TO_SALESFORCE),
    FieldSpec(
        "origin", (), "Origin", transform="constant", value="ServiceNow", direction=Direction.TO_SALESFORCE
    ),
    FieldSpec("notes", ("close_notes",), "Notes__c", direction=Direction.TO_SERVICENOW),
)

NEWEST = Policy()


def compiled(*specs: FieldSpec) -> tuple[CompiledRow, ...]:
    return compile_mapping(MappingSpec(Direction.BOTH, specs or SPECS, {"state": STATE}), Environment()).rows


HERE = {"short_description": "Printer on fire", "state": "1", "number": "INC1", "close_notes": ""}
THERE = {
    "Subject": "Printer on fire",
    "Status": "New",
    "Number__c": "INC1",
    "Origin": "ServiceNow",
    "Notes__c": None,
}


def base_of(here: dict[str, Any] = HERE, there: dict[str, Any] = THERE) -> dict[str, Base]:
    return {row.id: (row.read(here), there[row.target]) for row in compiled()}


def plan(here: dict[str, Any], there: dict[str, Any], base: dict[str, Base], policy: Policy = NEWEST) -> Plan:
    return plan_pair(compiled(), {**HERE, **here}, {**THERE, **there}, base, lambda row: policy, canonical)


def test_an_edit_of_one_field_writes_that_field_alone() -> None:
    made = plan({"state": "2"}, {}, base_of())

    assert values_of(made.to_salesforce) == {"Status": "Working"}
    assert (made.to_servicenow, made.agreed, made.problems, made.clashes) == ([], {}, [], [])
    write = made.to_salesforce[0]
    assert (write.row, write.source, write.under, write.base) == ("status", "2", "New", ("1", "New"))


def test_edits_of_different_fields_on_both_sides_cross() -> None:
    made = plan(
        {"short_description": "Printer smokes"}, {"Status": "Closed", "Notes__c": "Put out"}, base_of()
    )

    assert values_of(made.to_salesforce) == {"Subject": "Printer smokes"}
    assert values_of(made.to_servicenow) == {"state": "7", "close_notes": "Put out"}
    assert not any(write.contested for write in [*made.to_salesforce, *made.to_servicenow])


def test_one_field_without_counterpart_keeps_its_base_and_the_others_go_on() -> None:
    made = plan({"state": "9", "short_description": "Printer smokes"}, {}, base_of())

    assert values_of(made.to_salesforce) == {"Subject": "Printer smokes"}
    assert [(problem.row, problem.value, problem.code) for problem in made.problems] == [
        ("status", "9", "UNMAPPED_VALUE")
    ]
    assert "status" not in {*made.agreed, *made.settled}


def test_a_value_of_salesforce_without_counterpart_is_the_one_that_is_named() -> None:
    made = plan({}, {"Status": "On Strike"}, base_of())

    assert [(problem.row, problem.value) for problem in made.problems] == [("status", "On Strike")]


def test_an_open_question_keeps_its_base_and_both_values() -> None:
    made = plan({"state": "2"}, {"Status": "Closed"}, base_of(), Policy(conflict="ask"))

    clash = made.clashes[0]
    assert (clash.row, clash.servicenow, clash.salesforce, clash.base) == (
        "status",
        "2",
        "Closed",
        ("1", "New"),
    )
    assert made.agreed == {}
    assert "status" not in made.settled
    assert not made.silent


def test_drift_is_named_and_does_not_make_noise() -> None:
    made = plan({}, {"Origin": "Phone"}, base_of())

    assert (made.drifted, made.silent) == (["Origin"], True)


def test_a_refused_adoption_names_every_field_that_differs() -> None:
    made = plan({}, {"Subject": "Printer", "Status": "Closed"}, {}, Policy(adopt="refuse"))

    assert {problem.row: problem.code for problem in made.problems} == dict.fromkeys(
        ("subject", "status"), "ADOPT_REFUSED"
    )
    assert set(made.agreed) == {"number", "origin", "notes"}


def test_a_same_stamp_hides_no_edit() -> None:
    """Only values count: an edit in the second of the last look is seen like any other."""
    assert unchanged(compiled(), HERE, base_of(), canonical)
    assert not unchanged(compiled(), {**HERE, "state": "2"}, base_of(), canonical)
    assert not unchanged(compiled(), HERE, {}, canonical)


words = st.sampled_from(["", "a", "a ", "b\r\n", "b\n"])


@given(
    st.fixed_dictionaries(dict.fromkeys(HERE, words)),
    st.fixed_dictionaries(dict.fromkeys(HERE, words)),
)
def test_what_is_left_unread_would_not_have_been_written(before: dict[str, str], now: dict[str, str]) -> None:
    base = base_of(before)
    if unchanged(compiled(), now, base, canonical):
        made = plan_pair(compiled(), now, THERE, base, lambda row: Policy(), canonical)
        assert made.to_salesforce == []


@given(
    st.fixed_dictionaries(dict.fromkeys(HERE, words)),
    st.fixed_dictionaries(dict.fromkeys(THERE, words)),
    st.sets(st.sampled_from([spec.id for spec in SPECS])),
    st.sampled_from(["ask", "newest", "salesforce", "servicenow"]),
    st.sampled_from(list(Side)),
)
def test_each_field_comes_to_one_end(
    here: dict[str, str], there: dict[str, str], based: set[str], conflict: str, tie: Side
) -> None:
    base = {row: pair for row, pair in base_of().items() if row in based}
    made = plan_pair(
        compiled(), here, there, base, lambda row: Policy(conflict, "newest", tie=tie), canonical
    )

    ends = [
        *(write.row for write in [*made.to_salesforce, *made.to_servicenow]), *made.agreed,
        *(clash.row for clash in made.clashes), *(problem.row for problem in made.problems),
    ]  # fmt: skip
    assert len(ends) == len(set(ends))
    assert not set(made.settled) & {
        *(clash.row for clash in made.clashes),
        *(problem.row for problem in made.problems),
    }
    one_way = {"origin", "number"}
    assert not one_way & {write.row for write in made.to_servicenow}
    assert "notes" not in {write.row for write in made.to_salesforce}


def test_a_newborn_gets_every_row_that_writes_salesforce() -> None:
    made = plan_create(compiled(), {**HERE, "close_notes": "Put out"}, Side.SALESFORCE)

    assert values_of(made.to_salesforce) == {
        "Subject": "Printer on fire", "Status": "New", "Number__c": "INC1", "Origin": "ServiceNow"
    }  # fmt: skip


def test_a_newborn_is_not_given_the_columns_that_its_row_only_reads() -> None:
    row = FieldSpec(
        "subject", ("short_description",), "Subject", Direction.BOTH,
        'template("{number}: {short_description}")', reverse='replace(Subject, "!", "")',
    )  # fmt: skip
    made = plan_create(compiled(row), {"Subject": "Printer on fire!"}, Side.SERVICENOW)

    assert values_of(made.to_servicenow) == {"short_description": "Printer on fire"}


def test_a_newborn_with_holes_names_each_of_them() -> None:
    strict = FieldSpec("subject", ("short_description",), "Subject", required=True)
    made = plan_create(compiled(strict, SPECS[1]), {"state": "9"}, Side.SALESFORCE)

    assert [problem.code for problem in made.problems] == ["REQUIRED_SOURCE_EMPTY", "UNMAPPED_VALUE"]
    assert all(problem.advice for problem in made.problems)
