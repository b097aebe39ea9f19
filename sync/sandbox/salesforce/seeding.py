"""What an org holds before the first call: itself, its people, queues and status values."""

from __future__ import annotations

from sync.sandbox.credentials import SalesforceCredentials
from sync.sandbox.people import FALLBACK_QUEUE, GROUPS, PEOPLE
from sync.sandbox.salesforce.ids import organization_id
from sync.sandbox.salesforce.objects.case import CLOSED_STATUSES, STATUSES
from sync.sandbox.salesforce.objects.sales import STAGES, Stage
from sync.sandbox.salesforce.org import Org
from sync.sandbox.salesforce.record_types import RECORD_TYPES, RecordType
from sync.sandbox.salesforce.store import Stored

ADMINISTRATOR = "admin@acme.example"


def seed(org: Org, credentials: SalesforceCredentials, number: int = 1) -> str:
    """Fill an empty org and return its id, in which two orgs of unlike `number` differ; their records' ids are alike."""
    administrator = _user(org, ADMINISTRATOR, "Ada", "Administrator", "System Administrator")
    org.administrator_id = administrator
    organization = org.seed(
        "Organization",
        {
            "Id": organization_id(number),
            "Name": "Acme",
            "InstanceName": "LOCAL",
            "OrganizationType": "Enterprise Edition",
            "TimeZoneSidKey": "GMT",
            "IsSandbox": True,
        },
        by=administrator,
    )
    _user(org, credentials.username, "Integration", "User", "Synchronisation", by=administrator)
    for person in PEOPLE:
        _user(
            org,
            person.email,
            person.first_name,
            person.last_name,
            person.title,
            by=administrator,
            active=person.active_in_salesforce,
            time_zone=person.time_zone,
            employee_number=person.employee_number,
            federation_id=person.user_name,
        )
    for group in (*GROUPS, FALLBACK_QUEUE):
        _queue(org, group.name, group.developer_name, administrator)
    for position, status in enumerate(STATUSES, start=1):
        _status(org, status, position, administrator)
    for position, stage in enumerate(STAGES, start=1):
        _stage(org, stage, position, administrator)
    for record_type in RECORD_TYPES:
        _record_type(org, record_type, administrator)
    library: dict[str, Stored] = {"Name": "ServiceNow Pictures", "DeveloperName": "ServiceNow_Pictures"}
    org.seed("ContentWorkspace", library, by=administrator)
    org.seed("Account", {"Name": "Acme", "Type": "Customer", "OwnerId": administrator}, by=administrator)
    return str(organization.values[0])


def _user(
    org: Org,
    username: str,
    first_name: str,
    last_name: str,
    title: str,
    *,
    by: str = "",
    active: bool = True,
    time_zone: str = "GMT",
    employee_number: str | None = None,
    federation_id: str | None = None,
) -> str:
    fields: dict[str, Stored] = {
        "Username": username,
        "Email": username,
        "FirstName": first_name,
        "LastName": last_name,
        "Name": f"{first_name} {last_name}",
        "Alias": (first_name[:1] + last_name)[:8].lower(),
        "Title": title,
        "IsActive": active,
        "TimeZoneSidKey": time_zone,
        "EmployeeNumber": employee_number,
        "FederationIdentifier": federation_id,
    }
    return str(org.seed("User", fields, by=by).values[0])


def _queue(org: Org, name: str, developer_name: str, by: str) -> None:
    fields: dict[str, Stored] = {"Name": name, "DeveloperName": developer_name, "Type": "Queue"}
    queue = org.seed("Group", fields, by=by)
    org.seed("QueueSobject", {"QueueId": queue.values[0], "SobjectType": "Case"}, by=by)


def _record_type(org: Org, record_type: RecordType, by: str) -> None:
    fields: dict[str, Stored] = {
        "Name": record_type.name,
        "DeveloperName": record_type.developer_name,
        "SobjectType": record_type.sobject,
        "IsActive": record_type.active,
    }
    row = org.seed("RecordType", fields, by=by)
    org.record_types[str(row.values[0])] = record_type


def _status(org: Org, status: str, position: int, by: str) -> None:
    fields: dict[str, Stored] = {
        "ApiName": status,
        "MasterLabel": status,
        "SortOrder": position,
        "IsClosed": status in CLOSED_STATUSES,
        "IsDefault": position == 1,
    }
    org.seed("CaseStatus", fields, by=by)


def _stage(org: Org, stage: Stage, position: int, by: str) -> None:
    fields: dict[str, Stored] = {
        "ApiName": stage.name,
        "MasterLabel": stage.name,
        "SortOrder": position,
        "DefaultProbability": float(stage.probability),
        "IsActive": True,
        "IsClosed": stage.closed,
        "IsWon": stage.won,
    }
    org.seed("OpportunityStage", fields, by=by)
