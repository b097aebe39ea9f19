"""E-mail by the console's own server (EMAIL_URL): sent once, with an outcome that says whether it may have left.

What fails before the server was given the message has not been sent. A server's own refusal is one; a connection that is lost
after that leaves it unknown. A server may refuse some of the recipients and take the message for the others: those have it and
are not sent it again, and whom it refused is told, which Django's own backend does not.
"""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from email.errors import MessageError
from email.utils import getaddresses
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends import smtp
from django.core.mail.message import sanitize_address

from mappings.values import Unmapped
from sync.core.records import Refusal, Reply, WriteResult
from sync.errors import TransientError

MOST = 50  # recipients of one message
PATIENCE = 30  # seconds for the mail server, unless EMAIL_URL says
REFUSALS = (
    smtplib.SMTPSenderRefused,
    smtplib.SMTPDataError,
    smtplib.SMTPNotSupportedError,
)
TELLING = {"django.core.mail.backends.smtp.EmailBackend": "sync.engine.mailing.Backend"}
Refused = Mapping[str, tuple[int, bytes]]  # address -> the server's code and words
logger = logging.getLogger(__name__)


class _Telling:
    """What smtplib's two classes lack: whom the server refused, also where the rest of the exchange fails."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.refused: dict[str, tuple[int, bytes]] = {}
        super().__init__(*args, **kwargs)

    def rcpt(self, recip: str, options: Any = ()) -> tuple[int, bytes]:
        code, said = super().rcpt(recip, options)  # type: ignore[misc]
        if code not in (250, 251):
            self.refused[recip] = (code, said)
        return code, said


class _SMTP(_Telling, smtplib.SMTP):
    pass


class _SMTPOverTLS(_Telling, smtplib.SMTP_SSL):
    pass


class Backend(smtp.EmailBackend):
    """Django's, on a connection that remembers whom the server refused."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _SMTPOverTLS if self.use_ssl else _SMTP


@dataclass(frozen=True, slots=True)
class Mail:
    """`had`: who has it since an earlier attempt."""

    to: tuple[str, ...]
    subject: str
    text: str
    key: str  # the same at each attempt: servers that look for it do not deliver it twice
    had: frozenset[str] = frozenset()

    @property
    def left(self) -> tuple[str, ...]:
        return tuple(address for address in self.to if address not in self.had)


@dataclass(frozen=True, slots=True)
class Sent:
    """`had`: who has the message now."""

    result: WriteResult
    had: frozenset[str]


class _Message(EmailMessage):
    """To all of its recipients by its head, and handed over for those alone who have not had it."""

    left: tuple[str, ...] = ()

    def recipients(self) -> list[str]:
        return list(self.left)


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
    message = _Message(
        mail.subject, mail.text, to=list(mail.to), connection=connection,
        headers={"Message-ID": f"<{mail.key}@integration-console>", "Auto-Submitted": "auto-generated"},
    )  # fmt: skip
    message.left = mail.left
    return message


def send(mail: Mail) -> Sent:
    """To those who have not had it."""
    if not mail.left:
        return Sent(WriteResult(mail.key, Reply.DONE), mail.had)
    backend = TELLING.get(settings.EMAIL_BACKEND)
    connection = get_connection(backend, timeout=settings.EMAIL_TIMEOUT or PATIENCE)
    try:
        connection.open()
    except (OSError, smtplib.SMTPException) as error:
        fault = TransientError(
            f"The mail server cannot be reached: {type(error).__name__}.", code="mail_server"
        )
        return Sent(_refused(mail, Refusal("MAIL_SERVER", fault.message, retry=True)), mail.had)
    refused: Refused = getattr(
        getattr(connection, "connection", None), "refused", {}
    )  # filled by what follows
    try:
        _message(mail, connection).send()
    except smtplib.SMTPRecipientsRefused as error:  # nobody is left whom it would be handed over for
        return Sent(_refused(mail, _refusal_of(mail, mail.had, error.recipients)), mail.had)
    except REFUSALS as error:
        return Sent(_refused(mail, _refusal(error)), mail.had)
    except (OSError, smtplib.SMTPException) as error:
        lost = f"The mail server's answer was lost: {type(error).__name__}."
        told = f"{lost} {_told(mail, refused)}" if refused else lost
        return Sent(WriteResult(mail.key, Reply.UNKNOWN, message=told), mail.had)
    finally:
        with suppress(OSError, smtplib.SMTPException):
            connection.close()
    had = mail.had | (frozenset(mail.left) - _by_address(mail, refused).keys())
    if refused:
        return Sent(_refused(mail, _refusal_of(mail, had, refused)), had)
    return Sent(WriteResult(mail.key, Reply.DONE), had)


def _refused(mail: Mail, refusal: Refusal) -> WriteResult:
    return WriteResult(mail.key, Reply.REFUSED, refusal=refusal)


def _refusal(error: smtplib.SMTPException) -> Refusal:
    code = int(getattr(error, "smtp_code", 0) or 0)
    return Refusal("MAIL_REFUSED", f"The mail server refused the message ({code}).", retry=400 <= code < 500)


def _refusal_of(mail: Mail, had: frozenset[str], refused: Refused) -> Refusal:
    """It is tried again by itself while there is one whom the server may take later; to the others that does no harm."""
    codes = sorted({code for code, _ in refused.values()})
    logger.warning(
        "mail %s: the server refused %d of %d recipients (%s)",
        mail.key, len(refused), len(mail.to), ", ".join(map(str, codes)),
    )  # fmt: skip
    has = sum(address in had for address in mail.to)
    others = (
        f" {has} of {len(mail.to)} recipients {'has' if has == 1 else 'have'} the message." if has else ""
    )
    return Refusal(
        "RECIPIENTS_REFUSED", _told(mail, refused) + others, retry=any(400 <= code < 500 for code in codes)
    )


def _told(mail: Mail, refused: Refused) -> str:
    """Whom the server refused, and with which words."""
    each = [
        f"{address} ({code} {' '.join(said.decode(errors='replace').split())})"
        for address, (code, said) in _by_address(mail, refused).items()
    ]
    return f"The mail server refused {', '.join(each)}."


def _by_address(mail: Mail, refused: Refused) -> Refused:
    """By the addresses as they were given: the server was told them as the wire has them."""
    wire = {sanitize_address(address, "utf-8"): address for address in mail.to}
    return {wire.get(address, address): told for address, told in refused.items()}
