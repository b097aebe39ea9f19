"""The tables of the instance, a module for each family; importing the package registers them all."""

from sync.sandbox.servicenow.tables import (
    assets,
    attachment,
    catalog,
    customers,
    filters,
    imports,
    knowledge,
    processes,
    scripts,
    system,
    task,
    transforms,
    users,
)

__all__ = [
    "assets",
    "attachment",
    "catalog",
    "customers",
    "filters",
    "imports",
    "knowledge",
    "processes",
    "scripts",
    "system",
    "task",
    "transforms",
    "users",
]
