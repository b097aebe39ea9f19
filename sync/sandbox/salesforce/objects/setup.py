"""The org itself, its record types and what its users may do: read only, there to be asked about."""

from __future__ import annotations

from sync.sandbox.salesforce.objects import register
from sync.sandbox.salesforce.schema import AUDIT, ID, SObject, flag, read_only, text

register(
    SObject(
        name="Organization",
        label="Organization",
        plural="Organizations",
        prefix="00D",
        createable=False,
        updateable=False,
        deletable=False,
        fields=(
            ID,
            read_only(text("Name", "Name", 80, name_field=True)),
            read_only(text("InstanceName", "Instance Name", 5)),
            read_only(text("OrganizationType", "Edition", 40)),
            read_only(text("TimeZoneSidKey", "Time Zone", 40)),
            read_only(flag("IsSandbox", "Is Sandbox")),
            *AUDIT,
        ),
    ),
    SObject(
        name="RecordType",
        label="Record Type",
        plural="Record Types",
        prefix="012",
        createable=False,
        updateable=False,
        deletable=False,
        fields=(
            ID,
            read_only(text("Name", "Name", 80, name_field=True)),
            read_only(text("DeveloperName", "Record Type Name", 80)),
            read_only(text("SobjectType", "SObject Type Name", 40)),
            read_only(flag("IsActive", "Active")),
            *AUDIT,
        ),
    ),
    # Of whoever asks. Here of everybody: its one row, if it was seeded, stands for all users.
    SObject(
        name="UserPermissionAccess",
        label="User Permission Access",
        plural="User Permission Access",
        prefix="0UA",
        createable=False,
        updateable=False,
        deletable=False,
        fields=(
            ID,
            read_only(flag("PermissionsModifyAllData", "Modify All Data")),
            read_only(flag("PermissionsViewAllData", "View All Data")),
            read_only(flag("PermissionsManageUsers", "Manage Users")),
            read_only(flag("PermissionsCustomizeApplication", "Customize Application")),
            read_only(flag("PermissionsAuthorApex", "Author Apex")),
            *AUDIT,
        ),
    ),
)
