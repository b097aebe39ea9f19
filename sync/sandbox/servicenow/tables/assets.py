"""Configuration items and assets. They carry an install_status each, with different lists under one name.

Source: the platform's documentation of the CMDB, its classes and relations, and of asset management.
"""

from __future__ import annotations

from sync.sandbox.servicenow.schema import REGISTRY, Column, Table, choices, to

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
    ("1", "In use"),
    ("2", "On order"),
    ("3", "In maintenance"),
    ("6", "In stock"),
    ("7", "Retired"),
    ("8", "Missing"),
    ("9", "In transit"),
    ("10", "Consumed"),
)

CMDB_MODEL = REGISTRY.add(
    Table(
        "cmdb_model",
        "Product Model",
        (
            Column("display_name", "Display name", max_length=255),
            Column("name", "Name", max_length=255),
            Column("model_number", "Model number", max_length=100),
            to("core_company", "manufacturer", "Manufacturer"),
        ),
        display="display_name",
        readers=_READERS,
        writers=_ASSET_WRITERS,
    )
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
            to("core_company", "company", "Company"),
            to("core_company", "manufacturer", "Manufacturer"),
            to("cmdb_model", "model_id", "Model ID"),
            to("sys_user", "assigned_to", "Assigned to"),
            to("sys_user_group", "support_group", "Support group"),
            to("alm_asset", "asset", "Asset"),
            Column("install_date", "Installed", "glide_date_time"),
            Column("warranty_expiration", "Warranty expiration", "glide_date"),
            Column("correlation_id", "Correlation ID", max_length=255),
        ),
        audited=True,
        readers=_READERS,
        writers=_CI_WRITERS,
    )
)


def _ci(name: str, label: str, *columns: Column, parent: Table = CMDB_CI) -> Table:
    return REGISTRY.add(
        Table(name, label, columns, parent=parent, audited=True, readers=_READERS, writers=_CI_WRITERS)
    )


CMDB_CI_HARDWARE = _ci("cmdb_ci_hardware", "Hardware")
CMDB_CI_COMPUTER = _ci(
    "cmdb_ci_computer",
    "Computer",
    Column("os", "Operating System", max_length=100),
    Column("ram", "RAM (MB)", "integer"),
    Column("cpu_count", "CPU count", "integer"),
    parent=CMDB_CI_HARDWARE,
)
CMDB_CI_SERVER = _ci(
    "cmdb_ci_server", "Server", Column("used_for", "Used for", default="Production"), parent=CMDB_CI_COMPUTER
)
CMDB_CI_NETGEAR = _ci(
    "cmdb_ci_netgear", "Network Gear", Column("device_type", "Device type"), parent=CMDB_CI_HARDWARE
)
CMDB_CI_SERVICE = _ci(
    "cmdb_ci_service",
    "Service",
    Column("busines_criticality", "Business criticality"),  # the column is spelled so
    to("sys_user", "owned_by", "Owned by"),
)
SERVICE_OFFERING = _ci(
    "service_offering",
    "Service Offering",
    to("cmdb_ci_service", "parent", "Parent"),
    parent=CMDB_CI_SERVICE,
)
CMDB_REL_TYPE = REGISTRY.add(
    Table(
        "cmdb_rel_type",
        "CI Relation Type",
        (
            Column("name", "Name", max_length=100),
            Column("parent_descriptor", "Parent descriptor", max_length=60),
            Column("child_descriptor", "Child descriptor", max_length=60),
        ),
        readers=_READERS,
    )
)
CMDB_REL_CI = REGISTRY.add(
    Table(
        "cmdb_rel_ci",
        "CI Relationship",
        (
            to("cmdb_ci", "parent", "Parent"),
            to("cmdb_rel_type", "type", "Type"),
            to("cmdb_ci", "child", "Child"),
        ),
        display="type",
        readers=_READERS,
        writers=_CI_WRITERS,
        deleters=_CI_WRITERS,
    )
)
SERVICE_SUBSCRIBE_COMPANY = REGISTRY.add(
    Table(
        "service_subscribe_company",
        "Subscribe by Company",
        (
            to("service_offering", "service_offering", "Service offering"),
            to("core_company", "core_company", "Company"),
        ),
        display="core_company",
        readers=_READERS,
        writers=_CI_WRITERS,
        deleters=_CI_WRITERS,
    )
)

ALM_ASSET = REGISTRY.add(
    Table(
        "alm_asset",
        "Asset",
        (
            Column("display_name", "Display name", max_length=300),
            Column("asset_tag", "Asset tag"),
            Column("serial_number", "Serial number", max_length=100),
            to("cmdb_model", "model", "Model"),
            Column("install_status", "State", "integer", default="1", choices=ASSET_STATUSES),
            Column("substatus", "Substate"),
            to("core_company", "company", "Company"),
            to("alm_asset", "parent", "Parent"),
            to("sys_user", "assigned_to", "Assigned to"),
            to("sys_user", "owned_by", "Owned by"),
            to("cmdb_ci", "ci", "Configuration Item"),
            Column("purchase_date", "Purchased", "glide_date"),
            Column("install_date", "Installed", "glide_date_time"),
            Column("warranty_expiration", "Warranty expiration", "glide_date"),
            Column("retired", "Retired date", "glide_date"),
            Column("quantity", "Quantity", "integer", default="1"),
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
