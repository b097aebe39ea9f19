"""Transform maps as the rows they are: which staging column becomes which column of a target table."""

from __future__ import annotations

from sync.sandbox.servicenow.schema import REGISTRY, Column, Table

_LOADERS = frozenset({"import_admin", "import_set_loader", "import_transformer"})

SYS_TRANSFORM_MAP = REGISTRY.add(
    Table(
        "sys_transform_map",
        "Table Transform Map",
        (
            Column("name", "Name", max_length=80),
            Column("source_table", "Source table", max_length=80),
            Column("target_table", "Target table", max_length=80),
            Column("active", "Active", "boolean", default="true"),
            Column("order", "Order", "integer", default="100"),
            Column("copy_empty_fields", "Copy empty fields", "boolean", default="false"),
        ),
        readers=_LOADERS,
    )
)
SYS_TRANSFORM_ENTRY = REGISTRY.add(
    Table(
        "sys_transform_entry",
        "Field Map",
        (
            Column("map", "Map", "reference", 32, reference="sys_transform_map"),
            Column("source_field", "Source field", max_length=80),
            Column("target_field", "Target field", max_length=80),
            Column("coalesce", "Coalesce", "boolean", default="false"),
        ),
        display="source_field",
        readers=_LOADERS,
    )
)
