"""What ServiceNow's answers mean. Its texts are for people; statuses and the constant first words of details decide."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sync.connectors.base import Usage
from sync.connectors.http import Answer, Purpose, TokenRejected, redirected, retry_after
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

_DIGITS = 10  # of a number in a header that is believed
# A 429 that asks for more than this is a rate rule's clock hour used up, not a full queue.
_BUDGET_SECONDS = 30.0
# First words of a 403's detail. Source: ServiceNow REST API response codes; business rules name themselves. The
# words of a unique key are unverified: without them the refusal is FORBIDDEN, and a look-up by key settles it too.
_REFUSALS = (
    ("ACL Exception", "ACL"),
    ("Data Policy Exception", "DATA_POLICY"),
    ("Operation against file", "BUSINESS_RULE"),
    ("Failed API level ACL", "API_ACL"),
    ("Unique Key violation", "DUPLICATE_VALUE"),
)
_WRITE_CODES = {400: "BAD_REQUEST", 403: "FORBIDDEN", 404: "NOT_FOUND", 409: "DUPLICATE_VALUE"}
_READ_FAULTS: Mapping[int, tuple[type[SyncError], str]] = {
    400: (SchemaError, "Check the name of the table and the flow's scope."),
    403: (ConfigurationError, "Give the user a role that may read this table through web services."),
    404: (SchemaError, "Check the name of the table."),
    414: (ConfigurationError, "The query is too long: shorten the flow's scope."),
}
_LOGIN_ADVICE = (
    "ServiceNow gives one answer for many causes. Check the client ID and secret; that the user is active, not locked "
    "and, for the password grant, not marked Web service access only; and that the grant is enabled on the instance."
)


class ServiceNowDialect:
    system = Side.SERVICENOW

    def fault(self, answer: Answer, purpose: Purpose) -> SyncError | None:
        status = answer.status_code
        if 200 <= status < 300:
            return _served(answer, purpose)
        if 300 <= status < 400:
            return redirected(answer)
        text = error_text(answer.data) or f"ServiceNow answered {status}."
        if status in (429, 503) or status >= 500:
            return _server_fault(answer, purpose, text)
        if purpose is Purpose.TOKEN:
            return AuthenticationError(
                f"ServiceNow refused the login: {text}", code="login_refused", advice=_LOGIN_ADVICE,
                request_id=answer.request_id,
            )  # fmt: skip
        if status == 401:
            return TokenRejected(text, request_id=answer.request_id)
        if purpose is Purpose.WRITE:
            return RefusedError(text, code=_refusal_code(status, answer.data), request_id=answer.request_id)
        kind, advice = _READ_FAULTS.get(status, (ConfigurationError, ""))
        return kind(text, code=f"HTTP_{status}", advice=advice, request_id=answer.request_id)

    def usage(self, headers: Mapping[str, str]) -> Usage | None:
        """A rate rule tells its limit and when its hour ends, not what is used of it.

        Source: ServiceNow documentation, "Inbound REST API rate limiting".
        """
        limit, reset = headers.get("X-RateLimit-Limit", ""), headers.get("X-RateLimit-Reset", "")
        if not limit.isdecimal() or len(limit) > _DIGITS:
            return None
        known = reset.isdecimal() and len(reset) <= _DIGITS
        resets_at = datetime.fromtimestamp(int(reset), UTC) if known else None
        return Usage(None, int(limit), headers.get("X-RateLimit-Rule", ""), resets_at)


def _served(answer: Answer, purpose: Purpose) -> SyncError | None:
    """A 2xx that is none: 202 was dropped, and a cancelled transaction adds an error to the status it had sent."""
    if answer.status_code == 202:
        return RateLimitError("ServiceNow accepted the call and dropped it (202).", code="dropped")
    if not isinstance(answer.data, dict) or "error" not in answer.data:
        return None
    text = error_text(answer.data)
    if purpose is Purpose.WRITE:
        return OutcomeUnknownError(text, code="cancelled", request_id=answer.request_id)
    return TransientError(text, code="cancelled", request_id=answer.request_id)


def _server_fault(answer: Answer, purpose: Purpose, text: str) -> SyncError:
    """429 and 503 are turned away at the door; any other server trouble may come after the work was done."""
    after = retry_after(answer.headers)
    code = f"HTTP_{answer.status_code}"
    if answer.status_code == 429:
        kind = BudgetSpentError if (after or 0) > _BUDGET_SECONDS else RateLimitError
        return kind(text, code=code, retry_after=after, request_id=answer.request_id)
    if answer.status_code == 503 or purpose is not Purpose.WRITE:
        return TransientError(text, code=code, retry_after=after, request_id=answer.request_id)
    return OutcomeUnknownError(text, code=code, request_id=answer.request_id)


def _refusal_code(status: int, data: Any) -> str:
    detail = _detail(data)
    found = next((code for words, code in _REFUSALS if detail.startswith(words)), "")
    return found or _WRITE_CODES.get(status, f"HTTP_{status}")


def _detail(data: Any) -> str:
    error = data.get("error") if isinstance(data, dict) else None
    return str(error.get("detail") or "") if isinstance(error, dict) else ""


def error_text(data: Any) -> str:
    """Message and detail of an error body; the token endpoint's has another shape."""
    if not isinstance(data, dict):
        return ""
    error = data.get("error")
    if not isinstance(error, dict):
        return ": ".join(str(text) for text in (error, data.get("error_description")) if text)
    return ": ".join(str(text) for text in (error.get("message"), error.get("detail")) if text)
