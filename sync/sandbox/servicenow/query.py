"""Encoded queries with their true precedence, compiled once for a table.

`^NQ` splits into queries whose results are united; within one, `^` is AND, and `^OR` joins the single condition
before it: `a^ORb^c` is (a OR b) AND c. A literal `^` is written `^^`. A term that names no column, or makes no
sense, is dropped and the result grows, unless the property `glide.invalid_query.returns_no_rows` is true.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from sync.sandbox.servicenow.operators import BY_LENGTH, OPERATORS, Operand, Term, Test
from sync.sandbox.servicenow.schema import Row
from sync.sandbox.servicenow.scripts import Caller, evaluate

_CARET = "\x00"  # stands for an escaped `^` while the query is split; no query may hold it
_FIELD = re.compile(r"[a-z0-9_][a-z0-9_.]*")

Resolver = Callable[[str], Operand | None]


@dataclass(frozen=True, slots=True)
class Condition:
    field: str
    operator: str
    value: str


@dataclass(slots=True)
class Parsed:
    """A disjunction of conjunctions of disjunctions, as the text says it."""

    groups: list[list[list[Condition]]] = field(default_factory=lambda: [[]])
    order: list[tuple[str, bool]] = field(default_factory=list)  # column, descending
    broken: bool = False  # a term was dropped because it could not be read


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an index can use: stamps at or after `low`, at or before `high` ("" is open), or certain ids."""

    low: str = ""
    high: str = ""
    ids: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Keyset:
    """A query that reads on from a row: those after (stamp, sys_id) in the order of change that pass `test`.

    `key` names the test where it depends on nothing but the row itself, so that its matches may be remembered.
    """

    stamp: str
    sys_id: str
    test: Test | None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Compiled:
    test: Test | None  # None: every row
    order: tuple[tuple[Operand, bool], ...]
    bounds: Bounds
    broken: bool
    keyset: Keyset | None = None


def parse(text: str) -> Parsed:
    parsed = Parsed()
    for piece in text.replace("^^", _CARET).split("^"):
        if piece.startswith("NQ"):
            parsed.groups.append([])
            piece = piece[2:]
        if piece in ("", "EQ") or piece.startswith("GROUPBY"):
            continue
        if piece.startswith("ORDERBYDESC"):
            parsed.order.append((piece[11:], True))
        elif piece.startswith("ORDERBY"):
            parsed.order.append((piece[7:], False))
        else:
            _add_condition(parsed, piece)
    return parsed


def _add_condition(parsed: Parsed, piece: str) -> None:
    group = parsed.groups[-1]
    joined = piece.startswith("OR")
    condition = read_condition(piece[2:] if joined else piece)
    if condition is None:
        parsed.broken = True
    elif joined and group:
        group[-1].append(condition)
    else:
        group.append([condition])


def read_condition(piece: str) -> Condition | None:
    name = _FIELD.match(piece)
    if name is None:
        return None
    rest = piece[name.end() :]
    operator = next((each for each in BY_LENGTH if rest.startswith(each)), None)
    if operator is None:
        return None
    return Condition(name[0], operator, rest[len(operator) :].replace(_CARET, "^"))


def escape(value: str) -> str:
    """A value made safe to stand in a query."""
    return value.replace("^", "^^")


def compile_query(parsed: Parsed, resolve: Resolver, caller: Caller) -> Compiled:
    """Raises nothing: what cannot be understood is dropped and reported by `broken`."""
    built = [_build_group(group, resolve, caller) for group in parsed.groups]
    broken = parsed.broken or not all(complete for _, complete in built)
    order = [(resolve(name), descending) for name, descending in parsed.order]
    return Compiled(
        test=_whole([tests for tests, _ in built]),
        order=tuple((operand, descending) for operand, descending in order if operand is not None),
        bounds=_bounds(parsed, caller) if not broken else Bounds(),
        broken=broken or any(operand is None for operand, _ in order),
        keyset=None if broken else _keyset(parsed, resolve, caller),
    )


