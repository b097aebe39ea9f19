"""What a recipe's file says, as types; read and checked by the very readers of the configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sync.configuration import readers
from sync.configuration.check import check
from sync.configuration.documents import Document, FlowDoc, Known, RoutingTableDoc, UserTableDoc, ValueMapDoc
from sync.configuration.problems import InvalidConfiguration, Remarks, did_you_mean
from sync.configuration.readers import Place, at_most, choice
from sync.configuration.schema import FLOW, ROUTING_TABLE, USER_TABLE, VALUE_MAP, Key, Shape, many
from sync.configuration.tree import Items, Keys, Node, Scalar, read_tree
from sync.recipes.overlaying import laid_over

SYSTEMS = ("servicenow", "salesforce")
# What a side must have: the words that the file may use, as they stand on the recipe's page.
WHATS = ("plugin", "role", "table", "columns", "right", "object", "field", "permission", "values")


@dataclass(frozen=True, slots=True)
class Need:
    """Something that must be there before the recipe works, and why. `option`: only where that one is chosen."""

    line: int
    what: str
    name: str
    why: str = ""
    option: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """One way to use a recipe: the parts that it takes."""

    line: int
    name: str
    title: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """What whoever uses the recipe chooses between, as not every instance has the same tables; the first option is the usual one."""

    line: int
    title: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class PerSide:
    line: int = 0
    servicenow: tuple[Any, ...] = ()
    salesforce: tuple[Any, ...] = ()

    def of(self, side: str) -> tuple[Any, ...]:
        found: tuple[Any, ...] = getattr(self, side)
        return found


@dataclass(frozen=True, slots=True)
class Part:
    """One flow of a recipe; `name` is empty where it is the only one.

    `flow` names its connections by their systems; `tree` is the same flow as it is written, without name and connections.
    """

    name: str
    flow: FlowDoc
    tree: Keys = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Recipe:
    """`parts` stand in the order in which records find their parents.

    `needs` hold Need, `writes` sentences; `then` is what its user does after Use.
    """

    name: str
    title: str
    summary: str
    does: str
    needs: PerSide
    writes: PerSide
    then: tuple[str, ...]
    parts: tuple[Part, ...]
    value_maps: tuple[ValueMapDoc, ...] = ()
    user_tables: tuple[UserTableDoc, ...] = ()
    routing_tables: tuple[RoutingTableDoc, ...] = ()
    choice: Choice | None = None

    def options_of(self, part: str) -> tuple[str, ...]:
        """The options that take a part; none where there is nothing to choose."""
        options = self.choice.options if self.choice else ()
        return tuple(option.name for option in options if part in option.parts)

    def of(self, option: str) -> Recipe:
        """With the parts and needs of one option alone; "": of the usual one. Raises KeyError for one that there is not."""
        if self.choice is None and not option:
            return self
        options = {each.name: each for each in (self.choice.options if self.choice else ())}
        found = options[option or next(iter(options))]
        needs = (
            tuple(need for need in self.needs.of(side) if need.option in ("", found.name)) for side in SYSTEMS
        )
        parts = tuple(part for part in self.parts if part.name in found.parts)
        return replace(self, parts=parts, needs=PerSide(self.needs.line, *needs))

    @property
    def flows(self) -> tuple[FlowDoc, ...]:
        return tuple(part.flow for part in self.parts)

    def part(self, name: str) -> Part | None:
        """The part of this name; the first one where none is said."""
        return next((part for part in self.parts if name in ("", part.name)), None)


def read_recipe(text: str, *, file: str) -> Recipe:
    """Raises InvalidConfiguration with every problem of the file, its flow and its maps."""
    remarks = Remarks()
    root = read_tree(text, remarks)
    if isinstance(root, Keys) and {"flow", "flows"} <= root.values.keys():
        remarks.problem(root.lines["flows"], "flows", "Give flow or flows, not both.")
    recipe = _RECIPE.read(root, Place("", remarks, {})) if root is not None else None
    if recipe is not None and not recipe.parts and not remarks.problems:
        remarks.problem(1, "", "A recipe has a flow, or several flows.")
    if recipe is not None and recipe.parts:
        document = Document((), recipe.value_maps, recipe.user_tables, recipe.routing_tables, recipe.flows)
        check(document, Known(connections={system: system for system in SYSTEMS}), remarks)
        _check_own(recipe, remarks)
    if remarks.problems or recipe is None:
        if not remarks.problems:
            remarks.problem(1, "", "The file is empty.")
        raise InvalidConfiguration(file, remarks.problems)
    built: Recipe = recipe
    return built


def _check_own(recipe: Recipe, remarks: Remarks) -> None:
    """What comes along must be used by a flow, and their user tables too must come along."""
    maps = {name for flow in recipe.flows for name in flow.maps}
    for part, docs, used in (
        ("value_maps", recipe.value_maps, maps),
        ("user_tables", recipe.user_tables, {flow.user_table for flow in recipe.flows}),
        ("routing_tables", recipe.routing_tables, {flow.routing_table for flow in recipe.flows}),
    ):
        for doc in docs:
            if doc.name not in used:
                remarks.problem(doc.line, f"{part}[{doc.name}]", "No flow of the recipe uses it.")
    for flow in recipe.flows:
        _check_links(recipe, flow, remarks)
    _check_choice(recipe, remarks)


def _check_choice(recipe: Recipe, remarks: Remarks) -> None:
    """Each option takes parts that there are and all that these refer to; each part is taken by one."""
    names = {part.name for part in recipe.parts}
    options = recipe.choice.options if recipe.choice else ()
    for option in options:
        linked = {
            row.value for part in recipe.parts if part.name in option.parts
            for row in part.flow.fields if row.how == "link" and row.value in names
        }  # fmt: skip
        for name in sorted({*option.parts, *linked} - (names & set(option.parts))):
            text = f"It takes {name!r}, which is no part of this recipe." if name not in names else (
                f"Its parts refer to records of {name!r}, which it does not take."
            )  # fmt: skip
            remarks.problem(option.line, f"choice.options[{option.name}].parts", text)
    for name in sorted(names - {name for option in options for name in option.parts} if options else ()):
        remarks.problem(recipe.choice.line if recipe.choice else 0, "choice", f"No option takes {name!r}.")
    for need in (need for side in SYSTEMS for need in recipe.needs.of(side)):
        if need.option and need.option not in {option.name for option in options}:
            remarks.problem(need.line, f"needs[{need.name}].option", f"There is no option {need.option!r}.")


def _check_links(recipe: Recipe, flow: FlowDoc, remarks: Remarks) -> None:
    """What refers to records of another flow names a part of this recipe, or one of another as `recipe/part`."""
    known = {recipe.name, *(part.name for part in recipe.parts)}
    for index, row in enumerate(flow.fields):
        own = "/" not in row.value
        if row.how == "link" and own and row.value not in known:
            hint = did_you_mean(row.value, known)
            text = (
                f"{row.value!r} is no part of this recipe.{hint} One of another recipe is named recipe/part."
            )
            remarks.problem(row.line, f"flows[{flow.name}].fields[{index}].value", text)


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


def _only(node: Node, place: Place) -> tuple[Part, ...]:
    """`flow`: the one of a recipe that has no more."""
    part = _flow(node, place, "")
    return (part,) if part is not None else ()


def _several(node: Node, place: Place) -> tuple[Part, ...]:
    """`flows`: each with a `part`, by which it is named."""
    if not isinstance(node, Items) or not node.items:
        place.problem(node, "Expected a list of flows, each beginning with '- part: its name'.")
        return ()
    likened: dict[str, Keys] = {}
    found = [_named(item, place.item(str(index)), likened) for index, item in enumerate(node.items)]
    names = [part.name for part in found if part is not None]
    for name in sorted({name for name in names if names.count(name) > 1}):
        place.problem(node, f"Two flows are the part {name!r}.")
    return tuple(part for part in found if part is not None)


def _named(node: Node, place: Place, before: dict[str, Keys]) -> Part | None:
    """`before`: the parts so far, which this one joins. With `like` it says only what it has otherwise than one of these."""
    said = node.values.get("part") if isinstance(node, Keys) else None
    if not isinstance(node, Keys) or said is None:
        place.problem(node, "The key 'part' is missing.")
        return None
    name = readers.name(said, place.into("part"))
    if name is None:
        return None
    values = {key: value for key, value in node.values.items() if key not in ("part", "like")}
    own, like = Keys(node.line, values, node.lines), node.values.get("like")
    if like is not None:
        pattern = before.get(like.text) if isinstance(like, Scalar) else None
        if pattern is None:
            place.into("like").problem(like, "Name a part that stands before this one.")
            return None
        own = laid_over(own, pattern, like.line)
    before[name] = own
    return _flow(own, place, name)


def _flow(node: Node, place: Place, part: str) -> Part | None:
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
    return Part(part, doc, node) if doc is not None else None


def _with(node: Keys, key: str, value: str) -> Keys:
    """A copy with one more key."""
    lines = {**node.lines, key: node.line}
    return Keys(node.line, {**node.values, key: Scalar(value, True, node.line)}, lines)


def _build(
    line: int, name: str, flow: tuple[Part, ...] = (), flows: tuple[Part, ...] = (), **more: Any
) -> Recipe:
    """Each flow bears the name that one made of it has, unless its user says another."""
    parts = [
        replace(part, flow=replace(part.flow, name=named(name, part.name), recipe=written(name, part.name)))
        for part in flow or flows
    ]
    return Recipe(name=name, parts=tuple(parts), **more)


def named(prefix: str, part: str) -> str:
    """The name of a flow that is made of a part."""
    return f"{prefix}-{part}" if part else prefix


def written(recipe: str, part: str) -> str:
    """How a flow says which part of which recipe it is made of."""
    return f"{recipe}/{part}" if part else recipe


def find(recipes: Recipes, said: str) -> tuple[Recipe, Part] | None:
    """What `recipe: said` means: a recipe's first part, or the one after the stroke."""
    name, _, part = said.partition("/")
    recipe = recipes.get(name)
    found = recipe.part(part) if recipe is not None else None
    return (recipe, found) if recipe is not None and found is not None else None


_NEED = Shape(
    Need,
    (
        Key("what", choice(*WHATS), required=True),
        Key("name", _one_line(200), required=True),
        Key("why", _one_line(300)),
        Key("option", readers.name),
    ),
    label="name",
)


def _part_names(node: Node, place: Place) -> tuple[str, ...]:
    items = node.items if isinstance(node, Items) else []
    if not items:
        place.problem(node, "Expected a list of parts: [customers, contacts].")
    found = [readers.name(item, place.item(str(index))) for index, item in enumerate(items)]
    return tuple(name for name in found if name is not None)


_OPTION = Shape(
    Option,
    (
        Key("name", readers.name, required=True),
        Key("title", _one_line(120), required=True),
        Key("parts", _part_names, required=True),
    ),
    label="name",
)
_CHOICE = Shape(
    Choice, (Key("title", _one_line(80), required=True), Key("options", many(_OPTION), required=True))
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
        Key("routing_tables", many(ROUTING_TABLE)),
        Key("choice", _CHOICE.read),
        Key("flow", _only),
        Key("flows", _several),
    ),
    label="name",
)
Recipes = Mapping[str, Recipe]
