"""The endpoints of the instance, a module for each API; importing the package routes them all."""

from sync.sandbox.servicenow.endpoints import (
    attachment,
    authorize,
    batch,
    catalog,
    imports,
    stats,
    table,
    tinyurl,
    token,
)

__all__ = ["attachment", "authorize", "batch", "catalog", "imports", "stats", "table", "tinyurl", "token"]
