"""E-mail by the console's own server (EMAIL_URL): sent once, with an outcome that says whether it may have left.

What fails before the server was given the message has not been sent. A server's own refusal is one; a connection that is lost
after that leaves it unknown.
"""

from __future__ import annotations

import smtplib
from contextlib import suppress
from dataclasses import dataclass, replace
from email.errors import MessageError
from email.utils import getaddresses
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from mappings.values import Unmapped
from sync.core.records import Refusal, Reply, WriteResult
from sync.errors import TransientError

MOST = 50  # recipients of one message
PATIENCE = 30  # seconds for the mail server, unless EMAIL_URL says
REFUSALS = (
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPSenderRefused,
    smtplib.SMTPDataError,
    smtplib.SMTPNotSupportedError,
)


@dataclass(frozen=True, slots=True)
class Mail:
    to: tuple[str, ...]
    subject: str
    text: str
    key: str  # the same at each attempt: servers that look for it do not deliver it twice


def addresses(text: str) -> tuple[str, ...]:
    """Separated by commas or semicolons. Raises Unmapped."""
    found = tuple(dict.fromkeys(address for _, address in getaddresses([text.replace(";", ",")]) if address))
    bad = [each for each in found if each.count("@") != 1 or " " in each or not each.isprintable()]
    if not found or bad or len(found) > MOST:
        raise _no_address(
            f"{bad[0]!r} is no e-mail address." if bad else f"1 to {MOST} e-mail addresses are needed."
        )
    return found


def _no_address(what: str) -> Unmapped:
    advice = "Correct the address in the record, or the step's text, then retry."
    return Unmapped(what, code="NO_ADDRESS", advice=advice)


def check(mail: Mail) -> None:
    """Write the message as it would be sent: what no message can hold is told before anything is. Raises Unmapped."""
    for address in mail.to:
        try:
            _message(replace(mail, to=(address,))).message().as_bytes()
        except (ValueError, IndexError, MessageError) as error:  # of which each is raised for some address
            raise _no_address(f"{address!r} is no e-mail address.") from error


def _message(mail: Mail, connection: Any = None) -> EmailMessage:
    return EmailMessage(
        mail.subject, mail.text, to=list(mail.to), connection=connection,
        headers={"Message-ID": f"<{mail.key}@integration-console>", "Auto-Submitted": "auto-generated"},
    )  # fmt: skip


def send(mail: Mail) -> WriteResult:
    connection = get_connection(timeout=settings.EMAIL_TIMEOUT or PATIENCE)
    try:
        connection.open()
    except (OSError, smtplib.SMTPException) as error:
        fault = TransientError(
            f"The mail server cannot be reached: {type(error).__name__}.", code="mail_server"
        )
        return WriteResult(mail.key, Reply.REFUSED, refusal=Refusal("MAIL_SERVER", fault.message, retry=True))
    try:
        _message(mail, connection).send()
    except REFUSALS as error:
        return WriteResult(mail.key, Reply.REFUSED, refusal=_refusal(error))
    except (OSError, smtplib.SMTPException) as error:
        return WriteResult(
            mail.key, Reply.UNKNOWN, message=f"The mail server's answer was lost: {type(error).__name__}."
        )
    finally:
        with suppress(OSError, smtplib.SMTPException):
            connection.close()
    return WriteResult(mail.key, Reply.DONE)


def _refusal(error: smtplib.SMTPException) -> Refusal:
    code = int(getattr(error, "smtp_code", 0) or 0)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = max((int(told[0]) for told in error.recipients.values()), default=0)
    return Refusal("MAIL_REFUSED", f"The mail server refused the message ({code}).", retry=400 <= code < 500)
