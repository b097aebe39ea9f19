"""Import sets: staging tables, whose rows a transform map turns into rows of another table."""

from __future__ import annotations

from sync.sandbox.servicenow.schema import REGISTRY, Column, Table

_LOADERS = frozenset(
    {"import_set_loader", "import_transformer"}
)  # which of them the API asks for is a switch

SYS_IMPORT_SET = REGISTRY.add(
    Table(
        "sys_import_set",
        "Import Set",
        (
            Column("number", "Number"),
            Column("table_name", "Table", max_length=80),
            Column("state", "State"),
        ),
        display="number",
        number_prefix="ISET",
        readers=_LOADERS,
    )
)
SYS_IMPORT_SET_ROW = REGISTRY.add(
    Table(
        "sys_import_set_row",
        "Import Set Row",
        (
            Column("sys_import_set", "Set", "reference", 32, reference="sys_import_set"),
            Column("sys_import_state", "State"),
            Column("sys_import_state_comment", "Comment", max_length=4000),
            Column("sys_target_table", "Target table", max_length=80),
            Column("sys_target_sys_id", "Target record", max_length=32),
            Column("sys_transform_map", "Transform map", "reference", 32, reference="sys_transform_map"),
        ),
        display="sys_id",
        abstract=True,
        readers=_LOADERS,
        writers=_LOADERS,
    )
)


def _staging(name: str, label: str, *columns: Column) -> Table:
    return REGISTRY.add(
        Table(
            name,
            label,
            columns,
            parent=SYS_IMPORT_SET_ROW,
            display="sys_id",
            readers=_LOADERS,
            writers=_LOADERS,
        )
    )


IMP_USER = _staging(
    "imp_user",
    "User Import",
    Column("user_name", "User ID"),
    Column("first_name", "First name", max_length=50),
    Column("last_name", "Last name", max_length=50),
    Column("name", "Name", max_length=151),
    Column("email", "Email", max_length=100),
    Column("title", "Title", max_length=60),
)
U_INCIDENT_IMPORT = _staging(
    "u_incident_import",
    "Incident Import",
    Column("u_correlation_id", "Correlation ID", max_length=100),
    Column("u_correlation_display", "Correlation display", max_length=100),
    Column("u_short_description", "Short description", max_length=160),
    Column("u_description", "Description", max_length=4000),
    Column("u_state", "State"),
    Column("u_impact", "Impact"),
    Column("u_urgency", "Urgency"),
    Column("u_category", "Category"),
    Column("u_caller", "Caller", max_length=151),
    Column("u_assigned_to", "Assigned to", max_length=151),
    Column("u_assignment_group", "Assignment group", max_length=80),
    Column("u_close_code", "Resolution code"),
    Column("u_close_notes", "Resolution notes", max_length=4000),
    Column("u_comments", "Additional comments", max_length=4000),
    Column("u_work_notes", "Work notes", max_length=4000),
)
