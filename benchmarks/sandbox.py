"""How fast the simulated platforms answer, in process and over a socket, with many records held.

python -m benchmarks.sandbox [--records N] [--repeat N] [--json]

Medians of one run, in milliseconds: what a benchmark of the console pays to its counterpart. The simulated platforms
must be quicker than the real ones by far, or they measure themselves.
"""

from __future__ import annotations

import argparse
import base64
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests

from sync.sandbox.authority import make_authority
from sync.sandbox.inprocess import World, in_process
from sync.sandbox.server import SandboxServer
from sync.sandbox.wire import Response

BASE = "/services/data/v67.0"
KEY = "ServiceNow_Sys_Id__c"
SYSTEMS = ("servicenow", "salesforce")
Ask = Callable[[str, str, bytes], bytes]  # method, target, body -> body of a 2xx


@dataclass(frozen=True)
class Measured:
    name: str
    way: str
    milliseconds: float
    most: float | None  # milliseconds promised in process, if any

    @property
    def kept(self) -> bool:
        return self.most is None or self.milliseconds <= self.most


@dataclass(frozen=True)
class Work:
    """One call, repeated: `make` gives its method, target and body for the n-th time."""

    name: str
    system: str
    make: Callable[[int], tuple[str, str, bytes]]
    most: float | None = None


def held(records: int) -> World:
    """Both platforms, so many incidents and as many Cases with their external id in place."""
    world = in_process(incidents=records)
    org = world.salesforce.platform.org
    owner = str(next(iter(org.tables["User"].rows)))
    for number in range(records):
        org.seed("Case", {KEY: key(number), "Subject": f"Case {number}", "OwnerId": owner}, by=owner)
    return world


def key(number: int) -> str:
    return f"{number:032x}"


def upserts(turn: int) -> tuple[str, str, bytes]:
    """200 of the Cases held, and not the same ones each time."""
    records = [
        {
            "attributes": {"type": "Case"},
            KEY: key(turn * 200 + n),
            "Subject": f"Turn {turn}",
            "Priority": "High",
        }
        for n in range(200)
    ]
    body = json.dumps({"allOrNone": False, "records": records}).encode()
    return "PATCH", f"{BASE}/composite/sobjects/Case/{KEY}", body


def query_page(turn: int) -> tuple[str, str, bytes]:
    fields = f"Id, {KEY}, Subject, Status, Priority, Origin, OwnerId, SystemModstamp"
    soql = f"SELECT {fields} FROM Case WHERE SystemModstamp >= 2026-01-01T00:00:00Z ORDER BY SystemModstamp, Id LIMIT 1000"
    return "GET", f"{BASE}/query?{urlencode({'q': soql})}", b""


def table_page(at: str, sys_id: str) -> Callable[[int], tuple[str, str, bytes]]:
    """The page after a cursor, as a client asks who reads by (stamp, id)."""
    query = {
        "sysparm_query": f"sys_updated_on={at}^sys_id>{sys_id}^NQsys_updated_on>{at}^ORDERBYsys_updated_on^ORDERBYsys_id",
        "sysparm_fields": "sys_id,number,short_description,state,priority,caller_id,assigned_to,sys_updated_on",
        "sysparm_exclude_reference_link": "true",
        "sysparm_limit": "1000",
    }
    return lambda turn: ("GET", f"/api/now/table/incident?{urlencode(query)}", b"")


def updates(ids: list[str]) -> Callable[[int], tuple[str, str, bytes]]:
    def make(turn: int) -> tuple[str, str, bytes]:
        patch = base64.b64encode(json.dumps({"short_description": f"Turn {turn}"}).encode()).decode()
        items = [
            {"id": sys_id, "method": "PATCH", "url": f"/api/now/table/incident/{sys_id}", "body": patch}
            for sys_id in ids
        ]
        return (
            "POST",
            "/api/now/v1/batch",
            json.dumps({"batch_request_id": "1", "rest_requests": items}).encode(),
        )

    return make


