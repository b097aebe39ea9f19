"""Case and the table that says which of its statuses are closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.sandbox.salesforce.objects import register
from sync.sandbox.salesforce.objects.activity import MAX_COMMENT, limit_comment
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
    from sync.sandbox.salesforce.saving import Save, Writer
    from sync.sandbox.salesforce.store import Row

EXTERNAL_ID = "ServiceNow_Sys_Id__c"
STATUSES = ("New", "Working", "Escalated", "On Hold", "Resolved", "Closed")
CLOSED_STATUSES = frozenset({"Closed"})


def derive(save: Save) -> None:
    """Number a new Case, take the account from the contact, let IsClosed and ClosedDate follow the status."""
    limit_comment(save, "Comments")
    if save.is_new:
        save.set("CaseNumber", f"{save.org.next_number('Case'):08d}")
    contact = save.org.row(save.get("ContactId"))
    if contact is not None and save.get("AccountId") is None:
        save.set("AccountId", contact.values[save.org.tables["Contact"].slots["AccountId"]])
    if not save.is_changed("Status"):
        return
    closed = save.get("Status") in CLOSED_STATUSES
    if closed != bool(save.get("IsClosed")):
        save.set("IsClosed", closed)
        save.set("ClosedDate", save.now if closed else None)


def comment(writer: Writer, case: Row) -> None:
    """Turn what was written to `Comments` into a comment that only colleagues see; the field itself stays empty."""
    table = writer.org.tables["Case"]
    body = case.values[table.slots["Comments"]]
    if body is None:
        return
    writer.revise("Case", case, {"Comments": None})
    writer.put("CaseComment", {"ParentId": case.values[0], "CommentBody": body, "IsPublished": False})


register(
    SObject(
        name="Case",
        label="Case",
        plural="Cases",
        prefix="500",
        auto_assign=True,
        before_save=derive,
        after_save=comment,
        fields=(
            ID,
            read_only(
                text(
                    "CaseNumber",
                    "Case Number",
                    30,
                    nillable=False,
                    defaulted=True,
                    auto_number=True,
                    name_field=True,
                    id_lookup=True,
                )
            ),
            text("Subject", "Subject"),
            Field("Description", "Description", "textarea", 32000, long=True),
            picklist("Status", "Status", *STATUSES, default="New"),
            picklist("Priority", "Priority", "Critical", "High", "Medium", "Low", default="Medium"),
            picklist("Origin", "Case Origin", "Phone", "Email", "Web", "ServiceNow", restricted=False),
            picklist("Type", "Case Type", "Problem", "Question", "Feature Request", restricted=False),
            picklist(
                "Reason", "Case Reason", "Installation", "Performance", "Breakdown", "Other", restricted=False
            ),
            read_only(flag("IsClosed", "Closed")),
            read_only(Field("ClosedDate", "Closed Date", "datetime")),
            flag("IsEscalated", "Escalated"),
            reference("OwnerId", "Owner ID", "Group", "User", nillable=False, defaulted=True),
            reference("ContactId", "Contact ID", "Contact", on_delete=OnDelete.RESTRICT),
            reference("ParentId", "Parent Case ID", "Case", on_delete=OnDelete.CLEAR),
            reference("AccountId", "Account ID", "Account", on_delete=OnDelete.RESTRICT),
            reference("AssetId", "Asset ID", "Asset", on_delete=OnDelete.CLEAR),
            Field("SuppliedEmail", "Email Address", "email", 80),
            text("SuppliedName", "Name", 80),
            text(EXTERNAL_ID, "ServiceNow Sys Id", 80, unique=True, external_id=True, id_lookup=True),
            text("ServiceNow_Number__c", "ServiceNow Number", 40),
            Field("ServiceNow_URL__c", "ServiceNow URL", "url", 255),
            Field("ServiceNow_Context__c", "ServiceNow Context", "textarea", 32_000, long=True),
            Field("ServiceNow_Score__c", "ServiceNow Score", "double"),
            reference("RecordTypeId", "Record Type ID", "RecordType"),
            Field("Comments", "Internal Comments", "textarea", MAX_COMMENT, long=True),
            *AUDIT,
        ),
    ),
    SObject(
        name="CaseStatus",
        label="Case Status Value",
        plural="Case Status Values",
        prefix="0M2",
        createable=False,
        updateable=False,
        deletable=False,
        fields=(
            ID,
            read_only(text("ApiName", "API Name", name_field=True)),
            read_only(text("MasterLabel", "Master Label")),
            read_only(Field("SortOrder", "Sort Order", "int")),
            read_only(flag("IsClosed", "Closed")),
            read_only(flag("IsDefault", "Is Default")),
            *AUDIT,
        ),
    ),
)
