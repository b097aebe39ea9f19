"""The bare minimum: keyset pages and collections of 200 side by side, and not a word of bookkeeping.

Asyncio streams of the standard library; what such a script loses when it is killed is lost.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

from benchmarks.contender import API, COLUMNS, TOKEN_PATHS, Platforms, case_of, given, measured

PAGE = 2000
COLLECTION = 200
WIDTH = 8


class Client:
    """HTTP/1.1 with JSON over a few kept connections."""

    def __init__(self, platforms: Platforms, system: str, width: int) -> None:
        self.address = platforms.address(system)
        self._tls = ssl.create_default_context(cafile=platforms.ca_file)
        self._idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter] | None] = asyncio.Queue()
        for _ in range(width):
            self._idle.put_nowait(None)
        self._token = ""

    async def login(self, platforms: Platforms, system: str) -> None:
        form = platforms.token_form(system).encode()
        answer = await self.call("POST", TOKEN_PATHS[system], form, "application/x-www-form-urlencoded")
        self._token = answer["access_token"]

    async def call(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> Any:
        held = await self._idle.get()
        if held is None:
            host, port = self.address
            held = await asyncio.open_connection(host, port, ssl=self._tls, limit=2**26)
        reader, writer = held
        head = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self.address[0]}:{self.address[1]}",
            f"Authorization: Bearer {self._token}",
            f"Content-Type: {kind}",
            "Accept: application/json",
            f"Content-Length: {len(body)}",
        ]
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        await writer.drain()
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        length = next(int(line[15:]) for line in lines if line.lower().startswith("content-length:"))
        content = await reader.readexactly(length)
        self._idle.put_nowait(held)
        if not 200 <= status < 300:
            raise RuntimeError(f"{method} {path}: {status} {content[:300]!r}")
        return json.loads(content)

    async def close(self) -> None:
        while not self._idle.empty():
            held = self._idle.get_nowait()
            if held is not None:
                held[1].transport.abort()


async def pages(client: Client) -> AsyncIterator[list[dict[str, str]]]:
    after = ""
    while True:
        query = {
            "sysparm_query": f"{after}ORDERBYsys_updated_on^ORDERBYsys_id",
            "sysparm_fields": COLUMNS,
            "sysparm_limit": str(PAGE),
            "sysparm_exclude_reference_link": "true",
        }
        rows = (await client.call("GET", f"/api/now/table/incident?{urlencode(query)}"))["result"]
        if not rows:
            return
        yield rows
        at, last = rows[-1]["sys_updated_on"], rows[-1]["sys_id"]
        after = f"sys_updated_on>{at}^NQsys_updated_on={at}^sys_id>{last}^"


async def main(platforms: Platforms) -> int:
    source, target = Client(platforms, "servicenow", 1), Client(platforms, "salesforce", WIDTH)
    await asyncio.gather(source.login(platforms, "servicenow"), target.login(platforms, "salesforce"))
    created, room = 0, asyncio.Semaphore(2 * WIDTH)

    async def send(rows: list[dict[str, str]]) -> None:
        nonlocal created
        records = [case_of(row, platforms.url("servicenow")) for row in rows]
        body = json.dumps({"allOrNone": False, "records": records}).encode()
        answers = await target.call("POST", f"{API}/composite/sobjects", body)
        room.release()
        created += sum(answer["success"] for answer in answers)

    async with asyncio.TaskGroup() as sending:
        async for rows in pages(source):
            for start in range(0, len(rows), COLLECTION):
                await room.acquire()
                sending.create_task(send(rows[start : start + COLLECTION]))
    await source.close()
    await target.close()
    return created


if __name__ == "__main__":
    held = given()
    measured(lambda: asyncio.run(main(held)))
    sys.stdout.flush()
