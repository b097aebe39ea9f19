"""What the contenders share: where the sandbox is, how an incident becomes a Case, what they report."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

# Columns and values as integration_console/demo/demo.yaml maps them.
COLUMNS = (
    "sys_id,sys_updated_on,number,short_description,description,state,priority,assigned_to,assignment_group"
)
STATUS = {"1": "New", "2": "Working", "3": "On Hold", "6": "Resolved", "7": "Closed", "8": "Closed"}
PRIORITY = {"1": "Critical", "2": "High", "3": "Medium", "4": "Low", "5": "Low"}
API = "/services/data/v62.0"


@dataclass(frozen=True)
class Result:
    records: int
    seconds: float  # from the first call to the last commit; without interpreter start and set-up
    cpu: float  # seconds of user and system time within them
    peak: int  # KiB of resident memory


@dataclass(frozen=True)
class Platforms:
    """The running sandbox: addresses, CA file and credentials, as its command prints them."""

    data: dict[str, Any]

    @property
    def ca_file(self) -> str:
        return str(self.data["ca_file"])

    def url(self, system: str) -> str:
        return str(self.data[system]["url"])

    def address(self, system: str) -> tuple[str, int]:
        split = urlsplit(self.url(system))
        assert split.hostname
        assert split.port
        return split.hostname, split.port

    def token_form(self, system: str) -> str:
        held = self.data[system]
        return urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": held["client_id"],
                "client_secret": held["client_secret"],
            }
        )


TOKEN_PATHS = {"servicenow": "/oauth_token.do", "salesforce": "/services/oauth2/token"}


def case_of(incident: dict[str, str], url: str) -> dict[str, Any]:
    """A Case as a script would map it; owners, for whom the user table stands in the console, are left out."""
    return {
        "attributes": {"type": "Case"},
        "ServiceNow_Sys_Id__c": incident["sys_id"],
        "ServiceNow_Number__c": incident["number"],
        "Subject": incident["short_description"],
        "Description": incident["description"],
        "Status": STATUS[incident["state"]],
        "Priority": PRIORITY[incident["priority"]],
        "Origin": "ServiceNow",
        "ServiceNow_URL__c": f"{url}/incident.do?sys_id={incident['sys_id']}",
    }


def measured(work: Callable[[], int]) -> None:
    """Do the work, which returns the number of records, and print the result as one JSON line."""
    started, cpu = time.monotonic(), time.process_time()
    records = work()
    seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps(asdict(Result(records, seconds, cpu, peak))))


def given() -> Platforms:
    """The sandbox's own words, on standard input: no secret stands on a command line."""
    return Platforms(json.load(sys.stdin))
