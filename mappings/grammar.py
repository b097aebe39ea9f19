"""The language of formulas and conditions: text to a tree. Pure; a text is a tree or an ExpressionError, nothing else.

    expression := and ("or" and)*            operand := literal | name | name "(" [expression ("," expression)*] ")"
    and        := not ("and" not)*                     | "(" expression ")"
    not        := "not" not | comparison     literal := "text" | 'text' | number | true | false | empty
    comparison := operand [("==" | "!=" | "<" | "<=" | ">" | ">=") operand | ["not"] "in" list]
    list       := ("(" | "[") expression ("," expression)* (")" | "]")      name := letters, digits, _ with dots between

Names read columns; only registered functions can be called. There are no attributes, loops, assignments or
definitions, and length, depth and number of parts are bounded, so what is parsed ends.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from mappings.registry import Function, Kind, Parameter, named, names
from mappings.text import shown
from mappings.values import Unmapped, as_number

MAX_LENGTH = 2000  # characters
MAX_DEPTH = 20  # of what is within what
MAX_PARTS = 300  # of a whole formula
DISPLAY = "display_value"  # behind a column: what people see of it, as ServiceNow calls it


class ExpressionError(ValueError):
    """A text that is no formula. `at`: the character it is about, counted from 0; the message says what to write."""

    def __init__(self, message: str, at: int = 0) -> None:
        super().__init__(f"{message} (character {at + 1})")
        self.message = message
        self.at = at


@dataclass(frozen=True, slots=True)
class Literal:
    value: Any  # str, int, float, bool or None
    at: int


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Filled:
    """Text with holes: strings, and nodes whose values stand in between."""

    parts: tuple[str | Node, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """`settings` by name, checked; `values` in order."""

    function: Function
    values: tuple[Node, ...]
    settings: tuple[tuple[str, Any], ...]  # a value, or Filled
    at: int


@dataclass(frozen=True, slots=True)
class Compare:
    operator: str
    left: Node
    right: Node
    at: int


@dataclass(frozen=True, slots=True)
class Among:
    value: Node
    options: tuple[Node, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Logic:
    """`all_of`: and; else or."""

    all_of: bool
    parts: tuple[Node, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Not:
    part: Node
    at: int


Node: TypeAlias = Literal | Name | Filled | Call | Compare | Among | Logic | Not


class Token(NamedTuple):
    kind: str  # text, number, name, sign, end
    text: str
    at: int


_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<number>-?\d{1,30}(?:\.\d{1,30})?(?![\w.]))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
    | (?P<sign>==|!=|<=|>=|<|>|[(),\[\]])
    )""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "'": "'", "\\": "\\"}
_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")
_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "empty": None}
_WORDS = {"and", "or", "not", "in", *_CONSTANTS}
_INSTEAD = {
    "=": "Write == to compare.",
    "&": "Write and between two conditions.",
    "|": "Write or between two conditions.",
    "!": "Write not before a condition.",
    "+": 'Put texts together with template("{a} {b}") or join(a, b, " ").',
    '"': "The text that begins here has no closing quote.",
    "'": "The text that begins here has no closing quote.",
    "{": 'Holes in braces belong into template("…").',
    ".": "A column behind a reference is written as caller_id.name.",
    "“": 'Write straight quotes: "text".',
    "„": 'Write straight quotes: "text".',
    "‘": "Write straight quotes: 'text'.",
}


def parse_tree(text: str, *, offset: int = 0, depth: int = 0) -> Node:
    """The tree of a whole text. `offset`: where it stands in the text that errors count in. Raises ExpressionError."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"It has {len(text):,} characters; {MAX_LENGTH:,} are allowed.", offset)
    if not text.strip():
        raise ExpressionError("It is empty: write a formula, such as trim(short_description).", offset)
    parser = _Parser(list(_tokens(text, offset)))
    tree = parser.expression(depth)
    parser.finish()
    return tree


def _tokens(text: str, offset: int) -> Iterator[Token]:
    place = 0
    end = len(text.rstrip())
    while place < end:
        found = _TOKEN.match(text, place)
        if found is None or found.lastgroup is None:
            place += len(text[place:]) - len(text[place:].lstrip())
            wrong = text[place]
            raise ExpressionError(
                _INSTEAD.get(wrong) or f"{shown(wrong)} means nothing here.", place + offset
            )
        kind = found.lastgroup
        yield Token(kind, found[kind], found.start(kind) + offset)
        place = found.end()
    yield Token("end", "", end + offset)


