"""What a recipe's file says, as types; read and checked by the very readers of the configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sync.configuration import readers
from sync.configuration.check import check
from sync.configuration.documents import Document, FlowDoc, Known, UserTableDoc, ValueMapDoc
from sync.configuration.problems import InvalidConfiguration, Remarks
from sync.configuration.readers import Place, at_most, choice
from sync.configuration.schema import FLOW, USER_TABLE, VALUE_MAP, Key, Shape, many
from sync.configuration.tree import Items, Keys, Node, Scalar, read_tree

SYSTEMS = ("servicenow", "salesforce")
# What a side must have: the words that the file may use, as they stand on the recipe's page.
WHATS = ("plugin", "role", "table", "columns", "right", "object", "field", "permission", "values")


@dataclass(frozen=True, slots=True)
class Need:
    """Something that must be there before the recipe works, and why."""

    line: int
    what: str
    name: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class PerSide:
    line: int = 0
    servicenow: tuple[Any, ...] = ()
    salesforce: tuple[Any, ...] = ()

    def of(self, side: str) -> tuple[Any, ...]:
        found: tuple[Any, ...] = getattr(self, side)
        return found


@dataclass(frozen=True, slots=True)
class Recipe:
    """`flow` names its connections by their systems; `tree` is the same flow as it is written, without name and connections.

    `needs` hold Need, `writes` sentences; `then` is what its user does after Use.
    """

    name: str
    title: str
    summary: str
    does: str
    needs: PerSide
    writes: PerSide
    then: tuple[str, ...]
    flow: FlowDoc
    tree: Keys = field(repr=False, compare=False)
    value_maps: tuple[ValueMapDoc, ...] = ()
    user_tables: tuple[UserTableDoc, ...] = ()


def read_recipe(text: str, *, file: str) -> Recipe:
    """Raises InvalidConfiguration with every problem of the file, its flow and its maps."""
    remarks = Remarks()
    root = read_tree(text, remarks)
    recipe = _RECIPE.read(root, Place("", remarks, {})) if root is not None else None
    if recipe is not None:
        document = Document((), recipe.value_maps, recipe.user_tables, (recipe.flow,))
        check(document, Known(connections={system: system for system in SYSTEMS}), remarks)
        _check_own(recipe, remarks)
    if remarks.problems or recipe is None:
        if not remarks.problems:
            remarks.problem(1, "", "The file is empty.")
        raise InvalidConfiguration(file, remarks.problems)
    built: Recipe = recipe
    return built


def _check_own(recipe: Recipe, remarks: Remarks) -> None:
    """What comes along must be used by the flow, and its user table too must come along."""
    maps = {row.value_map for row in recipe.flow.fields}
    for part, docs, used in (
        ("value_maps", recipe.value_maps, maps),
        ("user_tables", recipe.user_tables, {recipe.flow.user_table}),
    ):
        for doc in docs:
            if doc.name not in used:
                remarks.problem(doc.line, f"{part}[{doc.name}]", "The recipe's flow does not use it.")


def _one_line(limit: int) -> readers.Read:
    read_text = at_most(limit)

    def read(node: Node, place: Place) -> str | None:
        value = read_text(node, place)
        if value is not None and not value.strip():
            place.problem(node, "Say something here.")
            return None
        return " ".join(value.split()) if value is not None else None

    return read


def _sentences(node: Node, place: Place) -> tuple[str, ...]:
    if not isinstance(node, Items):
        place.problem(node, "Expected a list of sentences, each beginning with '- '.")
        return ()
    read = _one_line(300)
    found = [read(item, place.item(str(index))) for index, item in enumerate(node.items)]
    return tuple(each for each in found if each)


def _flow(node: Node, place: Place) -> _Flow | None:
    """A flow as the configuration file has it; the name is the recipe's and the connections are the user's."""
    if not isinstance(node, Keys):
        place.problem(node, "Expected a flow, as in the configuration file.")
        return None
    for key in ("name", "recipe", "enabled"):
        if key in node.values:
            place.problem(node.lines[key], f"A recipe says no {key!r}: that is for whoever uses it.")
            return None
    completed = _with(node, "name", "recipe")
    for system in SYSTEMS:
        end = node.values.get(system)
        if not isinstance(end, Keys):
            place.problem(node, f"The key {system!r} is missing.")
            return None
        if "connection" in end.values:
            text = "A recipe names no connection: whoever uses it chooses one."
            place.into(system).problem(end.lines["connection"], text)
            return None
        completed.values[system] = _with(end, "connection", system)
    doc = FLOW.read(completed, place)
    return _Flow(node, doc) if doc is not None else None


@dataclass(frozen=True, slots=True)
class _Flow:
    tree: Keys
    doc: FlowDoc


def _with(node: Keys, key: str, value: str) -> Keys:
    """A copy with one more key."""
    lines = {**node.lines, key: node.line}
    return Keys(node.line, {**node.values, key: Scalar(value, True, node.line)}, lines)


def _build(line: int, flow: _Flow, **parts: Any) -> Recipe:
    doc = replace(flow.doc, name=parts["name"], recipe=parts["name"])
    return Recipe(flow=doc, tree=flow.tree, **parts)


_NEED = Shape(
    Need,
    (
        Key("what", choice(*WHATS), required=True),
        Key("name", _one_line(200), required=True),
        Key("why", _one_line(300)),
    ),
    label="name",
)


def _per_side(read: readers.Read) -> readers.Read:
    return Shape(PerSide, tuple(Key(system, read, required=True) for system in SYSTEMS)).read


_RECIPE = Shape(
    _build,
    (
        Key("name", readers.name, required=True),
        Key("title", _one_line(80), required=True),
        Key("summary", _one_line(160), required=True),
        Key("does", _one_line(1200), required=True),
        Key("needs", _per_side(many(_NEED)), required=True),
        Key("writes", _per_side(_sentences), required=True),
        Key("then", _sentences, required=True),
        Key("value_maps", many(VALUE_MAP)),
        Key("user_tables", many(USER_TABLE)),
        Key("flow", _flow, required=True),
    ),
    label="name",
)
Recipes = Mapping[str, Recipe]
