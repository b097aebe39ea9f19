"""A recursive-descent parser for the part of SOQL that a synchroniser speaks.

    query      SELECT columns FROM name [alias] [WHERE condition] [GROUP BY fields [HAVING condition]]
               [ORDER BY orders] [LIMIT n] [OFFSET n] [FOR VIEW | FOR REFERENCE]
    columns    COUNT() | FIELDS(group) | column, column ...
    column     field [alias] | ( query ) | TYPEOF name WHEN name THEN paths ... [ELSE paths] END
    field      path | function(path)
    condition  simple | NOT simple | simple AND simple ... | simple OR simple ...
    simple     ( condition ) | field operator value | field [NOT] IN ( query )

AND and OR may not be mixed, nor NOT combined with either, without parentheses: the platform has no
precedence between them. Source: SOQL reference, "conditionExpression", "GROUP BY" and "TYPEOF".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.soql.functions import AGGREGATES, DATE_PARTS
from sync.sandbox.salesforce.soql.reader import Reader
from sync.sandbox.salesforce.soql.syntax import (
    And,
    Comparison,
    Condition,
    Join,
    Not,
    Or,
    Order,
    Path,
    Query,
    TypeOf,
)
from sync.sandbox.salesforce.soql.tokens import Kind, malformed

MAX_OFFSET = 2000
MAX_LEVELS = 5  # of parents and children in one statement, since version 58.0; before it two
MAX_DEPTH = 100  # parentheses; keeps a hostile statement from exhausting the stack
_CLAUSES = frozenset({"WHERE", "ORDER", "LIMIT", "OFFSET", "GROUP", "HAVING", "WITH", "FOR", "ALL", "USING"})
_SET_OPERATORS = frozenset({"IN", "NOT IN", "INCLUDES", "EXCLUDES"})
_COMPARISONS = frozenset({"=", "!=", "<>", "<", "<=", ">", ">="})


def parse(statement: str, *, levels: int = MAX_LEVELS) -> Query:
    """Return the query's tree. Raises Refusal (MALFORMED_QUERY, NUMBER_OUTSIDE_VALID_RANGE)."""
    return _Parser(statement, levels).query()


@dataclass(slots=True)
class _Columns:
    """What a SELECT list names; nothing at all for COUNT()."""

    fields_group: str = ""
    paths: list[Path] = field(default_factory=list)
    children: list[Query] = field(default_factory=list)
    typeofs: list[TypeOf] = field(default_factory=list)


