"""Users, queues and which objects a queue may own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.sandbox.salesforce.objects import register
from sync.sandbox.salesforce.schema import (
    AUDIT,
    ID,
    Field,
    OnDelete,
    SObject,
    flag,
    picklist,
    read_only,
    reference,
    text,
)

if TYPE_CHECKING:
    from sync.sandbox.salesforce.saving import Save


def join_names(save: Save) -> None:
    """Compose the Name of a person from its parts, in the order of the US locale."""
    parts = (save.get("FirstName"), save.get("LastName"))
    save.set("Name", " ".join(str(part) for part in parts if part))


register(
    SObject(
        name="User",
        before_save=join_names,
        label="User",
        plural="Users",
        prefix="005",
        deletable=False,  # the platform only deactivates users
        fields=(
            ID,
            text("Username", "Username", 80, nillable=False, unique=True, id_lookup=True),
            text("LastName", "Last Name", 80, nillable=False),
            text("FirstName", "First Name", 40),
            read_only(text("Name", "Full Name", 121, nillable=False, defaulted=True, name_field=True)),
            text("Alias", "Alias", 8, nillable=False, defaulted=True),
            Field("Email", "Email", "email", 128, nillable=False),
            text("EmployeeNumber", "Employee Number", 20),
            text("FederationIdentifier", "SAML Federation ID", 512),
            text("Title", "Title", 80),
            text("Department", "Department", 80),
            flag("IsActive", "Active"),
            picklist("UserType", "User Type", "Standard", "CloudIntegrationUser", default="Standard"),
            picklist(
                "TimeZoneSidKey", "Time Zone", "GMT", "Europe/Berlin", "America/Los_Angeles", default="GMT"
            ),
            picklist("LanguageLocaleKey", "Language", "en_US", "de", default="en_US"),
            *AUDIT,
        ),
    ),
    SObject(
        name="Group",
        label="Group",
        plural="Groups",
        prefix="00G",
        fields=(
            ID,
            text("Name", "Name", 40, nillable=False, name_field=True),
            text("DeveloperName", "Developer Name", 80),
            picklist("Type", "Type", "Regular", "Queue", default="Regular"),
            Field("Email", "Email", "email", 255),
            flag("DoesSendEmailToMembers", "Send Email to Members"),
            *AUDIT,
        ),
    ),
    SObject(
        name="QueueSobject",
        label="Queue Sobject",
        plural="Queue Sobjects",
        prefix="03g",
        updateable=False,
        fields=(
            ID,
            reference("QueueId", "Group ID", "Group", nillable=False, on_delete=OnDelete.CASCADE),
            picklist("SobjectType", "Sobject Type", "Case", "Lead", restricted=False),
            *AUDIT,
        ),
    ),
)
