"""HTML of one platform as the other may show it: an allowlist of elements, attributes and addresses, nothing else.

The text is parsed and written anew, so that what comes out is well-formed whatever went in. Elements that act (scripts,
frames, forms) go with their content, unknown ones leave their text behind. Pictures that ServiceNow keeps stand as
`reference(sys_id)` until somebody knows where the other side shows them.

Source: Salesforce help, "Rich Text Area: supported tags and attributes"; what is not in it is dropped there too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urljoin, urlsplit

from lxml import etree

from mappings.text import ELLIPSIS, clean, length

LONGEST = 4_000_000  # characters that are taken up at all
_PIECE = 65_536  # characters that the parser is fed at once
_DEEPEST = 200  # elements in one another

_VOID = frozenset({"br", "hr", "img", "col"})
_ELEMENTS = _VOID | frozenset(
    "a abbr address b big blockquote caption cite code colgroup dd del dfn div dl dt em h1 h2 h3 h4 h5 h6 i ins kbd "
    "li ol p pre q s samp small span strike strong sub sup table tbody td tfoot th thead tr tt u ul var".split()
)
# Gone with all that is in them. The rest of the unknown leaves its text behind.
_ACTIVE = frozenset(
    "script style iframe frame frameset object embed applet noscript template svg math head title form input button "
    "select option textarea audio video canvas link meta base".split()
)
_ATTRIBUTES = frozenset(
    "title alt width height colspan rowspan align valign dir lang border cellpadding cellspacing start".split()
)
_STYLES = frozenset(
    "color background-color text-align text-decoration font-weight font-style font-size margin-left width".split()
)
_STYLE_VALUE = re.compile(r"[\w\s#%.,-]{1,60}(?:\([\d\s.,%]{1,40}\))?", re.ASCII)
_SCHEMES = frozenset({"http", "https", "mailto", "tel"})
_SPACES = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")
# In two steps: each reads the address once, however long it is and however often it repeats itself.
_ATTACHMENT = re.compile(r"sys_attachment\.do\?([^\"'<>]*)", re.IGNORECASE)
_SYS_ID = re.compile(r"(?:\A|&)sys_id=([0-9a-f]{32})\b", re.IGNORECASE)
_REFERENCE = re.compile(r'<img\b[^>]*\bsrc="/sys_attachment\.do\?sys_id=([0-9a-f]{32})"[^>]*>')


class Unreadable(ValueError):
    """The text is too large or too deep to be cleaned; the message says which."""


def reference(sys_id: str) -> str:
    """The address of a picture in ServiceNow, in the one form that cleaned text has."""
    return f"/sys_attachment.do?sys_id={sys_id}"


def pictures(cleaned: str) -> list[str]:
    """The sys_ids of pictures that cleaned text shows from ServiceNow, in order, each once."""
    return list(dict.fromkeys(_REFERENCE.findall(cleaned)))


def with_pictures(cleaned: str, shown: Mapping[str, str]) -> str:
    """Cleaned text with these pictures shown from elsewhere; one whose address is "" is left out."""

    def replaced(found: re.Match[str]) -> str:
        address = shown.get(found[1])
        if address is None:
            return found[0]
        return found[0].replace(reference(found[1]), escape(address)) if address else ""

    return _REFERENCE.sub(replaced, cleaned)


def cleaned(
    text: str, *, limit: int = 0, origin: str = "", picture: Callable[[str], str] = reference
) -> tuple[str, str]:
    """Return the clean HTML and a note of what was left out, or "".

    `limit`: characters of the target, 0 for any; what does not fit is cut between two pieces of text or elements, and
    every open element is closed. `origin`: what relative addresses are relative to; without it they are left out.
    `picture`: the address of a picture by its sys_id; "" leaves it out. Raises Unreadable.
    """
    if len(text) > LONGEST:
        raise Unreadable(f"The text has {len(text):,} characters; at most {LONGEST:,} are taken up.")
    if not text.strip():
        return "", ""
    writer = _Writer(limit=limit, origin=origin, picture=picture)
    parser = etree.HTMLParser(target=writer, recover=True, remove_comments=True, remove_pis=True)
    try:
        source = clean(text)
        for start in range(0, len(source), _PIECE):
            parser.feed(source[start : start + _PIECE])
            if writer.full:
                break
        else:
            parser.close()
    except etree.LxmlError as error:
        raise Unreadable("The text is no HTML that can be read.") from error
    return writer.finished(), writer.note


@dataclass
class _Writer:
    """Told of elements and text in order by the parser; writes what is allowed."""

    limit: int
    origin: str
    picture: Callable[[str], str]
    _out: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)  # every element, "" for what is not written
    _used: int = 0
    _owed: int = 0  # characters of the end tags of what is open
    _hidden: int = 0  # depth within an element that goes with its content
    full: bool = False  # nothing more is taken
    _left: dict[str, None] = field(default_factory=dict)

    @property
    def note(self) -> str:
        notes = [f"left out: {', '.join(sorted(self._left))}"] if self._left else []
        notes += [f"cut to {self.limit:,} characters"] if self.full else []
        return "; ".join(notes)

    def finished(self) -> str:
        while self._open:
            self._close(self._open.pop())
        return "".join(self._out).strip()

    # What the parser calls

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._hidden or tag in _ACTIVE:
            if not self._hidden:
                self._left[tag] = None
            self._hidden += 1
            return
        if len(self._open) >= _DEEPEST:
            raise Unreadable(f"Elements stand more than {_DEEPEST} deep in one another.")
        kept = tag if tag in _ELEMENTS else ""
        if kept == "img":
            self._picture(attributes)
            kept = ""
        elif kept:
            kept = self._written(tag, f"<{tag}{self._attributes(tag, attributes)}>")
        self._open.append(kept)

    def end(self, tag: str) -> None:
        if self._hidden:
            self._hidden -= 1
        elif self._open:
            self._close(self._open.pop())

    def data(self, text: str) -> None:
        if not self._hidden and not self.full:
            self._say(escape(text, quote=False))

    def close(self) -> None:
        return None

    # What is written

    def _written(self, tag: str, opening: str) -> str:
        """The element that was opened, or "" where there is no room for it."""
        closing = 0 if tag in _VOID else len(tag) + 3
        if not self._has_room(length(opening) + closing):
            return ""
        self._put(opening)
        self._owed += closing
        return "" if tag in _VOID else tag

    def _close(self, tag: str) -> None:
        if tag:
            self._owed -= len(tag) + 3
            self._put(f"</{tag}>")

    def _say(self, text: str) -> None:
        """Text, as much as there is room for; the last word of what does not fit is never half an entity."""
        if self._has_room(length(text)):
            self._put(text)
            return
        room = self.limit - self._used - self._owed - len(ELLIPSIS)
        kept = text.encode("utf-16-le", "surrogatepass")[: 2 * max(0, room)].decode("utf-16-le", "ignore")
        self._put(re.sub(r"&[^;]*\Z", "", kept).rstrip() + ELLIPSIS if room >= 0 else "")

    def _has_room(self, more: int) -> bool:
        """Whether so many characters fit before all that is open must be closed; once not, nothing more is taken."""
        if self.limit and self._used + self._owed + more > self.limit - len(ELLIPSIS):
            self.full = True
        return not self.full

    def _put(self, text: str) -> None:
        self._out.append(text)
        self._used += length(text)

    def _picture(self, attributes: Mapping[str, str]) -> None:
        address = self._source(attributes.get("src") or "")
        if not address:
            self._left["img"] = None
            return
        others = self._attributes("img", {**attributes, "src": ""})
        self._written("img", f'<img{others} src="{escape(address)}">')

    def _source(self, address: str) -> str:
        """Where a picture is shown from: one of ServiceNow's as `picture` says, others by https alone."""
        found = _attachment(address)
        if found and (_is_relative(address) or _same_origin(address, self.origin)):
            return self.picture(found)
        return address if _scheme(address) == "https" else ""

    def _attributes(self, tag: str, attributes: Mapping[str, str]) -> str:
        kept = {
            name: value for name, value in attributes.items() if name in _ATTRIBUTES and value is not None
        }
        if style := _style(attributes.get("style") or ""):
            kept["style"] = style
        if tag == "a" and (target := self._link(attributes.get("href") or "")):
            kept["href"] = target
        return "".join(f' {name}="{escape(value)}"' for name, value in sorted(kept.items()))

    def _link(self, address: str) -> str:
        """An address that leads somewhere and does nothing: absolute, of a harmless scheme."""
        plain = _SPACES.sub("", address)
        if plain.startswith("#"):
            return plain
        if _is_relative(plain):
            plain = urljoin(f"{self.origin}/", plain) if self.origin and plain else ""
        return plain if _scheme(plain) in _SCHEMES else ""


def _style(text: str) -> str:
    """The declarations that only look: known properties, plain values."""
    kept = []
    for declaration in text.split(";"):
        name, _, value = declaration.partition(":")
        name, value = name.strip().lower(), value.strip()
        if name in _STYLES and _STYLE_VALUE.fullmatch(value):
            kept.append(f"{name}: {value}")
    return "; ".join(kept)


def _attachment(address: str) -> str:
    """The sys_id of the picture in ServiceNow that an address names; "" for none."""
    asked = _ATTACHMENT.search(address)
    found = _SYS_ID.search(asked[1]) if asked else None
    return found[1].lower() if found else ""


def _scheme(address: str) -> str | None:
    """The scheme of an address in lower case; None for what is no address."""
    try:
        return urlsplit(_SPACES.sub("", address)).scheme.lower()
    except ValueError:
        return None


def _is_relative(address: str) -> bool:
    return _scheme(address) == "" and not address.lstrip().startswith("//")


def _same_origin(address: str, origin: str) -> bool:
    return bool(origin) and address.lower().startswith(f"{origin.lower()}/")