class _Parser(Reader):
    def __init__(self, statement: str, levels: int) -> None:
        super().__init__(statement)
        self._levels = levels
        self._level = 0
        self._depth = 0
        self._joined = False
        self._prefixes: frozenset[str] = frozenset()

    def query(self) -> Query:
        query = self._select()
        if self.take_word("FOR") and not (self.take_word("VIEW") or self.take_word("REFERENCE")):
            self.unexpected()  # the two note what a person has seen, which nothing here shows
        if self.peek().kind is not Kind.END:
            self.unexpected()
        return query

    def _select(self) -> Query:
        self.expect_word("SELECT")
        columns = self._columns()
        self.expect_word("FROM")
        name = self.name()
        self._prefixes = frozenset({name.text.lower(), self._alias().lower()})
        where = self._condition() if self.take_word("WHERE") else None
        group = self._group() if self.take_word("GROUP") else ()
        having = self._condition() if group and self.take_word("HAVING") else None
        order = self._orders() if self.take_word("ORDER") else ()
        limit = self.whole_number() if self.take_word("LIMIT") else None
        offset = self.whole_number() if self.take_word("OFFSET") else 0
        if offset > MAX_OFFSET:
            raise Refusal("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MAX_OFFSET}")
        return Query(
            self.statement,
            name.text,
            name.at,
            paths=tuple(self._without_prefix(path) for path in columns.paths),
            fields_group=columns.fields_group,
            where=where,
            group=group,
            having=having,
            order=order,
            limit=limit,
            offset=offset,
            children=tuple(columns.children),
            typeofs=tuple(columns.typeofs),
        )

    # Columns and sources

    def _columns(self) -> _Columns:
        columns = _Columns()
        first = self.peek()
        if first.is_word("COUNT") and self.peek(1).is_symbol("(") and self.peek(2).is_symbol(")"):
            self.skip(3)
        elif first.is_word("FIELDS") and self.peek(1).is_symbol("("):
            self.skip(2)
            columns.fields_group = self.name().text.upper()
            self.expect_symbol(")")
        else:
            self._column(columns)
            while self.take_symbol(","):
                self._column(columns)
        return columns

    def _column(self, columns: _Columns) -> None:
        if self.take_symbol("("):
            columns.children.append(self._child())
        elif self.peek().is_word("TYPEOF"):
            self.skip(1)
            columns.typeofs.append(self._typeof())
        else:
            path = self._field()
            alias = "" if self.peek().is_word("FROM") else self._alias()
            columns.paths.append(replace(path, alias=alias))

    def _child(self) -> Query:
        self._level += 1
        if self._level >= self._levels:
            self.unexpected()
        child = self._select()
        self.expect_symbol(")")
        self._level -= 1
        return child

    def _typeof(self) -> TypeOf:
        relation = self._path()
        branches = []
        while self.take_word("WHEN"):
            sobject = self.name().text
            self.expect_word("THEN")
            branches.append((sobject, self._paths()))
        if not branches:
            self.unexpected()
        otherwise = self._paths() if self.take_word("ELSE") else ()
        self.expect_word("END")
        return TypeOf(relation, tuple(branches), otherwise)

    def _alias(self) -> str:
        token = self.peek()
        if token.kind is Kind.NAME and token.text.upper() not in _CLAUSES:
            self.skip(1)
            return token.text
        return ""

    # Fields

    def _field(self) -> Path:
        """Return a path, or a function of one."""
        name = self.peek().text.upper()
        if not self.peek(1).is_symbol("("):
            return self._path()
        if name not in AGGREGATES and name not in DATE_PARTS:
            self.skip(1)
            self.unexpected()
        at = self.name().at
        self.expect_symbol("(")
        path = self._path()
        self.expect_symbol(")")
        return replace(path, function=name, at=at)

    def _path(self) -> Path:
        token = self.name()
        return self._without_prefix(Path(tuple(token.text.split(".")), token.at))

    def _paths(self) -> tuple[Path, ...]:
        paths = [self._path()]
        while self.take_symbol(","):
            paths.append(self._path())
        return tuple(paths)

    def _without_prefix(self, path: Path) -> Path:
        """Return a path without the object's name or alias before it, which a SELECT list only learns later."""
        if len(path.parts) > 1 and path.parts[0].lower() in self._prefixes:
            return replace(path, parts=path.parts[1:])
        return path

    # Conditions

    def _condition(self) -> Condition:
        if self.take_word("NOT"):
            return Not(self._simple())
        first = self._simple()
        for word, node in (("AND", And), ("OR", Or)):
            if self.peek().is_word(word):
                children = [first]
                while self.take_word(word):
                    children.append(self._simple())
                if self.peek().is_word("AND") or self.peek().is_word("OR"):
                    self.unexpected()
                return node(tuple(children))
        return first

    def _simple(self) -> Condition:
        if self.take_symbol("("):
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise Refusal("QUERY_TOO_COMPLICATED", "The filter conditions are too complicated.")
            condition = self._condition()
            self.expect_symbol(")")
            self._depth -= 1
            return condition
        path = self._field()
        operator = self._operator()
        if operator not in _SET_OPERATORS:
            return Comparison(path, operator, (self.literal(),))
        self.expect_symbol("(")
        if self.peek().is_word("SELECT") and operator in ("IN", "NOT IN"):
            return self._join(path, operator)
        values = [self.literal()]
        while self.take_symbol(","):
            values.append(self.literal())
        self.expect_symbol(")")
        return Comparison(path, operator, tuple(values))

    def _join(self, path: Path, operator: str) -> Condition:
        """Return a comparison with a query that selects one field; such a query holds no other."""
        if self._joined:
            self.unexpected()
        self._joined = True
        prefixes = self._prefixes
        query = self._select()
        self._prefixes, self._joined = prefixes, False
        self.expect_symbol(")")
        more = query.children or query.typeofs or query.aggregates
        if len(query.paths) != 1 or more or query.order or query.limit is not None:
            raise malformed(
                self.statement, query.sobject_at, "a joined query has one field, no order, no limit"
            )
        return Join(path, operator, query)

    def _operator(self) -> str:
        token = self.next()
        if token.kind is Kind.SYMBOL and token.text in _COMPARISONS:
            return "!=" if token.text == "<>" else token.text
        word = token.text.upper() if token.kind is Kind.NAME else ""
        if word == "NOT":
            self.expect_word("IN")
            return "NOT IN"
        if word == "LIKE" or word in _SET_OPERATORS:
            return word
        self.unexpected(token)

    # Groups and order

    def _group(self) -> tuple[Path, ...]:
        self.expect_word("BY")
        fields = [self._field()]
        while self.take_symbol(","):
            fields.append(self._field())
        return tuple(fields)

    def _orders(self) -> tuple[Order, ...]:
        self.expect_word("BY")
        orders = [self._order()]
        while self.take_symbol(","):
            orders.append(self._order())
        return tuple(orders)

    def _order(self) -> Order:
        path = self._field()
        descending = self.take_word("DESC")
        if not descending:
            self.take_word("ASC")
        last = False  # nulls come first, whichever the direction, unless the query says otherwise
        if self.take_word("NULLS"):
            last = self.take_word("LAST")
            if not last:
                self.expect_word("FIRST")
        return Order(path, descending, last)
