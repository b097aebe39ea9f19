"""Whatever HTML comes in, what goes out looks and does nothing."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.html import Unreadable, cleaned, pictures, reference, with_pictures
from mappings.text import length

ORIGIN = "https://acme.service-now.example"
ID = "0123456789abcdef0123456789abcdef"
PIECES = [
    "<p>", "</p>", "<b>", "</b>", "<a href='", "javascript:alert(1)", "JaVa\tscript:x", "'>", "</a>", "<script>",
    "</script>", "alert(1)", "<img src=x onerror=", "<img src=\"sys_attachment.do?sys_id=" + ID + "\">", "<!--", "-->",
    "<style>p{}", "</style>", "<svg onload=x>", "</svg>", "<iframe srcdoc='<script>'>", "&lt;script&gt;", "&amp;", "<",
    ">", "\"", "'", "<table><tr><td style='color: red; background: url(x)'>", "</table>", "text", "\n", "ü", "😀", "<br>",
    "<math><mi//xlink:href='data:x'>", "<form action=x>", "<input autofocus onfocus=x>", "<noscript><p title='</noscript>",
]  # fmt: skip
hostile = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
TAG = re.compile(r"<(/?)([^\s>/]*)([^>]*)>")


@given(text=hostile, limit=st.sampled_from([0, 0, 10, 40, 200]))
def test_what_comes_out_is_well_formed_harmless_and_fits(text, limit):
    found, _ = cleaned(text, limit=limit, origin=ORIGIN)
    assert not limit or length(found) <= limit
    open_ones = []
    for closing, tag, attributes in TAG.findall(found):
        assert tag not in ("script", "style", "svg", "iframe", "form", "input", "math", "noscript")
        assert not re.search(r"\bon\w+=|script:|data:|url\(", attributes, re.IGNORECASE)
        if closing:
            assert open_ones.pop() == tag
        elif tag not in ("br", "img", "hr", "col"):
            open_ones.append(tag)
    assert not open_ones
    assert "<" not in TAG.sub("", found)


@given(text=hostile)
def test_what_is_clean_stays_as_it_is(text):
    once, _ = cleaned(text, origin=ORIGIN)
    assert cleaned(once, origin=ORIGIN)[0] == once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p onclick='x()'>Ask <b>us</b> &amp; wait</p>", "<p>Ask <b>us</b> &amp; wait</p>"),
        ("<p>a<script>alert(1)</script>b</p>", "<p>ab</p>"),
        ("<section>kept</section>", "kept"),
        ('<a href="/kb_view.do?a=1">how</a>', f'<a href="{ORIGIN}/kb_view.do?a=1">how</a>'),
        ('<a href="java&#9;script:x">how</a>', "<a>how</a>"),
        ('<a href="//evil.example">how</a>', "<a>how</a>"),
        ('<p style="color: red; position: fixed">x</p>', '<p style="color: red">x</p>'),
        ('<img src="http://else.example/x.png">', ""),
        ("", ""),
    ],
)
def test_what_is_kept_and_what_is_not(text, expected):
    assert cleaned(text, origin=ORIGIN)[0] == expected


def test_what_was_left_out_is_told():
    assert cleaned("<p>a<script>x</script><iframe></iframe></p>")[1] == "left out: iframe, script"


@pytest.mark.parametrize("address", ["sys_attachment.do?sys_id=" + ID, f"/sys_attachment.do?view=true&amp;sys_id={ID}", f"{ORIGIN}/sys_attachment.do?sys_id={ID}"])  # fmt: skip
def test_pictures_of_servicenow_are_named_and_shown_from_elsewhere(address):
    found, _ = cleaned(f'<p><img alt="a" src="{address}"></p>', origin=ORIGIN)
    assert pictures(found) == [ID]
    assert with_pictures(found, {ID: "/sfc/1"}) == '<p><img alt="a" src="/sfc/1"></p>'
    assert with_pictures(found, {ID: ""}) == "<p></p>"
    assert with_pictures(found, {}) == found
    assert reference(ID) in found


def test_a_long_text_is_cut_between_elements_which_are_all_closed():
    found, note = cleaned("<ul>" + "<li>word &amp; word</li>" * 100 + "</ul>", limit=200)
    assert len(found) <= 200
    assert found.endswith("</li></ul>")
    assert note == "cut to 200 characters"


@pytest.mark.parametrize(
    "text",
    [
        "<p>Hi</p><script>" + "var a = 1;" * 300_000 + "</script>",
        "<p>word word</p>" * 190_000,
        "<p>Hi</p><img src='" + "sys_attachment.do?&" * 150_000 + "'>",
    ],
)
def test_three_megabytes_take_a_moment(text):
    began = time.monotonic()
    found, _ = cleaned(text, limit=131_072)
    assert found.startswith("<p>")
    assert len(found) <= 131_072
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("text", ["<div>" * 100_000, "x" * 5_000_000])
def test_what_cannot_be_cleaned_says_so(text):
    with pytest.raises(Unreadable):
        cleaned(text)
