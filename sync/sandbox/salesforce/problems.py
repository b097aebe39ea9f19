"""What the platform refuses, and the HTTP status each code travels under."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Codes that are not a plain 400 when a single call fails with them.
_STATUS = {
    "INVALID_SESSION_ID": 401,
    "REQUEST_LIMIT_EXCEEDED": 403,
    "NOT_FOUND": 404,
    "ENTITY_IS_DELETED": 404,
    "METHOD_NOT_ALLOWED": 405,
    "PRECONDITION_FAILED": 412,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "SERVER_UNAVAILABLE": 503,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One error of the platform; `code` is what a client branches on, `message` is for people."""

    code: str
    message: str
    fields: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)  # what only the answer to a single call shows

    def as_call_error(self) -> dict[str, Any]:
        """Return the shape of an error that fails a whole call; `fields` appears only when there are any."""
        body: dict[str, Any] = {**self.details, "message": self.message, "errorCode": self.code}
        if self.fields:
            body["fields"] = list(self.fields)
        return body

    def as_record_error(self) -> dict[str, Any]:
        """Return the shape of an error inside a collection, whose code has another name there."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}


class Refusal(Exception):
    """The platform's no: to one record, or to a whole call. Nothing was written when it is raised."""

    def __init__(
        self,
        code: str,
        message: str,
        *fields: str,
        status: int | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.problem = Problem(code, message, fields, details or {})
        self.status = status or _STATUS.get(code, 400)
