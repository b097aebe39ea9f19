"""What a formula can call: plain functions, registered with their types, their words and their examples. Pure.

To add one, write a function with a docstring in `mappings/transforms/` and decorate it; its examples are tested and its
docstring is what the console and docs/transforms.md show. Its signature says what it takes: positional parameters are
values, keyword-only ones are settings, which a formula gives after the values and always as literals. A keyword-only
`tools` is given what compiling knows of the world. It returns a value, or `Projected` with a note, or raises `Unmapped`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints


class Kind(StrEnum):
    VALUE = "value"  # whatever a field holds
    TEXT = "text"
    NUMBER = "number"
    TRUTH = "true or false"
    MOMENT = "date or time"
    LATER = "value, read only if it is needed"
    DISPLAY = "column"  # by its name; the function is given what people see of it


Text = Annotated[str, Kind.TEXT]
Number = Annotated[int | float | None, Kind.NUMBER]  # None: empty
Truth = Annotated[bool, Kind.TRUTH]
Moment = Annotated[str, Kind.MOMENT]
Value = Annotated[Any, Kind.VALUE]
Display = Annotated[Any, Kind.DISPLAY]
Later = Annotated[Callable[[], Any], Kind.LATER]

Check = Callable[[Any], str]  # what is wrong with a setting; "" if nothing is


class Setting(NamedTuple):
    """`holes`: its text may have holes with expressions in them, and the function is given it filled in."""

    kind: Kind
    check: Check
    holes: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: Kind
    required: bool = True
    default: Any = None
    check: Check | None = None
    holes: bool = False


class Example(NamedTuple):
    formula: str
    result: str  # a literal, as a formula writes it


@dataclass(frozen=True, slots=True)
class Function:
    """`carries`: what it does depends on the side that the value goes to, and its inverse is how it goes the other way.

    `many`: the last of its values may be given any number of times. `fits`: text of its own, cut to the length of
    the field that it goes to, not an id or a code. `html`: text with entities and tags, which are not cut in two.
    `back_into`: how many columns its inverse can fill (0: any). One that fills several is given `columns`, their names,
    and returns a list with one value each. `lasting`: what it says of a value stays the same as long as a mapping is in use.
    """

    name: str
    label: str
    forward: Callable[..., Any]
    inverse: Callable[..., Any] | None
    carries: bool
    fits: bool
    html: bool
    back_into: int
    lasting: bool
    values: tuple[Parameter, ...]
    many: bool
    settings: tuple[Parameter, ...]
    wants: frozenset[str]  # of the function and its inverse: "tools"
    result: Kind
    doc: str
    examples: tuple[Example, ...]

    @property
    def signature(self) -> str:
        """As the help writes it: truncate(text, limit, [ellipsis])."""
        values = [each.name if each.required else f"[{each.name}]" for each in self.values]
        if self.many and values:
            values[-1] += ", …"
        settings = [each.name if each.required else f"[{each.name}]" for each in self.settings]
        return f"{self.name}({', '.join([*values, *settings])})"

    @property
    def least(self) -> int:
        """How many values it needs."""
        return sum(each.required for each in self.values)

    # What a row that names it must have beside it.

    @property
    def needs_source(self) -> bool:
        return bool(self.values) or self.holes

    @property
    def needs_value_map(self) -> bool:
        return any(each.name == "value_map" for each in self.settings)

    @property
    def needs_value(self) -> bool:
        return any(each.required and each.name != "value_map" for each in self.settings)

    @property
    def several_sources(self) -> bool:
        return self.many

    @property
    def holes(self) -> bool:
        return any(each.holes for each in self.settings)


REGISTRY: dict[str, Function] = {}
ALIASES: dict[str, str] = {}

F = TypeVar("F", bound=Callable[..., Any])


def function(
    label: str,
    *,
    name: str = "",
    alias: str = "",
    inverse: Callable[..., Any] | None = None,
    carries: bool = False,
    fits: bool = True,
    html: bool = False,
    back_into: int = 1,
    lasting: bool = True,
) -> Callable[[F], F]:
    """Register what is decorated; it stays a plain function."""

    def register(made: F) -> F:
        own = name or made.__name__
        values, many, settings, wants = _parameters(made)
        result = _kind(get_type_hints(made, include_extras=True).get("return"))
        doc, examples = documented(inspect.getdoc(made) or "")
        REGISTRY[own] = Function(
            own, label, made, inverse, carries, fits and result in (Kind.TEXT, Kind.VALUE), html, back_into,
            lasting, values, many, settings, wants, result, doc, examples,
        )  # fmt: skip
        if alias:
            ALIASES[alias] = own
        return made

    return register


def _parameters(
    made: Callable[..., Any],
) -> tuple[tuple[Parameter, ...], bool, tuple[Parameter, ...], frozenset[str]]:
    hints = get_type_hints(made, include_extras=True)
    values: list[Parameter] = []
    settings: list[Parameter] = []
    many, wants = False, set()
    for each in inspect.signature(made).parameters.values():
        if each.name == "tools":
            wants.add(each.name)
            continue
        found = _parameter(each, hints.get(each.name))
        (settings if each.kind is each.KEYWORD_ONLY else values).append(found)
        many = many or each.kind is each.VAR_POSITIONAL
    return tuple(values), many, tuple(settings), frozenset(wants)


def _parameter(each: inspect.Parameter, hint: Any) -> Parameter:
    has_default = each.default is not each.empty
    marked = next((mark for mark in _marks(hint) if isinstance(mark, Setting)), None)
    return Parameter(
        each.name,
        marked.kind if marked else _kind(hint),
        required=not has_default,
        default=each.default if has_default else None,
        check=marked.check if marked else None,
        holes=marked.holes if marked else False,
    )


def _kind(hint: Any) -> Kind:
    return next((mark for mark in _marks(hint) if isinstance(mark, Kind)), Kind.VALUE)


def _marks(hint: Any) -> tuple[Any, ...]:
    """What a type is marked with; of a choice of types (text, or a Projected one) the first that is marked."""
    if get_origin(hint) is Annotated:
        return get_args(hint)[1:]
    return next((marks for each in get_args(hint) if (marks := _marks(each))), ())


def documented(doc: str) -> tuple[str, tuple[Example, ...]]:
    """The words of a docstring, and its examples: each `>>> formula` with the result in the line below."""
    words, _, rest = doc.partition(">>> ")
    examples = []
    for part in f">>> {rest}".split(">>> ")[1:] if rest else ():
        formula, _, result = part.strip().partition("\n")
        examples.append(Example(formula.strip(), result.strip()))
    return words.strip(), tuple(examples)


def named(name: str) -> Function | None:
    """The function of this name, or of the one that it is short for."""
    return REGISTRY.get(ALIASES.get(name, name))


def names() -> list[str]:
    """All that a formula can call, in the order of the alphabet."""
    return sorted({*REGISTRY, *ALIASES})
