"""HTML to text in one pass, whatever the HTML is. Pure."""

from __future__ import annotations

import re
from html import unescape

from mappings.text import clean

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)([^>]*)>?")  # one that is not closed goes on to the end
_HREF = re.compile(r"""\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\n\f\r\xa0]+")
_LINES = frozenset(
    "address article blockquote br dd div dl dt figure footer form h1 h2 h3 h4 h5 h6 header hr ol p pre section table tr ul".split()
)
_UNSEEN = frozenset(("script", "style", "template", "title"))  # with all that is in them
_TOLD = _LINES | _UNSEEN | {"a", "li", "td", "th"}  # the others leave nothing behind


def plain(text: str) -> str:
    """What a reader sees: no tags, no comments, lines where blocks begin, no white space beyond need."""
    if "<" not in text and "&" not in text:
        return tidy(text)
    return tidy("".join(_Scanner(text).read()))


class _Scanner:
    """Reads from left to right. What is not closed is looked for once, so that the time grows with the length alone."""

    def __init__(self, text: str) -> None:
        self._text, self._place, self._href = text, 0, ""
        self._absent: set[str] = set()
        self._out: list[str] = []

    def read(self) -> list[str]:
        text = self._text
        while (start := text.find("<", self._place)) >= 0:
            self._words(text[self._place : start])
            self._place = start
            if found := _TAG.match(text, start):
                self._place = found.end()
                name = found[2].lower()
                if name in _TOLD:
                    self._tag(name, bool(found[1]), found[3])
            elif text.startswith("<!--", start):
                self._skip("-->", 4)
            elif text.startswith(("<!", "<?"), start):
                self._skip(">", 2)
            else:  # a bare sign: a < b
                self._out.append("<")
                self._place += 1
        self._words(text[self._place :])
        return self._out

    def _words(self, text: str) -> None:
        if text:
            self._out.append(_single(unescape(text) if "&" in text else text))

    def _find(self, sought: str, start: int) -> int:
        if sought in self._absent:
            return -1
        place = self._text.find(sought, start)
        if place < 0:
            self._absent.add(sought)
        return place

    def _skip(self, closing: str, at_least: int) -> None:
        end = self._find(closing, self._place + at_least)
        self._place = end + len(closing) if end >= 0 else len(self._text)

    def _tag(self, name: str, closes: bool, inside: str) -> None:
        if name in _UNSEEN and not closes:
            self._leave_out(name)
        elif name == "a":
            self._link(inside, closes)
        elif name == "li":
            self._out.append("\n" if closes else "\n- ")
        elif name in ("td", "th"):
            self._out.append(" ")
        elif name in _LINES:
            self._out.append("\n")

    def _leave_out(self, name: str) -> None:
        end = self._find(f"</{name}", self._place)
        self._place = end if end >= 0 else len(self._text)

    def _link(self, inside: str, closes: bool) -> None:
        """The address is kept behind the words, where it is one of the web: without it the words lead nowhere."""
        if closes:
            self._out.append(f" ({self._href})" if self._href else "")
            self._href = ""
            return
        found = _HREF.search(inside)
        address = unescape(next(filter(None, found.groups()), "")) if found else ""
        self._href = address if address.startswith(("http://", "https://")) else ""


def tidy(text: str) -> str:
    """Text as HTML shows it: no white space beyond need, at most one empty line in a row."""
    text = clean(text)
    lines = [_single(line).strip() for line in text.split("\n")]
    kept = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return "\n".join(kept).strip()


def _single(text: str) -> str:
    """White space in a row as one blank."""
    plain = text.isprintable() and "  " not in text  # of white space only the blank is printable
    return text if plain else _SPACE.sub(" ", text)
