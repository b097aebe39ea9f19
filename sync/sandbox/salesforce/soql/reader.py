"""Reading a statement token by token, up to its smallest parts: names, numbers and literals."""

from __future__ import annotations

from datetime import date, datetime
from typing import NoReturn

from sync.sandbox.salesforce.soql.periods import COUNTED, PLAIN
from sync.sandbox.salesforce.soql.syntax import Boolean, Day, Literal, Moment, Null, Number, Period, Text
from sync.sandbox.salesforce.soql.tokens import Kind, Token, malformed, tokenize

MAX_DIGITS = 9  # of a limit, an offset or a count of days
_WORDS: dict[str, Literal] = {"NULL": Null(), "TRUE": Boolean(True), "FALSE": Boolean(False)}


class Reader:
    """A place among the tokens of a statement. What does not fit is refused as MALFORMED_QUERY."""

    def __init__(self, statement: str) -> None:
        self.statement = statement
        self._tokens = tokenize(statement)
        self._index = 0

    def peek(self, ahead: int = 0) -> Token:
        return self._tokens[min(self._index + ahead, len(self._tokens) - 1)]

    def next(self) -> Token:
        token = self.peek()
        self._index += 1
        return token

    def skip(self, count: int) -> None:
        self._index += count

    def take_word(self, word: str) -> bool:
        taken = self.peek().is_word(word)
        self._index += taken
        return taken

    def take_symbol(self, symbol: str) -> bool:
        taken = self.peek().is_symbol(symbol)
        self._index += taken
        return taken

    def expect_word(self, word: str) -> None:
        if not self.take_word(word):
            self.unexpected()

    def expect_symbol(self, symbol: str) -> None:
        if not self.take_symbol(symbol):
            self.unexpected()

    def name(self) -> Token:
        token = self.next()
        if token.kind is not Kind.NAME:
            self.unexpected(token)
        return token

    def whole_number(self) -> int:
        token = self.next()
        if token.kind is not Kind.NUMBER or not token.text.isdigit() or len(token.text) > MAX_DIGITS:
            self.unexpected(token)
        return int(token.text)

    def unexpected(self, token: Token | None = None) -> NoReturn:
        token = token or self.peek()
        raise malformed(self.statement, token.at, f"unexpected token: '{token.text}'")

    def literal(self) -> Literal:
        token = self.next()
        if token.kind is Kind.STRING:
            return Text(token.value, token.text[1:-1])
        if token.kind is Kind.NUMBER:
            return Number(float(token.text))
        if token.kind is Kind.DATETIME:
            return Moment(self._moment(token))
        if token.kind is Kind.DATE:
            return Day(self._day(token))
        word = token.text.upper()
        if token.kind is Kind.NAME and word in _WORDS:
            return _WORDS[word]
        if token.kind is Kind.NAME and word in PLAIN:
            return Period(word)
        if token.kind is Kind.NAME and word in COUNTED:
            self.expect_symbol(":")
            return Period(word, self.whole_number())
        self.unexpected(token)

    def _moment(self, token: Token) -> int:
        text = token.text.replace("Z", "+00:00")
        try:
            return int(datetime.fromisoformat(text).timestamp())  # the platform compares whole seconds
        except ValueError:
            self.unexpected(token)

    def _day(self, token: Token) -> str:
        try:
            return date.fromisoformat(token.text).isoformat()
        except ValueError:
            self.unexpected(token)
