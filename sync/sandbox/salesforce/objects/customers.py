"""Accounts and their contacts."""

from __future__ import annotations

from sync.sandbox.salesforce.objects import register
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
            *AUDIT,
        ),
    ),
)
