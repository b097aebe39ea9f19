"""The Batch API: many requests in one call, one after another, each with an answer of its own.

Source: the vendor's Batch API page and PySNC. The outer 200 says nothing of the items, there is no rollback, and what
does not fit into the time comes back unserviced. Whether each item counts against a rate rule is a switch.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from sync.sandbox.servicenow import errors
from sync.sandbox.servicenow.endpoints.routing import ApiCall, api_route
from sync.sandbox.servicenow.platform import ROUTER
from sync.sandbox.wire import BadJson, Request, Response

MAX_OUTPUT = 10 * 1024 * 1024
MAX_ITEM_BODY = 5 * 1024 * 1024
# No time passes within a batch here, so a property says how many items fit into the 30 seconds of a real one.
ITEMS_WITHIN_TIME = "sandbox.batch.items_within_time"
_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class _Item:
    """One request of the batch, or why it is none."""

    id: str
    request: Request
    headers_wanted: bool
    problem: Response | None = None


@api_route("POST", "batch", ("", "v1/"))
def batch(api: ApiCall) -> Response:
    body = api.body()
    given = body.get("rest_requests")
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise BadJson("no list of requests")
    serviced: list[dict[str, object]] = []
    output = 0
    limit, allowed = _limits(api)
    for each in given:
        if len(serviced) >= allowed or output >= limit:
            break
        item = _item(api, each)
        with api.platform.rates.within_batch(
            counted=api.platform.dialect.batch_items_count_against_rate_rule
        ):
            response = item.problem or _ordered(api) or ROUTER.inner(api.platform, item.request)
        output += len(response.body)
        serviced.append(_answer(item, response))
    return Response.json(
        {
            "batch_request_id": str(body.get("batch_request_id", "")),
            "serviced_requests": serviced,
            "unserviced_requests": [str(each.get("id", "")) for each in given[len(serviced) :]],
        }
    )


def _ordered(api: ApiCall) -> Response | None:
    """The answer of an item that a fault strikes: it is not run."""
    trouble = api.request.trouble
    if trouble is None or not trouble.strikes():
        return None
    return errors.error(trouble.status or 403, trouble.code, trouble.text())


def _limits(api: ApiCall) -> tuple[int, float]:
    """Bytes of output after which, and number of items before which, the batch ends."""
    size = api.request.headers.get("x-batchrequest-max-output-size", "")
    items = api.platform.store.setting(ITEMS_WITHIN_TIME)
    return (
        min(int(size), MAX_OUTPUT) if size.isdigit() else MAX_OUTPUT,
        int(items) if items.isdigit() else float("inf"),
    )


def _item(api: ApiCall, given: Mapping[str, Any]) -> _Item:
    identity, wanted = str(given.get("id", "")), given.get("exclude_response_headers") is not True
    headers = {"authorization": api.request.headers["authorization"], **_headers(given)}
    url = str(given.get("url", ""))
    nothing = Request("GET", "/")
    if not url.startswith("/") or url.partition("?")[0].endswith("/batch"):
        return _Item(identity, nothing, wanted, errors.no_resource())
    try:
        body = base64.b64decode(given.get("body") or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        return _Item(identity, nothing, wanted, errors.unreadable("The body is not Base64"))
    if len(body) > MAX_ITEM_BODY:
        return _Item(identity, nothing, wanted, errors.unreadable("The body of the request is too large"))
    method = str(given.get("method", "GET"))
    return _Item(identity, Request.build(method, url, headers=headers, body=body), wanted)


def _headers(given: Mapping[str, Any]) -> dict[str, str]:
    """The item's own headers; it speaks for the caller of the batch, whoever it names."""
    listed = given.get("headers")
    named = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    pairs = ((str(each.get("name", "")).lower(), str(each.get("value", ""))) for each in named)
    return {name: value for name, value in pairs if name != "authorization"}


def _answer(item: _Item, response: Response) -> dict[str, object]:
    answer: dict[str, object] = {
        "id": item.id,
        "status_code": response.status,
        "status_text": _REASONS.get(response.status, ""),
        "execution_time": 0,
        "headers": [],
    }
    if response.status != HTTPStatus.NO_CONTENT:
        answer["body"] = base64.b64encode(response.body).decode()
    if item.headers_wanted:
        answer["headers"] = [{"name": name, "value": value} for name, value in response.headers.items()]
    return answer
