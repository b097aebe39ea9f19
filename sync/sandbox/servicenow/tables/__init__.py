"""The tables of the instance, a module for each family; importing the package registers them all."""

from sync.sandbox.servicenow.tables import attachment, system, task, users

__all__ = ["attachment", "system", "task", "users"]
