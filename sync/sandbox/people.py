"""The demo people and groups, known to both platforms.

Names are those of the platforms' own demo data. Ids on either side are derived from the keys given here, so
that two sandboxes with one seed agree.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    user_name: str  # sys_user.user_name; the Salesforce Username is the e-mail address
    first_name: str
    last_name: str
    title: str
    groups: tuple[str, ...] = ()
    active: bool = True  # in ServiceNow
    active_in_salesforce: bool = True
    time_zone: str = "Europe/Berlin"

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"

    @property
    def email(self) -> str:
        return f"{self.user_name}@acme.example"

    @property
    def employee_number(self) -> str:
        return f"E{1001 + PEOPLE.index(self)}"


@dataclass(frozen=True, slots=True)
class Group:
    name: str  # sys_user_group.name and the queue's Name
    developer_name: str  # the Salesforce queue's DeveloperName
    description: str


PEOPLE: tuple[Person, ...] = (
    Person("abel.tuter", "Abel", "Tuter", "Service Desk Analyst", ("Service Desk",)),
    Person("beth.anglin", "Beth", "Anglin", "Network Engineer", ("Network", "Service Desk")),
    Person("bow.ruggeri", "Bow", "Ruggeri", "Field Technician", ("Hardware",)),
    Person("charlie.whitherspoon", "Charlie", "Whitherspoon", "Software Analyst", ("Software",)),
    Person("david.dan", "David", "Dan", "Database Administrator", ("Database",)),
    Person("david.loo", "David", "Loo", "Service Desk Lead", ("Service Desk", "Hardware")),
    Person("don.goodliffe", "Don", "Goodliffe", "Network Architect", ("Network",), time_zone="US/Pacific"),
    Person("fred.luddy", "Fred", "Luddy", "Application Owner", ("Software",), time_zone="US/Pacific"),
    Person("itil", "ITIL", "User", "Process Owner", ("Service Desk",)),
    Person("luke.wilson", "Luke", "Wilson", "Database Analyst", ("Database",), active_in_salesforce=False),
    Person("carol.coughlin", "Carol", "Coughlin", "Former Analyst", ("Software",), active=False),
    Person("joe.employee", "Joe", "Employee", "Account Manager"),
    Person("sam.sorokin", "Sam", "Sorokin", "Warehouse Clerk"),
    Person("rick.berzle", "Rick", "Berzle", "Controller"),
)

GROUPS: tuple[Group, ...] = (
    Group("Hardware", "Hardware_Queue", "Laptops, printers, phones and everything with a plug."),
    Group("Software", "Software_Queue", "Applications, licences and office tools."),
    Group("Network", "Network_Queue", "LAN, Wi-Fi, VPN and firewalls."),
    Group("Database", "Database_Queue", "Databases, backups and reporting."),
    Group("Service Desk", "Service_Desk", "First contact for everyone at Acme."),
)

# A Salesforce queue without a ServiceNow group: where a case goes whose owner has no counterpart.
FALLBACK_QUEUE = Group("IT Queue", "it_queue", "Cases nobody owns yet.")
