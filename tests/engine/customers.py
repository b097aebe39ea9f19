"""Customers for the recipes about them: one that both platforms know, with a service, a machine and a team; the demo ones by
their names; and changes that touch them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sync.sandbox.pair import Pair


@dataclass(frozen=True, slots=True)
class Customer:
    """`key`: the sys_id of its company, which its Account carries."""

    pair: Pair
    name: str
    key: str
    account: str

    def member(self, person: str) -> str:
        """Add somebody to the account's team; returns the user's Id."""
        user = user_of(self.pair, person)
        self.pair.salesforce.add(
            "AccountTeamMember", AccountId=self.account, UserId=user, TeamMemberRole="Account Manager"
        )
        return user

    def machine(self, name: str) -> str:
        row = self.pair.servicenow.add("cmdb_ci_server", by="admin", name=name, company=self.key)
        return str(row["sys_id"])

    def subscribes(self, offering: str) -> None:
        self.pair.servicenow.add(
            "service_subscribe_company", by="admin", service_offering=offering, core_company=self.key
        )


def customer(pair: Pair, name: str, *, owner: str) -> Customer:
    company = pair.servicenow.add("customer_account", by="admin", name=name)["sys_id"]
    account = pair.salesforce.add(
        "Account", Name=name, ServiceNow_Sys_Id__c=company, OwnerId=user_of(pair, owner)
    )["Id"]
    return Customer(pair, name, str(company), str(account))


def offering(pair: Pair, name: str) -> str:
    return str(pair.servicenow.add("service_offering", by="admin", name=name)["sys_id"])


def user_of(pair: Pair, person: str) -> str:
    (user,) = pair.salesforce.rows("User", Username=f"{person}@acme.example")
    return str(user["Id"])


def account(pair: Pair, name: str) -> dict[str, Any]:
    (row,) = pair.salesforce.rows("Account", Name=name)
    return dict(row)


def win(pair: Pair, name: str) -> None:
    pair.salesforce.add(
        "Opportunity", by="joe.employee", Name="More", AccountId=account(pair, name)["Id"], StageName="Closed Won",
        CloseDate="2026-11-30",
    )  # fmt: skip


def become_customer(pair: Pair, name: str) -> None:
    pair.salesforce.edit("Account", account(pair, name)["Id"], by="joe.employee", Type="Customer")


def company(pair: Pair, name: str) -> dict[str, Any]:
    (row,) = pair.servicenow.rows("customer_account", name=name)
    return dict(row)


def ordered(pair: Pair) -> list[str]:
    """The catalog items of all orders."""
    names = {row["sys_id"]: row["name"] for row in pair.servicenow.rows("sc_cat_item")}
    return sorted(names[row["cat_item"]] for row in pair.servicenow.rows("sc_req_item"))


def assets(pair: Pair, name: str) -> list[str]:
    rows = pair.servicenow.rows("alm_hardware", company=company(pair, name)["sys_id"])
    return sorted(row["display_name"].split(",")[0] for row in rows)


def grant(pair: Pair, role: str) -> None:
    """Give the integration user of the instance a role."""
    (user,) = pair.servicenow.rows("sys_user", user_name="sync.user")
    (row,) = pair.servicenow.rows("sys_user_role", name=role)
    pair.servicenow.add("sys_user_has_role", by="admin", user=user["sys_id"], role=row["sys_id"])


@dataclass(frozen=True, slots=True)
class Change:
    pair: Pair
    key: str
    number: str
    approval: str

    def approve(self) -> None:
        self.pair.servicenow.edit("sysapproval_approver", self.approval, by="fred.luddy", state="approved")

    def edit(self, **fields: Any) -> None:
        self.pair.servicenow.edit("change_request", self.key, by="don.goodliffe", **fields)

    def touches(self, machine: str = "", offering: str = "") -> None:
        if machine:
            self.pair.servicenow.add("task_ci", task=self.key, ci_item=machine)
        if offering:
            self.pair.servicenow.add("task_service_offering", task=self.key, service_offering=offering)


def change(pair: Pair, subject: str, **fields: Any) -> Change:
    """One that waits for Fred's approval."""
    planned = {"start_date": "2026-12-07 20:00:00", "end_date": "2026-12-07 23:00:00"}
    row = pair.servicenow.add(
        "change_request", short_description=subject, type="emergency", **planned, **fields
    )
    pair.servicenow.edit("change_request", row["sys_id"], state="-3")
    (fred,) = pair.servicenow.rows("sys_user", user_name="fred.luddy")
    approval = pair.servicenow.add("sysapproval_approver", sysapproval=row["sys_id"], approver=fred["sys_id"])
    return Change(pair, str(row["sys_id"]), str(row["number"]), str(approval["sys_id"]))
