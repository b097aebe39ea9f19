"""An org to test against: called in process under a virtual clock, or served over TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests

from sync.sandbox.authority import make_authority
from sync.sandbox.clock import ManualClock, OffsetClock
from sync.sandbox.control import controls
from sync.sandbox.credentials import SalesforceCredentials
from sync.sandbox.salesforce import SalesforcePlatform
from sync.sandbox.server import SandboxServer
from sync.sandbox.wire import Request, Response

BASE = "/services/data/v67.0"
CASES = f"{BASE}/sobjects/Case"
COLLECTION = f"{BASE}/composite/sobjects"
KEY = "ServiceNow_Sys_Id__c"


@dataclass
class InProcess:
    """Calls the org as its integration user, whose owner choices no assignment rule overwrites."""

    clock: ManualClock = field(default_factory=ManualClock)
    credentials: SalesforceCredentials = field(default_factory=SalesforceCredentials)
    token: str = ""

    def __post_init__(self) -> None:
        url = "https://acme.my.salesforce.example"
        self.platform = SalesforcePlatform(OffsetClock(self.clock), self.credentials, url=url)
        self.log_in()

    def login(self, **form: str) -> Response:
        body = urlencode(form or self.client_credentials()).encode()
        return self.platform.handle(Request.build("POST", "/services/oauth2/token", body=body))

    def client_credentials(self) -> dict[str, str]:
        return {
            "grant_type": "client_credentials",
            "client_id": self.credentials.client_id,
            "client_secret": self.credentials.client_secret,
        }

    def log_in(self) -> None:
        self.token = self.login().data()["access_token"]

    def call(self, method: str, target: str, body: Any = None, **headers: str) -> Response:
        sent = {"Authorization": f"Bearer {self.token}", "Sforce-Auto-Assign": "FALSE"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self.platform.handle(Request.build(method, target, headers=sent, body=data))

    def soql(self, statement: str, resource: str = "query", **headers: str) -> Response:
        return self.call("GET", f"{BASE}/{resource}?{urlencode({'q': statement})}", **headers)

    def records(self, statement: str) -> list[dict[str, Any]]:
        response = self.soql(statement)
        assert response.status == 200, response.body
        return list(response.data()["records"])

    def subjects(self, condition: str) -> list[str]:
        """The subjects of the cases that meet a condition, in the order of their creation unless it says."""
        return [row["Subject"] for row in self.records(f"SELECT Subject FROM Case WHERE {condition}")]

    def create(self, **fields: Any) -> str:
        response = self.call("POST", CASES, fields)
        assert response.status == 201, response.body
        return str(response.data()["id"])

    def case(self, case_id: str) -> dict[str, Any]:
        return dict(self.call("GET", f"{CASES}/{case_id}").data())

    def turn(self, **switches: Any) -> None:
        self.platform.dialect = replace(self.platform.dialect, **switches)

    def user(self, username: str) -> str:
        return str(self.records(f"SELECT Id FROM User WHERE Username = '{username}'")[0]["Id"])

    def queue(self, name: str) -> str:
        return str(self.records(f"SELECT Id FROM Group WHERE DeveloperName = '{name}'")[0]["Id"])


def refusal(response: Response) -> tuple[int, str]:
    """The status and code of a failed data call."""
    return response.status, response.data()[0]["errorCode"]


@dataclass
class Served:
    """The same org behind a real socket; `session` trusts the sandbox's authority and nothing else."""

    platform: SalesforcePlatform
    server: SandboxServer
    session: requests.Session
    control_token: str

    def token(self) -> str:
        credentials = self.platform.credentials
        answer = self.session.post(
            f"{self.server.url}/services/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=(credentials.client_id, credentials.client_secret),
            timeout=10,
        )
        return str(answer.json()["access_token"])


@contextmanager
def served(directory: Path) -> Iterator[Served]:
    authority = make_authority()
    server = SandboxServer(authority.server_context())
    platform = SalesforcePlatform(OffsetClock(ManualClock()), SalesforceCredentials(), url=server.url)
    server.start(platform, controls(platform, server, "control-token"))
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(authority.write_ca(directory))
        try:
            yield Served(platform, server, session, "control-token")
        finally:
            server.close()
