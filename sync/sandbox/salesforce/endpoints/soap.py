"""SOAP login(), a session for a username and a password as older clients still ask for it, and logout().

Source: SOAP guide, "login()", "logout()" and "Error Codes"; the shape of the fault is what simple-salesforce reads,
jsforce sends the logout.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, unescape

from sync.sandbox.salesforce.ids import to15
from sync.sandbox.salesforce.routing import OLDEST, ROUTES
from sync.sandbox.salesforce.sessions import LoginRefused, Session
from sync.sandbox.wire import Request, Response

if TYPE_CHECKING:
    from sync.sandbox.salesforce.platform import SalesforcePlatform

_LAST_VERSION = 64  # login() was removed from the API with version 65
_XML = "text/xml;charset=UTF-8"
_VERSION = re.compile(r"(\d+)\.0")
_OPERATION = re.compile(r"<(?:[\w.-]+:)?Body(?:\s[^>]*)?>\s*<(?:[\w.-]+:)?(\w+)")
_ENTITIES = {"&quot;": '"', "&apos;": "'"}


class Fault(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@ROUTES.route("POST", "/services/Soap/u/{version}")
@ROUTES.route("POST", "/services/Soap/u/{version}/{org_id}")
def answer(platform: SalesforcePlatform, request: Request, version: str, org_id: str = "") -> Response:
    platform.counters.token_request()
    body = request.body.decode("utf-8", "replace")
    operation = _OPERATION.search(body)
    with platform.org.lock:
        try:
            return Response.text(
                _perform(platform, operation[1] if operation else "", body, version), 200, _XML
            )
        except Fault as fault:
            return Response.text(_fault(fault), 500, _XML)


def _perform(platform: SalesforcePlatform, operation: str, body: str, version: str) -> str:
    if operation == "login":
        _check_version(version)
        session = _log_in(platform, _element(body, "username"), _element(body, "password"))
        return _result(platform, session, version)
    if not platform.sessions.living(token := _element(body, "sessionId")):
        raise Fault("INVALID_SESSION_ID", "Invalid Session ID found in SessionHeader: Illegal Session")
    if operation != "logout":
        raise Fault(
            "UNSUPPORTED_CLIENT", f"No operation available for request {operation}"
        )  # UNVERIFIED code
    platform.sessions.end(token)
    return _envelope("<logoutResponse/>")


def _log_in(platform: SalesforcePlatform, username: str, password: str) -> Session:
    sessions = platform.sessions
    if sessions.knows(username, password, security_token=False):
        raise Fault(
            "LOGIN_MUST_USE_SECURITY_TOKEN",
            "Invalid username, password, security token; or user locked out. "
            "Are you at a new location? When accessing Salesforce from outside of your company's trusted "
            "networks, you must add a security token to your password.",
        )
    if not sessions.knows(username, password, security_token=True):
        raise Fault("INVALID_LOGIN", "Invalid username, password, security token; or user locked out.")
    try:
        return sessions.open(platform.credentials.username)
    except LoginRefused as refusal:
        raise Fault("INVALID_LOGIN", refusal.description) from refusal


def _check_version(text: str) -> None:
    match = _VERSION.fullmatch(text)
    if match is None or not OLDEST <= int(match.group(1)) <= _LAST_VERSION:
        raise Fault("UNSUPPORTED_API_VERSION", f"login() is not available in API version {text}.")


def _element(body: str, name: str) -> str:
    """Return the text of the only element of a name, whatever its prefix; empty without one.

    The two values of a login never hold markup, so no parser has to be trusted with a stranger's XML.
    """
    match = re.search(rf"<(?:[\w.-]+:)?{name}(?:\s[^>]*)?>([^<]*)</", body)
    return unescape(match.group(1), _ENTITIES).strip() if match else ""


def _fault(fault: Fault) -> str:
    code, message = escape(fault.code), escape(fault.message)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:sf="urn:fault.partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<soapenv:Body><soapenv:Fault><faultcode>sf:{code}</faultcode>"
        f"<faultstring>{code}: {message}</faultstring>"
        f'<detail><sf:LoginFault xsi:type="sf:LoginFault"><sf:exceptionCode>{code}</sf:exceptionCode>'
        f"<sf:exceptionMessage>{message}</sf:exceptionMessage></sf:LoginFault></detail>"
        "</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )


def _result(platform: SalesforcePlatform, session: Session, version: str) -> str:
    soap = f"{platform.url}/services/Soap"
    org = to15(platform.org_id)
    return _envelope(
        "<loginResponse><result>"
        f"<metadataServerUrl>{escape(soap)}/m/{version}/{org}</metadataServerUrl>"
        "<passwordExpired>false</passwordExpired><sandbox>true</sandbox>"
        f"<serverUrl>{escape(soap)}/u/{version}/{org}</serverUrl>"
        f"<sessionId>{escape(session.token)}</sessionId><userId>{session.user_id}</userId>"
        f"<userInfo><organizationId>{platform.org_id}</organizationId>"
        f"<sessionSecondsValid>{platform.org.dialect.session_seconds}</sessionSecondsValid>"
        f"<userId>{session.user_id}</userId>"
        f"<userName>{escape(platform.credentials.username)}</userName></userInfo>"
        "</result></loginResponse>"
    )


def _envelope(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        f'xmlns="urn:partner.soap.sforce.com"><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>'
    )
