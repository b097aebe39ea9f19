"""Composite: up to 25 subrequests in one call, each able to use the answers before it.

The call itself is always 200 when it is well-formed; what happened is in its parts.
Source: REST guide, "Composite" and "Composite Subrequest Result".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sync.sandbox.counters import Counters
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.references import resolve
from sync.sandbox.salesforce.routing import PARTS, Call, Part, Unit, api, refused
from sync.sandbox.trouble import Trouble
from sync.sandbox.wire import Request, Response

MAX_PARTS, MAX_HEAVY_PARTS = 25, 5
_HEAVY = re.compile(r"/services/data/v\d+\.0/(query|queryAll|composite/sobjects)(/|\?|$)")
_ALLOWED = re.compile(r"/services/data/v\d+\.0/(query|queryAll|composite/sobjects|sobjects|limits)(/|\?|$)")
_REFERENCE_ID = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_SET_BY_THE_CALL = frozenset({"accept", "authorization", "content-type"})
_ROLLED_BACK = Refusal(
    "PROCESSING_HALTED",
    "The transaction was rolled back since another operation in the same transaction failed.",
)


@dataclass(frozen=True, slots=True)
class Subrequest:
    """One part as it was sent, its references unresolved."""

    method: str
    url: str
    reference_id: str
    body: Any
    headers: Mapping[str, str]


@api("POST", "/composite")
def composite(call: Call) -> Response:
    sent = call.json_object()
    parts = _parts(sent.get("compositeRequest"))
    unit = Unit()
    answers = _run(call, parts, unit)
    if sent.get("allOrNone") is True and any(_failed(answer) for answer in answers):
        unit.rollback()
        answers = [answer if _failed(answer) else refused(_ROLLED_BACK) for answer in answers]
    for writer in unit.writers:
        call.count_now(writer)
    pairs = zip(parts, answers, strict=True)
    return Response.json({"compositeResponse": [_result(part, answer) for part, answer in pairs]})


def _run(call: Call, parts: Sequence[Subrequest], unit: Unit) -> list[Response]:
    """Answer the parts in their order: a reference can only point backwards."""
    not_billed = Counters()  # a composite counts as one call, whatever it holds
    bodies: dict[str, Any] = {}
    answers = []
    for part in parts:
        try:
            request = _request(part, bodies, call.request.trouble)
        except Refusal as refusal:
            answers.append(refused(refusal))
            continue
        inner = Call(call.platform, request, call.user_id, call.version, unit)
        answer = PARTS.dispatch(Part(inner, not_billed), request)
        answers.append(answer)
        if not _failed(answer) and answer.body:
            bodies[part.reference_id] = answer.data()
    return answers


def _request(part: Subrequest, bodies: Mapping[str, Any], trouble: Trouble | None) -> Request:
    url = str(resolve(part.url, bodies))
    body = resolve(part.body, bodies)
    headers = {name: str(resolve(value, bodies)) for name, value in part.headers.items()}
    if not _ALLOWED.match(url):
        raise Refusal("INVALID_INPUT", f"The url is not supported in a composite request: {url}")
    path, mark, query = url.partition("?")
    data = b"" if body is None else json.dumps(body).encode()
    request = Request.build(part.method, path.rstrip("/") + mark + query, headers=headers, body=data)
    return replace(request, trouble=trouble)


def _failed(answer: Response) -> bool:
    return answer.status >= 400


def _result(part: Subrequest, answer: Response) -> dict[str, Any]:
    return {
        "body": answer.data() if answer.body else None,
        "httpHeaders": {name: value for name, value in answer.headers.items() if name == "Location"},
        "httpStatusCode": answer.status,
        "referenceId": part.reference_id,
    }


# What was sent


def _parts(sent: Any) -> list[Subrequest]:
    """Raises Refusal for the whole call."""
    if not isinstance(sent, list) or not sent:
        raise Refusal("INVALID_INPUT", "compositeRequest is required")
    if len(sent) > MAX_PARTS:
        raise Refusal("LIMIT_EXCEEDED", f"The limit of {MAX_PARTS} subrequests has been exceeded")
    parts = [_part(each) for each in sent]
    if sum(1 for part in parts if _HEAVY.match(part.url)) > MAX_HEAVY_PARTS:
        raise Refusal(
            "LIMIT_EXCEEDED", f"At most {MAX_HEAVY_PARTS} subrequests may be queries or sObject collections"
        )
    names = [part.reference_id for part in parts]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise Refusal("INVALID_INPUT", f"Duplicate ReferenceId provided: {repeated}")
    return parts


def _part(sent: Any) -> Subrequest:
    if not isinstance(sent, dict):
        raise Refusal("JSON_PARSER_ERROR", "Every subrequest is required to be a JSON object.")
    method, url, name = (sent.get(key) for key in ("method", "url", "referenceId"))
    if not (isinstance(method, str) and isinstance(url, str) and isinstance(name, str)):
        raise Refusal("INVALID_INPUT", "Every subrequest needs a method, a url and a referenceId")
    if not _REFERENCE_ID.fullmatch(name):
        raise Refusal("INVALID_INPUT", f"Provided referenceId ('{name}') must be alphanumeric")
    headers = sent.get("httpHeaders") or {}
    if not isinstance(headers, dict) or any(each.lower() in _SET_BY_THE_CALL for each in headers):
        raise Refusal("INVALID_INPUT", "httpHeaders cannot set Accept, Authorization or Content-Type")
    return Subrequest(method, url, name, sent.get("body"), headers)
