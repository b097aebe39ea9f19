"""The demo customers, known to both platforms, and what is sold to them.

Those with a `since` are customers in ServiceNow already; the others are known to Salesforce alone. Keys are derived from
names, so that two sandboxes agree and an Account's key is its company's sys_id.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contact:
    first_name: str
    last_name: str
    title: str

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True, slots=True)
class Customer:
    """`team`: user names and their roles. `products`: the catalog items ordered. `stage`: of its opportunity."""

    name: str
    industry: str
    city: str
    country: str
    contacts: tuple[Contact, ...]
    team: tuple[tuple[str, str], ...]
    offerings: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    stage: str = "Prospecting"
    since: bool = False

    @property
    def domain(self) -> str:
        return f"{self.name.lower().replace(' ', '-')}.example"

    def email(self, contact: Contact) -> str:
        return f"{contact.first_name}.{contact.last_name}@{self.domain}".lower()


@dataclass(frozen=True, slots=True)
class Offering:
    """One way in which a service is offered."""

    name: str
    service: str
    group: str


@dataclass(frozen=True, slots=True)
class Product:
    """A catalog item. A dear one is approved by its owner; an inactive one was retired."""

    name: str
    about: str
    category: str
    group: str
    price: str
    owner: str = ""
    active: bool = True


VPN, MAILBOXES, LAPTOP, DATABASE, FAX = (
    "Site-to-site VPN",
    "Mailbox Package",
    "Managed Laptop",
    "Hosted Database",
    "Fax Line",
)
NETWORK_GOLD, MAIL_STANDARD, DATABASE_ROUND_THE_CLOCK = (
    "Managed Network Gold",
    "Mail Standard",
    "Hosted Database 24x7",
)

OFFERINGS = (
    Offering(NETWORK_GOLD, "Managed Network", "Network"),
    Offering(MAIL_STANDARD, "Mail and Calendar", "Software"),
    Offering(DATABASE_ROUND_THE_CLOCK, "Database Hosting", "Database"),
)
PRODUCTS = (
    Product(VPN, "An encrypted tunnel between two sites", "Connections", "Network", "499.00"),
    Product(MAILBOXES, "Fifty mailboxes with calendars", "Workplace", "Software", "0"),
    Product(LAPTOP, "A laptop with care for three years", "Workplace", "Hardware", "1450.00", "fred.luddy"),
    Product(DATABASE, "A database with nightly backups", "Hosting", "Database", "890.00"),
    Product(FAX, "A telephone line for faxes", "Connections", "Network", "15.00", active=False),
)
CUSTOMERS = (
    Customer(
        "Acme",
        "Technology",
        "Berlin",
        "Germany",
        (Contact("Alice", "Archer", "Head of IT"), Contact("Bob", "Bowman", "Buyer")),
        (("joe.employee", "Account Manager"), ("beth.anglin", "Pre-Sales Consultant")),
        (NETWORK_GOLD, MAIL_STANDARD),
        (VPN, MAILBOXES),
        "Closed Won",
        since=True,
    ),
    Customer(
        "Edge Communications",
        "Technology",
        "Austin",
        "USA",
        (Contact("Rose", "Gonzalez", "SVP, Procurement"), Contact("Sean", "Forbes", "CFO")),
        (("joe.employee", "Account Manager"), ("don.goodliffe", "Sales Rep")),
        (NETWORK_GOLD, DATABASE_ROUND_THE_CLOCK),
        (VPN, DATABASE),
        "Closed Won",
        since=True,
    ),
    Customer(
        "Grand Hotels",
        "Other",
        "Chicago",
        "USA",
        (Contact("Tim", "Barr", "SVP, Administration"), Contact("John", "Bond", "VP, Facilities")),
        (("fred.luddy", "Executive Sponsor"), ("sam.sorokin", "Account Manager")),
        (MAIL_STANDARD,),
        (MAILBOXES, LAPTOP),
        "Negotiation/Review",
        since=True,
    ),
    Customer(
        "Burlington Textiles",
        "Other",
        "Burlington",
        "USA",
        (Contact("Jack", "Rogers", "VP, Facilities"),),
        (("joe.employee", "Account Manager"),),
        (),
        (VPN, MAILBOXES),
        "Closed Won",
    ),
    Customer(
        "GenePoint",
        "Education",
        "Mountain View",
        "USA",
        (Contact("Edna", "Frank", "VP, Technology"),),
        (("sam.sorokin", "Account Manager"),),
        (),
        (FAX,),  # retired: an order of it is refused
        "Negotiation/Review",
    ),
)


def key(table: str, *names: str) -> str:
    """The sys_id of a record of the demo, the same on every start."""
    return hashlib.md5("/".join((table, *names)).encode(), usedforsecurity=False).hexdigest()
