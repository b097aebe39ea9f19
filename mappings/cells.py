"""A field row's cell (`how`) as functions: the name of a transform, or a formula that nests them. Pure.

Either is the same tree of calls; a name stands for the call with the row's columns and settings. The way back is the
row's `reverse` formula, or the inverses of the calls from the outside in.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from mappings.expressions import bind, direct, noted, parse, prepared, run
from mappings.grammar import (
    Call,
    ExpressionError,
    Filled,
    Literal,
    Name,
    Node,
    call,
    children,
    read_names,
    unknown,
)
from mappings.registry import Function, Kind, named
from mappings.spec import Direction, Environment, FieldSpec, MappingSpec
from mappings.text import ELLIPSIS, clean, cut, shown
from mappings.tools import Tools
from mappings.transforms.settings import zone_problem
from mappings.values import LEAVE, Projected, Step, Unmapped, as_number, as_text


class CellError(ValueError):
    """A cell that cannot work. `part`: which part of the row it is about; the message says what to write instead."""

    def __init__(self, message: str, part: str = "transform") -> None:
        super().__init__(message)
        self.message = message
        self.part = part


class Reference(NamedTuple):
    """A column whose record the flow of this name has linked; "": it is not a bare column."""

    flow: str
    column: str


@dataclass(frozen=True, slots=True)
class Cell:
    """`reads`: the ServiceNow columns, in order, of which `forward` takes the values (one alone as it is)."""

    forward: Step
    backward: Step | None
    reads: tuple[str, ...]
    references: tuple[Reference, ...]
    value_maps: tuple[str, ...]


def is_name(cell: str) -> bool:
    """Whether a cell is the name of a transform and not a formula."""
    return named(cell) is not None or cell.replace("_", "").isalnum()


def compile_cell(field: FieldSpec, spec: MappingSpec, env: Environment) -> Cell:
    """Raises CellError."""
    tree = tree_of(field)
    tools = replace(Tools.of(spec, env), longest=env.salesforce_lengths.get(field.salesforce, 0))
    back = reverse_of(field)
    for each in (tree, *([back] if back else [])):
        _check_settings(each, spec)
    reads = _reads(tree, field, spec)
    return Cell(
        _forward(tree, reads, tools, env.salesforce_lengths.get(field.salesforce, 0)),
        _reversed(back, field, reads, tools, env) if back else _inverse(tree, field, spec, reads, env),
        reads,
        tuple(_references(tree)),
        tuple(dict.fromkeys(_settings(tree, "value_map"))),
    )


# The tree


def tree_of(field: FieldSpec) -> Node:
    """The tree of a row's cell. Raises CellError."""
    if is_name(field.transform):
        function = named(field.transform)
        if function is None:
            raise CellError(_no_transform(field.transform))
        return _called(function, field)
    try:
        return parse(field.transform).tree
    except ExpressionError as error:
        raise CellError(f"The formula does not read: {error}") from None


def _no_transform(name: str) -> str:
    return f"{unknown(name).replace('no function', 'no transform')} To carry a column as it is, write copy({name})."


def _called(function: Function, field: FieldSpec) -> Call:
    """The call that a bare name stands for."""
    if function.needs_source and not field.servicenow and not function.holes:
        raise CellError("It names no ServiceNow column.", "servicenow")
    if len(field.servicenow) > 1 and not function.several_sources and not function.holes:
        raise CellError(f"It names several ServiceNow columns, but {function.name} takes one.", "servicenow")
    if function.needs_value_map and not field.value_map:
        raise CellError("It uses the value map '', which this revision does not hold.", "value_map")
    values = tuple(Name(column, 0) for column in field.servicenow) if function.values else ()
    settings = [Literal(given, 0) for given in _given(function, field)]
    try:
        return call(function, (*values, *settings), 0)
    except ExpressionError as error:
        raise CellError(f"{function.name}: {error.message}", "value") from None


def _given(function: Function, field: FieldSpec) -> list[Any]:
    """The settings of a bare name: the row's value map, and its value for the first that it cannot do without."""
    found: list[Any] = []
    for each in function.settings:
        if each.name == "value_map":
            found.append(field.value_map)
        elif each.required:
            found.append(_number(field.value) if each.kind is Kind.NUMBER else field.value)
            break
    return found


def _number(text: str) -> Any:
    try:
        return as_number(text)
    except Unmapped:
        return text


