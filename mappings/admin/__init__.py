"""Value maps and user tables; the rows of a mapping are edited on the flow's page."""

from mappings.admin import usertables, valuemaps

__all__ = ["usertables", "valuemaps"]
