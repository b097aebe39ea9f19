"""How a value became another, step by step, for a person who asks why. Pure.

It goes the way that the compiled row goes, call by call. What is not part of a mapping (who is who, which records are
linked) is looked up as it is now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mappings.apply import CompiledRow
from mappings.cells import CellError, reverse_of, tree_of, undone
from mappings.expressions import bind, run
from mappings.grammar import Among, Call, Compare, Filled, Literal, Logic, Name, Node, Not
from mappings.registry import Kind
from mappings.spec import Environment, MappingSpec
from mappings.tools import Tools
from mappings.values import LEAVE, Unmapped

MOST_STEPS = 40


@dataclass(frozen=True, slots=True)
class Explained:
    """`how`: the step as a formula writes it. `problem`: why it made no value; `value` is then None."""

    how: str
    value: Any = None
    note: str = ""
    problem: str = ""
    value_map: str = ""  # that it looks up in


def explain(row: CompiledRow, mapping: MappingSpec, env: Environment, raw: Any, to: str) -> list[Explained]:
    """The steps from the raw value to what the side `to` is sent; none for a value that is carried as it is."""
    tools = Tools.of(mapping, env).towards(to)
    try:
        steps = _there(row, tools, raw) if to == "salesforce" else _back(row, tools, raw)
        found = [step for _, step in zip(range(MOST_STEPS), steps, strict=False)]
    except CellError as error:
        return [Explained(row.spec.transform, problem=error.message)]
    return [_named(step) for step in found]


def _named(step: Explained) -> Explained:
    """A column that a row leaves as it is, in words."""
    if not isinstance(step.value, list):
        return step
    return replace(step, value=["(left as it is)" if part is LEAVE else part for part in step.value])


def _there(row: CompiledRow, tools: Tools, raw: Any) -> Iterator[Explained]:
    yield from _walk(tree_of(row.spec), tools, _scope(row.columns, raw))
    if row.spec.default:
        made = _tried(lambda: row.forward(raw))
        if not made.problem and made.value is None:
            yield Explained("empty: the row's default", row.spec.default)


def _back(row: CompiledRow, tools: Tools, raw: Any) -> Iterator[Explained]:
    back = reverse_of(row.spec)
    if back is not None:
        yield from _walk(back, tools, {row.target: raw})
        return
    node: Node = tree_of(row.spec)
    while isinstance(node, Call) and node.function.inverse is not None and node.values:
        names = tuple(each.name for each in node.values if isinstance(each, Name))
        step = undone(node, tools, names if len(names) == len(node.values) else ("",))
        made = _tried(lambda step=step, raw=raw: step(raw))
        if node.function.name != "copy":
            yield replace(made, how=f"{spelled(node)}, backwards", value_map=_map_of(node))
        if made.problem:
            return
        node, raw = node.values[0], made.value


def _walk(node: Node, tools: Tools, scope: Mapping[str, Any]) -> Iterator[Explained]:
    """The calls of a tree from the inside out. What is read only if it is needed is part of the call that needs it."""
    if isinstance(node, Name | Literal):
        return
    for part in _inner(node):
        yield from _walk(part, tools, scope)
    if isinstance(node, Call) and node.function.name == "copy":
        return
    made = _tried(lambda: run(bind(node, tools), scope))
    yield replace(made, how=spelled(node), value_map=_map_of(node))


def _inner(node: Node) -> tuple[Node, ...]:
    if not isinstance(node, Call):
        return ()
    kinds = [each.kind for each in node.function.values]
    return tuple(
        value
        for place, value in enumerate(node.values)
        if kinds[min(place, len(kinds) - 1)] not in (Kind.LATER, Kind.TRUTH)
    )


def _tried(make: Any) -> Explained:
    try:
        made = make()
    except Unmapped as problem:
        return Explained("", problem=problem.message)
    return Explained("", made.value, made.note)


def _scope(columns: tuple[str, ...], raw: Any) -> dict[str, Any]:
    if len(columns) == 1:
        return {columns[0]: raw}
    parts = raw if isinstance(raw, list) else [raw]
    return dict(zip(columns, [*parts, *[""] * len(columns)], strict=False))


def _map_of(node: Node) -> str:
    return str(dict(node.settings).get("value_map", "")) if isinstance(node, Call) else ""


def spelled(node: Node | str) -> str:
    """A tree as a formula writes it."""
    match node:
        case str():
            return node.replace("{", "{{").replace("}", "}}")
        case Literal():
            return _literal(node.value)
        case Name():
            return node.name
        case Filled():
            return '"' + "".join(each if isinstance(each, str) else f"{{{spelled(each)}}}" for each in node.parts) + '"'  # fmt: skip
        case Call():
            given = [spelled(each) for each in node.values]
            given += [spelled(value) if isinstance(value, Filled) else _literal(value) for _, value in node.settings]  # fmt: skip
            return f"{node.function.name}({', '.join(given)})"
        case Compare():
            return f"{spelled(node.left)} {node.operator} {spelled(node.right)}"
        case Among():
            return f"{spelled(node.value)} in ({', '.join(map(spelled, node.options))})"
        case Logic():
            return (" and " if node.all_of else " or ").join(f"({spelled(each)})" for each in node.parts)
        case Not():
            return f"not ({spelled(node.part)})"


def _literal(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f'"{value}"' if isinstance(value, str) else str(value)
