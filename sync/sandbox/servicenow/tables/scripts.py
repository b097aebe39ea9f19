"""Business rules. A row that aborts is obeyed (`written_rules.py`); what `script` holds is kept and never run.

Source: the platform's documentation of business rules; PySNC's suite for the columns.
"""

from __future__ import annotations

from sync.sandbox.servicenow.schema import REGISTRY, Column, Table, choices
from sync.sandbox.servicenow.tables.system import SYS_METADATA


def _flag(name: str, label: str, default: str = "false") -> Column:
    return Column(name, label, "boolean", default=default)


SYS_SCRIPT = REGISTRY.add(
    Table(
        "sys_script",
        "Business Rule",
        (
            Column("name", "Name", max_length=80),
            Column("collection", "Table", max_length=80),
            Column(
                "when",
                "When",
                default="before",
                choices=choices(
                    ("before", "before"),
                    ("after", "after"),
                    ("async", "async"),
                    ("before_display", "display"),
                ),
            ),
            Column("order", "Order", "integer", default="100"),
            _flag("active", "Active", "true"),
            _flag("action_insert", "Insert"),
            _flag("action_update", "Update"),
            _flag("action_delete", "Delete"),
            _flag("abort_action", "Abort action"),
            _flag("add_message", "Add message"),
            Column("message", "Message", max_length=4000),
            Column("filter_condition", "Filter Conditions", "conditions", 4000),
            Column("script", "Script", "script_plain", 8000),
        ),
        parent=SYS_METADATA,
    )
)
