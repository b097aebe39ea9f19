"""A recursive-descent parser for the part of SOQL that a synchroniser speaks.

    query      SELECT columns FROM name [alias] [WHERE condition] [ORDER BY orders] [LIMIT n] [OFFSET n]
    columns    COUNT() | FIELDS(group) | column, column ...
    column     path | ( query )
    condition  simple | NOT simple | simple AND simple ... | simple OR simple ...
    simple     ( condition ) | path operator value

AND and OR may not be mixed, nor NOT combined with either, without parentheses: the platform has no
precedence between them. Source: SOQL reference, "conditionExpression".
"""

from __future__ import annotations

from datetime import date, datetime
from typing import NoReturn

from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.soql.periods import COUNTED, PLAIN
from sync.sandbox.salesforce.soql.syntax import (
    And,
    Boolean,
    Comparison,
    Condition,
    Day,
    Literal,
    Moment,
    Not,
    Null,
    Number,
    Or,
    Order,
    Path,
    Period,
    Query,
    Text,
)
from sync.sandbox.salesforce.soql.tokens import Kind, Token, malformed, tokenize

MAX_OFFSET = 2000
MAX_DIGITS = 9  # of a limit, an offset or a count of days
MAX_DEPTH = 100  # parentheses; keeps a hostile statement from exhausting the stack
_CLAUSES = frozenset({"WHERE", "ORDER", "LIMIT", "OFFSET", "GROUP", "HAVING", "WITH", "FOR", "ALL", "USING"})
_SET_OPERATORS = frozenset({"IN", "NOT IN", "INCLUDES", "EXCLUDES"})
_COMPARISONS = frozenset({"=", "!=", "<>", "<", "<=", ">", ">="})
_WORDS: dict[str, Literal] = {"NULL": Null(), "TRUE": Boolean(True), "FALSE": Boolean(False)}


def parse(statement: str) -> Query:
    """Return the query's tree. Raises Refusal (MALFORMED_QUERY, NUMBER_OUTSIDE_VALID_RANGE)."""
    return _Parser(statement).query()


