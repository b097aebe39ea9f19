"""The look of the admin: names, colours, where the menu comes from. One place, because theme releases rename things."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static


def _stylesheet(request: HttpRequest) -> str:
    return static("console/console.css")


def _icon(request: HttpRequest) -> str:
    return static("console/icon.svg")


_BLUE = {
    "50": "oklch(97% .014 254.6)",
    "100": "oklch(93.2% .032 255.6)",
    "200": "oklch(88.2% .059 254.1)",
    "300": "oklch(80.9% .105 251.8)",
    "400": "oklch(70.7% .165 254.6)",
    "500": "oklch(62.3% .214 259.8)",
    "600": "oklch(54.6% .215 262.9)",
    "700": "oklch(48.8% .193 264.4)",
    "800": "oklch(42.4% .149 265.6)",
    "900": "oklch(37.9% .116 265.5)",
    "950": "oklch(28.2% .091 267.9)",
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Integration Console",
    "SITE_HEADER": "Integration Console",
    "SITE_SUBHEADER": "ServiceNow ↔ Salesforce",
    "SITE_SYMBOL": "sync_alt",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _icon}],
    "SITE_URL": None,
    "SHOW_HISTORY": False,  # the audit log is the history
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "integration_console.theme.navigation.environment",
    "DASHBOARD_CALLBACK": "integration_console.theme.dashboard.overview",
    "STYLES": [_stylesheet],
    "COLORS": {"primary": _BLUE},
    "BORDER_RADIUS": "6px",
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "integration_console.theme.navigation.groups",
    },
    "COMMAND": {
        "search_models": False,
        "show_history": False,
        "search_callback": "sync.admin.trace.in_palette",
    },
}