def reverse_of(field: FieldSpec) -> Node | None:
    """The tree of the way back that a row gives itself. Raises CellError."""
    if not field.reverse.strip():
        return None
    try:
        found = parse(field.reverse)
    except ExpressionError as error:
        raise CellError(f"The reverse formula does not read: {error}", "reverse") from None
    if strange := [name for name in found.names if name != field.salesforce]:
        text = f"The reverse formula reads {strange[0]}, but there is only the row's own field: {field.salesforce}."
        raise CellError(text, "reverse")
    return found.tree


def _reads(tree: Node, field: FieldSpec, spec: MappingSpec) -> tuple[str, ...]:
    """The columns of a formula. Those that the row writes come first and must be named in the row."""
    names = tuple(dict.fromkeys(read_names(tree)))
    if is_name(field.transform):
        return names or field.servicenow
    direction = field.direction or spec.direction
    if direction is Direction.TO_SALESFORCE:
        return names
    if not field.servicenow:
        raise CellError("It goes to ServiceNow: name the column that it writes there.", "servicenow")
    return tuple(dict.fromkeys((*field.servicenow, *names)))


def columns_of(field: FieldSpec) -> tuple[str, ...]:
    """All ServiceNow columns that a row names, in itself or in its formula; as far as that reads."""
    return tuple(
        dict.fromkeys(
            (*field.servicenow, *(name for tree in _readable(field)[:1] for name in read_names(tree)))
        )
    )


def maps_of(field: FieldSpec) -> tuple[str, ...]:
    """The value maps that a row names, in itself or in its formulas; as far as those read."""
    named_there = [name for tree in _readable(field) for name in _settings(tree, "value_map")]
    return tuple(dict.fromkeys(filter(None, (field.value_map, *named_there))))


def _readable(field: FieldSpec) -> list[Node]:
    """The trees of the row: there, and back where it says so. One that cannot be read is told elsewhere."""
    try:
        back = reverse_of(field)
        return [tree_of(field), *([back] if back else [])]
    except CellError:
        return []


# What it must find when it runs


def every_node(tree: Any) -> list[Any]:
    """The node and all that is within it."""
    return [tree, *(found for part in children(tree) for found in every_node(part))]


def _settings(tree: Node, name: str) -> list[Any]:
    calls = [node for node in every_node(tree) if isinstance(node, Call)]
    return [value for node in calls for key, value in node.settings if key == name]


def _check_settings(tree: Node, spec: MappingSpec) -> None:
    for name in _settings(tree, "value_map"):
        if name not in spec.value_maps:
            raise CellError(
                f"It uses the value map {name!r}, which this revision does not hold.", "value_map"
            )
    for node in every_node(tree):
        if isinstance(node, Call) and any(each.name == "zone" for each in node.function.settings):
            zone = dict(node.settings).get("zone") or spec.time_zone
            if wrong := zone_problem(zone):
                raise CellError(f"It needs a time zone. {wrong}")


def _references(tree: Node) -> list[Reference]:
    found = []
    for node in every_node(tree):
        if isinstance(node, Call) and (flow := dict(node.settings).get("flow")):
            source = node.values[0]
            found.append(Reference(flow, source.name if isinstance(source, Name) else ""))
    return found


# There


def _forward(tree: Node, reads: tuple[str, ...], tools: Tools, limit: int) -> Step:
    """The tree as one function of the raw value of its columns: the same as run in a scope, without the way round one."""
    finish = _ending(limit if _fits(tree) else None, html=_makes_html(tree), spelled=_copies(tree))
    if _copies(tree) and len(reads) == 1:
        return finish
    lasting = all(node.function.lasting for node in every_node(tree) if isinstance(node, Call))
    alone = direct(tree, tools) if len(reads) == 1 else None
    if alone is None:
        step = _scoped(tree, reads, tools, finish)
        return remembered(step, step, several=len(reads) > 1) if lasting else step
    step = _straight(alone.of_any, finish)
    return remembered(step, _straight(alone.of_text, finish), several=False) if lasting else step


def _copies(tree: Node) -> bool:
    """Whether its column goes over as it is: then there is nothing to remember."""
    return isinstance(tree, Call) and tree.function.name == "copy" and isinstance(tree.values[0], Name)


def _straight(alone: Callable[[Any], Any], finish: Finish) -> Step:
    def step(raw: Any) -> Projected:
        found = alone(raw)
        return finish(*found) if type(found) is Projected else finish(found)

    return step


def _scoped(tree: Node, reads: tuple[str, ...], tools: Tools, finish: Finish) -> Step:
    scope_of, bound = _scope(reads), bind(tree, tools)

    def step(raw: Any) -> Projected:
        notes: list[str] = []
        value = bound(scope_of(raw), notes)
        return finish(value, "; ".join(notes)) if notes else finish(value)

    return step


