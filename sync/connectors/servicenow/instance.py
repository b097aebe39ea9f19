"""Calls to one ServiceNow instance's Table API."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sync.connectors.auth import Authoriser
from sync.connectors.base import Token, TokenStore
from sync.connectors.http import Answer, Purpose, Transport, unusable
from sync.connectors.retry import Retry
from sync.connectors.servicenow import query
from sync.connectors.streaming import Incoming, Outgoing
from sync.core.files import NewFile, Passing
from sync.errors import SchemaError

# Version 2 answers an empty list with 200; version 1 would answer 404.
TABLES = "/api/now/v2/table/"
STATS = "/api/now/stats/"
FILES = "/api/now/attachment/"
CATALOG = "/api/sn_sc/servicecatalog/"
# Raw values in UTC and references as plain ids; the Link header would repeat a long query.
_SHAPE = {
    "sysparm_display_value": "false",
    "sysparm_exclude_reference_link": "true",
}
DISPLAY = ".display_value"
_BOTH = {"sysparm_display_value": "all"}  # of each column its value and its display value
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Rows:
    """Part of a list. `total`: rows that match before access control hid some; `read_at`: server time of the look-up."""

    rows: list[dict[str, Any]]
    total: int
    read_at: datetime


class Instance:
    """Lists and single writes. Every call renews a rejected token once.

    Reads are repeated on transient faults, writes for a moment if they were turned away.
    """

    def __init__(self, transport: Transport, tokens: TokenStore, retry: Retry) -> None:
        self.transport = transport
        self.authoriser = Authoriser(self.transport, tokens)
        self._retry = retry

    def rows(self, table: str, condition: str, fields: Sequence[str], *, limit: int, offset: int = 0) -> Rows:
        """One page of a list; `condition` is a whole encoded query. `state.display_value` is what people see of state."""
        shown = [name for name in fields if name.endswith(DISPLAY)]
        params = {
            "sysparm_query": condition,
            "sysparm_fields": ",".join(dict.fromkeys(name.removesuffix(DISPLAY) for name in fields)),
            "sysparm_limit": str(limit),
            "sysparm_suppress_pagination_header": "true",
            **_SHAPE,
            **(_BOTH if shown else {}),
        }
        if offset:
            params["sysparm_offset"] = str(offset)
        path = f"{TABLES}{query.name(table)}?{encoded(params)}"
        found = self._retry.run(lambda: _rows(self._call("GET", path, Purpose.READ)))
        return replace(found, rows=[_flat(row, shown) for row in found.rows]) if shown else found

    def stats(self, table: str, condition: str) -> dict[str, Any]:
        """Count, latest stamp and number of updates of the rows that match; empty if nothing does."""
        params = {
            "sysparm_query": condition,
            "sysparm_count": "true",
            "sysparm_max_fields": "sys_updated_on",
            "sysparm_sum_fields": "sys_mod_count",
        }
        path = f"{STATS}{query.name(table)}?{encoded(params)}"
        return self._retry.run(lambda: _stats(self._call("GET", path, Purpose.READ)))

    def create(self, table: str, values: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
        return self._write("POST", query.name(table), values, fields)

    def update(self, table: str, id: str, values: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
        return self._write("PATCH", f"{query.name(table)}/{quote(id, safe='')}", values, fields)

    def order_now(self, item: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Order a catalog item; the platform takes no key, so this is sent once."""
        body = json.dumps(dict(inputs), separators=(",", ":")).encode()
        path = f"{CATALOG}items/{quote(item, safe='')}/order_now"
        answer = self._call("POST", path, Purpose.WRITE, body)
        result = answer.data.get("result") if isinstance(answer.data, dict) else None
        if not isinstance(result, dict):
            unusable(answer, Purpose.WRITE, "no order")
        return result

    def delete(self, table: str, id: str) -> None:
        self._call("DELETE", f"{TABLES}{query.name(table)}/{quote(id, safe='')}", Purpose.WRITE)

    def reach(self) -> None:
        """Any answer of the Table API without credentials: proves the host, and shows its clock."""
        self.transport.request("GET", f"{self.transport.origin}{TABLES}sys_user?sysparm_limit=1")

    def _write(
        self, method: str, path: str, values: Mapping[str, Any], fields: Sequence[str]
    ) -> dict[str, Any]:
        """The stored record as the platform answers it."""
        kept = [name for name in fields if not name.endswith(DISPLAY)]
        params = {"sysparm_fields": ",".join(kept), **_SHAPE}
        body = json.dumps(dict(values), separators=(",", ":")).encode()
        url = f"{TABLES}{path}?{encoded(params)}"
        answer = self._retry.briefly(lambda: self._call(method, url, Purpose.WRITE, body))
        result = answer.data.get("result") if isinstance(answer.data, dict) else None
        if not isinstance(result, dict) or not result.get("sys_id"):
            unusable(answer, Purpose.WRITE, "no stored record")
        return result

    def download(self, id: str) -> Incoming:
        """The bytes of an attachment as they come; to be closed."""
        url = f"{self.transport.origin}{FILES}{quote(id, safe='')}/file"
        return self._retry.run(
            lambda: self.authoriser.run(
                lambda token: self.transport.download(url, headers=self.authoriser.headers(token))
            )
        )

    def attach(
        self, table: str, record: str, file: NewFile, content: Callable[[], Passing]
    ) -> dict[str, Any]:
        """Send a file while it comes in; returns the row that describes it. Each attempt opens the content anew."""
        place = {"table_name": query.name(table), "table_sys_id": record}
        path = f"{FILES}file?{encoded({**place, 'file_name': file.name})}"
        shown = f"{FILES}file?{encoded(place)}"  # logs are clear, and a name is content

        def send(token: Token) -> Answer:
            headers = {"Content-Type": file.content_type, **self.authoriser.headers(token)}
            with closing(content()) as opened:
                body = Outgoing(opened, file.size) if file.size else b""
                return self.transport.upload(
                    self.transport.origin + path, headers=headers, body=body, shown=shown
                )

        answer = self._retry.briefly(lambda: self.authoriser.run(send))
        result = answer.data.get("result") if isinstance(answer.data, dict) else None
        if not isinstance(result, dict) or not result.get("sys_id"):
            unusable(answer, Purpose.WRITE, "no stored file")
        return result

    def _call(self, method: str, path: str, purpose: Purpose, body: bytes | None = None) -> Answer:
        url = self.transport.origin + path
        return self.authoriser.run(
            lambda token: self.transport.request(
                method, url, purpose=purpose, data=body, headers={**_JSON, **self.authoriser.headers(token)}
            )
        )


