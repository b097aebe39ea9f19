"""Encoded queries: what is quoted, and what ^NQ does to a condition that is added."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.connectors.servicenow import query
from sync.core.records import ChangeQuery, Cursor
from sync.errors import ConfigurationError, SchemaError

AT = datetime(2026, 3, 1, 7, 4, 9, tzinfo=UTC)
ID = "0123456789abcdef0123456789abcdef"


def asked(scope: str = "", **changes: object) -> ChangeQuery:
    return ChangeQuery("incident", ("state",), "number", scope=scope, **changes)  # type: ignore[arg-type]


def test_a_cursor_becomes_two_queries_each_with_the_scope() -> None:
    text = query.changes(asked("active=true^priority=1^ORpriority=2"), Cursor(AT, ID))

    assert text == (
        f"active=true^priority=1^ORpriority=2^sys_updated_on=2026-03-01 07:04:09^sys_id>{ID}"
        "^NQactive=true^priority=1^ORpriority=2^sys_updated_on>2026-03-01 07:04:09"
        "^ORDERBYsys_updated_on^ORDERBYsys_id"
    )


def test_a_scope_of_two_queries_gets_the_cursor_in_each() -> None:
    text = query.changes(asked("state=1^NQstate=2"), Cursor(AT, ID))
    sides = text.removesuffix("^ORDERBYsys_updated_on^ORDERBYsys_id").split("^NQ")

    assert len(sides) == 4
    assert [side.partition("^")[0] for side in sides] == ["state=1", "state=1", "state=2", "state=2"]
    assert all("sys_updated_on" in side for side in sides)


def test_the_first_page_of_everything_has_only_its_order() -> None:
    assert query.changes(asked(), None) == "ORDERBYsys_updated_on^ORDERBYsys_id"


def test_a_window_is_inclusive_at_its_start_and_exclusive_at_its_end() -> None:
    text = query.changes(asked(since=AT, until=AT.replace(hour=8, microsecond=1)), None)

    assert text.startswith("sys_updated_on>=2026-03-01 07:04:09^sys_updated_on<2026-03-01 08:04:10^")


@pytest.mark.parametrize(
    "scope", ["active=true^ORDERBYnumber", "ORDERBYDESCnumber", "a=1^NQb=2^GROUPBYstate"]
)
def test_a_scope_that_sorts_is_refused(scope: str) -> None:
    with pytest.raises(ConfigurationError, match="sorts or groups"):
        query.parts(scope)


def test_the_mark_that_lists_put_at_the_end_of_a_copied_query_is_dropped() -> None:
    assert query.every("active=true^EQ", "state=1") == "active=true^state=1"


def test_a_doubled_caret_belongs_to_its_value() -> None:
    assert query.parts("short_description=a^^NQb=2^state=1") == ["short_description=a^^NQb=2^state=1"]


@given(st.text(alphabet="^NQORAB=1,", min_size=1, max_size=12))
def test_no_value_can_add_a_term(value: str) -> None:
    assert len(query.terms(query.one_of("number", [value]))) == 1


@given(st.lists(st.text(alphabet="^NQ,ab", min_size=1, max_size=8), min_size=1, max_size=5, unique=True))
def test_values_with_commas_are_compared_one_by_one(values: list[str]) -> None:
    terms = query.terms(query.one_of("name", values))
    alone = [value for value in values if "," in value]

    assert len(terms) == len(alone) + (len(alone) < len(values))
    assert all(term.startswith("OR") for term in terms[1:])


@given(st.lists(st.text(min_size=1, max_size=40), max_size=60))
def test_chunks_keep_every_value_in_order(values: list[str]) -> None:
    assert [value for chunk in query.chunks(values, "name", 200) for value in chunk] == values


@pytest.mark.parametrize("name", ["incident?x", "inc/ident", "", "a^b", "a=b", ".a"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(SchemaError):
        query.name(name)
