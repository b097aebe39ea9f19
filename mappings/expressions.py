"""Formulas and conditions, ready to run: what a text says of a record's columns. Pure: no clock, no database.

`parse` reads a text once; `bind` makes functions of it for what compiling knows of the world (`Tools`); a bound formula
touches nothing but the scope that it is given. Names with dots are looked up whole (`caller_id.name` is a column behind a
reference) and else part by part (`servicenow.number` is `number` within `servicenow`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeAlias

from mappings.grammar import (
    Among,
    Call,
    Compare,
    ExpressionError,
    Filled,
    Literal,
    Logic,
    Name,
    Node,
    Not,
    parse_tree,
    read_names,
)
from mappings.registry import Function, Kind
from mappings.tools import NO_TOOLS, Tools
from mappings.values import Projected, Unmapped, as_number, as_text, bounded, is_empty, is_true

__all__ = ["Expression", "ExpressionError", "Tools", "parse"]

Scope: TypeAlias = Mapping[str, Any]
Notes: TypeAlias = list[str]
Run: TypeAlias = Callable[[Scope, Notes], Any]


@dataclass(frozen=True)
class Expression:
    text: str
    tree: Node

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names that it reads, each once, in order."""
        return tuple(dict.fromkeys(read_names(self.tree)))

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(self.names)

    def evaluate(self, scope: Scope, tools: Tools = NO_TOOLS) -> Any:
        """What it says of this scope. Raises Unmapped and nothing else."""
        return self.project(scope, tools).value

    def holds(self, scope: Scope, tools: Tools = NO_TOOLS) -> bool:
        """Whether it is true of this scope, as a condition. Raises Unmapped."""
        return is_true(self.evaluate(scope, tools))

    def project(self, scope: Scope, tools: Tools = NO_TOOLS) -> Projected:
        """Its value, and a note of what was lost on the way. Raises Unmapped."""
        return run(bind(self.tree, tools), scope)


def parse(text: str) -> Expression:
    """Raises ExpressionError, which names the place and what to write instead."""
    return Expression(text, parse_tree(text))


def run(bound: Run, scope: Scope) -> Projected:
    notes: Notes = []
    value = bound(scope, notes)
    return Projected(value, "; ".join(notes))


def bind(node: Node, tools: Tools) -> Run:
    """The function of a tree. Raises KeyError or ValueError for a setting that these tools do not hold."""
    return _BINDERS[type(node)](node, tools)


def _literal(node: Literal, tools: Tools) -> Run:
    value = node.value
    return lambda scope, notes: value


def _name(node: Name, tools: Tools) -> Run:
    name = node.name
    if "." in name:
        return lambda scope, notes: found(scope, name)

    def read(scope: Scope, notes: Notes) -> Any:
        try:
            return scope[name]
        except KeyError:
            raise missing(name) from None

    return read


def found(scope: Any, name: str) -> Any:
    """The value of a name in the scope: whole, or part by part. Raises Unmapped if it is not there."""
    here, rest = scope, name
    while isinstance(here, Mapping):
        if rest in here:
            return here[rest]
        head, dot, rest = rest.partition(".")
        if not dot or head not in here:
            break
        here = here[head]
    raise missing(name)


def missing(name: str) -> Unmapped:
    return Unmapped(
        f"There is nothing by the name of {name}.",
        code="UNKNOWN_NAME",
        advice="Correct the name, or let the column be read.",
    )


def _filled(node: Filled, tools: Tools) -> Run:
    parts = [part if isinstance(part, str) else bind(part, tools) for part in node.parts]

    def fill(scope: Scope, notes: Notes) -> str:
        said = [part if isinstance(part, str) else part(scope, notes) for part in parts]
        return bounded("".join([part if type(part) is str else as_text(part) for part in said]))

    return fill


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda one, other: bool(one == other),
    "!=": lambda one, other: bool(one != other),
    "<": lambda one, other: _ordered(one, other) and bool(one < other),
    "<=": lambda one, other: _ordered(one, other) and bool(one <= other),
    ">": lambda one, other: _ordered(one, other) and bool(one > other),
    ">=": lambda one, other: _ordered(one, other) and bool(one >= other),
}


def _ordered(one: Any, other: Any) -> bool:
    """Nothing is neither more nor less than anything."""
    return bool(one != "" and other != "")


def _compare(node: Compare, tools: Tools) -> Run:
    left, right, operator = bind(node.left, tools), bind(node.right, tools), _OPERATORS[node.operator]

    def compare(scope: Scope, notes: Notes) -> bool:
        one, other = alike(left(scope, notes), right(scope, notes))
        return operator(one, other)

    return compare


def alike(one: Any, other: Any) -> tuple[Any, Any]:
    """Two values in a form in which they compare: numbers where both are, else text. Nothing is the empty text."""
    texts = as_text(one), as_text(other)
    if texts[0] == texts[1] or not all(texts):
        return texts
    try:
        return as_number(one), as_number(other)
    except Unmapped:
        return texts


