"""The simulated ServiceNow. A table joins in `tables/`, a rule in `rules.py`, an endpoint in `endpoints/`."""

from sync.sandbox.servicenow.platform import ServiceNowPlatform, build

__all__ = ["ServiceNowPlatform", "build"]
