"""The tables of the instance, a module for each family; importing the package registers them all."""

from sync.sandbox.servicenow.tables import (
    assets,
    attachment,
    imports,
    knowledge,
    processes,
    system,
    task,
    users,
)

__all__ = ["assets", "attachment", "imports", "knowledge", "processes", "system", "task", "users"]
