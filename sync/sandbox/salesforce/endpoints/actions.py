"""Invocable actions: what there is, and `emailSimple`, which sends an e-mail of a subject, a text and at most five people.

Each input is an invocation of its own; one that fails makes the answer 400 and leaves the others done. Source: Actions
Developer Guide, "Invocable Actions" and "Send Email Actions"; the texts of its errors are made up but for their codes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sync.sandbox.salesforce.objects.mail import SENT
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.routing import Call, api
from sync.sandbox.salesforce.saving import Writer
from sync.sandbox.wire import Response

MOST_RECIPIENTS = 5
_DAY = 24 * 3600
_EMAIL = re.compile(r"[^@\s,]+@[^@\s,]+\.[^@\s,]+")
Input = Mapping[str, Any]
Invocation = Callable[[Call, Writer, Input], object]  # returns the output values


@api("GET", "/actions")
def kinds(call: Call) -> Response:
    return Response.json(
        {"standard": f"{call.base}/actions/standard", "custom": f"{call.base}/actions/custom"}
    )


@api("GET", "/actions/standard")
def standard(call: Call) -> Response:
    actions = [
        {"label": label, "name": name, "type": name.upper(), "url": f"{call.base}/actions/standard/{name}"}
        for name, (label, _) in STANDARD.items()
    ]
    return Response.json({"actions": actions})


@api("POST", "/actions/standard/{name}")
def invoke(call: Call, name: str) -> Response:
    """Answer a result for each input, in their order."""
    if name not in STANDARD:
        raise Refusal("NOT_FOUND", "The requested resource does not exist")
    inputs = call.json_object().get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(each, dict) for each in inputs):
        raise Refusal("JSON_PARSER_ERROR", "The HTTP entity body needs a list of inputs.")
    results = [_invoked(call, name, each) for each in inputs]
    failed = any(not result["isSuccess"] for result in results)
    return Response.json(results, 400 if failed else 200)


def _invoked(call: Call, name: str, given: Input) -> dict[str, object]:
    writer = call.writer()
    try:
        output, errors = STANDARD[name][1](call, writer, given), None
        call.count(writer)
    except Refusal as refusal:
        writer.rollback()
        output, errors = None, [refusal.problem.as_record_error()]
    return {"actionName": name, "errors": errors, "isSuccess": errors is None, "outputValues": output}


def email_simple(call: Call, writer: Writer, given: Input) -> None:
    """Keep the mail among those that were sent. Raises Refusal."""
    for needed in ("emailSubject", "emailBody"):
        if not given.get(needed):
            raise Refusal("REQUIRED_FIELD_MISSING", f"Missing required input parameter: {needed}", needed)
    recipients = _recipients(given)
    sender = _sender(call, given)
    if _sent_today(call) >= call.org.settings.daily_emails:
        raise Refusal("SINGLE_EMAIL_LIMIT_EXCEEDED", "The org's daily limit of e-mails is reached.")
    mail = {
        "Subject": str(given["emailSubject"]),
        "Body": str(given["emailBody"]),
        "Recipients": ", ".join(recipients),
        "Sender": sender,
        "RelatedRecordId": given.get("relatedRecordId") or None,
    }
    writer.put(SENT, mail)


def _recipients(given: Input) -> list[str]:
    """The addresses of both parameters. Raises Refusal for none, too many, or one that is none."""
    listed = given.get("emailAddressesArray") or []
    texts = [*str(given.get("emailAddresses") or "").split(","), *(str(each) for each in listed)]
    found = [text.strip() for text in texts if text.strip()]
    if not found:
        raise Refusal("REQUIRED_FIELD_MISSING", "Missing required input parameter: emailAddresses")
    if len(found) > MOST_RECIPIENTS:
        raise Refusal("LIMIT_EXCEEDED", f"At most {MOST_RECIPIENTS} recipients are allowed.")
    for address in found:
        if not _EMAIL.fullmatch(address):
            raise Refusal("INVALID_EMAIL_ADDRESS", f"Email address is invalid: {address}", "emailAddresses")
    return found


def _sender(call: Call, given: Input) -> str:
    kind = given.get("senderType") or "CurrentUser"
    if kind == "OrgWideEmailAddress":
        return str(given.get("senderAddress") or "")
    users = call.org.tables["User"]
    return str(users.rows[call.user_id].values[users.slots["Email"]])


def _sent_today(call: Call) -> int:
    table, since = call.org.tables[SENT], call.org.now() - _DAY
    created = table.slots["CreatedDate"]
    return sum(int(row.values[created] or 0) > since for row in table.rows.values())


STANDARD: dict[str, tuple[str, Invocation]] = {"emailSimple": ("Send Email", email_simple)}
