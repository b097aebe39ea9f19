"""Functions of text. Pure."""

from __future__ import annotations

import html
import re

from mappings import patterns
from mappings.markup import plain, tidy
from mappings.registry import Text, Truth, Value, function
from mappings.text import ELLIPSIS, clean, cut
from mappings.transforms.settings import Holes, Length, Pattern, Sought, Words
from mappings.values import Projected, as_text, bounded, check_size


@function("copy", inverse=as_text)
def copy(value: Value) -> Text:
    """The text as it is, cut to the length of the field it goes to.

    >>> copy("Printer on fire")
    "Printer on fire"
    """
    return as_text(value)


@function("without white space around", inverse=lambda value: clean(as_text(value)).strip())
def trim(text: Text) -> Text:
    """The text without white space at its beginning and end.

    >>> trim("  Printer on fire ")
    "Printer on fire"
    """
    return text.strip() if text.isascii() and text.isprintable() else clean(text).strip()


@function("small letters")
def lower(text: Text) -> Text:
    """The text in small letters.

    >>> lower("Beth.Anglin@Example.com")
    "beth.anglin@example.com"
    """
    return text.lower()


@function("capital letters")
def upper(text: Text) -> Text:
    """The text in capital letters.

    >>> upper("inc0010001")
    "INC0010001"
    """
    return text.upper()


@function("capital letter for each word")
def title(text: Text) -> Text:
    """Each word with a capital letter, the rest in small ones.

    >>> title("BETH o'anglin")
    "Beth O'anglin"
    """
    return re.sub(r"\S+", lambda word: word[0][:1].upper() + word[0][1:].lower(), text)


@function("cut to a length")
def truncate(text: Text, *, length: Length, ending: Words = ELLIPSIS) -> Text | Projected:
    """At most so many characters, the last of them an ellipsis where something was cut off.

    Characters are counted as both platforms do: an emoji is two.

    >>> truncate("Printer on fire", 10)
    "Printer o…"
    >>> truncate("Printer on fire", 10, "")
    "Printer on"
    >>> truncate("Printer", 10)
    "Printer"
    """
    kept, note = cut(text, length, ending)
    return Projected(kept, note) if note else kept


@function("HTML to text")
def html_to_text(text: Text) -> Text:
    """What a reader sees of HTML: no tags, scripts or comments; paragraphs and list items on lines of their own.

    >>> html_to_text("<p>Disk&nbsp;<b>full</b></p><ul><li>C:<li>D:</ul>")
    "Disk full\\n\\n- C:\\n- D:"
    >>> html_to_text("See <a href='https://example.com/kb'>the article</a>.")
    "See the article (https://example.com/kb)."
    """
    return plain(text)


@function("text to HTML", html=True, inverse=lambda value: plain(as_text(value)))
def text_to_html(text: Text) -> Text:
    """Text for a field that holds HTML: its special characters escaped, its lines kept, white space as HTML shows it.

    >>> text_to_html("a < b\\nc")
    "a &lt; b<br>c"
    """
    return bounded(html.escape(tidy(text), quote=False).replace("\n", "<br>"))


@function("replace a text")
def replace(text: Text, *, old: Sought, new: Words) -> Text:
    """The text with another in place of one, wherever it stands.

    >>> replace("Acme Inc. and Acme Ltd.", "Acme", "Bob's")
    "Bob's Inc. and Bob's Ltd."
    """
    check_size(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


@function("text with holes")
def template(*, text: Holes) -> Text:
    """Text with columns or formulas in braces; a doubled brace is a brace.

    >>> template("{trim(' INC0010001 ')}: {{urgent}}")
    "INC0010001: {urgent}"
    """
    return text


@function("put together")
def join(*text: Text, between: Words) -> Text:
    """The texts that are not empty, with another between them.

    >>> join("Beth", "", "Anglin", " ")
    "Beth Anglin"
    """
    check_size(sum(map(len, text)) + len(between) * len(text))
    return between.join(filter(None, text))


@function("contains a text")
def contains(text: Text, *, sought: Sought) -> Truth:
    """Whether a text stands anywhere in another; capital and small letters are the same.

    >>> contains("Printer on FIRE", "fire")
    true
    """
    return sought.lower() in text.lower()


@function("matches a pattern")
def matches(text: Text, *, pattern: Pattern) -> Truth:
    """Whether a regular expression fits anywhere in the text; begin it with ^ and end it with $ for the whole text.

    Its time is bounded: it grows with the length of the text alone, and no pattern can make it explode.

    >>> matches("INC0010001", "^INC\\d{7}$")
    true
    >>> matches("CHG0030001", "^INC\\d{7}$")
    false
    """
    return patterns.compiled(pattern).search(text) is not None


@function("part that matches a pattern")
def extract(text: Text, *, pattern: Pattern) -> Text:
    """What a regular expression finds first: its first group in parentheses, or all of it; empty if it fits nowhere.

    >>> extract("Case 00001026: Printer", "Case (\\d+)")
    "00001026"
    >>> extract("Printer", "Case (\\d+)")
    ""
    """
    return patterns.compiled(pattern).search(text) or ""
