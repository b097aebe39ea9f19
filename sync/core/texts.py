"""The texts of actions: conditions and templates in the one language of the mappings, filled in from a scope of names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from mappings.expressions import Expression, bind, parse, run
from mappings.templates import Template, parse_template
from mappings.tools import NO_TOOLS, Tools

Scope = Mapping[str, Any]


@lru_cache(maxsize=1024)
def condition(text: str) -> Expression:
    """Raises ExpressionError."""
    return parse(text)


@lru_cache(maxsize=4096)
def template(text: str) -> Template:
    """Raises ExpressionError."""
    return parse_template(text)


def holds(text: str, scope: Scope, tools: Tools = NO_TOOLS) -> bool:
    """Whether a condition is met; an empty one always is. Raises Unmapped."""
    return not text or condition(text).holds(scope, tools)


def value(text: str, scope: Scope, tools: Tools = NO_TOOLS) -> Any:
    """What a template gives: of a single hole the very value, else text. Raises Unmapped."""
    only = template(text).tree.parts
    if len(only) == 1 and not isinstance(only[0], str):
        return run(bind(only[0], tools), scope).value
    return filled(text, scope, tools)


def filled(text: str, scope: Scope, tools: Tools = NO_TOOLS, quote: Callable[[str], str] = str) -> str:
    """A template's text; what its holes give is quoted. Raises Unmapped."""
    return "".join(part if is_words else quote(part) for part, is_words in parts(text, scope, tools))


def has_empty_hole(text: str, scope: Scope, tools: Tools = NO_TOOLS) -> bool:
    """Whether a hole gives nothing: what is looked for by it would be found everywhere, or nowhere. Raises Unmapped."""
    return any(not is_words and not part.strip() for part, is_words in parts(text, scope, tools))


def parts(text: str, scope: Scope, tools: Tools) -> Iterator[tuple[str, bool]]:
    """Each part as text, and whether it stands in the template itself."""
    for part in template(text).tree.parts:
        if isinstance(part, str):
            yield part, True
        else:
            yield spoken(run(bind(part, tools), scope).value), False


def spoken(raw: Any) -> str:
    """A value as text: nothing as "", truth as the platforms write it."""
    if raw is None:
        return ""
    return str(raw).lower() if isinstance(raw, bool) else str(raw)
