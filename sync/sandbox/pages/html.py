"""HTML that escapes by default: what is not `Html` already is text, wherever it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Html:
    """Markup made here. Deliberately no `str`: joined to one, it would silently lose what it means."""

    text: str


Node: TypeAlias = Html | str | Sequence["Node"] | None
Attribute: TypeAlias = str | int | bool | None

_VOID = frozenset({"input", "link", "meta", "br", "hr"})
# Without an encoding in UTF-8, or not allowed in HTML at all.
_UNFIT = {0: "\ufffd", **dict.fromkeys(range(0xD800, 0xE000), "\ufffd")}


def tag(name: str, /, *children: Node, **attributes: Attribute) -> Html:
    """An element; `class_` is the attribute class, `data_label` data-label; True is bare, None and False are left out."""
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{render(children)}</{name}>")


def render(node: Node) -> str:
    """The node as HTML, with every text in it escaped."""
    if node is None:
        return ""
    if isinstance(node, Html):
        return node.text
    if isinstance(node, str):
        return _safe(node)
    return "".join(render(child) for child in node)


def document(node: Node) -> bytes:
    return ("<!DOCTYPE html>\n" + render(node)).encode()


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{_safe(str(value))}"'


def _safe(text: str) -> str:
    return escape(text.translate(_UNFIT), quote=True)