new = tuple.__new__  # what Projected(value, note) does, in a third of the time


class Finish(Protocol):
    def __call__(self, value: Any, note: str = "", /) -> Projected: ...


def _ending(limit: int | None, *, html: bool, spelled: bool) -> Finish:
    """What is sent: text fitted to its field (`limit` 0: any length; None: as it is), nothing as None.

    `spelled`: what is no text goes over as one.
    """
    most = limit or sys.maxsize

    def finish(value: Any, note: str = "") -> Projected:
        if type(value) is not str:
            if not spelled:
                return _scalar(value, note)
            value = as_text(value)
        # Most texts: nothing to clean, and one unit for each character.
        if limit is None or (value.isascii() and value.isprintable() and value[-1:] != " " and len(value) <= most):  # fmt: skip
            return new(Projected, (value or None, note))
        value, cut_off = fitted(value, limit, html=html)
        return new(Projected, (value or None, "; ".join(filter(None, (note, cut_off))) if cut_off else note))

    return finish


def fitted(text: str, limit: int, *, html: bool = False) -> tuple[str, str]:
    """Text cleaned, of at most `limit` characters (0: any), and a note of what was cut."""
    if text.isascii() and text.isprintable() and text[-1:] != " " and (not limit or len(text) <= limit):
        return text, ""  # most texts: nothing to clean, and one unit for each character
    kept, note = cut(clean(text), limit)
    return (_HALF.sub("", kept) if html and note else kept), note


# Half an entity would come back as text, and be escaped when it goes out again, and cut again.
_HALF = re.compile(rf"(?:&[a-z]{{0,4}}|<[a-z]{{0,2}})(?={ELLIPSIS}?\Z)")


KNOWN = 1000  # values that a row remembers,
KNOWN_LENGTH = 60  # of at most so many characters: states, people, dates; not descriptions


def remembered(step: Step, of_text: Step, *, several: bool) -> Step:
    """The same step (`of_text`: what it is for text alone), which makes what it has seen before at no cost: most columns hold few values, again and again.

    Only text is kept, and lists of it: of other values 1, 1.0 and true would be one. What fails is not kept.
    """
    return _remembered_list(step) if several else _remembered_text(step, of_text)


def _remembered_text(step: Step, of_text: Step) -> Step:
    known: dict[str, Projected] = {}
    get = known.get

    def carry(raw: Any) -> Projected:
        if type(raw) is not str:
            return step(raw)
        found = get(raw)
        if found is None:
            found = of_text(raw)
            if len(known) < KNOWN and len(raw) <= KNOWN_LENGTH:
                known[raw] = found
        return found

    return carry


def _remembered_list(step: Step) -> Step:
    known: dict[tuple[Any, ...], Projected] = {}
    get = known.get

    def carry(raw: Any) -> Projected:
        if type(raw) is not list:
            return step(raw)
        key = tuple(raw)
        try:
            found = get(key)  # no text equals what is none
        except TypeError:  # an object or a list among the parts
            return step(raw)
        if found is None:
            found = step(raw)
            if len(known) < KNOWN and all(type(part) is str and len(part) <= KNOWN_LENGTH for part in raw):
                known[key] = found
        return found

    return carry


def _scalar(value: Any, note: str) -> Projected:
    """A truth or a number as it is, if JSON has it; lists and the like are refused. Raises Unmapped."""
    if isinstance(value, float) and value - value != 0:  # infinity, and what is no number
        raise Unmapped(f"{value} is not a number.", code="NOT_A_NUMBER")
    if isinstance(value, bool | int | float):
        return new(Projected, (value, note))
    return Projected(as_text(value or "") or None, note)


def _scope(reads: tuple[str, ...]) -> Callable[[Any], Mapping[str, Any]]:
    if len(reads) == 1:
        name = reads[0]
        return lambda raw: {name: raw}
    blanks = [""] * len(reads)

    def several(raw: Any) -> Mapping[str, Any]:
        parts = raw if isinstance(raw, list) else [raw]
        if len(parts) == len(reads):
            return dict(zip(reads, parts, strict=True))
        return dict(zip(reads, [*parts, *blanks], strict=False))

    return several


def _fits(tree: Node) -> bool:
    return tree.function.fits if isinstance(tree, Call) else isinstance(tree, Name | Filled)


def _makes_html(tree: Node) -> bool:
    return any(node.function.html for node in every_node(tree) if isinstance(node, Call))


# And back


