"""SOQL text: what is quoted, and what stays in its parentheses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.connectors.salesforce import soql
from sync.connectors.salesforce.ids import to_18
from sync.core.records import Cursor
from sync.errors import SchemaError
from sync.sandbox.salesforce.soql.parser import parse

AT = datetime(2026, 3, 1, 7, 4, 9, tzinfo=UTC)


@given(st.text(max_size=40).filter(lambda text: "\0" not in text))
def test_no_value_can_leave_its_quotes(value: str) -> None:
    inner = soql.quoted(value)[1:-1]

    assert "'" not in inner.replace("\\\\", "").replace("\\'", "")


def test_a_query_with_a_hostile_key_still_parses() -> None:
    text = soql.select(
        ["Id"], "Case", soql.one_of("Subject", ["it's \\' OR Id != ''", "a\nb"]), order="Id", limit=5
    )

    assert parse(text)


def test_a_cursor_is_one_condition_whatever_the_scope() -> None:
    condition = soql.both("Origin = 'Web' OR Origin = 'Phone'", soql.after(Cursor(AT, "500A")))

    assert condition == (
        "(Origin = 'Web' OR Origin = 'Phone') AND "
        "((SystemModstamp = 2026-03-01T07:04:09Z AND Id > '500A') OR SystemModstamp > 2026-03-01T07:04:09Z)"
    )


def test_a_stamp_is_utc_and_rounded_up() -> None:
    local = AT.astimezone(timezone(timedelta(hours=2))) + timedelta(milliseconds=1)

    assert soql.stamp(local) == "2026-03-01T07:04:10Z"


@given(st.lists(st.text(min_size=1, max_size=60), max_size=300))
def test_chunks_fit_the_url_and_keep_every_value(values: list[str]) -> None:
    chunks = list(soql.chunks(values, max_bytes=400))

    assert [value for chunk in chunks for value in chunk] == values
    assert all(len(quote_plus(soql.one_of("Id", chunk))) < 450 for chunk in chunks if len(chunk) > 1)


@pytest.mark.parametrize("name", ["Case; DROP", "", "a b", "1x", "a.", "Case--"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(SchemaError):
        soql.name(name)


def test_a_short_id_gets_the_suffix_that_tells_its_capitals() -> None:
    assert to_18("0017000000FSpT7") == "0017000000FSpT7AAL"
    assert to_18("0017000000FSpT7AAL") == "0017000000FSpT7AAL"
