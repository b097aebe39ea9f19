"""From text to a checked document, or to all that is wrong with it. Pure: no database, no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sync.configuration.check import check
from sync.configuration.documents import Document, Known
from sync.configuration.problems import InvalidConfiguration, Remark, Remarks
from sync.configuration.readers import Place
from sync.configuration.schema import DOCUMENT
from sync.configuration.tree import Items, Keys, Node, Scalar, read_tree
from sync.recipes import Recipe, shipped
from sync.recipes.filling import bring_along, fill_in


@dataclass(frozen=True, slots=True)
class Parsed:
    file: str  # as it is named in messages
    document: Document
    notices: tuple[Remark, ...]


def parse(
    text: str,
    *,
    file: str,
    known: Known,
    environ: Mapping[str, str],
    recipes: Mapping[str, Recipe] | None = None,
) -> Parsed:
    """Raises InvalidConfiguration with every problem. `environ` answers `${NAME}`; secrets stay references.

    `recipes`: those that flows may name; None for the shipped ones.
    """
    remarks = Remarks()
    recipes = shipped() if recipes is None else recipes
    root = read_tree(text, remarks)
    if root is None:
        if not remarks.problems:
            remarks.problem(1, "", "The file is empty; it begins with version: 1.")
        raise InvalidConfiguration(file, remarks.problems)
    values = DOCUMENT.read(fill_in(root, recipes, remarks, known), Place("", remarks, environ)) or {}
    parts = {key: value for key, value in values.items() if key not in ("version", "line")}
    all_known = _with_unreadable(root, known)
    document = bring_along(Document(**parts), recipes, all_known)
    check(document, all_known, remarks)
    if remarks.problems:
        raise InvalidConfiguration(file, remarks.problems, document)
    return Parsed(file, document, tuple(sorted(set(remarks.notices))))


def _with_unreadable(root: Node, known: Known) -> Known:
    """Also the names of parts whose other keys are wrong: what refers to them is not a second problem."""
    systems = {**_named(root, "connections", "system"), **known.connections}
    return Known(
        {name: system for name, system in systems.items() if system},
        known.value_maps | _named(root, "value_maps").keys(),
        known.user_tables | _named(root, "user_tables").keys(),
        known.routing_tables | _named(root, "routing_tables").keys(),
        known.made,
    )


def _named(root: Node, section: str, detail: str = "name") -> dict[str, str]:
    """The names in one section of the file, with another of their keys."""
    items = root.values.get(section) if isinstance(root, Keys) else None
    parts = [part for part in items.items if isinstance(part, Keys)] if isinstance(items, Items) else []
    return {_text(part, "name"): _text(part, detail) for part in parts if _text(part, "name")}


def _text(part: Keys, key: str) -> str:
    value = part.values.get(key)
    return value.text if isinstance(value, Scalar) else ""