def _reversed(tree: Node, field: FieldSpec, reads: tuple[str, ...], tools: Tools, env: Environment) -> Step:
    """The way back that the row gives itself."""
    if len(field.servicenow) != 1:
        raise CellError(
            "It has a reverse formula: name the one ServiceNow column that this writes.", "servicenow"
        )
    bound, target = bind(tree, tools.towards("servicenow")), field.salesforce
    return _backward(
        lambda raw: run(bound, {target: raw}),
        field.servicenow,
        reads,
        _fits(tree),
        env,
        html=_makes_html(tree),
    )


class Inverse(NamedTuple):
    """`columns`: those that it fills, in order; `fits`: with text of their own, not codes."""

    step: Step
    columns: tuple[str, ...]
    fits: bool


def _inverse(
    tree: Node, field: FieldSpec, spec: MappingSpec, reads: tuple[str, ...], env: Environment
) -> Step | None:
    found = inverse_of(tree, Tools.of(spec, env))
    if found is None:
        return None
    if (field.direction or spec.direction).writes_servicenow and found.columns != field.servicenow:
        read = ", ".join(found.columns)
        text = f"The formula reads {read}, so its way back writes {read}: name this as the ServiceNow column."
        raise CellError(text, "servicenow")
    return _backward(found.step, found.columns, reads, found.fits, env)


def inverse_of(tree: Node, tools: Tools) -> Inverse | None:
    """The inverses of its calls from the outside in; None where one has none, or where it reads more than one thing."""
    if isinstance(tree, Name):
        return Inverse(Projected, (tree.name,), True)
    if not isinstance(tree, Call) or tree.function.inverse is None or not tree.values:
        return None
    names = tuple(value.name for value in tree.values if isinstance(value, Name))
    if len(names) == len(tree.values):
        possible = not tree.function.back_into or len(names) <= tree.function.back_into
        return (
            Inverse(undone(tree, tools, names), names, tree.function.fits)
            if possible and _differ(names)
            else None
        )
    inner = inverse_of(tree.values[0], tools) if len(tree.values) == 1 else None
    return inner and Inverse(_composed(undone(tree, tools, ("",)), inner.step), inner.columns, inner.fits)


def _differ(names: tuple[str, ...]) -> bool:
    return len(set(names)) == len(names)


def undone(node: Call, tools: Tools, columns: tuple[str, ...]) -> Step:
    """The inverse of one call, as a step of its own."""
    assert node.function.inverse is not None
    settings = dict(node.settings) | ({"columns": columns} if len(columns) > 1 else {})
    step = prepared(node.function, node.function.inverse, settings, tools)

    def undo(raw: Any) -> Projected:
        found = step(raw)
        return found if type(found) is Projected else Projected(found)

    return undo


def _composed(outer: Step, inner: Step) -> Step:
    def both(raw: Any) -> Projected:
        notes: list[str] = []
        value = noted(inner(noted(outer(raw), notes)), notes)
        return Projected(value, "; ".join(notes))

    return both


def _backward(
    step: Step,
    columns: tuple[str, ...],
    reads: tuple[str, ...],
    fits: bool,
    env: Environment,
    *,
    html: bool = False,
) -> Step:
    """What ServiceNow is written: text in each of the columns that are filled, the others as they are."""
    limits = [env.servicenow_lengths.get(column, 0) if fits else None for column in columns]
    if columns == reads and len(columns) == 1:
        return lambda raw: _written(*step(raw), limits[0], html=html)

    def several(raw: Any) -> Projected:
        value, note = step(raw)
        parts = value if isinstance(value, list) else [value]
        written = {name: part if part is LEAVE else _written(part, "", limit, html=html).value
                   for name, part, limit in zip(columns, parts, limits, strict=True)}  # fmt: skip
        return Projected([written.get(name, LEAVE) for name in reads], note)

    return several


def _written(value: Any, note: str, limit: int | None, *, html: bool) -> Projected:
    """`limit`: characters that the column takes (0: any); None: a code, which is not cut."""
    text = as_text(value)
    if limit is None:
        return Projected(text, note)
    text, cut_off = fitted(text, limit, html=html)
    return Projected(text, "; ".join(filter(None, (note, cut_off))) if cut_off else note)


def way_back_missing(field: FieldSpec) -> str:
    """Why a row without a way back cannot go to ServiceNow, and what to do."""
    if is_name(field.transform):
        return f"{field.transform} has no inverse. Make it to_salesforce, or give it a reverse formula."
    return (
        f"{shown(field.transform)} has no inverse. Make it to_salesforce, or write in reverse how "
        f"{field.salesforce} becomes {', '.join(field.servicenow)}."
    )