def _among(node: Among, tools: Tools) -> Run:
    value, options = bind(node.value, tools), [bind(option, tools) for option in node.options]

    def among(scope: Scope, notes: Notes) -> bool:
        sought = value(scope, notes)
        pairs = (alike(sought, option(scope, notes)) for option in options)
        return any(one == other for one, other in pairs)

    return among


def _logic(node: Logic, tools: Tools) -> Run:
    parts, combine = [bind(part, tools) for part in node.parts], all if node.all_of else any
    return lambda scope, notes: combine(is_true(part(scope, notes)) for part in parts)


def _not(node: Not, tools: Tools) -> Run:
    part = bind(node.part, tools)
    return lambda scope, notes: not is_true(part(scope, notes))


def _call(node: Call, tools: Tools) -> Run:
    function = node.function
    plain = {name: value for name, value in node.settings if not isinstance(value, Filled)}
    step = prepared(function, function.forward, plain, tools)
    if function.carries and tools.to == "servicenow" and function.inverse is not None:
        step = prepared(function, function.inverse, plain, tools)
    holes = [(name, bind(value, tools)) for name, value in node.settings if isinstance(value, Filled)]
    if holes:
        name, fill = holes[0]
        return lambda scope, notes: noted(step(**{name: fill(scope, notes)}), notes)
    values = [_given(function, place, value, tools) for place, value in enumerate(node.values)]
    if len(values) == 1:
        only = values[0]

        def call(scope: Scope, notes: Notes) -> Any:
            result = step(only(scope, notes))
            return noted(result, notes) if type(result) is Projected else result

        return call
    return lambda scope, notes: noted(step(*[value(scope, notes) for value in values]), notes)


class Direct(NamedTuple):
    """Functions of the one value that a tree reads, of any and of text alone; Projected where something is noted."""

    of_any: Callable[[Any], Any]
    of_text: Callable[[str], Any]


def direct(node: Node, tools: Tools) -> Direct | None:
    """Calls of one value each, the innermost on a bare name, as most rows are; None for any other tree.

    The same as bound, without the way round a scope.
    """
    if not isinstance(node, Call) or len(node.values) != 1:
        return None
    function, inner = node.function, node.values[0]
    kind = function.values[0].kind
    if kind is Kind.LATER or any(isinstance(value, Filled) for _, value in node.settings):
        return None
    step, convert = prepared(function, function.forward, dict(node.settings), tools), CONVERT.get(kind)
    own = Direct(step, step)
    if convert is not None:
        converting = _after(convert, step)
        own = Direct(converting, step if convert is as_text else converting)
    if isinstance(inner, Name):
        return own
    before = direct(inner, tools)
    return before and Direct(_chained(before.of_any, own), _chained(before.of_text, own))


def _after(convert: Callable[[Any], Any], step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda raw: step(convert(raw))


def _chained(before: Callable[[Any], Any], own: Direct) -> Callable[[Any], Any]:
    of_any, of_text = own

    def chained(raw: Any) -> Any:
        value = before(raw)
        if type(value) is str:
            return of_text(value)
        if type(value) is not Projected:
            return of_any(value)
        notes = [value.note] if value.note else []
        found = noted(of_any(value.value), notes)
        return Projected(found, "; ".join(notes))

    return chained


def prepared(
    function: Function, way: Callable[..., Any], settings: Mapping[str, Any], tools: Tools
) -> Callable[..., Any]:
    """The function with its settings and tools given: what remains to give are the values."""
    given = {**settings, "tools": tools} if "tools" in function.wants else dict(settings)
    return partial(way, **given) if given else way


def _given(function: Function, place: int, value: Node, tools: Tools) -> Run:
    kind = function.values[min(place, len(function.values) - 1)].kind
    bound = bind(value, tools)
    if kind is Kind.LATER:
        return lambda scope, notes: partial(bound, scope, notes)
    convert = CONVERT.get(kind)
    if convert is None:
        return bound
    if convert is not as_text:
        return lambda scope, notes: convert(bound(scope, notes))

    def text(scope: Scope, notes: Notes) -> str:
        found = bound(scope, notes)
        return found if type(found) is str else as_text(found)

    return text


def noted(result: Any, notes: Notes) -> Any:
    """The bare value of what a function returned; its note is kept."""
    if type(result) is not Projected:
        return result
    if result.note:
        notes.append(result.note)
    return result.value


CONVERT: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: as_text,
    Kind.MOMENT: as_text,
    Kind.NUMBER: lambda raw: None if is_empty(raw) else as_number(raw),
    Kind.TRUTH: is_true,
}
_BINDERS: dict[type, Callable[[Any, Tools], Run]] = {
    Literal: _literal,
    Name: _name,
    Filled: _filled,
    Compare: _compare,
    Among: _among,
    Logic: _logic,
    Not: _not,
    Call: _call,
}
