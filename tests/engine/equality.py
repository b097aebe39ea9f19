"""Whether every Case equals its incident under the mapping of these tests, worked out without the engine."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from sync.sandbox.pair import Pair
from sync.sandbox.people import GROUPS, PEOPLE
from sync.sandbox.platform import Row
from tests.engine.conftest import PRIORITIES, STATES

FALLBACK = "Service_Desk"


# sys_user.user_name and sys_user_group.name to Username and queue, as the user table of these tests has them.
USERS = {person.user_name: person.email for person in PEOPLE}
QUEUES = {group.name: group.developer_name for group in GROUPS}


@dataclass(frozen=True)
class Expected:
    """What a Case should hold. `users` and `queues`: sys_id to the Id of the Salesforce owner."""

    users: Mapping[str, str]
    queues: Mapping[str, str]
    fallback: str

    @classmethod
    def of(cls, pair: Pair, users: Mapping[str, str], queues: Mapping[str, str]) -> Expected:
        active = {user["Username"]: user["Id"] for user in pair.salesforce.rows("User") if user["IsActive"]}
        groups = {group["DeveloperName"]: group["Id"] for group in pair.salesforce.rows("Group")}
        return cls(
            users={
                person["sys_id"]: active[username]
                for person in pair.servicenow.rows("sys_user")
                if (username := users.get(person["user_name"], "")) in active
            },
            queues={
                group["sys_id"]: groups[queues[group["name"]]]
                for group in pair.servicenow.rows("sys_user_group")
                if group["name"] in queues
            },
            fallback=groups[FALLBACK],
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


def differences(
    pair: Pair,
    users: Mapping[str, str] = USERS,
    queues: Mapping[str, str] = QUEUES,
    among: Container[str] | None = None,
) -> list[str]:
    """What is missing, doubled or unequal, one sentence each; empty when the two sides are in step.

    `among`: the numbers of the incidents to look at, all unless given.
    """
    expected = Expected.of(pair, users, queues)
    cases: dict[str, list[Row]] = {}
    for case in pair.salesforce.rows("Case"):
        cases.setdefault(case["ServiceNow_Sys_Id__c"], []).append(case)
    found = []
    for incident in pair.servicenow.rows("incident"):
        ours = cases.pop(incident["sys_id"], [])
        if among is None or incident["number"] in among:
            found += _unlike(incident, ours, expected)
    return found + [f"a Case of no incident: {key}" for key in cases]


def _unlike(incident: Row, ours: list[Row], expected: Expected) -> list[str]:
    number = incident["number"]
    if len(ours) != 1:
        return [f"{number} has {len(ours)} Cases"]
    (case,) = ours
    found = [
        f"{number}.{name}: {case[name]!r} instead of {value!r}"
        for name, value in expected.case(incident).items()
        if case[name] != value
    ]
    if incident["sys_id"] not in case["ServiceNow_URL__c"]:
        found.append(f"{number} is not linked back to")
    return found
