"""Answers that say no, in the platform's own words.

`status` in the body is a constant word and not a number; 401 and 403 have several meanings told apart by their text
alone. Wordings marked UNVERIFIED stand for those whose real text is not public.
"""

from __future__ import annotations

from sync.sandbox.wire import Response


class Refused(Exception):
    """A write the platform refuses for this record; `detail` as on the wire."""

    def __init__(self, detail: str | None, *, message: str = "Operation Failed", status: int = 403) -> None:
        super().__init__(detail or message)
        self.detail = detail
        self.message = message
        self.status = status

    def response(self) -> Response:
        return error(self.status, self.message, self.detail)


def error(status: int, message: str, detail: str | None = None) -> Response:
    return Response.json({"error": {"message": message, "detail": detail}, "status": "failure"}, status)


def not_authenticated(scheme: str = "Basic") -> Response:
    response = error(401, "User Not Authenticated", "Required to provide Auth information")
    response.headers["WWW-Authenticate"] = f'{scheme} realm="Service-now"'
    return response


def no_resource(status: int = 400) -> Response:
    return error(status, "Requested URI does not represent any resource")


def url_too_long(status: int) -> Response:
    """What the front end answers before any API sees the call."""
    page = "<!DOCTYPE html><html><head><title>Error</title></head><body><h1>URI too long</h1></body></html>"
    return Response.text(page, status, "text/html;charset=UTF-8")


def wrong_method() -> Response:
    return error(405, "Method not allowed")  # UNVERIFIED wording


def invalid_table(name: str) -> Response:
    return error(400, f"Invalid table {name}")


def not_found() -> Response:
    return error(404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval")


def missing() -> Refused:
    """What `not_found` answers, from where an answer cannot be returned."""
    return Refused(
        "Record doesn't exist or ACL restricts the record retrieval", message="No Record found", status=404
    )


def unreadable(detail: str) -> Response:
    return error(400, "Exception while reading request", detail)


def acl(action: str) -> Refused:
    """`action`: Insert, Update or Delete."""
    return Refused(f"ACL Exception {action} Failed due to security constraints")


def data_policy(labels: str) -> Refused:
    return Refused(f"Data Policy Exception: The following fields are mandatory: {labels}")  # wording varies


def aborted(table: str, rule: str, rule_id: str) -> Refused:
    return Refused(
        f"Operation against file '{table}' was aborted by Business Rule '{rule}^{rule_id}'. "
        f"Business Rule Stack:{rule}"
    )


def unique_key(table: str, answer: str = "unique_key") -> Refused:
    """What a second insert under one sys_id says; UNVERIFIED, so that the dialect has a switch for it."""
    if answer == "plain":
        return Refused("Insert failed")
    text = f"Unique Key violation detected by database on table {table}"
    return Refused(text, status=409 if answer == "conflict" else 403)


def too_long(label: str, length: int) -> Refused:
    return Refused(f"Data value too long for {label}: at most {length} characters")  # UNVERIFIED wording


def oauth_refused(cause: str = "") -> Response:
    """What nearly every OAuth failure answers: permanent, although it says server_error.

    With a cause: what RFC 6749, section 5.2, says in its place.
    """
    if cause:
        return Response.json({"error": cause}, 401 if cause == "invalid_client" else 400)
    return Response.json({"error_description": "access_denied", "error": "server_error"}, 401)