def unquoted(text: str) -> str:
    """What stands between quotes. A backslash before anything but a quote, n, t or itself stays: patterns have them."""
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), text[1:-1], flags=re.DOTALL)


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._next, self._parts = tokens, 0, 0

    def finish(self) -> None:
        token = self._peek()
        if token.kind != "end":
            raise ExpressionError(_unexpected(token, "The formula ends before"), token.at)

    def expression(self, depth: int) -> Node:
        return self._chain("or", self._all_of, depth)

    def _all_of(self, depth: int) -> Node:
        return self._chain("and", self._not, depth)

    def _chain(self, word: str, part: Any, depth: int) -> Node:
        first = part(depth)
        parts = [first]
        while self._takes(word):
            parts.append(part(depth))
        return first if len(parts) == 1 else Logic(word == "and", tuple(parts), first.at)

    def _not(self, depth: int) -> Node:
        token = self._peek()
        if not self._takes("not"):
            return self._comparison(depth)
        return Not(self._not(self._deeper(depth, token)), token.at)

    def _comparison(self, depth: int) -> Node:
        left, token = self._operand(depth), self._peek()
        if token.text in _COMPARISONS and token.kind == "sign":
            self._take()
            return Compare(token.text, left, self._operand(depth), token.at)
        if self._takes("in"):
            return Among(left, self._list(depth), token.at)
        following = self._tokens[min(self._next + 1, len(self._tokens) - 1)]
        if token == ("name", "not", token.at) and (following.kind, following.text) == ("name", "in"):
            self._take(), self._take()
            return Not(Among(left, self._list(depth), token.at), token.at)
        return left

    def _list(self, depth: int) -> tuple[Node, ...]:
        token = self._take()
        if token.text not in ("(", "[") or token.kind != "sign":
            text = 'After in, write the values in parentheses: state in ("6", "7").'
            raise ExpressionError(text, token.at)
        return self._until({"(": ")", "[": "]"}[token.text], token, self._deeper(depth, token))

    def _operand(self, depth: int) -> Node:
        token = self._take()
        if token.kind == "text":
            return Literal(unquoted(token.text), token.at)
        if token.kind == "number":
            return Literal(as_number(token.text), token.at)
        if token.kind == "sign" and token.text == "(":
            inner = self.expression(self._deeper(depth, token))
            self._close(")", token)
            return inner
        if token.kind != "name" or token.text in _WORDS - _CONSTANTS.keys():
            raise ExpressionError(_unexpected(token, "A value is missing before"), token.at)
        if self._peek().text == "(" and self._peek().kind == "sign":
            return self._call(token, depth)
        return (
            Literal(_CONSTANTS[token.text], token.at)
            if token.text in _CONSTANTS
            else Name(token.text, token.at)
        )

    def _call(self, token: Token, depth: int) -> Node:
        found = named(token.text)
        if found is None:
            raise ExpressionError(unknown(token.text), token.at)
        opened = self._take()
        inner = self._deeper(depth, token)
        return call(found, self._until(")", opened, inner), token.at, inner)

    def _until(self, closing: str, opened: Token, depth: int) -> tuple[Node, ...]:
        found: list[Node] = []
        if self._peek().text == closing and self._peek().kind == "sign":
            self._take()
            return ()
        while True:
            found.append(self.expression(depth))
            if not (self._peek().text == "," and self._peek().kind == "sign"):
                break
            self._take()
        self._close(closing, opened)
        return tuple(found)

    def _close(self, closing: str, opened: Token) -> None:
        token = self._take()
        if token.text != closing or token.kind != "sign":
            lead = f"The {opened.text} of character {opened.at + 1} is not closed: write {closing} or a comma before"
            raise ExpressionError(_unexpected(token, lead), token.at)

    def _deeper(self, depth: int, token: Token) -> int:
        if depth >= MAX_DEPTH:
            text = f"This is nested deeper than {MAX_DEPTH} levels: write it in fewer, or as two rows."
            raise ExpressionError(text, token.at)
        return depth + 1

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise ExpressionError(f"It has more than {MAX_PARTS} parts: write it in fewer.", token.at)
        return token

    def _takes(self, word: str) -> bool:
        token = self._peek()
        if (token.kind, token.text) != ("name", word):
            return False
        self._take()
        return True


def _unexpected(token: Token, lead: str) -> str:
    return f"{lead} the end." if token.kind == "end" else f"{lead} {shown(token.text)}."


def unknown(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), names(), n=1)
    hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(names())}."
    return f"There is no function {shown(name)}. {hint}"


# What a call is given


def call(found: Function, given: tuple[Node, ...], at: int, depth: int = 0) -> Call:
    """A checked call: as many values as it takes, then its settings, which are literals. Raises ExpressionError."""
    values, settings = _parted(found, given, at)
    for place, value in enumerate(values):
        _check_kind(found, found.values[min(place, len(found.values) - 1)], value)
    if found.values and found.values[0].kind is Kind.DISPLAY:
        values = tuple(
            Name(f"{value.name}.{DISPLAY}", value.at) for value in values if isinstance(value, Name)
        )
    pairs = zip(found.settings, settings, strict=False)  # those with a default may be left out
    return Call(
        found, values, tuple((each.name, _setting(found, each, node, depth)) for each, node in pairs), at
    )


