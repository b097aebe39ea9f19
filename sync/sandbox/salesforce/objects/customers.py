"""Accounts, who works for them, and their contacts."""

from __future__ import annotations

from sync.sandbox.salesforce.objects import register
from sync.sandbox.salesforce.objects.activity import fixed
from sync.sandbox.salesforce.objects.people import join_names
from sync.sandbox.salesforce.schema import (
    AUDIT,
    ID,
    Field,
    OnDelete,
    SObject,
    picklist,
    read_only,
    reference,
    text,
)

EXTERNAL_ID = "ServiceNow_Sys_Id__c"


def servicenow_key() -> Field:
    """The custom field that a synchronisation keeps its key in, as the set-up guide has it made."""
    return text(EXTERNAL_ID, "ServiceNow Sys Id", 80, unique=True, external_id=True, id_lookup=True)


_MERGED_INTO = {  # by merging, which is the platform's own deed
    name: read_only(reference("MasterRecordId", "Master Record ID", name)) for name in ("Account", "Contact")
}
_OWNER = reference("OwnerId", "Owner ID", "User", nillable=False, defaulted=True)


def _address(use: str) -> tuple[Field, ...]:
    return (
        Field(f"{use}Street", f"{use} Street", "textarea", 255),
        text(f"{use}City", f"{use} City", 40),
        text(f"{use}State", f"{use} State/Province", 80),
        text(f"{use}PostalCode", f"{use} Zip/Postal Code", 20),
        text(f"{use}Country", f"{use} Country", 80),
    )


register(
    SObject(
        name="Account",
        label="Account",
        plural="Accounts",
        prefix="001",
        fields=(
            ID,
            text("Name", "Account Name", 255, nillable=False, name_field=True),
            picklist("Type", "Account Type", "Prospect", "Customer", "Partner", "Other", restricted=False),
            picklist("Rating", "Account Rating", "Hot", "Warm", "Cold"),
            text("AccountNumber", "Account Number", 40),
            Field("Phone", "Account Phone", "phone", 40),
            Field("Website", "Website", "url", 255),
            Field("Fax", "Account Fax", "phone", 40),
            *_address("Billing"),
            *_address("Shipping"),
            picklist("Industry", "Industry", "Banking", "Education", "Technology", "Other", restricted=False),
            Field("AnnualRevenue", "Annual Revenue", "currency"),
            Field("NumberOfEmployees", "Employees", "int"),
            picklist("Ownership", "Ownership", "Public", "Private", "Other", restricted=False),
            text("TickerSymbol", "Ticker Symbol", 20),
            text("Sic", "SIC Code", 20),
            text("SicDesc", "SIC Description", 80),
            text("Site", "Account Site", 80),
            picklist("AccountSource", "Account Source", "Web", "Other", restricted=False),
            Field("Description", "Account Description", "textarea", 32000, long=True),
            reference("ParentId", "Parent Account ID", "Account", on_delete=OnDelete.CLEAR),
            _OWNER,
            reference("RecordTypeId", "Record Type ID", "RecordType"),
            _MERGED_INTO["Account"],
            servicenow_key(),
            text("ServiceNow_Number__c", "ServiceNow Number", 40),
            text(
                "ServiceNow_Products__c", "ServiceNow Products", 255
            ),  # names of catalog items, by semicolons
            Field("ServiceNow_Onboarding__c", "ServiceNow Onboarding", "textarea", 32_000, long=True),
            *AUDIT,
        ),
    ),
    SObject(
        name="Contact",
        before_save=join_names,
        label="Contact",
        plural="Contacts",
        prefix="003",
        fields=(
            ID,
            reference("AccountId", "Account ID", "Account", on_delete=OnDelete.CASCADE),
            text("LastName", "Last Name", 80, nillable=False),
            text("FirstName", "First Name", 40),
            read_only(text("Name", "Full Name", 121, nillable=False, defaulted=True, name_field=True)),
            Field("Email", "Email", "email", 80),
            Field("Phone", "Business Phone", "phone", 40),
            text("Title", "Title", 128),
            text("Department", "Department", 80),
            _OWNER,
            _MERGED_INTO["Contact"],
            servicenow_key(),
            *AUDIT,
        ),
    ),
    SObject(
        name="AccountTeamMember",
        label="Account Team Member",
        plural="Account Team Members",
        prefix="01M",
        one_of_each=("AccountId", "UserId"),
        fields=(
            ID,
            fixed(
                reference("AccountId", "Account ID", "Account", nillable=False, on_delete=OnDelete.CASCADE)
            ),
            fixed(reference("UserId", "User ID", "User", nillable=False)),
            picklist(
                "TeamMemberRole",
                "Team Role",
                "Account Manager",
                "Channel Manager",
                "Executive Sponsor",
                "Lead Qualifier",
                "Pre-Sales Consultant",
                "Sales Manager",
                "Sales Rep",
                restricted=False,
            ),
            picklist("AccountAccessLevel", "Account Access", "Read", "Edit", "All", default="Read"),
            picklist("CaseAccessLevel", "Case Access", "None", "Read", "Edit", default="None"),
            *AUDIT,
        ),
    ),
)
