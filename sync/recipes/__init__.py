"""Ready flows for use cases, shipped as data: one YAML file a recipe. A flow made from one is then the user's own."""

from sync.recipes.reading import Need, PerSide, Recipe, read_recipe
from sync.recipes.shelf import shipped

__all__ = ["Need", "PerSide", "Recipe", "read_recipe", "shipped"]
