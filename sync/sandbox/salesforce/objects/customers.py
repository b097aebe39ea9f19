"""Accounts and their contacts."""

from __future__ import annotations

from sync.sandbox.salesforce.objects import register
from sync.sandbox.salesforce.objects.people import join_names
from sync.sandbox.salesforce.schema import (
    AUDIT,
    ID,
    Field,
    SObject,
    picklist,
    read_only,
    reference,
    text,
)

_OWNER = reference("OwnerId", "Owner ID", "User", nillable=False, defaulted=True)

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
            text("AccountNumber", "Account Number", 40),
            Field("Phone", "Account Phone", "phone", 40),
            Field("Website", "Website", "url", 255),
            text("BillingCity", "Billing City", 40),
            text("BillingCountry", "Billing Country", 80),
            Field("Description", "Account Description", "textarea", 32000, long=True),
            reference("ParentId", "Parent Account ID", "Account"),
            _OWNER,
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
            reference("AccountId", "Account ID", "Account"),
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
