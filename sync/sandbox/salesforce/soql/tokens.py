"""From the text of a SOQL statement to its tokens.

Escapes and literal forms: SOQL reference, "Quoted String Escape Sequences" and "Date Formats".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from sync.sandbox.salesforce.problems import Refusal

MAX_STATEMENT = 100_000  # characters; the platform's limit since Summer '17


class Kind(Enum):
    NAME = "name"
    STRING = "string"
    NUMBER = "number"
    DATETIME = "datetime"
    DATE = "date"
    SYMBOL = "symbol"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is the source, `value` what a string literal says once its escapes are resolved."""

    kind: Kind
    text: str
    at: int
    value: str = ""

    def is_word(self, word: str) -> bool:
        return self.kind is Kind.NAME and self.text.upper() == word

    def is_symbol(self, symbol: str) -> bool:
        return self.kind is Kind.SYMBOL and self.text == symbol


_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d))
  | (?P<date>\d{4}-\d\d-\d\d)
  | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\s*\.\s*[A-Za-z_][A-Za-z0-9_]*)*)
  | (?P<symbol><=|>=|!=|<>|[=<>(),:])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPES = {
    "n": "\n", "N": "\n", "r": "\r", "R": "\r", "t": "\t", "T": "\t", "b": "\b", "B": "\b",
    "f": "\f", "F": "\f", '"': '"', "'": "'", "\\": "\\", "%": "%", "_": "_",
}  # fmt: skip
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)


def tokenize(statement: str) -> list[Token]:
    """Return the statement's tokens, an END last. Raises Refusal (MALFORMED_QUERY)."""
    if len(statement) > MAX_STATEMENT:
        raise Refusal("QUERY_TOO_COMPLICATED", "SOQL statements cannot be longer than 100000 characters.")
    tokens: list[Token] = []
    position = 0
    while position < len(statement):
        match = _TOKEN.match(statement, position)
        if match is None:
            raise malformed(statement, position, f"unexpected token: '{statement[position]}'")
        kind = match.lastgroup or ""
        if kind != "space":
            tokens.append(_token(statement, kind, match.group(), position))
        position = match.end()
    tokens.append(Token(Kind.END, "<EOF>", len(statement)))
    return tokens


def _token(statement: str, kind: str, text: str, at: int) -> Token:
    if kind == "string":
        return Token(Kind.STRING, text, at, _unescape(statement, text[1:-1], at))
    if kind == "name":
        return Token(Kind.NAME, re.sub(r"\s", "", text), at)
    return Token(Kind(kind), text, at)


def characters(raw: str) -> Iterator[tuple[str, bool]]:
    """Yield the characters a literal's source says, and whether each was written with a backslash.

    LIKE needs to know: an escaped `%` is a per cent sign, a bare one is a wildcard.
    Raises KeyError on an escape the language does not have.
    """
    position = 0
    for match in _ESCAPE.finditer(raw):
        for char in raw[position : match.start()]:
            yield char, False
        code, char = match.groups()
        yield (chr(int(code, 16)) if code else _ESCAPES[char]), True
        position = match.end()
    for char in raw[position:]:
        yield char, False


def _unescape(statement: str, raw: str, at: int) -> str:
    if "\\" not in raw:
        return raw
    try:
        return "".join(char for char, _ in characters(raw))
    except KeyError as error:
        raise malformed(statement, at, f"no viable alternative at character '\\{error.args[0]}'") from error


def excerpt(statement: str, at: int) -> str:
    """Return the platform's picture of a place in a statement: the text around it, an arrow, its position."""
    start = max(0, at - 30)
    line = statement.count("\n", 0, at) + 1
    column = at - (statement.rfind("\n", 0, at) + 1) + 1
    around = statement[start : at + 30]
    return f"\n{around}\n{' ' * (at - start)}^\nERROR at Row:{line}:Column:{column}\n"


def malformed(statement: str, at: int, what: str) -> Refusal:
    return Refusal("MALFORMED_QUERY", excerpt(statement, at) + what)
