"""`recipe:` in a configuration file: the recipe says what the flow does not.

The two ends are filled key by key, everything else is taken whole; a key that the flow leaves empty (`attachments: ~`) is left
out although the recipe has it. `recipe: name/part` means that flow of a recipe with several, `recipe: name` its first. Filled parts have the line of the flow's `recipe`, so that messages point at the user's file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from sync.configuration.documents import (
    Document,
    FlowDoc,
    Known,
    MadeFlow,
    RoutingTableDoc,
    UserTableDoc,
    ValueMapDoc,
)
from sync.configuration.problems import Remarks, did_you_mean
from sync.configuration.tree import Items, Keys, Node, Scalar
from sync.recipes.binding import Binding, made_in
from sync.recipes.overlaying import laid_over, unsaid
from sync.recipes.reading import SYSTEMS, Recipes, find, written

M = TypeVar("M", ValueMapDoc, UserTableDoc, RoutingTableDoc)


def fill_in(root: Node, recipes: Recipes, remarks: Remarks, known: Known) -> Node:
    """The file with its flows filled in. A flow whose recipe does not exist is told, and left out unless it is whole."""
    flows = root.values.get("flows") if isinstance(root, Keys) else None
    if not isinstance(root, Keys) or not isinstance(flows, Items):
        return root
    made = made_in(root, recipes, known.made)
    filled = [_flow(node, recipes, remarks, made) for node in flows.items]
    kept = Items(flows.line, [node for node in filled if node is not None])
    return Keys(root.line, {**root.values, "flows": kept}, root.lines)


def _flow(node: Node, recipes: Recipes, remarks: Remarks, made: tuple[MadeFlow, ...]) -> Node | None:
    named = node.values.get("recipe") if isinstance(node, Keys) else None
    if not isinstance(node, Keys) or not isinstance(named, Scalar) or named.empty or not named.text:
        return node
    label = name.text if isinstance(name := node.values.get("name"), Scalar) else ""
    path = f"flows[{label}].recipe"
    found = find(recipes, named.text)
    if found is not None:
        recipe, part = found
        flow = next((flow for flow in made if flow.name == label), MadeFlow(label, named.text))
        return filled(node, part.tree, named.line, Binding(recipe, recipes, flow, made, remarks, path))
    names = [written(recipe.name, part.name) for recipe in recipes.values() for part in recipe.parts]
    hint = did_you_mean(named.text, names)
    text = f"There is no recipe {named.text!r}.{hint} There are: {', '.join(names)}."
    remarks.problem(named.line, path, text)
    return node if "fields" in node.values else None


def filled(node: Keys, recipe: Keys, line: int, binding: Binding) -> Keys:
    """The flow's own keys over the recipe's, whose references are bound."""
    found = laid_over(node, recipe, line)
    for key in set(found.values) - set(node.values):
        found.values[key] = binding(key, found.values[key])
    return found


def bring_along(document: Document, recipes: Recipes, known: Known) -> Document:
    """The document with the maps and user tables that its flows take from their recipes.

    One that the file defines, or that exists already, is the user's own and is left as it is.
    """
    maps, tables = list(document.value_maps), list(document.user_tables)
    routing = list(document.routing_tables)
    for flow in document.flows:
        found = find(recipes, flow.recipe)
        if found is None:
            continue
        recipe, _ = found
        maps += _missing(maps, recipe.value_maps, known.value_maps, flow, used_maps(flow))
        tables += _missing(tables, recipe.user_tables, known.user_tables, flow, {flow.user_table})
        wanted = {flow.routing_table}
        routing += _missing(routing, recipe.routing_tables, known.routing_tables, flow, wanted)
    return replace(document, value_maps=tuple(maps), user_tables=tuple(tables), routing_tables=tuple(routing))


def used_maps(flow: FlowDoc) -> set[str]:
    return flow.maps


def _missing(
    held: Iterable[M], offered: Iterable[M], known: frozenset[str], flow: FlowDoc, used: set[str]
) -> Iterator[M]:
    names = {doc.name for doc in held}
    for doc in offered:
        if doc.name in used and doc.name not in names and doc.name not in known:
            yield _standing_at(doc, flow.line)


def _standing_at(doc: M, line: int) -> M:
    """With its parts at the line of the flow that brings it along."""
    lists = ("desks", "routes") if isinstance(doc, RoutingTableDoc) else ("entries",)
    parts: dict[str, Any] = {
        name: tuple(replace(each, line=line) for each in getattr(doc, name)) for name in lists
    }
    return replace(doc, line=line, **parts)


def left_out(recipes: Recipes, said: str, part: dict[str, object]) -> dict[str, object]:
    """What an export says of a flow, so that filling in adds nothing: a key that the recipe has and the flow not is empty."""
    found = find(recipes, said)
    if found is None:
        return part
    tree = found[1].tree
    whole = _emptied(part, tree)
    for system in SYSTEMS:
        own, theirs = part.get(system), tree.values.get(system)
        if isinstance(own, dict) and isinstance(theirs, Keys):
            whole[system] = _emptied(own, theirs)
    return whole


def _emptied(part: dict[str, object], recipe: Keys) -> dict[str, object]:
    return part | dict.fromkeys(unsaid(part, recipe))
