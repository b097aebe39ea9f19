"""Whether every Case equals its incident under the mapping of these tests, worked out without the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sync.sandbox.pair import Pair
from sync.sandbox.people import GROUPS
from sync.sandbox.platform import Row
from tests.engine.conftest import PRIORITIES, STATES

FALLBACK = "Service_Desk"


@dataclass(frozen=True)
class Expected:
    """What a Case should hold. `users` and `queues`: sys_id to the Id of the Salesforce owner."""

    users: Mapping[str, str]
    queues: Mapping[str, str]
    fallback: str
    url: str

    @classmethod
    def of(cls, pair: Pair) -> Expected:
        usernames = {
            user["Username"]: user["Id"] for user in pair.salesforce.rows("User") if user["IsActive"]
        }
        queues = {group["DeveloperName"]: group["Id"] for group in pair.salesforce.rows("Group")}
        names = {group.name: group.developer_name for group in GROUPS}
        return cls(
            users={
                person["sys_id"]: usernames[person["email"]]
                for person in pair.servicenow.rows("sys_user")
                if person["email"] in usernames
            },
            queues={
                group["sys_id"]: queues[names[group["name"]]]
                for group in pair.servicenow.rows("sys_user_group")
                if group["name"] in names
            },
            fallback=queues[FALLBACK],
            url=pair.servicenow.url,
        )

    def case(self, incident: Row) -> dict[str, str | None]:
        owner = self.users.get(incident["assigned_to"]) or self.queues.get(incident["assignment_group"])
        return {
            "Subject": incident["short_description"].rstrip() or None,
            "Description": incident["description"].rstrip() or None,
            "Status": ({**STATES, "8": "Closed"})[incident["state"]],
            "Priority": ({**PRIORITIES, "5": "Low"})[incident["priority"]],
            "OwnerId": owner or self.fallback,
            "Origin": "ServiceNow",
            "ServiceNow_Number__c": incident["number"],
            "ServiceNow_Sys_Id__c": incident["sys_id"],
        }


def differences(pair: Pair) -> list[str]:
    """What is missing, doubled or unequal, one sentence each; empty when the two sides are in step."""
    expected = Expected.of(pair)
    cases: dict[str, list[Row]] = {}
    for case in pair.salesforce.rows("Case"):
        cases.setdefault(case["ServiceNow_Sys_Id__c"], []).append(case)
    found = []
    for incident in pair.servicenow.rows("incident"):
        ours = cases.pop(incident["sys_id"], [])
        if len(ours) != 1:
            found.append(f"{incident['number']} has {len(ours)} Cases")
            continue
        for name, value in expected.case(incident).items():
            if ours[0][name] != value:
                found.append(f"{incident['number']}.{name}: {ours[0][name]!r} instead of {value!r}")
        if incident["sys_id"] not in ours[0]["ServiceNow_URL__c"]:
            found.append(f"{incident['number']} is not linked back to")
    return found + [f"a Case of no incident: {key}" for key in cases]
