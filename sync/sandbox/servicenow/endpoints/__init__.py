"""The endpoints of the instance, a module for each API; importing the package routes them all."""

from sync.sandbox.servicenow.endpoints import authorize, table, token

__all__ = ["authorize", "table", "token"]
