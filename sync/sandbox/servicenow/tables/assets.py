"""Configuration items and assets. They carry an install_status each, with different lists under one name.

Source: the platform's documentation of the CMDB and of asset management.
"""

from __future__ import annotations

from sync.sandbox.servicenow.schema import REGISTRY, Column, Table, choices

_READERS = frozenset({"itil", "asset"})
_CI_WRITERS = frozenset({"itil", "asset"})
_ASSET_WRITERS = frozenset({"asset"})

CI_STATUSES = choices(
    ("1", "Installed"),
    ("2", "On Order"),
    ("3", "In Maintenance"),
    ("4", "Pending Install"),
    ("5", "Pending Repair"),
    ("6", "In Stock"),
    ("7", "Retired"),
    ("8", "Stolen"),
    ("100", "Absent"),
)
ASSET_STATUSES = choices(
    ("1", "In use"), ("2", "On order"), ("6", "In stock"), ("7", "Retired"), ("8", "Missing")
)

CMDB_CI = REGISTRY.add(
    Table(
        "cmdb_ci",
        "Configuration Item",
        (
            Column("name", "Name", max_length=255),
            Column("asset_tag", "Asset tag"),
            Column("serial_number", "Serial number", max_length=255),
            Column("category", "Category"),
            Column("short_description", "Description", max_length=1000),
            Column("install_status", "Status", "integer", default="1", choices=CI_STATUSES),
            Column(
                "operational_status",
                "Operational status",
                "integer",
                default="1",
                choices=choices(("1", "Operational"), ("2", "Non-Operational"), ("6", "Retired")),
            ),
            Column("assigned_to", "Assigned to", "reference", 32, reference="sys_user"),
            Column("support_group", "Support group", "reference", 32, reference="sys_user_group"),
            Column("asset", "Asset", "reference", 32, reference="alm_asset"),
            Column("correlation_id", "Correlation ID", max_length=255),
        ),
        audited=True,
        readers=_READERS,
        writers=_CI_WRITERS,
    )
)


def _ci(name: str, label: str, *columns: Column) -> Table:
    return REGISTRY.add(
        Table(name, label, columns, parent=CMDB_CI, audited=True, readers=_READERS, writers=_CI_WRITERS)
    )


CMDB_CI_COMPUTER = _ci(
    "cmdb_ci_computer",
    "Computer",
    Column("os", "Operating System", max_length=100),
    Column("ram", "RAM (MB)", "integer"),
    Column("cpu_count", "CPU count", "integer"),
)
CMDB_CI_SERVICE = _ci("cmdb_ci_service", "Service", Column("busines_criticality", "Business criticality"))

ALM_ASSET = REGISTRY.add(
    Table(
        "alm_asset",
        "Asset",
        (
            Column("display_name", "Display name", max_length=300),
            Column("asset_tag", "Asset tag"),
            Column("serial_number", "Serial number", max_length=100),
            Column("model", "Model", max_length=100),
            Column("install_status", "State", "integer", default="1", choices=ASSET_STATUSES),
            Column("assigned_to", "Assigned to", "reference", 32, reference="sys_user"),
            Column("ci", "Configuration Item", "reference", 32, reference="cmdb_ci"),
            Column("cost", "Cost", "decimal"),
            Column("comments", "Comments", max_length=4000),
        ),
        display="display_name",
        audited=True,
        readers=_READERS,
        writers=_ASSET_WRITERS,
    )
)
ALM_HARDWARE = REGISTRY.add(
    Table(
        "alm_hardware",
        "Hardware",
        (),
        parent=ALM_ASSET,
        display="display_name",
        audited=True,
        readers=_READERS,
        writers=_ASSET_WRITERS,
    )
)
