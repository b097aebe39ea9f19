"""The org's objects. A module here that calls `register` adds one; nothing else needs to know."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from sync.sandbox.salesforce.schema import SObject

OBJECTS: dict[str, SObject] = {}


def register(*objects: SObject) -> None:
    for sobject in objects:
        OBJECTS[sobject.name] = sobject


def load() -> dict[str, SObject]:
    """Import every module of this package and return the objects they registered, by API name."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return dict(OBJECTS)
