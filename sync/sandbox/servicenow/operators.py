"""The operators of encoded queries, each a function from column and value to a test of one row.

Whether empty values pass `!=`, `NOT IN` and `NOT LIKE`, and whether text compares without regard to case, is not
public and so a switch of the dialect; a careful client says `^ORfieldISEMPTY` or `^fieldISNOTEMPTY`. Codes, ids and
numbers compare exactly. Source: the vendor's pages on operators and on encoded query strings; the SDK's guide to them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sync.sandbox.servicenow.comparisons import (
    AT_LEAST,
    AT_MOST,
    FIELD_ORDER,
    GREATER,
    LESS,
    between,
    folded,
)
from sync.sandbox.servicenow.date_operators import DATE_OPERATORS, same_in
from sync.sandbox.servicenow.scripts import evaluate
from sync.sandbox.servicenow.terms import Getter, Operator, Term, Test


def _equal(term: Term) -> Test:
    if term.value in ("", "NULL"):
        return _empty(term)
    get, value = folded(term)
    if "," in value and term.value.startswith("javascript:"):
        return _one_of(term)  # a script that answers a list
    return lambda row: get(row) == value


def _not(operator: Callable[[Term], Test]) -> Operator:
    def build(term: Term) -> Test:
        test, get = operator(term), term.operand.get
        if term.caller.dialect.not_equal_returns_empty:
            return lambda row: not test(row)
        return lambda row: bool(get(row)) and not test(row)

    return build


def _one_of(term: Term) -> Test:
    get, value = folded(term)
    wanted = frozenset(value.split(","))
    return lambda row: get(row) in wanted


def _shown(term: Term) -> tuple[Getter, str]:
    """Text searches read what a person reads: on a reference, the display value."""
    show = term.operand.show if term.operand.column.reference else term.operand.get
    if term.caller.dialect.string_comparison_case_sensitive:
        return show, term.value
    return (lambda row: show(row).casefold()), term.value.casefold()


def _contains(term: Term) -> Test:
    get, value = _shown(term)
    return lambda row: value in get(row)


def _starts(term: Term) -> Test:
    get, value = _shown(term)
    return lambda row: get(row).startswith(value)


def _ends(term: Term) -> Test:
    get, value = _shown(term)
    return lambda row: get(row).endswith(value)


def _matches(term: Term) -> Test:
    """`*` stands for any text and `?` for one character; everything else for itself."""
    get, value = _shown(term)
    words = {"*": ".*", "?": "."}
    pattern = re.compile("".join(words.get(each) or re.escape(each) for each in value), re.DOTALL)
    return lambda row: pattern.fullmatch(get(row)) is not None


def _empty(term: Term) -> Test:
    get = term.operand.get
    return lambda row: not get(row)


def _anything(term: Term) -> Test:
    return lambda row: True


def _unserved(term: Term) -> None:
    """Known on the platform and dropped here; listed so that it is not read as the shorter operator it begins with."""


def _same_as(term: Term) -> Test | None:
    """Two columns hold the same, dates perhaps only in the same `@day` or `@month`."""
    name, mark, unit = term.value.partition("@")
    other = term.scope.resolve(name)
    if other is None:
        return None
    if mark:
        return same_in(unit, term, other.get)
    one, two = term.operand.get, other.get
    return lambda row: one(row) == two(row)


def _unlike_field(term: Term) -> Test | None:
    same = _same_as(term)
    return None if same is None else (lambda row: not same(row))


def _instance_of(term: Term) -> Test | None:
    """`sys_class_nameINSTANCEOFcmdb_ci`: the class named or one that extends it; none for a class that is unknown."""
    get, registry = term.operand.get, term.scope.store.registry
    table = registry.get(term.value)
    classes = frozenset(each.name for each in registry.family(table)) if table else frozenset()
    return lambda row: get(row) in classes


def _dynamic(term: Term) -> Test | None:
    """`assigned_toDYNAMIC<sys_id>`: what the script of a dynamic filter option answers for the caller."""
    store, name = term.scope.store, "sys_filter_option_dynamic"
    option = store.find(name, term.value)
    if option is None:
        return None
    script = option[store.registry[name].position["script"]]
    get, wanted = term.operand.get, frozenset(evaluate(f"javascript:{script}", term.caller).split(","))
    return lambda row: bool(value := get(row)) and value in wanted


OPERATORS: dict[str, Operator] = {
    "=": _equal,
    "!=": _not(_equal),
    ">": GREATER,
    ">=": AT_LEAST,
    "<": LESS,
    "<=": AT_MOST,
    "IN": _one_of,
    "NOT IN": _not(_one_of),
    "LIKE": _contains,
    "CONTAINS": _contains,
    "*": _contains,
    **dict.fromkeys(("NOT LIKE", "NOTLIKE", "DOES NOT CONTAIN", "!*"), _not(_contains)),
    "STARTSWITH": _starts,
    "ENDSWITH": _ends,
    "%": _ends,
    "MATCH_PAT": _matches,
    "ISEMPTY": _empty,
    "EMPTYSTRING": _empty,
    "ISNOTEMPTY": _not(_empty),
    "ANYTHING": _anything,
    "BETWEEN": between,
    "SAMEAS": _same_as,
    "NSAMEAS": _unlike_field,
    "INSTANCEOF": _instance_of,
    "DYNAMIC": _dynamic,
    **FIELD_ORDER,
    **DATE_OPERATORS,
    **dict.fromkeys(("IN_HIERARCHY", "IN_HIERARCHY_DYNAMIC", "MATCH_RGX"), _unserved),
}

# Longest first, so that `>=` is not read as `>` with the value `=...`, nor `NOT IN` as an unknown word.
BY_LENGTH: tuple[str, ...] = tuple(sorted(OPERATORS, key=len, reverse=True))
