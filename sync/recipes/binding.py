"""References between the flows of a recipe, bound to the names of the flows that are made of it.

A recipe says `transform: link, value: accounts` or in a formula `link(company, "accounts")`: its part *accounts*, or
`other-recipe/accounts`. A flow that is filled in from it
refers to whichever flow is made of that part between the same two connections: one of the same file, else one that is there.
Where none is, it refers to the one that keeps the same table and object in step for another recipe: only one can.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sync.configuration.documents import MadeFlow
from sync.configuration.problems import Remarks
from sync.configuration.tree import Items, Keys, Node, Scalar
from sync.recipes.reading import SYSTEMS, Recipe, Recipes, find, written


def made_in(root: Keys, recipes: Recipes, held: tuple[MadeFlow, ...]) -> tuple[MadeFlow, ...]:
    """The flows made of recipes, as they will be: those of the file, and those that are there and not in the file."""
    flows = root.values.get("flows")
    own = [flow for flow in flows.items if isinstance(flow, Keys)] if isinstance(flows, Items) else []
    named = {_text(flow, "name") for flow in own}
    made = [_made(flow) for flow in own] + [flow for flow in held if flow.name not in named]
    return tuple(replace(flow, recipe=_whole(flow.recipe, recipes)) for flow in made)


def _made(flow: Keys) -> MadeFlow:
    ends = (_text(flow.values.get(system), "connection") for system in SYSTEMS)
    return MadeFlow(_text(flow, "name"), _text(flow, "recipe"), *ends)


def _whole(said: str, recipes: Recipes) -> str:
    """With the part, also where the first one is meant without a word."""
    found = find(recipes, said)
    return written(found[0].name, found[1].name) if found else ""


def _text(node: Node | None, key: str) -> str:
    value = node.values.get(key) if isinstance(node, Keys) else None
    return value.text if isinstance(value, Scalar) and not value.empty else ""


@dataclass(frozen=True, slots=True)
class Binding:
    """Of one flow of the file, made of a part of `recipe`; `path` is where its problems are told."""

    recipe: Recipe
    recipes: Recipes
    flow: MadeFlow
    made: tuple[MadeFlow, ...]
    remarks: Remarks
    path: str

    def __call__(self, key: str, node: Node) -> Node:
        """A key that the recipe fills in, with its references bound."""
        return _BOUND[key](node, self) if key in _BOUND else node

    def name(self, said: str, line: int) -> str:
        """The name of the flow that is meant; as it was said, and told, where none can be."""
        found = self._meant(said)
        if found is None:
            return said
        beside = [flow for flow in self.made if self._beside(flow)]
        names = [flow.name for flow in beside if flow.recipe == found]
        names = names or [flow.name for flow in beside if self._ends(flow.recipe) == self._ends(found)]
        if len(names) != 1:
            self.remarks.problem(line, self.path, _unclear(found, names))
        return names[0] if names else said

    def _meant(self, said: str) -> str | None:
        other = find(self.recipes, said) if "/" in said or said == self.recipe.name else None
        if other is not None:
            return written(other[0].name, other[1].name)
        own = self.recipe.part(said) if said else None
        return written(self.recipe.name, own.name) if own is not None else None

    def _ends(self, said: str) -> tuple[str, str] | None:
        """The table and object that a part keeps in step; None where it only acts, or is of no recipe."""
        found = find(self.recipes, said) if said else None
        flow = found[1].flow if found is not None else None
        return (flow.servicenow.table, flow.salesforce.object) if flow is not None and flow.fields else None

    def _beside(self, flow: MadeFlow) -> bool:
        return (flow.servicenow, flow.salesforce) == (self.flow.servicenow, self.flow.salesforce)


def _unclear(wanted: str, names: list[str]) -> str:
    if names:
        return (
            f"It refers to records of {wanted}, and {' and '.join(names)} are made of that between the same two "
            "connections. Write its fields out with the one that is meant."
        )
    return (
        f"It refers to records of {wanted}, and no flow between the same two connections is made of that. "
        f"Add one with recipe: {wanted}, or write its fields out."
    )


# In a formula the flow's name is a text between quotes, the last thing that `link` is given.
_LINKED = re.compile(r"""(\blink\([^"']*,\s*(?:flow\s*=\s*)?)(["'])([\w/-]+)\2(?=\s*\))""")


def _fields(node: Node, binding: Binding) -> Node:
    if not isinstance(node, Items):
        return node
    return Items(node.line, [_field(item, binding) for item in node.items])


def _field(row: Node, binding: Binding) -> Node:
    """A row whose transform is `link` names the flow as its value; any other text may be a formula."""
    value = row.values.get("value") if isinstance(row, Keys) else None
    if not isinstance(row, Keys) or not isinstance(value, Scalar) or _text(row, "transform") != "link":
        return _formulas(row, binding)
    bound = Scalar(binding.name(value.text, value.line), False, value.line)
    return Keys(row.line, {**row.values, "value": bound}, row.lines)


def _formulas(node: Node, binding: Binding) -> Node:
    """A copy with the flows bound that its formulas name."""
    if isinstance(node, Items):
        return Items(node.line, [_formulas(item, binding) for item in node.items])
    if isinstance(node, Keys):
        values = {key: _formulas(value, binding) for key, value in node.values.items()}
        return Keys(node.line, values, node.lines)
    return replace(node, text=_LINKED.sub(lambda found: _named(found, node.line, binding), node.text))


def _named(found: re.Match[str], line: int, binding: Binding) -> str:
    return f"{found[1]}{found[2]}{binding.name(found[3], line)}{found[2]}"


# Keys of a flow that may refer to other flows, and how their references are bound.
_BOUND: Mapping[str, Callable[[Node, Binding], Node]] = {"fields": _fields, "actions": _formulas}
