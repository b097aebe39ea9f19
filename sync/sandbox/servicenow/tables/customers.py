"""Companies, the customers among them, and their contacts.

A customer's row is a company's too, and a contact's a user's: each is found in either table under one sys_id.
Source: the platform's documentation of Customer Service Management (accounts and contacts) and of `core_company`.
"""

from __future__ import annotations

from sync.sandbox.servicenow.schema import REGISTRY, Column, Table, to
from sync.sandbox.servicenow.tables.users import SYS_USER

AGENT = "sn_customerservice_agent"
_READERS = frozenset({"itil", AGENT})
_WRITERS = frozenset({AGENT, "csm_ws_integration"})

CORE_COMPANY = REGISTRY.add(
    Table(
        "core_company",
        "Company",
        (
            Column("name", "Name", max_length=80),
            Column("customer", "Customer", "boolean", default="false"),
            Column("vendor", "Vendor", "boolean", default="false"),
            Column("manufacturer", "Manufacturer", "boolean", default="false"),
            Column("street", "Street", max_length=255),
            Column("city", "City", max_length=50),
            Column("state", "State / Province"),
            Column("zip", "Zip / Postal code"),
            Column("country", "Country"),
            Column("phone", "Phone", "ph_number"),
            Column("website", "Website", "url", 1024),
            Column("stock_symbol", "Stock symbol"),
            Column("notes", "Notes", max_length=4000),
            to("core_company", "parent", "Parent"),
            to("sys_user", "contact", "Contact"),
        ),
        audited=True,
        readers=_READERS,
        # Without customer service whoever administers users adds companies (the platform's page "Add a new company").
        writers=_WRITERS | {"user_admin"},
        deleters=_WRITERS | {"user_admin"},
    )
)
CUSTOMER_ACCOUNT = REGISTRY.add(
    Table(
        "customer_account",
        "Account",
        (
            Column("number", "Number"),
            Column("account_code", "Account code", max_length=100),
            Column("registration_code", "Registration code"),
            Column("industry", "Industry"),
            Column("active", "Active", "boolean", default="true"),
            to("customer_account", "account_parent", "Parent account"),
            to("customer_contact", "primary_contact", "Primary contact"),
            to("sys_user", "account_manager", "Account manager"),
            Column("correlation_id", "Correlation ID", max_length=100),
        ),
        parent=CORE_COMPANY,
        number_prefix="ACCT",
        audited=True,
        readers=_READERS,
        writers=_WRITERS,
        deleters=_WRITERS,
        overrides={"customer": "true"},
    )
)
CUSTOMER_CONTACT = REGISTRY.add(
    Table(
        "customer_contact",
        "Contact",
        (
            to("customer_account", "account", "Account"),
            Column("primary", "Primary contact", "boolean", default="false"),
            Column("correlation_id", "Correlation ID", max_length=100),
        ),
        parent=SYS_USER,
        audited=True,
        readers=_READERS,
        writers=_WRITERS,
        deleters=_WRITERS,
    )
)
