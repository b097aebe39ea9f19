"""SOAP login() of Salesforce: user name and password for a session id, which REST takes as a token. It is going away.

Sources: SOAP API Developer Guide, "login()" and "Error Codes"; Salesforce help 005132110 on its retirement.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from lxml import etree

from sync.connectors.auth.credentials import credential
from sync.connectors.auth.tokens import data_origin, next_generation, sendable
from sync.connectors.base import Profile, Token
from sync.connectors.http import CLIENT_NAME, Answer, Purpose, Transport, redirected, unusable
from sync.connectors.login_advice import soap_advice
from sync.errors import AuthenticationError, RateLimitError, SyncError, TransientError

LAST_VERSION = "64.0"  # login() is not part of the API from 65.0 on
_LARGEST_ANSWER = 256 * 1024  # bytes; a login's answer has some 4,000
_HEADERS = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": "login", "Accept": "text/xml"}
_BUSY = ("SERVER_UNAVAILABLE", "UNKNOWN_EXCEPTION", "REQUEST_LIMIT_EXCEEDED")


def log_in(transport: Transport, old: Token | None) -> Token:
    """Raises AuthenticationError with what the fault means; the session ends by itself, which a 401 tells."""
    answer = transport.request(
        "POST",
        f"{transport.origin}/services/Soap/u/{LAST_VERSION}",
        purpose=Purpose.TOKEN,
        headers=_HEADERS,
        data=_envelope(transport.profile),
        judge=_fault,
    )
    found = _texts(answer)
    if found.get("passwordExpired") == "true":
        raise _refused("PASSWORD_EXPIRED", "the password has expired", answer)
    session, server = found.get("sessionId", ""), found.get("serverUrl", "")
    if not sendable(session) or not server:
        unusable(answer, Purpose.TOKEN, "something else than a session")
    origin = data_origin(server, transport)
    identity = f"{transport.origin}/id/{found.get('organizationId', '')}/{found.get('userId', '')}"
    return Token(session, origin, None, next_generation(old), identity=identity)


def _envelope(profile: Profile) -> bytes:
    """The two values are all that is ours in it, and they are escaped."""
    password = credential(profile, "password") + credential(profile, "security_token")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:p="urn:partner.soap.sforce.com">'
        f"<e:Header><p:CallOptions><p:client>{CLIENT_NAME}</p:client></p:CallOptions></e:Header><e:Body><p:login>"
        f"<p:username>{escape(profile.username)}</p:username><p:password>{escape(password)}</p:password>"
        "</p:login></e:Body></e:Envelope>"
    ).encode()


def _fault(answer: Answer) -> SyncError | None:
    """A refusal comes as a fault with status 500, which for other calls would be the server's trouble."""
    if answer.status_code == 200:
        return None
    if 300 <= answer.status_code < 400:
        return redirected(answer)
    found = _texts(answer)
    code = (found.get("exceptionCode") or found.get("faultcode", "")).rpartition(":")[2]
    message = found.get("exceptionMessage") or found.get("faultstring", "")
    if answer.status_code == 429:
        return RateLimitError(message or "Salesforce asks to slow down.", code=code or "HTTP_429")
    if not code or code in _BUSY:
        text = message or f"Salesforce answered {answer.status_code}."
        return TransientError(text, code=code or f"HTTP_{answer.status_code}", request_id=answer.request_id)
    return _refused(code, message, answer)


def _refused(code: str, message: str, answer: Answer) -> AuthenticationError:
    said = message.removeprefix(f"{code}: ").rstrip(".")
    return AuthenticationError(
        f"Salesforce refused the login: {code}{': ' if said else ''}{said}.",
        code=code,
        advice=soap_advice(code),
        request_id=answer.request_id,
    )


def _texts(answer: Answer) -> dict[str, str]:
    """The texts of an answer's elements by local name, the first of each; {} if it is not plain XML.

    The XML is a stranger's: no entities, no document type, no network, and nothing longer than a login needs.
    """
    if len(answer.content) > _LARGEST_ANSWER:
        return {}
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(answer.content, parser)
    except (etree.XMLSyntaxError, ValueError):
        return {}
    if root.getroottree().docinfo.doctype:
        return {}
    found: dict[str, str] = {}
    for element in root.iter(etree.Element):
        found.setdefault(etree.QName(element).localname, (element.text or "").strip())
    return found
