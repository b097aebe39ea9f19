"""What filters and lists are kept as: dynamic filter options, the columns of a view's list, shortened addresses."""

from __future__ import annotations

from sync.sandbox.servicenow.schema import REGISTRY, Column, Table

_EVERYBODY = frozenset({"itil", "asset", "knowledge", "personalize_list"})

SYS_FILTER_OPTION_DYNAMIC = REGISTRY.add(
    Table(
        "sys_filter_option_dynamic",
        "Dynamic Filter Option",
        (
            Column("label", "Label", max_length=80),
            Column("script", "Script", max_length=255),
            Column("referenced_table", "Referenced table", max_length=80),
            Column("active", "Active", "boolean", default="true"),
        ),
        display="label",
        readers=_EVERYBODY,
    )
)
SYS_UI_LIST = REGISTRY.add(
    Table(
        "sys_ui_list",
        "List Layout",
        (
            Column("name", "Table", max_length=80),
            Column("view", "View", max_length=80),
        ),
        readers=_EVERYBODY,
    )
)
SYS_UI_LIST_ELEMENT = REGISTRY.add(
    Table(
        "sys_ui_list_element",
        "List Element",
        (
            Column("list_id", "List", "reference", 32, reference="sys_ui_list"),
            Column("element", "Element", max_length=80),
            Column("position", "Position", "integer"),
        ),
        display="element",
        readers=_EVERYBODY,
    )
)
SYS_TINY_URL = REGISTRY.add(
    Table(
        "sys_tiny_url",
        "Tiny URL",
        (
            Column("tiny_url", "Tiny URL", max_length=32),
            Column("data", "Data", max_length=65000),
        ),
        display="tiny_url",
    )
)