def _build_group(group: list[list[Condition]], resolve: Resolver, caller: Caller) -> tuple[list[Test], bool]:
    """The tests that all must pass, and whether none was dropped."""
    tests: list[Test] = []
    complete = True
    for alternatives in group:
        built = [_build(condition, resolve, caller) for condition in alternatives]
        known = [test for test in built if test is not None]
        complete = complete and len(known) == len(built)
        if known:
            tests.append(_any(known))
    return tests, complete


def _keyset(parsed: Parsed, resolve: Resolver, caller: Caller) -> Keyset | None:
    """Recognise `F^sys_updated_on>T^NQF^sys_updated_on=T^sys_id>S`: its second half need not be tested row by row."""
    if len(parsed.groups) != 2:
        return None
    later, same = parsed.groups
    stamps = [each[0].value for each in later if _is(each, "sys_updated_on", ">")]
    ids = [each[0].value for each in same if _is(each, "sys_id", ">")]
    if len(stamps) != 1 or len(ids) != 1 or stamps[0].startswith("javascript:"):
        return None
    newer = [Condition("sys_updated_on", ">", stamps[0])]
    tied = ([Condition("sys_updated_on", "=", stamps[0])], [Condition("sys_id", ">", ids[0])])
    rest = [each for each in later if each != newer]
    if rest != [each for each in same if each not in tied] or len(same) != len(rest) + 2:
        return None
    tests, _ = _build_group(rest, resolve, caller)
    return Keyset(stamps[0], ids[0], _all(tests) if tests else None, repr(rest) if _plain(rest) else "")


_PLAIN = frozenset({"=", "!=", "IN", "NOT IN", "ISEMPTY", "ISNOTEMPTY", ">", ">=", "<", "<="})


def _plain(group: list[list[Condition]]) -> bool:
    """Whether no other row, no script and no clock has a say."""
    return all(
        each.operator in _PLAIN and "." not in each.field and not each.value.startswith("javascript:")
        for alternatives in group
        for each in alternatives
    )


def _is(alternatives: list[Condition], name: str, operator: str) -> bool:
    return len(alternatives) == 1 and (alternatives[0].field, alternatives[0].operator) == (name, operator)


def _build(condition: Condition, resolve: Resolver, caller: Caller) -> Test | None:
    operand = resolve(condition.field)
    if operand is None:
        return None
    return OPERATORS[condition.operator](Term(operand, condition.value, caller, resolve))


def _whole(groups: list[list[Test]]) -> Test | None:
    if any(not tests for tests in groups):
        return None  # an empty query among them matches everything
    return _any([_all(tests) for tests in groups])


def _all(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        one, two = tests
        return lambda row: one(row) and two(row)

    def every(row: Row) -> bool:
        for test in tests:  # noqa: SIM110 - a generator costs more than the tests
            if not test(row):
                return False
        return True

    return every


def _any(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        one, two = tests
        return lambda row: one(row) or two(row)

    def some(row: Row) -> bool:
        for test in tests:  # noqa: SIM110 - as above
            if test(row):
                return True
        return False

    return some


def _bounds(parsed: Parsed, caller: Caller) -> Bounds:
    """Bounds that hold for the union: the widest of what each query of it demands."""
    each = [_group_bounds(group, caller) for group in parsed.groups]
    ids = [bound.ids for bound in each]
    return Bounds(
        low=min(bound.low for bound in each),
        high="" if any(not bound.high for bound in each) else max(bound.high for bound in each),
        ids=frozenset().union(*(some for some in ids if some is not None)) if None not in ids else None,
    )


def _group_bounds(group: list[list[Condition]], caller: Caller) -> Bounds:
    low, high, ids = "", "", None
    for alternatives in group:
        if len(alternatives) != 1:
            continue
        condition = alternatives[0]
        if condition.field == "sys_id" and condition.operator in ("=", "IN") and condition.value:
            ids = frozenset(condition.value.split(","))
        elif condition.field == "sys_updated_on" and condition.value:
            value = evaluate(condition.value, caller)
            if condition.operator in ("=", ">", ">="):
                low = max(low, value)
            if condition.operator in ("=", "<", "<="):
                high = min(high or value, value)
    return Bounds(low, high, ids)
