"""Text in the one form in which sides are compared: cleaned once is clean, and cut text fits."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mappings.apply import canonical
from mappings.text import ELLIPSIS, clean, cut, length

CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\r\ufffe\uffff]")
# Lone surrogates included: JSON may carry them.
anything = st.text(st.characters() | st.sampled_from("\r\n\t \x00\ud83d\ude00\uffff\x85\u2028🖨️é"))
limits = st.integers(1, 12)


@given(anything)
def test_text_cleaned_twice_is_text_cleaned_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(anything)
def test_clean_text_holds_nothing_that_xml_or_utf_8_cannot_carry(text: str) -> None:
    assert not CONTROLS.search(clean(text))
    assert clean(text).encode().decode() == clean(text)


@given(anything, st.sampled_from(["", " ", "\n", "\r\n", "\t \r\n"]))
def test_what_platforms_do_to_the_end_and_to_newlines_is_no_change(text: str, added: str) -> None:
    assert canonical(text + added) == canonical(text)
    assert canonical(clean(text).replace("\n", "\r\n")) == canonical(text)


@given(anything.map(clean), st.integers(0, 12))
@example("🖨️🖨️🖨️", 4)
def test_cut_text_fits_and_cut_again_stays(text: str, limit: int) -> None:
    short, note = cut(text, limit)

    assert not limit or length(short) <= limit
    assert cut(short, limit) == (short, "")
    assert bool(note) == (short != text)


@given(anything.map(clean), limits)
def test_cut_text_is_a_beginning_and_a_mark_and_still_clean(text: str, limit: int) -> None:
    short, note = cut(text, limit)

    assert text.startswith(short.removesuffix(ELLIPSIS) if note else short)
    assert clean(short) == short


@given(st.text("a🖨é", min_size=1), limits)
def test_length_counts_as_java_does(text: str, limit: int) -> None:
    assert length(text) == len(text.encode("utf-16-be")) // 2
    assert length(cut(text, limit)[0]) <= limit


@pytest.mark.parametrize("letter", ["a", "é", "🖨"])
def test_a_long_text_is_cut_in_one_go(letter: str) -> None:
    """40,000 characters to 32,000, many times: were each character tried, this would take minutes."""
    for _ in range(50):
        short, note = cut(letter * 40_000, 32_000)

    assert 31_999 <= length(short) <= 32_000
    assert note.endswith("to 32,000 characters")


def test_a_note_says_how_much_was_cut() -> None:
    assert cut("Printer on fire in the lobby", 11) == ("Printer on…", "cut from 28 to 11 characters")
