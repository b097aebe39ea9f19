"""Writes to Salesforce: collections of 200, sent side by side as their input comes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sync import jsons
from sync.connectors.results import failed_alike
from sync.connectors.salesforce.ids import to_18
from sync.connectors.salesforce.org import Org
from sync.core.records import Operation, Refusal, Reply, Write, WriteResult
from sync.errors import OutcomeUnknownError, RefusedError, SyncError

COLLECTION = 200
# Without this header assignment rules may overwrite the OwnerId that we send.
_HEADERS = {"Sforce-Auto-Assign": "FALSE"}
_METHODS = {Operation.CREATE: "POST", Operation.UPDATE: "PATCH", Operation.DELETE: "DELETE"}
# "duplicate value found: F duplicates value on record with id: 500...": a hint for a look-up, nothing more.
_EXISTING_ID = re.compile(r"\b([A-Za-z0-9]{15}(?:[A-Z0-5]{3})?)\s*\.?$")
_LOCKED = "UNABLE_TO_LOCK_ROW"


@dataclass(frozen=True, slots=True)
class Batch:
    """Writes of one operation, at most 200."""

    operation: Operation
    writes: Sequence[Write]


def batches(writes: Iterable[Write]) -> Iterator[Batch]:
    """Cut a stream into full batches of one operation each; the remainders come at its end."""
    open_batches: dict[Operation, list[Write]] = {}
    for write in writes:
        held = open_batches.setdefault(write.operation, [])
        held.append(write)
        if len(held) == COLLECTION:
            yield Batch(write.operation, open_batches.pop(write.operation))
    for operation, held in open_batches.items():
        yield Batch(operation, held)


def send(org: Org, name: str, batch: Batch) -> list[WriteResult]:
    """Send one batch; one result per write whatever happens."""
    method = _METHODS.get(batch.operation)
    if method is None:
        refused = RefusedError(f"A connector cannot {batch.operation}.", code="UNSUPPORTED_OPERATION")
        return failed_alike(batch.writes, refused)
    path, body = _request(name, batch)
    try:
        answers = org.write(path, method=method, data=body, headers=_HEADERS)
    except RefusedError as error:
        return _halved(org, name, batch, error)
    except SyncError as error:
        return failed_alike(batch.writes, error)
    if not isinstance(answers, list) or len(answers) != len(batch.writes):
        return failed_alike(
            batch.writes, OutcomeUnknownError("Salesforce did not answer each record.", code="bad_answer")
        )
    created = batch.operation is Operation.CREATE
    return [_result(write, answer, created) for write, answer in zip(batch.writes, answers, strict=True)]


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
            return WriteResult(write.ref, Reply.REFUSED, write.id, refusal=_refusal(answer["errors"][0]))
    return WriteResult(
        write.ref, Reply.UNKNOWN, write.id, message="Salesforce's answer for this record is unreadable."
    )


def _refusal(error: Mapping[str, Any]) -> Refusal:
    code, message = str(error.get("statusCode") or ""), str(error.get("message") or "")
    existing = _EXISTING_ID.search(message) if code == "DUPLICATE_VALUE" else None
    return Refusal(
        code=code,
        message=message,
        fields=tuple(error.get("fields") or ()),
        # Customers' automation wraps the lock error of a row it touched into its own.
        retry=code == _LOCKED or (code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" and _LOCKED in message),
        existing_id=to_18(existing[1]) if existing else "",
    )
