"""The platform's tables about itself: dictionary, choices, properties, audit, journal."""

from __future__ import annotations

from sync.sandbox.servicenow.schema import REGISTRY, Column, Table

_METADATA = frozenset({"itil", "personalize_dictionary"})
_AUDIT = frozenset({"audit_reader"})

SYS_METADATA = REGISTRY.add(
    Table("sys_metadata", "Application File", (), display="sys_id", abstract=True, readers=_METADATA)
)
SYS_DB_OBJECT = REGISTRY.add(
    Table(
        "sys_db_object",
        "Table",
        (
            Column("name", "Name", max_length=80),
            Column("label", "Label", max_length=80),
            Column("super_class", "Extends table", "reference", 32, reference="sys_db_object"),
            Column("ws_access", "Allow access via web services", "boolean", default="true"),
            Column("read_access", "Can read", "boolean", default="true"),
            Column("is_extendable", "Extensible", "boolean", default="false"),
        ),
        parent=SYS_METADATA,
        readers=_METADATA,
    )
)
SYS_DICTIONARY = REGISTRY.add(
    Table(
        "sys_dictionary",
        "Dictionary Entry",
        (
            Column("name", "Table", max_length=80),
            Column("element", "Column name", max_length=80),
            Column("column_label", "Column label", max_length=80),
            Column("internal_type", "Type"),
            Column("max_length", "Max length", "integer"),
            Column("mandatory", "Mandatory", "boolean", default="false"),
            Column("read_only", "Read only", "boolean", default="false"),
            Column("reference", "Reference", max_length=80),
            Column("default_value", "Default value", max_length=512),
            Column("choice", "Choice", "integer", default="0"),
            Column("active", "Active", "boolean", default="true"),
            Column("display", "Display", "boolean", default="false"),
            Column("unique", "Unique", "boolean", default="false"),
        ),
        parent=SYS_METADATA,
        display="column_label",
        readers=_METADATA,
    )
)
SYS_CHOICE = REGISTRY.add(
    Table(
        "sys_choice",
        "Choice",
        (
            Column("name", "Table", max_length=80),
            Column("element", "Element", max_length=80),
            Column("value", "Value", max_length=60),
            Column("label", "Label", max_length=80),
            Column("language", "Language", default="en"),
            Column("sequence", "Sequence", "integer"),
            Column("inactive", "Inactive", "boolean", default="false"),
            Column("dependent_value", "Dependent value", max_length=60),
        ),
        parent=SYS_METADATA,
        display="label",
        readers=_METADATA,
        writers=frozenset({"personalize_choices"}),
    )
)
SYS_PROPERTIES = REGISTRY.add(
    Table(
        "sys_properties",
        "System Property",
        (
            Column("name", "Name", max_length=100),
            Column("value", "Value", max_length=4000),
            Column("type", "Type", default="string"),
            Column("description", "Description", max_length=512),
        ),
        parent=SYS_METADATA,
        readers=_METADATA,
    )
)
SYS_AUDIT = REGISTRY.add(
    Table(
        "sys_audit",
        "Audit",
        (
            Column("tablename", "Table name", max_length=80),
            Column("documentkey", "Document key", max_length=32),
            Column("fieldname", "Field name", max_length=80),
            Column("oldvalue", "Old value", max_length=4000),
            Column("newvalue", "New value", max_length=4000),
            Column("user", "User"),
            Column("record_checkpoint", "Update count", "integer"),
            Column("reason", "Reason"),
        ),
        display="fieldname",
        readers=_AUDIT,
    )
)
SYS_AUDIT_DELETE = REGISTRY.add(
    Table(
        "sys_audit_delete",
        "Deleted Record",
        (
            Column("tablename", "Table name", max_length=80),
            Column("documentkey", "Document key", max_length=32),
            Column("display_value", "Display value", max_length=255),
            Column("payload", "Payload", max_length=65000),
        ),
        display="display_value",
        readers=_AUDIT,
    )
)
SYS_JOURNAL_FIELD = REGISTRY.add(
    Table(
        "sys_journal_field",
        "Journal Entry",
        (
            Column("name", "Table", max_length=80),
            Column("element", "Element", max_length=80),
            Column("element_id", "Element id", max_length=32),
            Column("value", "Value", max_length=4000),
        ),
        display="value",
        readers=frozenset({"itil"}),
    )
)
