"""Patterns say what Python's own do where they are offered, and none of them explodes."""

from __future__ import annotations

import re
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.patterns import PatternError, compiled
from mappings.values import Unmapped

atoms = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", r"\b", "^", "$", "1", " "])
repeats = st.sampled_from(["", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,}?"])
patterns = st.recursive(
    atoms,
    lambda inner: (
        st.tuples(inner, inner).map("".join)
        | st.tuples(inner, inner).map("|".join)
        | st.tuples(inner, repeats).map(lambda pair: f"(?:{pair[0]}){pair[1]}")
        | inner.map("({})".format)
    ),
    max_leaves=6,
)


def captures_in_a_loop(pattern: str) -> bool:
    """Python remembers a group from an earlier turn of a loop that a later one left out; so few need it."""
    return pattern.count("(") > pattern.count("(?:")


@given(patterns, st.text("ab1 \n", max_size=12))
def test_a_pattern_finds_where_pythons_own_finds(pattern: str, text: str) -> None:
    found, expected = compiled(pattern).search(text), re.search(pattern, text)

    assert (found is None) == (expected is None)
    if expected is not None and not captures_in_a_loop(pattern):
        assert found == expected[0]


@given(st.text() | st.lists(st.sampled_from(list(r"ab.()[]{}*+?|\^$,12d-")), max_size=12).map("".join))
def test_any_text_is_a_pattern_or_a_pattern_error(pattern: str) -> None:
    try:
        found = compiled(pattern)
    except PatternError:
        return
    assert found.search("ab12 a") is None or isinstance(found.search("ab12 a"), str)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^INC(\d{7})$", "INC0010001", "0010001"),
        (r"(?i)printer", "The PRINTER", "PRINTER"),
        (r"(?:Case|Ticket) (\d+)", "see Ticket 42", "42"),
        ("a|(b)", "a", ""),
        (r"\.", "a.b", "."),
        ("é+", "caféé", "éé"),
    ],
)
def test_the_first_group_is_what_is_found(pattern: str, text: str, found: str) -> None:
    assert compiled(pattern).search(text) == found


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*b", "(a*)*b", "(.*)(.*)(.*)(.*)x", "(a|aa)+$", "a{1,200}a{1,200}b", "(x+x+)+y"],
)
def test_a_pattern_that_explodes_elsewhere_ends_here(pattern: str) -> None:
    started = time.process_time()

    with suppress(Unmapped):  # or it is told to be too much
        compiled(pattern).search("a" * 3000 + "!")

    assert time.process_time() - started < 5


def test_a_text_too_long_for_a_pattern_is_unmapped() -> None:
    with pytest.raises(Unmapped) as raised:
        compiled("(a|b|c|d)+x").search("abcd" * 50_000)

    assert raised.value.code == "PATTERN_TOO_SLOW"


@pytest.mark.parametrize(
    "pattern",
    [r"(?=a)", r"(?P<n>a)", r"(a)\1", "a**", "*a", "(a", "a)", "[a", "a{3,2}", "a{999}", "((a{99}){99}){99}"],
)
def test_what_is_not_offered_says_so(pattern: str) -> None:
    with pytest.raises(PatternError, match="The pattern"):
        compiled(pattern)
