"""The grammar of encoded queries: what a text says, whatever table it is asked of.

`^NQ` splits into queries whose results are united; within one, `^` is AND, and `^OR` joins the single condition
before it: `a^ORb^c` is (a OR b) AND c. A literal `^` is written `^^`.

Three forms look into other tables. What follows `!` in a JOIN are conditions on the joined row, divided by `^^`;
RLQUERY and SUBQUERY end with ENDRLQUERY and ENDSUBQUERY, or with the text, and never join by OR.
Source: the vendor's pages on operators and on encoded query strings; PySNC `query.py`; for JOIN and SUBQUERY, which the
vendor does not document, J. McGaha, "Querying Related Tables" (2025).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from sync.sandbox.servicenow.operators import BY_LENGTH
from sync.sandbox.servicenow.text_search import TEXT_QUERY

_DEEPEST = 8  # tables within tables; what lies deeper is dropped
_CARET = "\x00"  # stands for an escaped `^` while the query is split; no query may hold it
_FIELD = re.compile(r"[a-z0-9_][a-z0-9_.]*")
_JOIN = re.compile(r"JOIN(\w+)\.([\w.]+)=(\w+)\.([\w.]+)!(.*)", re.DOTALL)
_RELATED_LIST = re.compile(
    r"RLQUERY\s*(\w+)\.([\w.]+),(>=|<=|>|<|=|BETWEEN)(\d+)(?:@(\d+))?(?:,m2m)?(?:,(.*))?"
)
_SUBQUERY = re.compile(r"SUBQUERY([\w.]+),([\w.]+),(\w+)")
_OPENING = ("RLQUERY", "SUBQUERY")
_CLOSING = ("ENDRLQUERY", "ENDSUBQUERY")


@dataclass(frozen=True, slots=True)
class Condition:
    field: str
    operator: str
    value: str


@dataclass(slots=True)
class Join:
    """`JOINsys_user.sys_id=sys_user_group.manager!active=true`: rows with a row in the other table that passes."""

    from_table: str
    from_field: str
    table: str
    field: str
    query: Parsed
    onward: list[Join] = dataclasses.field(default_factory=list)  # joins that begin at the joined table


@dataclass(frozen=True, slots=True)
class RelatedList:
    """`RLQUERYtask.assigned_to,>=1^active=true^ENDRLQUERY`: rows that so many rows of the other table point at."""

    table: str
    field: str
    comparison: str
    count: int
    count_to: int  # of BETWEEN
    query: Parsed


@dataclass(frozen=True, slots=True)
class Subquery:
    """`SUBQUERYsys_id,manager,sys_user^active=true^ENDSUBQUERY`: rows whose column is one of the other table's values."""

    own_field: str
    field: str
    table: str
    query: Parsed


Clause = Condition | Join | Subquery


@dataclass(slots=True)
class Parsed:
    """A disjunction of conjunctions of disjunctions, as the text says it.

    `joins` and `related` hold for the whole, as the INNER JOINs and the HAVING of the statement they become.
    """

    groups: list[list[list[Clause]]] = field(default_factory=lambda: [[]])
    joins: list[Join] = field(default_factory=list)
    related: list[RelatedList] = field(default_factory=list)
    order: list[tuple[str, bool]] = field(default_factory=list)  # column, descending
    broken: bool = False  # a term was dropped because it could not be read


def parse(text: str) -> Parsed:
    """Raises nothing: what cannot be read is dropped and reported by `broken`."""
    return _parse(text.replace("^^", _CARET))


def _parse(text: str, depth: int = 0) -> Parsed:
    if depth > _DEEPEST:
        return Parsed(broken=True)
    parsed = Parsed()
    pieces = iter(text.split("^"))
    for piece in pieces:
        bare = piece.removeprefix("NQ") if piece.startswith("NQ") else piece.removeprefix("OR")
        if bare.startswith(_OPENING):
            _add_block(parsed, bare, pieces, depth)
            continue
        if piece.startswith("NQ"):
            parsed.groups.append([])
            piece = piece[2:]
        if piece in ("", "EQ", *_CLOSING) or piece.startswith("GROUPBY"):
            continue
        if piece.startswith("ORDERBYDESC"):
            parsed.order.append((piece[11:], True))
        elif piece.startswith("ORDERBY"):
            parsed.order.append((piece[7:], False))
        else:
            _add_clause(parsed, piece, depth)
    return parsed