def _parted(found: Function, given: tuple[Node, ...], at: int) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    required = sum(each.required for each in found.settings)
    if found.many:
        count = len(given) - len(found.settings)
        enough = count >= max(1, found.least)
    else:
        count = min(len(found.values), len(given) - required)
        enough = found.least <= count and len(given) <= len(found.values) + len(found.settings)
    if not enough:
        raise ExpressionError(f"Write {found.signature}; {len(given)} are given here.", at)
    return given[:count], given[count:]


_REFUSED = {
    Kind.NUMBER: (Kind.TRUTH, Kind.MOMENT),
    Kind.MOMENT: (Kind.TRUTH, Kind.NUMBER),
}


def kind_of(node: Node) -> Kind:
    """What a part gives, as far as can be told before there is a record."""
    if isinstance(node, Call):
        return node.function.result
    if isinstance(node, Compare | Among | Logic | Not):
        return Kind.TRUTH
    if isinstance(node, Literal) and node.value is not None:
        return {bool: Kind.TRUTH, str: Kind.TEXT}.get(type(node.value), Kind.NUMBER)
    return Kind.TEXT if isinstance(node, Filled) else Kind.VALUE


def _check_kind(found: Function, parameter: Parameter, value: Node) -> None:
    given = kind_of(value)
    if parameter.kind is Kind.DISPLAY and not isinstance(value, Name):
        raise ExpressionError(f"{found.name} takes a column by its name: {found.name}(state).", value.at)
    wrong = given in _REFUSED.get(parameter.kind, ())
    if parameter.kind is Kind.NUMBER and isinstance(value, Literal) and isinstance(value.value, str):
        try:
            as_number(value.value)
        except Unmapped:
            wrong = True
    if wrong:
        text = f"{found.name} takes a {parameter.kind} as its {parameter.name}; this is a {given}."
        raise ExpressionError(text, value.at)


def _setting(found: Function, parameter: Parameter, node: Node, depth: int) -> Any:
    if not isinstance(node, Literal):
        text = f"Write the {parameter.name} of {found.name} itself here, as a text in quotes or a number: it cannot be read from a record."
        raise ExpressionError(text, node.at)
    if parameter.holes:
        return filled(str(node.value or ""), offset=node.at + 1, at=node.at, depth=depth)
    if (parameter.kind is Kind.NUMBER) != (type(node.value) in (int, float)):
        sort = "a number" if parameter.kind is Kind.NUMBER else "a text in quotes"
        raise ExpressionError(f"The {parameter.name} of {found.name} is {sort}.", node.at)
    if parameter.check is not None and (wrong := parameter.check(node.value)):
        raise ExpressionError(wrong, node.at)
    return node.value


# Text with holes


def filled(text: str, *, offset: int = 0, at: int = 0, depth: int = 0) -> Filled:
    """Text with holes in braces; a doubled brace is a brace. Raises ExpressionError."""
    parts: list[str | Node] = []
    place, words = 0, ""
    while place < len(text):
        sign = text[place]
        if sign in "{}" and text[place + 1 : place + 2] == sign:
            words, place = words + sign, place + 2
        elif sign == "{":
            end = _hole_end(text, place)
            if end < 0:
                lead = "The { that begins here is not closed: write } after the name, or {{ for a brace."
                raise ExpressionError(lead, place + offset)
            parts += [words] if words else []
            parts.append(parse_tree(text[place + 1 : end], offset=place + 1 + offset, depth=depth))
            words, place = "", end + 1
        elif sign == "}":
            raise ExpressionError("Write }} for a brace; this one closes nothing.", place + offset)
        else:
            following = min(
                (found for found in (text.find("{", place), text.find("}", place)) if found >= 0),
                default=len(text),
            )
            words, place = words + text[place:following], following
    parts += [words] if words else []
    if len(parts) > MAX_PARTS:
        raise ExpressionError(f"It has more than {MAX_PARTS} parts.", at)
    return Filled(tuple(parts), at)


def _hole_end(text: str, start: int) -> int:
    """Where the hole that begins at `start` ends: at the next brace outside quotes."""
    place, quote = start + 1, ""
    while place < len(text):
        sign = text[place]
        if quote:
            place += sign == "\\"
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign == "}":
            return place
        place += 1
    return -1


def read_names(node: Any) -> Iterator[str]:
    """The names that a tree reads, in order."""
    if isinstance(node, Name):
        yield node.name
    for part in children(node):
        yield from read_names(part)


def children(node: Any) -> tuple[Any, ...]:
    if isinstance(node, Call):
        return (*node.values, *(value for _, value in node.settings if isinstance(value, Filled)))
    if isinstance(node, Compare):
        return (node.left, node.right)
    if isinstance(node, Among):
        return (node.value, *node.options)
    if isinstance(node, Filled | Logic):
        return tuple(part for part in node.parts if not isinstance(part, str))
    return (node.part,) if isinstance(node, Not) else ()
