"""SOQL's language: what its tokens say, and which statements have no meaning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simple_salesforce.format import format_soql

from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.soql.parser import parse
from sync.sandbox.salesforce.soql.syntax import And, Comparison, Moment, Not, Or, Period
from sync.sandbox.salesforce.soql.tokens import Kind, tokenize

BAD = "SELECT Id FROM Case WHERE "


@given(st.text())
def test_a_quoted_string_says_what_was_quoted(text):
    string, end = tokenize(format_soql("{}", text))
    assert (string.kind, string.value) == (Kind.STRING, text)
    assert end.kind is Kind.END


@given(st.lists(st.text(), min_size=1))
def test_no_quoted_string_breaks_out_of_its_list(texts):
    query = parse(format_soql("SELECT Id FROM Case WHERE Subject IN {}", texts))
    assert [literal.value for literal in query.where.values] == texts


def outcome(statement):
    """The object a statement asks for, or the code of its refusal."""
    try:
        return parse(statement).sobject
    except Refusal as refusal:
        return refusal.problem.code


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text):
    assert outcome(text) == "MALFORMED_QUERY"
    assert outcome(f"SELECT Id FROM Case WHERE Subject = {text}") in (
        "Case",
        "MALFORMED_QUERY",
        "QUERY_TOO_COMPLICATED",
    )


def test_parentheses_decide_between_and_and_or():
    where = parse(BAD + "(A = 1 AND B = 2) OR NOT_C = 3").where
    assert isinstance(where, Or)
    assert isinstance(where.children[0], And)


def test_not_stands_alone_in_its_parentheses():
    where = parse(BAD + "(NOT A = 1) AND B = 2").where
    assert isinstance(where, And)
    assert isinstance(where.children[0], Not)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1),
        ("1970-01-01T01:00:01+01:00", 1),
        ("1970-01-01T00:00:01.999+0000", 1),
        ("1970-01-01T00:00Z", 0),
    ],
)
def test_moments_are_whole_seconds_in_utc(text, seconds):
    where = parse(f"{BAD}CreatedDate > {text}").where
    assert where.values == (Moment(seconds),)


def test_date_literals_carry_their_count():
    where = parse(BAD + "CreatedDate = LAST_N_DAYS:7").where
    assert where == Comparison(where.path, "=", (Period("LAST_N_DAYS", 7),))


def test_an_alias_is_only_another_name_for_the_object():
    query = parse("SELECT c.Subject, Case.Id, Owner.Name FROM Case c WHERE c.Status = 'New'")
    assert [path.parts for path in query.paths] == [("Subject",), ("Id",), ("Owner", "Name")]
    assert query.where.path.parts == ("Status",)


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "SELECT FROM Case",
        "SELECT Id Case",
        "SELECT Id, FROM Case",
        BAD,
        BAD + "A = 1 AND B = 2 OR C = 3",
        BAD + "A = 1 OR B = 2 AND C = 3",
        BAD + "NOT A = 1 AND B = 2",
        BAD + "A = 'open",
        BAD + "A = '\\q'",
        BAD + "A IN ()",
        BAD + "A NOT 'x'",
        BAD + "A == 1",
        BAD + "A = 2026-13-40",
        BAD + "(A = 1",
        "SELECT Id FROM Case ORDER Subject",
        "SELECT Id FROM Case LIMIT -1",
        "SELECT Id FROM Case LIMIT 99999999999",
        "SELECT Id FROM Case LIMIT 1 garbage",
        "SELECT Id FROM Case; DELETE",
    ],
)
def test_statements_without_meaning_are_malformed(statement):
    with pytest.raises(Refusal) as caught:
        parse(statement)
    assert caught.value.problem.code == "MALFORMED_QUERY"


def test_a_malformed_statement_is_shown_where_it_breaks():
    with pytest.raises(Refusal, match=r"ERROR at Row:1:Column:29\nunexpected token: 'OR'"):
        parse("SELECT Id FROM Case WHERE A OR B")


def test_offsets_end_at_two_thousand():
    with pytest.raises(Refusal, match="NUMBER_OUTSIDE_VALID_RANGE"):
        parse("SELECT Id FROM Case LIMIT 5 OFFSET 2001")


def test_nesting_without_end_is_refused_before_the_stack_is_spent():
    with pytest.raises(Refusal, match="QUERY_TOO_COMPLICATED"):
        parse(BAD + "(" * 5000 + "A = 1" + ")" * 5000)
