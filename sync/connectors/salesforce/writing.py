"""Writes to Salesforce, sent side by side as their input comes: collections of 200, conditional updates 25 to a call.

A conditional update is a subrequest of Composite with `If-Unmodified-Since` of its own (REST API Developer Guide,
"Composite Subrequest" and "Conditional Request Headers"); 25 of them are one call of the org's budget.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from sync import jsons
from sync.connectors.results import failed_alike
from sync.connectors.salesforce import soql
from sync.connectors.salesforce.ids import to_18
from sync.connectors.salesforce.org import Org
from sync.core.records import CHANGED_SINCE, Operation, Refusal, Reply, Write, WriteResult
from sync.errors import OutcomeUnknownError, RefusedError, SyncError

COLLECTION = 200
COMPOSITE = 25
# (A bulk job runs an assignment rule only if it names one: Bulk API 2.0 guide, "Create a Job".)
# Without this header assignment rules may overwrite the OwnerId that we send.
HEADERS = {"Sforce-Auto-Assign": "FALSE"}
_METHODS = {Operation.CREATE: "POST", Operation.UPDATE: "PATCH", Operation.DELETE: "DELETE"}
# "duplicate value found: F duplicates value on record with id: 500...": a hint for a look-up, nothing more.
_EXISTING_ID = re.compile(r"\b([A-Za-z0-9]{15}(?:[A-Z0-5]{3})?)\s*\.?$")
_LOCKED = "UNABLE_TO_LOCK_ROW"


@dataclass(frozen=True, slots=True)
class Batch:
    """Writes of one operation: at most 200, or 25 if they are conditional."""

    operation: Operation
    writes: Sequence[Write]
    conditional: bool = False


def batches(writes: Iterable[Write]) -> Iterator[Batch]:
    """Cut a stream into full batches of one kind each; the remainders come at its end."""
    open_batches: dict[tuple[Operation, bool], list[Write]] = {}
    for write in writes:
        kind = (write.operation, write.expected is not None and write.operation is Operation.UPDATE)
        held = open_batches.setdefault(kind, [])
        held.append(write)
        if len(held) == (COMPOSITE if kind[1] else COLLECTION):
            yield Batch(kind[0], open_batches.pop(kind), kind[1])
    for (operation, conditional), held in open_batches.items():
        yield Batch(operation, held, conditional)


def send(org: Org, name: str, batch: Batch) -> list[WriteResult]:
    """Send one batch; one result per write whatever happens."""
    method = _METHODS.get(batch.operation)
    if method is None:
        refused = RefusedError(f"A connector cannot {batch.operation}.", code="UNSUPPORTED_OPERATION")
        return failed_alike(batch.writes, refused)
    if batch.conditional:
        return _send_conditional(org, name, batch)
    path, body = _request(name, batch)
    try:
        answers = org.write(path, method=method, data=body, headers=HEADERS)
    except RefusedError as error:
        return _halved(org, name, batch, error)
    except SyncError as error:
        return failed_alike(batch.writes, error)
    if not isinstance(answers, list) or len(answers) != len(batch.writes):
        return failed_alike(
            batch.writes, OutcomeUnknownError("Salesforce did not answer each record.", code="bad_answer")
        )
    created = batch.operation is Operation.CREATE
    results = [_result(write, answer, created) for write, answer in zip(batch.writes, answers, strict=True)]
    _mind_locks(org, results)
    return results


def _send_conditional(org: Org, name: str, batch: Batch) -> list[WriteResult]:
    parts = [_subrequest(org, name, write, number) for number, write in enumerate(batch.writes)]
    body = jsons.dumps({"allOrNone": False, "compositeRequest": parts})
    try:
        answer = org.write("composite", method="POST", data=body, headers=HEADERS)
    except SyncError as error:
        return failed_alike(batch.writes, error)
    answers = answer.get("compositeResponse") if isinstance(answer, dict) else None
    if not isinstance(answers, list) or len(answers) != len(batch.writes):
        return failed_alike(
            batch.writes, OutcomeUnknownError("Salesforce did not answer each record.", code="bad_answer")
        )
    by_reference = {str(part.get("referenceId")): part for part in answers if isinstance(part, dict)}
    results = [
        _conditional_result(write, by_reference.get(f"r{number}"))
        for number, write in enumerate(batch.writes)
    ]
    _mind_locks(org, results)
    return results


def _mind_locks(org: Org, results: Sequence[WriteResult]) -> None:
    """A locked row may be held by our own neighbouring call: fewer at once meet less often."""
    refusals = (result.refusal for result in results if result.refusal is not None)
    if any(refusal.retry and refusal.code != CHANGED_SINCE for refusal in refusals):
        org.transport.limit.troubled()


def _subrequest(org: Org, name: str, write: Write, number: int) -> dict[str, Any]:
    assert write.expected is not None
    return {
        "method": "PATCH",
        "url": f"/services/data/v{org.version}/sobjects/{soql.name(name)}/{write.id}",
        "referenceId": f"r{number}",
        "httpHeaders": {
            **HEADERS,
            "If-Unmodified-Since": format_datetime(write.expected.edited_at, usegmt=True),
        },
        "body": dict(write.values),
    }


def _conditional_result(write: Write, answer: Mapping[str, Any] | None) -> WriteResult:
    status = answer.get("httpStatusCode") if answer else None
    if answer is None or not isinstance(status, int) or status >= 500:
        return WriteResult(
            write.ref, Reply.UNKNOWN, write.id, message="Salesforce's answer for this record is unreadable."
        )
    if 200 <= status < 300:
        return WriteResult(write.ref, Reply.DONE, write.id)
    if status == 412:
        refusal = Refusal(CHANGED_SINCE, "The record was edited since it was read.", retry=True)
        return WriteResult(write.ref, Reply.REFUSED, write.id, refusal=refusal)
    errors = answer.get("body")
    error = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return WriteResult(
        write.ref, Reply.REFUSED, write.id, refusal=refusal_of({"statusCode": f"HTTP_{status}", **error})
    )


def _request(name: str, batch: Batch) -> tuple[str, bytes | None]:
    if batch.operation is Operation.DELETE:
        ids = ",".join(write.id for write in batch.writes)
        return f"composite/sobjects?{urlencode({'ids': ids, 'allOrNone': 'false'}, safe=',')}", None
    head = {"type": name}
    if batch.operation is Operation.CREATE:
        records = [{"attributes": head, **write.values} for write in batch.writes]
    else:
        records = [{"attributes": head, "id": write.id, **write.values} for write in batch.writes]
    return "composite/sobjects", jsons.dumps({"allOrNone": False, "records": records})


def _halved(org: Org, name: str, batch: Batch, error: RefusedError) -> list[WriteResult]:
    """A call refused whole has written nothing: halve it until the record at fault stands alone.

    One value of the wrong JSON type makes Salesforce refuse the other 199 records too (JSON_PARSER_ERROR).
    """
    middle = len(batch.writes) // 2
    if not middle:
        return failed_alike(batch.writes, error)
    halves = (batch.writes[:middle], batch.writes[middle:])
    return [result for half in halves for result in send(org, name, Batch(batch.operation, half))]


def _result(write: Write, answer: Any, created: bool) -> WriteResult:
    if isinstance(answer, dict):
        if answer.get("success") is True and answer.get("id"):
            return WriteResult(write.ref, Reply.DONE, answer["id"], created)
        if answer.get("success") is False and answer.get("errors"):
            return WriteResult(write.ref, Reply.REFUSED, write.id, refusal=refusal_of(answer["errors"][0]))
    return WriteResult(
        write.ref, Reply.UNKNOWN, write.id, message="Salesforce's answer for this record is unreadable."
    )


def refusal_of(error: Mapping[str, Any]) -> Refusal:
    code = str(error.get("errorCode") or error.get("statusCode") or "")  # rows and collections differ
    message = str(error.get("message") or "")
    existing = _EXISTING_ID.search(message) if code == "DUPLICATE_VALUE" else None
    return Refusal(
        code=code,
        message=message,
        fields=tuple(error.get("fields") or ()),
        # Customers' automation wraps the lock error of a row it touched into its own.
        retry=code == _LOCKED or (code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" and _LOCKED in message),
        existing_id=to_18(existing[1]) if existing else "",
    )
