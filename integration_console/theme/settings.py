"""The look of the admin: sidebar, colours, badges. One place, because theme releases rename things."""

from typing import Any

UNFOLD: dict[str, Any] = {"SITE_TITLE": "Integration Console", "SITE_HEADER": "Integration Console"}