def works(world: World) -> list[Work]:
    incidents = sorted((row["sys_updated_on"], row["sys_id"]) for row in world.servicenow.rows("incident"))
    cursor, ids = incidents[len(incidents) // 4], [sys_id for _, sys_id in incidents[:100]]
    return [
        Work("Salesforce: a collection of 200 upserts", "salesforce", upserts, 25.0),
        Work("Salesforce: a page of 1,000 rows", "salesforce", query_page, 40.0),
        Work("ServiceNow: a batch of 100 updates", "servicenow", updates(ids)),
        Work("ServiceNow: a page of 1,000 rows", "servicenow", table_page(*cursor), 40.0),
    ]


def headers(world: World) -> dict[str, dict[str, str]]:
    """By system: an access token, or a name and a password."""
    left, right = world.credentials.servicenow, world.credentials.salesforce
    form = {
        "grant_type": "client_credentials",
        "client_id": right.client_id,
        "client_secret": right.client_secret,
    }
    door = world.doors[world.salesforce.url]
    token = door.call("POST", "/services/oauth2/token", body=urlencode(form).encode()).data()["access_token"]
    basic = base64.b64encode(f"{left.username}:{left.password}".encode()).decode()
    return {
        "servicenow": {"Authorization": f"Basic {basic}"},
        "salesforce": {"Authorization": f"Bearer {token}"},
    }


def in_process_asks(world: World) -> dict[str, Ask]:
    known = headers(world)

    def ask(system: str) -> Ask:
        door = world.doors[getattr(world, system).url]

        def call(method: str, target: str, body: bytes) -> bytes:
            answer = door.call(method, target, headers=known[system], body=body)
            assert answer.status < 300, answer.body[:300]
            return answer.body

        return call

    return {system: ask(system) for system in SYSTEMS}


@contextmanager
def socket_asks(world: World) -> Iterator[dict[str, Ask]]:
    """The same platforms behind TLS."""
    authority, known = make_authority(), headers(world)
    servers = {system: SandboxServer(authority.server_context()) for system in SYSTEMS}
    with tempfile.TemporaryDirectory() as folder, requests.Session() as session:
        session.trust_env = False
        session.verify = str(authority.write_ca(Path(folder)))

        def ask(system: str) -> Ask:
            def call(method: str, target: str, body: bytes) -> bytes:
                sent = known[system] | ({"Content-Type": "application/json"} if body else {})
                answer = session.request(
                    method, servers[system].url + target, data=body, headers=sent, timeout=60
                )
                assert answer.ok, answer.text[:300]
                return answer.content

            return call

        for system, server in servers.items():
            server.start(getattr(world, system).platform, lambda request: Response.empty(404))
        try:
            yield {system: ask(system) for system in SYSTEMS}
        finally:
            for server in servers.values():
                server.close()


def measure(work: Work, ask: Ask, repeat: int, first: int) -> float:
    """The median of `repeat` calls in milliseconds, after one to warm up."""
    spans = []
    for turn in range(first, first + repeat + 1):
        call = work.make(turn)
        begun = time.perf_counter()
        ask(*call)
        spans.append((time.perf_counter() - begun) * 1000)
    return statistics.median(spans[1:])


def run(records: int, repeat: int) -> list[Measured]:
    world = held(records)
    todo, inside = works(world), in_process_asks(world)
    rows = [
        Measured(work.name, "in process", measure(work, inside[work.system], repeat, 0), work.most)
        for work in todo
    ]
    with socket_asks(world) as outside:
        rows += [
            Measured(work.name, "socket", measure(work, outside[work.system], repeat, repeat + 1), None)
            for work in todo
        ]
    return rows


def table(rows: list[Measured]) -> str:
    lines = [
        "| call | in process, ms | over a socket, ms | socket / in process |",
        "| --- | ---: | ---: | ---: |",
    ]
    outside = {row.name: row.milliseconds for row in rows if row.way == "socket"}
    lines += [
        f"| {row.name} | {row.milliseconds:.1f} | {outside[row.name]:.1f} | {outside[row.name] / row.milliseconds:.2f} |"
        for row in rows
        if row.way == "in process"
    ]
    return "\n".join(lines)


def main() -> int:
    """Exit status 1 if a target was missed."""
    parser = argparse.ArgumentParser(description="How fast the simulated platforms answer.")
    parser.add_argument("--records", type=int, default=100_000, help="held on either platform (100,000)")
    parser.add_argument("--repeat", type=int, default=15, help="calls of each kind (15)")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    least = (options.repeat + 1) * 2 * 200
    if options.records < least:
        parser.error(f"--records must be at least {least} for {options.repeat} repetitions")
    rows = run(options.records, options.repeat)
    print(table(rows), end="\n\n")
    targets: list[dict[str, Any]] = []
    for row in rows:
        if row.most is not None:
            print(
                f"{'kept  ' if row.kept else 'MISSED'}  {row.name}, at most {row.most:g} ms: {row.milliseconds:.1f}"
            )
            targets.append(
                {
                    "target": f"{row.name}, at most {row.most:g} ms",
                    "value": row.milliseconds,
                    "kept": row.kept,
                }
            )
    if options.json:
        print(json.dumps({"measured": [asdict(row) for row in rows], "targets": targets}))
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
