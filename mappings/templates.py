"""Text with holes: `Incident {servicenow.number} was approved`. Pure.

A hole holds a name or a formula; `{{` and `}}` are braces. The same text stands in template("…") of a formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from mappings.expressions import Scope, bind, run
from mappings.grammar import ExpressionError, Filled, filled, read_names
from mappings.tools import NO_TOOLS, Tools

__all__ = ["MAX_TEMPLATE", "ExpressionError", "Template", "parse_template"]

MAX_TEMPLATE = 20_000  # characters


@dataclass(frozen=True)
class Template:
    text: str
    tree: Filled

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names that its holes read, each once, in order."""
        return tuple(dict.fromkeys(read_names(self.tree)))

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(self.names)

    def render(self, scope: Scope, tools: Tools = NO_TOOLS) -> str:
        """The text with its holes filled. Raises Unmapped, which names a name that is not in the scope."""
        return str(run(bind(self.tree, tools), scope).value)


def parse_template(text: str) -> Template:
    """Raises ExpressionError, which names the place and what to write instead."""
    if len(text) > MAX_TEMPLATE:
        raise ExpressionError(f"It has {len(text):,} characters; {MAX_TEMPLATE:,} are allowed.")
    return Template(text, filled(text))
