"""Invocable actions: what the org does at our word, such as sending an e-mail.

Source: Actions Developer Guide, "Send Email" (emailSimple); REST API Developer Guide, "Invocable Actions". The answer holds one
result for each input; older versions of the documentation show a single one without a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sync import jsons
from sync.connectors.results import failed_alike
from sync.connectors.salesforce import soql
from sync.connectors.salesforce.org import Org
from sync.connectors.salesforce.writing import refusal_of
from sync.core.records import Operation, Refusal, Reply, Write, WriteResult
from sync.errors import OutcomeUnknownError, SyncError


def invoke(org: Org, action: str, inputs: Mapping[str, Any]) -> WriteResult:
    """Run a standard action once, with one set of inputs."""
    body = jsons.dumps({"inputs": [dict(inputs)]})
    try:
        answer = org.write(f"actions/standard/{soql.name(action)}", method="POST", data=body, headers={})
    except SyncError as error:
        return failed_alike([Write(action, Operation.CREATE, {})], error)[0]
    result = answer[0] if isinstance(answer, list) and len(answer) == 1 else answer
    if isinstance(result, dict) and result.get("isSuccess") is True:
        return WriteResult(action, Reply.DONE, stored=result.get("outputValues") or {})
    if isinstance(result, dict) and result.get("isSuccess") is False:
        return WriteResult(action, Reply.REFUSED, refusal=_refusal(result.get("errors")))
    fault = OutcomeUnknownError("Salesforce answered an action with something else.", code="bad_answer")
    return WriteResult(action, Reply.UNKNOWN, message=fault.message, fault=fault)


def _refusal(errors: Any) -> Refusal:
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return refusal_of({"statusCode": "ACTION_FAILED", **first})