def encoded(params: Mapping[str, str]) -> str:
    """A query string that keeps commas: an IN list of ids would grow by a tenth."""
    return "&".join(f"{name}={quote(value, safe=',')}" for name, value in params.items())


def _stats(answer: Answer) -> dict[str, Any]:
    result = answer.data.get("result") if isinstance(answer.data, dict) else None
    found = result.get("stats") if isinstance(result, dict) else None
    if not isinstance(found, dict):
        unusable(answer, Purpose.READ, "something else than figures")
    return found


def _flat(row: dict[str, Any], shown: Sequence[str]) -> dict[str, Any]:
    """Of a row with both: the plain values, and the display values that were asked for under names of their own."""
    plain = {name: part.get("value") or "" if isinstance(part, dict) else part for name, part in row.items()}
    for name in shown:
        part = row.get(name.removesuffix(DISPLAY))
        if isinstance(part, dict):
            plain[name] = part.get("display_value") or ""
    return plain


def _rows(answer: Answer) -> Rows:
    result = answer.data.get("result") if isinstance(answer.data, dict) else None
    if not isinstance(result, list):
        unusable(answer, Purpose.READ, "something else than a list of rows")
    total = answer.headers.get("X-Total-Count", "")
    if not total.isdigit():
        raise SchemaError(
            "ServiceNow did not tell how many rows match (X-Total-Count), so the end of a list cannot be known.",
            code="no_total",
            advice="Check whether a proxy removes this header.",
            request_id=answer.request_id,
        )
    return Rows(result, int(total), answer.read_at)
