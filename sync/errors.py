"""What can go wrong, sorted by what to do next; no caller parses a message.

SyncError
├── ConfigurationError     an operator must change something: stop the run, name what to fix
│   ├── AuthenticationError    the platform refused the credentials
│   └── SchemaError            a table, object or field that is not there (or not visible to our user)
├── TransientError         nothing written, or repeating is harmless: back off; carries retry_after (s)
│   ├── RateLimitError         the platform asks to slow down
│   ├── BudgetSpentError       the window's calls are used up: defer the run, do not retry it now
│   └── CircuitOpenError       the platform has failed too often in a row: defer the run until it is tried again
├── OutcomeUnknownError    the request left, no answer came: look up by key, then decide
├── RecordError            this record only: dead letter, carry on
│   ├── InvalidRecordError     the mapping cannot make a value from it
│   └── RefusedError           the platform said no to it
├── NotYetError            a reference has no counterpart yet: wait, retry with later runs
└── RunAborted             cancelled, or the lease is lost: stop cleanly, keep the checkpoint
    └── LeaseLostError         another worker holds the lane now: commit nothing
"""

from __future__ import annotations


class SyncError(Exception):
    """Base of all expected failures.

    `code` is the platform's or our own stable word for it, `advice` one sentence saying what to do,
    `request_id` the remote's id of the call, `system` the platform it happened at. Messages never hold a secret.
    """

    code = "error"
    system = ""  # "servicenow", "salesforce", or "" where it is not one platform's

    def __init__(self, message: str, *, code: str = "", advice: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.advice = advice
        self.request_id = request_id

    def __str__(self) -> str:
        return self.message

    @property
    def told(self) -> str:
        """Message and advice as sentences; what a platform says often ends without a full stop."""
        said = (
            self.message
            if not self.advice or self.message.endswith((".", "!", "?", ":"))
            else f"{self.message}."
        )
        return f"{said} {self.advice}".strip()


class ConfigurationError(SyncError):
    code = "configuration"


class AuthenticationError(ConfigurationError):
    code = "authentication"


class SchemaError(ConfigurationError):
    code = "schema"


class TransientError(SyncError):
    code = "transient"

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        code: str = "",
        advice: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, code=code, advice=advice, request_id=request_id)
        self.retry_after = retry_after  # seconds, as the server asked; None if it did not


class RateLimitError(TransientError):
    code = "rate_limit"


class BudgetSpentError(TransientError):
    code = "budget_spent"


class CircuitOpenError(TransientError):
    code = "circuit_open"


class OutcomeUnknownError(SyncError):
    code = "outcome_unknown"


class RecordError(SyncError):
    """`field` is the target field (or "" if the record as a whole), `value` what was refused, as text."""

    code = "record"

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        value: str = "",
        code: str = "",
        advice: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, code=code, advice=advice, request_id=request_id)
        self.field = field
        self.value = value


class InvalidRecordError(RecordError):
    code = "invalid"


class RefusedError(RecordError):
    code = "refused"


class NotYetError(SyncError):
    code = "waiting"


class RunAborted(SyncError):
    code = "aborted"


class LeaseLostError(RunAborted):
    code = "lease_lost"
