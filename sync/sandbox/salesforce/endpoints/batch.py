"""Composite Batch: up to 25 independent calls in one, each of them billed.

Source: REST guide, "Composite Batch".
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.routing import PARTS, Call, Part, api, refused
from sync.sandbox.wire import Request, Response

MAX_PARTS = 25
_FORBIDDEN = ("/composite", "/jobs")
_HALTED = Refusal(
    "BATCH_PROCESSING_HALTED",
    "Batch processing halted per request. No more subrequests are processed.",
    status=412,
)


@dataclass(frozen=True, slots=True)
class Subrequest:
    method: str
    url: str  # begins with the version, `v67.0/...`
    body: Any


@api("POST", "/composite/batch")
def batch(call: Call) -> Response:
    sent = call.json_object()
    parts = _parts(sent.get("batchRequests"))
    halts = sent.get("haltOnError") is True
    answers: list[Response] = []
    has_errors = False
    for position, part in enumerate(parts):
        answer = refused(_HALTED) if halts and has_errors else _answer(call, part, is_first=position == 0)
        has_errors = has_errors or answer.status >= 400
        answers.append(answer)
    results = [{"statusCode": each.status, "result": each.data() if each.body else None} for each in answers]
    return Response.json({"hasErrors": has_errors, "results": results})


def _answer(call: Call, part: Subrequest, *, is_first: bool) -> Response:
    """Answer one part as a call of its own; the batch itself has paid for the first."""
    path, mark, query = part.url.lstrip("/").partition("?")
    path = "/services/data/" + path.removeprefix("services/data/").rstrip("/")
    body = b"" if part.body is None else json.dumps(part.body).encode()
    request = Request.build(part.method, path + mark + query, body=body)
    request = replace(request, trouble=call.request.trouble)
    try:
        if any(each in path for each in _FORBIDDEN):
            raise Refusal("INVALID_INPUT", f"The url is not supported in a batch: {part.url}")
        if not is_first:
            call.platform.budget.charge()
            call.platform.counters.bill()
    except Refusal as refusal:
        return refused(refusal)
    return PARTS.dispatch(Part(call, call.platform.counters), request)


def _parts(sent: Any) -> list[Subrequest]:
    """Raises Refusal for the whole call."""
    if not isinstance(sent, list) or not sent:
        raise Refusal("INVALID_INPUT", "batchRequests is required")
    if len(sent) > MAX_PARTS:
        raise Refusal("LIMIT_EXCEEDED", f"The limit of {MAX_PARTS} subrequests has been exceeded")
    return [_part(each) for each in sent]


def _part(sent: Any) -> Subrequest:
    if not isinstance(sent, dict) or not all(isinstance(sent.get(key), str) for key in ("method", "url")):
        raise Refusal("INVALID_INPUT", "Every subrequest needs a method and a url")
    return Subrequest(sent["method"], sent["url"], sent.get("richInput"))