class _Parser:
    def __init__(self, statement: str) -> None:
        self._statement = statement
        self._tokens = tokenize(statement)
        self._index = 0
        self._depth = 0
        self._prefixes: frozenset[str] = frozenset()

    def query(self) -> Query:
        query = self._select()
        if self._peek().kind is not Kind.END:
            self._unexpected()
        return query

    def _select(self) -> Query:
        self._expect_word("SELECT")
        children: list[Query] = []
        group, columns = self._columns(children)
        self._expect_word("FROM")
        name = self._name()
        self._prefixes = frozenset({name.text.lower(), self._alias().lower()})
        where = self._condition() if self._take_word("WHERE") else None
        order = self._orders() if self._take_word("ORDER") else ()
        limit = self._whole_number() if self._take_word("LIMIT") else None
        offset = self._whole_number() if self._take_word("OFFSET") else 0
        if offset > MAX_OFFSET:
            raise Refusal("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MAX_OFFSET}")
        return Query(
            self._statement,
            name.text,
            name.at,
            tuple(self._path(token) for token in columns),
            group,
            where,
            order,
            limit,
            offset,
            tuple(children),
        )

    # Columns and sources

    def _columns(self, children: list[Query]) -> tuple[str, list[Token]]:
        """Return the FIELDS group and the named columns; both are empty for COUNT(). Collect subqueries."""
        first = self._peek()
        if first.is_word("COUNT") and self._peek(1).is_symbol("("):
            self._index += 2
            self._expect_symbol(")")
            return "", []
        if first.is_word("FIELDS") and self._peek(1).is_symbol("("):
            self._index += 2
            group = self._name().text.upper()
            self._expect_symbol(")")
            return group, []
        columns = self._column(children)
        while self._take_symbol(","):
            columns += self._column(children)
        return "", columns

    def _column(self, children: list[Query]) -> list[Token]:
        """Return the one column that comes next, or none when it was a subquery."""
        if not self._take_symbol("("):
            return [self._name()]
        self._depth += 1
        if self._depth > 1:
            self._unexpected()  # a child has no children of its own in the platform's older versions
        children.append(self._select())
        self._expect_symbol(")")
        self._depth -= 1
        return []

    def _alias(self) -> str:
        token = self._peek()
        if token.kind is Kind.NAME and token.text.upper() not in _CLAUSES:
            self._index += 1
            return token.text
        return ""

    def _path(self, token: Token) -> Path:
        parts = tuple(token.text.split("."))
        if len(parts) > 1 and parts[0].lower() in self._prefixes:
            parts = parts[1:]
        return Path(parts, token.at)

    # Conditions

    def _condition(self) -> Condition:
        if self._take_word("NOT"):
            return Not(self._simple())
        first = self._simple()
        for word, node in (("AND", And), ("OR", Or)):
            if self._peek().is_word(word):
                children = [first]
                while self._take_word(word):
                    children.append(self._simple())
                if self._peek().is_word("AND") or self._peek().is_word("OR"):
                    self._unexpected()
                return node(tuple(children))
        return first

    def _simple(self) -> Condition:
        if self._take_symbol("("):
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise Refusal("QUERY_TOO_COMPLICATED", "The filter conditions are too complicated.")
            condition = self._condition()
            self._expect_symbol(")")
            self._depth -= 1
            return condition
        path = self._path(self._name())
        operator = self._operator()
        if operator not in _SET_OPERATORS:
            return Comparison(path, operator, (self._literal(),))
        self._expect_symbol("(")
        values = [self._literal()]
        while self._take_symbol(","):
            values.append(self._literal())
        self._expect_symbol(")")
        return Comparison(path, operator, tuple(values))

    def _operator(self) -> str:
        token = self._next()
        if token.kind is Kind.SYMBOL and token.text in _COMPARISONS:
            return "!=" if token.text == "<>" else token.text
        word = token.text.upper() if token.kind is Kind.NAME else ""
        if word == "NOT":
            self._expect_word("IN")
            return "NOT IN"
        if word == "LIKE" or word in _SET_OPERATORS:
            return word
        self._unexpected(token)

    def _literal(self) -> Literal:
        token = self._next()
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
            self._expect_symbol(":")
            return Period(word, self._whole_number())
        self._unexpected(token)

    def _moment(self, token: Token) -> int:
        text = token.text.replace("Z", "+00:00")
        try:
            return int(datetime.fromisoformat(text).timestamp())  # the platform compares whole seconds
        except ValueError:
            self._unexpected(token)

    def _day(self, token: Token) -> str:
        try:
            return date.fromisoformat(token.text).isoformat()
        except ValueError:
            self._unexpected(token)

    # Order

    def _orders(self) -> tuple[Order, ...]:
        self._expect_word("BY")
        orders = [self._order()]
        while self._take_symbol(","):
            orders.append(self._order())
        return tuple(orders)

    def _order(self) -> Order:
        path = self._path(self._name())
        descending = self._take_word("DESC")
        if not descending:
            self._take_word("ASC")
        last = False  # nulls come first, whichever the direction, unless the query says otherwise
        if self._take_word("NULLS"):
            last = self._take_word("LAST")
            if not last:
                self._expect_word("FIRST")
        return Order(path, descending, last)

    # Tokens

    def _peek(self, ahead: int = 0) -> Token:
        return self._tokens[min(self._index + ahead, len(self._tokens) - 1)]

    def _next(self) -> Token:
        token = self._peek()
        self._index += 1
        return token

    def _take_word(self, word: str) -> bool:
        taken = self._peek().is_word(word)
        self._index += taken
        return taken

    def _take_symbol(self, symbol: str) -> bool:
        taken = self._peek().is_symbol(symbol)
        self._index += taken
        return taken

    def _expect_word(self, word: str) -> None:
        if not self._take_word(word):
            self._unexpected()

    def _expect_symbol(self, symbol: str) -> None:
        if not self._take_symbol(symbol):
            self._unexpected()

    def _name(self) -> Token:
        token = self._next()
        if token.kind is not Kind.NAME:
            self._unexpected(token)
        return token

    def _whole_number(self) -> int:
        token = self._next()
        if token.kind is not Kind.NUMBER or not token.text.isdigit() or len(token.text) > MAX_DIGITS:
            self._unexpected(token)
        return int(token.text)

    def _unexpected(self, token: Token | None = None) -> NoReturn:
        token = token or self._peek()
        raise malformed(self._statement, token.at, f"unexpected token: '{token.text}'")
