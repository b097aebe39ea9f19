"""SOAP login of Salesforce: a session, faults with what to do, and answers that are not to be trusted."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from sync.connectors.auth import InMemoryTokenStore, soap
from sync.connectors.base import Profile
from sync.connectors.registry import open_transport
from sync.connectors.salesforce.connector import SalesforceConnector
from sync.errors import AuthenticationError, ConfigurationError, RateLimitError, TransientError
from sync.sandbox.authority import make_authority

OpenSalesforce = Callable[..., SalesforceConnector]


def test_soap_login_gives_a_session_for_data_calls(open_salesforce: OpenSalesforce) -> None:
    tokens = InMemoryTokenStore()
    connector = open_salesforce(auth="soap_login", tokens=tokens)

    assert connector.count("Case", "") == 0
    token = tokens.load()
    assert token is not None
    assert token.identity.split("/")[-2].startswith("00D")


@pytest.mark.parametrize(
    ("secrets", "code", "advised"),
    [
        ({"password": "<wrong> & ]]>"}, "INVALID_LOGIN", "locked out"),
        ({"security_token": ""}, "LOGIN_MUST_USE_SECURITY_TOKEN", "Reset My Security Token"),
    ],
)
def test_a_soap_fault_is_an_authentication_error_with_what_to_do(
    salesforce_profile: Callable[..., Profile],
    open_salesforce: OpenSalesforce,
    secrets: dict[str, str],
    code: str,
    advised: str,
) -> None:
    held = salesforce_profile().secrets | secrets

    with pytest.raises(AuthenticationError) as caught:
        open_salesforce(auth="soap_login", secrets=held).count("Case", "")

    assert caught.value.code == code
    assert advised in caught.value.advice
    assert held["password"] not in str(caught.value)


FAULT = (
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault><faultcode>sf:{code}</faultcode>'
    "<faultstring>{code}: no</faultstring></e:Fault></e:Body></e:Envelope>"
)
RESULT = "<r><sessionId>{session}</sessionId><serverUrl>{server}</serverUrl><passwordExpired>{expired}</passwordExpired></r>"
BILLION = (
    '<!DOCTYPE r [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
    "<r><sessionId>&b;&c;</sessionId><serverUrl>https://acme.my.salesforce.com/s</serverUrl></r>"
)


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (500, FAULT.format(code="API_DISABLED_FOR_ORG"), AuthenticationError, "API_DISABLED_FOR_ORG"),
        (500, FAULT.format(code="SERVER_UNAVAILABLE"), TransientError, "no"),
        (503, "<html>Maintenance</html>", TransientError, "503"),
        (429, "", RateLimitError, "slow down"),
        (200, RESULT.format(session="s", server="https://evil.example/x", expired="false"), ConfigurationError, "evil"),
        (200, RESULT.format(session="s", server="https://a.salesforce.com/", expired="true"), AuthenticationError, "expired"),
        (200, RESULT.format(session="s", server="https://[::1", expired="false"), ConfigurationError, "not an address"),
        (200, RESULT.format(session="\u20ac", server="https://a.salesforce.com/", expired="false"), TransientError, "a session"),
        (200, BILLION, TransientError, "something else than a session"),
        (200, "<r>" + " " * 300_000 + "</r>", TransientError, "something else than a session"),
    ],
    ids=["disabled", "busy", "down", "limit", "foreign-server", "expired", "no-server", "no-session", "entities", "long"],
)  # fmt: skip
def test_what_else_answers_a_soap_login_is_sorted(
    salesforce_profile: Callable[..., Profile],
    tmp_path_factory: pytest.TempPathFactory,
    status: int,
    body: str,
    kind: type[Exception],
    said: str,
) -> None:
    with answering(status, body, tmp_path_factory) as (url, ca_file):
        profile = salesforce_profile(auth="soap_login", url=url, ca_bundle=ca_file)
        with closing(open_transport(profile, lambda call: None)) as there, pytest.raises(kind, match=said):
            soap.log_in(there, None)


@contextmanager
def answering(status: int, body: str, folders: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A TLS server that gives one request this answer, whatever it asks."""
    authority = make_authority()
    listener = socket.create_server(("127.0.0.1", 0))
    text = body.encode()
    head = f"HTTP/1.1 {status} x\r\nContent-Type: text/xml\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"

    def serve() -> None:
        peer, _ = listener.accept()
        with authority.server_context().wrap_socket(peer, server_side=True) as sock:
            received = sock.recv(65536)
            while b"</e:Envelope>" not in received:
                received += sock.recv(65536)
            sock.sendall(head.encode() + text)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    ca_file = authority.write_ca(folders.mktemp("ca"))
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", str(ca_file)
    finally:
        thread.join(5)
        listener.close()
