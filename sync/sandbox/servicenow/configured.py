"""Rows that configure a fresh instance: dynamic filter options, the list of a view, transform maps."""

from __future__ import annotations

from sync.sandbox.servicenow.tables.imports import IMP_USER, U_INCIDENT_IMPORT

Values = dict[str, str]

ME = "90d1921e5f510100a9ad2572f2b477fe"
ONE_OF_MY_GROUPS = "d6435e965f510100a9ad2572f2b47744"

# The ids are the same on every instance. The vendor's page on operators says Me under another one than its own lists.
FILTER_OPTIONS: tuple[Values, ...] = (
    {"sys_id": ME, "label": "Me", "script": "gs.getUserID()", "referenced_table": "sys_user"},
    {
        "sys_id": "54635e965f510100a9ad2572f2b4774c",
        "label": "Me",
        "script": "gs.getUserID()",
        "referenced_table": "sys_user",
    },
    {
        "sys_id": ONE_OF_MY_GROUPS,
        "label": "One of My Groups",
        "script": "gs.getUser().getMyGroups()",
        "referenced_table": "sys_user_group",
    },
)

# Made up: what a list shows on a telephone is not public.
_MOBILE = ("number", "short_description", "state", "priority", "assigned_to")
_MOBILE_LIST = "0f0e1d2c3b4a59687786950413223140"
LISTS: tuple[Values, ...] = ({"sys_id": _MOBILE_LIST, "name": "incident", "view": "mobile"},)
LIST_ELEMENTS: tuple[Values, ...] = tuple(
    {"list_id": _MOBILE_LIST, "element": name, "position": str(place)} for place, name in enumerate(_MOBILE)
)

_USER_MAP = "2b7e151628aed2a6abf7158809cf4f3c"
_INCIDENT_MAP = "603deb1015ca71be2b73aef0857d7781"
TRANSFORM_MAPS: tuple[Values, ...] = (
    {"sys_id": _USER_MAP, "name": "User", "source_table": IMP_USER.name, "target_table": "sys_user"},
    {
        "sys_id": _INCIDENT_MAP,
        "name": "Incident",
        "source_table": U_INCIDENT_IMPORT.name,
        "target_table": "incident",
    },
)
_RENAMED = {"u_caller": "caller_id"}
TRANSFORM_ENTRIES: tuple[Values, ...] = tuple(
    {
        "map": identity,
        "source_field": column.name,
        "target_field": (target := _RENAMED.get(column.name, column.name.removeprefix("u_"))),
        "coalesce": "true" if target == key else "false",
    }
    for identity, staging, key in (
        (_USER_MAP, IMP_USER, "user_name"),
        (_INCIDENT_MAP, U_INCIDENT_IMPORT, "correlation_id"),
    )
    for column in staging.own
)

CONFIGURED: dict[str, tuple[Values, ...]] = {
    "sys_filter_option_dynamic": FILTER_OPTIONS,
    "sys_ui_list": LISTS,
    "sys_ui_list_element": LIST_ELEMENTS,
    "sys_transform_map": TRANSFORM_MAPS,
    "sys_transform_entry": TRANSFORM_ENTRIES,
}
