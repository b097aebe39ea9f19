"""The tables of the instance, a module for each family; importing the package registers them all."""

from sync.sandbox.servicenow.tables import attachment, imports, system, task, users

__all__ = ["attachment", "imports", "system", "task", "users"]
