"""Encoded queries compiled once for a table and a caller: to a test of one row, an order, and what an index can use.

A term that names no column, or makes no sense, is dropped and the result grows, unless the property
`glide.invalid_query.returns_no_rows` is true.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sync.sandbox.servicenow import related
from sync.sandbox.servicenow.language import Clause, Condition, Join, Parsed, escape, parse
from sync.sandbox.servicenow.operators import OPERATORS
from sync.sandbox.servicenow.schema import Row
from sync.sandbox.servicenow.scripts import Caller, evaluate
from sync.sandbox.servicenow.terms import Operand, Scope, Term, Test
from sync.sandbox.servicenow.text_search import TEXT_QUERY, has_words

__all__ = ["Bounds", "Compiled", "Keyset", "compile_query", "escape", "parse"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an index can use: stamps at or after `low`, at or before `high` ("" is open), or certain ids.

    `whole`: the stamps are all that is asked for, so that what lies between them need not be tested.
    """

    low: str = ""
    high: str = ""
    ids: frozenset[str] | None = None
    whole: bool = False


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
    queries: tuple[Test | None, ...] = ()  # each of those that `^NQ` unites, by itself


def compile_query(parsed: Parsed, scope: Scope) -> Compiled:
    """Raises nothing: what cannot be understood is dropped and reported by `broken`."""
    built = [_build_group(group, scope) for group in parsed.groups]
    demands, demands_complete = _demands(parsed, scope)
    broken = parsed.broken or not demands_complete or not all(complete for _, complete in built)
    order = [(scope.resolve(name), descending) for name, descending in parsed.order]
    return Compiled(
        test=_demanded(_whole([tests for tests, _ in built]), demands),
        order=tuple((operand, descending) for operand, descending in order if operand is not None),
        bounds=_bounds(parsed, scope.caller) if not broken else Bounds(),
        broken=broken or any(operand is None for operand, _ in order),
        keyset=None if broken or demands else _keyset(parsed, scope),
        queries=tuple(_all(tests) if tests else None for tests, _ in built),
    )


def passing(scope: Scope, parsed: Parsed) -> tuple[Iterable[Row], bool]:
    """The rows of the scope's table that pass, and whether no term was dropped."""
    compiled = compile_query(parsed, scope)
    return filter(compiled.test, scope.rows()) if compiled.test else scope.rows(), not compiled.broken


def _demands(parsed: Parsed, scope: Scope) -> tuple[list[Test], bool]:
    """What holds for the whole query: related lists, and of every join at least one row, whatever its conditions."""
    built = [related.related(each, scope, passing) for each in parsed.related]
    bare = (Join(each.from_table, each.from_field, each.table, each.field, Parsed()) for each in parsed.joins)
    built += [related.joined(each, scope, passing) for each in bare if len(parsed.joins) > 1]
    known = [each for each in built if each is not None]
    return [test for test, _ in known], len(known) == len(built) and all(complete for _, complete in known)


def _demanded(test: Test | None, demands: list[Test]) -> Test | None:
    return _all([*demands, *([test] if test else [])]) if demands else test


def _build_group(group: list[list[Clause]], scope: Scope) -> tuple[list[Test], bool]:
    """The tests that all must pass, and whether none was dropped."""
    tests: list[Test] = []
    complete = True
    for alternatives in group:
        built = [_build(clause, scope) for clause in alternatives]
        known = [test for test, _ in built if test is not None]
        complete = complete and all(whole for _, whole in built)
        if known:
            tests.append(_any(known))
    return tests, complete


def _build(clause: Clause, scope: Scope) -> tuple[Test | None, bool]:
    """The test, None for what makes no sense, and whether nothing within it was dropped."""
    if isinstance(clause, Condition) and clause.field == TEXT_QUERY:
        words = has_words(scope.table, clause.value)
        return words, words is not None
    if isinstance(clause, Condition):
        operand = scope.resolve(clause.field)
        test = OPERATORS[clause.operator](Term(operand, clause.value, scope)) if operand else None
        return test, test is not None
    if isinstance(clause, Join):
        return related.joined(clause, scope, passing) or (None, False)
    return related.subquery(clause, scope, passing) or (None, False)


def _keyset(parsed: Parsed, scope: Scope) -> Keyset | None:
    """Recognise `F^sys_updated_on>T^NQF^sys_updated_on=T^sys_id>S`, either half first: none need be tested row by row."""
    if len(parsed.groups) != 2:
        return None
    later, same = sorted(parsed.groups, key=len)
    stamps = [value for each in later if (value := _value(each, "sys_updated_on", ">"))]
    ids = [value for each in same if (value := _value(each, "sys_id", ">"))]
    if len(stamps) != 1 or len(ids) != 1 or stamps[0].startswith("javascript:"):
        return None
    newer = [Condition("sys_updated_on", ">", stamps[0])]
    tied = ([Condition("sys_updated_on", "=", stamps[0])], [Condition("sys_id", ">", ids[0])])
    rest = [each for each in later if each != newer]
    if rest != [each for each in same if each not in tied] or len(same) != len(rest) + 2:
        return None
    tests, _ = _build_group(rest, scope)
    return Keyset(stamps[0], ids[0], _all(tests) if tests else None, repr(rest) if _plain(rest) else "")


_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_PLAIN = frozenset({"=", "!=", "IN", "NOT IN", "ISEMPTY", "ISNOTEMPTY", ">", ">=", "<", "<="})


def _plain(group: list[list[Clause]]) -> bool:
    """Whether no other row, no script and no clock has a say."""
    return all(
        isinstance(each, Condition)
        and each.operator in _PLAIN
        and "." not in each.field
        and not each.value.startswith("javascript:")
        for alternatives in group
        for each in alternatives
    )


def _value(alternatives: list[Clause], name: str, operator: str) -> str:
    """The value of a condition that stands alone; "" where the clause is another."""
    only = alternatives[0] if len(alternatives) == 1 else None
    if isinstance(only, Condition) and (only.field, only.operator) == (name, operator):
        return only.value
    return ""


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
        whole=len(parsed.groups) == 1
        and not (parsed.joins or parsed.related)
        and all(map(_spans, parsed.groups[0])),
    )


def _spans(alternatives: list[Clause]) -> bool:
    """Whether a clause is a bound to the second and nothing else."""
    only = alternatives[0] if len(alternatives) == 1 else None
    return (
        isinstance(only, Condition)
        and (only.field, only.operator) in (("sys_updated_on", ">="), ("sys_updated_on", "<="))
        and bool(_STAMP.fullmatch(only.value))
    )


def _group_bounds(group: list[list[Clause]], caller: Caller) -> Bounds:
    low, high, ids = "", "", None
    for alternatives in group:
        condition = alternatives[0]
        if len(alternatives) != 1 or not isinstance(condition, Condition):
            continue
        if condition.field == "sys_id" and condition.operator in ("=", "IN") and condition.value:
            ids = frozenset(condition.value.split(","))
        elif condition.field == "sys_updated_on" and condition.value:
            value = evaluate(condition.value, caller)
            if condition.operator in ("=", ">", ">="):
                low = max(low, value)
            if condition.operator in ("=", "<", "<="):
                high = min(high or value, value)
    return Bounds(low, high, ids)
