"""What Salesforce's statuses and error codes mean. The code is branched on, never the message: it is localised."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sync import jsons
from sync.connectors.base import Usage
from sync.connectors.http import Answer, Purpose, TokenRejected, redirected, retry_after
from sync.connectors.login_advice import is_login_rate, oauth_advice
from sync.core.records import Side
from sync.errors import (
    AuthenticationError,
    BudgetSpentError,
    ConfigurationError,
    OutcomeUnknownError,
    RateLimitError,
    RefusedError,
    SchemaError,
    SyncError,
    TransientError,
)

# REST API Developer Guide, "Status Codes and Error Responses". What is not listed is told by its status.
_BY_CODE: Mapping[str, type[SyncError]] = {
    "INVALID_FIELD": SchemaError,
    "INVALID_TYPE": SchemaError,
    "NOT_FOUND": SchemaError,
    "MALFORMED_QUERY": SchemaError,
    "INVALID_QUERY_FILTER_OPERATOR": SchemaError,
    "API_DISABLED_FOR_ORG": ConfigurationError,
    "API_CURRENTLY_DISABLED": ConfigurationError,
    "UNSUPPORTED_API_VERSION": ConfigurationError,
    "INSUFFICIENT_ACCESS": ConfigurationError,
    "QUERY_TIMEOUT": TransientError,
    "SERVER_UNAVAILABLE": TransientError,
    "INVALID_QUERY_LOCATOR": TransientError,
}
_BY_STATUS: Mapping[int, type[SyncError]] = {
    401: TokenRejected,
    403: ConfigurationError,
    404: SchemaError,
    410: ConfigurationError,
    412: RefusedError,
    414: ConfigurationError,
    429: RateLimitError,
    431: ConfigurationError,
    503: TransientError,
}
_CODE_OF_STATUS = {412: "PRECONDITION_FAILED"}
_ADVICE: Mapping[str, str] = {
    "API_DISABLED_FOR_ORG": "Enable API access for the org or give the user the API Enabled permission.",
    "API_CURRENTLY_DISABLED": "Give the user the API Enabled permission.",
    "UNSUPPORTED_API_VERSION": "Choose a newer API version in the connection.",
    "INVALID_FIELD": "Check the field's name, and field-level security for the integration user.",
    "INVALID_TYPE": "Check the object's name and the integration user's object permissions.",
    "NOT_FOUND": "Check the object's name and the API version of the connection.",
    "MALFORMED_QUERY": "Check the flow's scope: it must be a SOQL condition without WHERE, ORDER BY or LIMIT.",
    "REQUEST_LIMIT_EXCEEDED": "Wait for the rolling 24 hours to free calls, or reduce what other integrations use.",
}
_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")


class SalesforceDialect:
    system = Side.SALESFORCE

    def fault(self, answer: Answer, purpose: Purpose) -> SyncError | None:
        status = answer.status_code
        if 200 <= status < 300:
            return None
        if 300 <= status < 400:
            return redirected(answer)
        code, message = first_error(answer.data)
        if status in (420, 429) or status >= 500 or code == "UNKNOWN_EXCEPTION":
            return _server_fault(answer, purpose, code, message)
        if purpose is Purpose.TOKEN:
            return _login_fault(answer, code, message)
        if code == "REQUEST_LIMIT_EXCEEDED":
            return _limit_fault(answer, message)
        kind = _BY_CODE.get(code) or _BY_STATUS.get(status, RefusedError)
        return kind(
            message or f"Salesforce answered {status}.",
            code=code or _CODE_OF_STATUS.get(status, f"HTTP_{status}"),
            advice=_ADVICE.get(code, ""),
            request_id=answer.request_id,
        )

    def usage(self, headers: Mapping[str, str]) -> Usage | None:
        """Calls of the whole org in the last 24 hours. Source: REST API Developer Guide, "Limit Info Header"."""
        found = _USAGE.search(headers.get("Sforce-Limit-Info", ""))
        return Usage(int(found[1]), int(found[2])) if found else None


def fault_of_plain(answer: Answer, purpose: Purpose) -> SyncError | None:
    """The same of an answer that is JSON only if the call failed."""
    if not 200 <= answer.status_code < 300:
        with suppress(ValueError):
            answer.data = jsons.loads(answer.content) if answer.content else None
    return SalesforceDialect().fault(answer, purpose)


def first_error(data: Any) -> tuple[str, str]:
    """Code and message of an error body: an array from data calls, an object from the token endpoint."""
    item = data[0] if isinstance(data, list) and data else data
    if not isinstance(item, dict):
        return "", ""
    if isinstance(item.get("errors"), list) and item["errors"]:  # of an invocable action
        return first_error(item["errors"])
    code = item.get("errorCode") or item.get("statusCode") or item.get("error") or ""
    return str(code), str(item.get("message") or item.get("error_description") or "")


def _server_fault(answer: Answer, purpose: Purpose, code: str, message: str) -> SyncError:
    """429 and 503 are turned away at the door; any other server trouble may come after the work was done."""
    text = message or f"Salesforce answered {answer.status_code}."
    code = code or f"HTTP_{answer.status_code}"
    if answer.status_code in (429, 503):
        kind = RateLimitError if answer.status_code == 429 else TransientError
        return kind(text, code=code, retry_after=retry_after(answer.headers), request_id=answer.request_id)
    if purpose is Purpose.WRITE:
        return OutcomeUnknownError(text, code=code, request_id=answer.request_id)
    return TransientError(text, code=code, request_id=answer.request_id)


def _limit_fault(answer: Answer, message: str) -> SyncError:
    # The same code stands for the daily total and for too many long-running calls; only the text's first word,
    # an identifier and not prose, tells them apart. In doubt the daily total is assumed: it is the careful reading.
    kind = RateLimitError if message.startswith("Concurrent") else BudgetSpentError
    return kind(
        f"Salesforce's request limit is reached: {message}",
        code="REQUEST_LIMIT_EXCEEDED",
        advice=_ADVICE["REQUEST_LIMIT_EXCEEDED"],
        retry_after=retry_after(answer.headers),
        request_id=answer.request_id,
    )


def _login_fault(answer: Answer, code: str, message: str) -> SyncError:
    text = f"Salesforce refused the login: {code or answer.status_code}{': ' if message else ''}{message}."
    if is_login_rate(code, message):
        return RateLimitError(text, code=code, request_id=answer.request_id)
    return AuthenticationError(
        text, code=code or "login_refused", advice=oauth_advice(code, message), request_id=answer.request_id
    )
