"""Record ids: the check characters, and the order of a series."""

from itertools import islice
from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.sandbox.salesforce.ids import series, suffix, to15, to18

ids = st.text(alphabet=ascii_letters + digits, min_size=15, max_size=15)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("001D000000IRFma", "001D000000IRFmaIAH"),  # the REST guide's own examples
        ("00Dx0000000BV7z", "00Dx0000000BV7zEAG"),
    ],
)
def test_documented_ids_get_their_documented_suffix(short, long):
    assert short + suffix(short) == long


@given(ids)
def test_a_long_id_is_its_own_long_form_and_keeps_the_short_one(short):
    long = to18(short)
    assert to18(long) == long
    assert to15(long) == short


@given(ids)
def test_the_suffix_restores_the_case_of_an_id_that_lost_it(short):
    long = short + suffix(short)
    assert to18(long.lower()) == long
    assert to18(long.upper()) == long


@given(ids, ids)
def test_different_ids_stay_different_without_their_case(one, other):
    if one != other:
        assert to18(one).lower() != to18(other).lower()


@pytest.mark.parametrize("value", ["", "500", "5" * 16, "500Hn00000000-1", None, 500, "0" * 15 + "!!!"])
def test_what_is_not_an_id_has_no_long_form(value):
    assert to18(value) is None


def test_a_series_ascends_and_never_repeats():
    made = list(islice(series("500"), 5000))
    assert made == sorted(set(made))
    assert all(to18(each) == each for each in made)