def _add_clause(parsed: Parsed, piece: str, depth: int) -> None:
    group = parsed.groups[-1]
    joined = piece.startswith("OR")
    bare = piece[2:] if joined else piece
    clause = _read_join(bare, depth) if bare.startswith("JOIN") else read_condition(bare)
    if clause is None:
        parsed.broken = True
        return
    if isinstance(clause, Join) and _goes_on(parsed.joins, clause, 1):
        return
    if isinstance(clause, Join):
        parsed.joins.append(clause)
    if joined and group:
        group[-1].append(clause)
    else:
        group.append([clause])


def read_condition(piece: str) -> Condition | None:
    if piece.startswith(f"{TEXT_QUERY}="):
        return Condition(TEXT_QUERY, "=", piece.partition("=")[2].replace(_CARET, "^"))
    name = _FIELD.match(piece)
    if name is None:
        return None
    rest = piece[name.end() :]
    operator = next((each for each in BY_LENGTH if rest.startswith(each)), None)
    if operator is None:
        return None
    return Condition(name[0], operator, rest[len(operator) :].replace(_CARET, "^"))


def _read_join(piece: str, depth: int) -> Join | None:
    match = _JOIN.fullmatch(piece)
    if match is None:
        return None
    return Join(match[1], match[2], match[3], match[4], _parse(match[5].replace(_CARET, "^"), depth + 1))


def _goes_on(joins: list[Join], clause: Join, depth: int) -> bool:
    """Hang a join under the one whose table it begins at, unless it begins at the table that is asked."""
    for each in joins if depth < _DEEPEST else []:
        if clause.from_table == each.table and clause.from_table != joins[0].from_table:
            each.onward.append(clause)
            return True
        if _goes_on(each.onward, clause, depth + 1):
            return True
    return False


def _add_block(parsed: Parsed, head: str, pieces: Iterator[str], depth: int) -> None:
    if _CARET in head:  # a nested block with all its carets doubled
        head, _, rest = head.partition(_CARET)
        inner = [part for part in rest.split(_CARET) if not part.startswith(_CLOSING)]
    else:
        inner = list(_until_closed(pieces))
    read = _read_related if head.startswith("RLQUERY") else _read_subquery
    block: RelatedList | Subquery | None = read(head, inner, depth + 1)
    if block is None:
        parsed.broken = True
    elif isinstance(block, RelatedList):
        parsed.related.append(block)
    else:
        parsed.groups[-1].append([block])


def _until_closed(pieces: Iterator[str]) -> Iterator[str]:
    """The pieces up to the end of the block, those of blocks within it with their marks."""
    depth = 1
    for piece in pieces:
        depth += (piece.startswith(_OPENING) and _CARET not in piece) - piece.startswith(_CLOSING)
        if depth == 0:
            return
        yield piece


def _read_related(head: str, inner: list[str], depth: int) -> RelatedList | None:
    match = _RELATED_LIST.fullmatch(head)
    if match is None:
        return None
    conditions = [match[6], *inner] if match[6] else inner
    low = int(match[4])
    return RelatedList(
        match[1], match[2], match[3], low, int(match[5] or low), _parse("^".join(conditions), depth)
    )


def _read_subquery(head: str, inner: list[str], depth: int) -> Subquery | None:
    match = _SUBQUERY.fullmatch(head)
    return None if match is None else Subquery(match[1], match[2], match[3], _parse("^".join(inner), depth))


def escape(value: str) -> str:
    """A value made safe to stand in a query."""
    return value.replace("^", "^^")
