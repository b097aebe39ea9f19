"""The recipes that the console ships: one file each, beside this one, under the recipe's name."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import MappingProxyType

from sync.recipes.reading import Recipes, read_recipe

SHELF = Path(__file__).parent


@cache
def shipped() -> Recipes:
    """By name, in the order of names. Read once: the files belong to the code."""
    files = sorted(SHELF.glob("*.yaml"))
    read = (read_recipe(file.read_text(encoding="utf-8"), file=file.name) for file in files)
    return MappingProxyType({recipe.name: recipe for recipe in read})
