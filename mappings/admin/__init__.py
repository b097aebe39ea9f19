"""Value maps, user tables and routing tables; the rows of a mapping are edited on the flow's page."""

from mappings.admin import routingtables, usertables, valuemaps

__all__ = ["routingtables", "usertables", "valuemaps"]
