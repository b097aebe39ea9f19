"""What the demo org has of its customers: accounts with their teams, contacts, opportunities and products.

Accounts that are customers in ServiceNow already carry its key; the won one among the others waits to be taken on.
"""

from __future__ import annotations

from datetime import timedelta

from sync.sandbox.customers import CUSTOMERS, OFFERINGS, PRODUCTS, Contact, Customer, key
from sync.sandbox.salesforce.objects.customers import EXTERNAL_ID
from sync.sandbox.salesforce.objects.sales import STAGES
from sync.sandbox.salesforce.org import Org
from sync.sandbox.salesforce.platform import SalesforcePlatform
from sync.sandbox.salesforce.saving import Writer
from sync.sandbox.salesforce.store import Stored

_STAGES = {stage.name: stage for stage in STAGES}


def settle(platform: SalesforcePlatform) -> None:
    """Put the customers and what belongs to them into a fresh org."""
    org = platform.org
    with org.lock:
        for product in PRODUCTS:
            fields: dict[str, Stored] = {
                "Name": product.name,
                "IsActive": product.active,
                "Family": "Service",
            }
            org.seed("Product2", fields, by=org.administrator_id)
        for customer in CUSTOMERS:
            _settle_one(org, customer)


def _settle_one(org: Org, customer: Customer) -> None:
    owner = _user(org, customer.team[0][0])
    account_id = _account(org, customer, owner)
    for contact in customer.contacts:
        _contact(org, customer, contact, account_id, owner)
    for user_name, role in customer.team:
        member: dict[str, Stored] = {"AccountId": account_id, "TeamMemberRole": role}
        org.seed("AccountTeamMember", {**member, "UserId": _user(org, user_name)}, by=org.administrator_id)
    _opportunity(org, customer, account_id, owner)


def _account(org: Org, customer: Customer, owner: str) -> str:
    fields: dict[str, Stored] = {
        "Name": customer.name,
        "Type": "Customer" if customer.since else "Prospect",
        "Industry": customer.industry,
        "BillingCity": customer.city,
        "BillingCountry": customer.country,
        "Website": f"https://{customer.domain}",
        "OwnerId": owner,
        "ServiceNow_Products__c": ";".join(customer.products),
    }
    if customer.since:
        fields[EXTERNAL_ID] = key("customer_account", customer.name)
    there = org.find("Account", "Name", customer.name)
    if there is None:
        return str(org.seed("Account", fields, by=org.administrator_id).values[0])
    Writer(org, org.administrator_id, person=True).revise("Account", there, fields)
    return str(there.values[0])


def _contact(org: Org, customer: Customer, contact: Contact, account_id: str, owner: str) -> None:
    fields: dict[str, Stored] = {
        "AccountId": account_id,
        "FirstName": contact.first_name,
        "LastName": contact.last_name,
        "Name": contact.name,
        "Title": contact.title,
        "Email": customer.email(contact),
        "OwnerId": owner,
    }
    if customer.since:
        fields[EXTERNAL_ID] = key("customer_contact", contact.name)
    org.seed("Contact", fields, by=org.administrator_id)


def _opportunity(org: Org, customer: Customer, account_id: str, owner: str) -> None:
    stage = _STAGES[customer.stage]
    closes = org.clock.now() + timedelta(days=-10 if stage.closed else 30)
    fields: dict[str, Stored] = {
        "Name": f"{customer.name}: {', '.join(customer.products)}"[:120],
        "AccountId": account_id,
        "StageName": stage.name,
        "Probability": float(stage.probability),
        "IsClosed": stage.closed,
        "IsWon": stage.won,
        "CloseDate": closes.date().isoformat(),
        "Amount": float(1000 * len(OFFERINGS)),
        "OwnerId": owner,
    }
    org.seed("Opportunity", fields, by=org.administrator_id)


def _user(org: Org, user_name: str) -> str:
    [user] = org.tables["User"].find("Username", f"{user_name}@acme.example")
    return str(user.values[0])
