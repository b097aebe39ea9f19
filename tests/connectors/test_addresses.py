"""Which addresses may be reached, and what each failure to connect is called."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from sync.connectors.addresses import AddressPolicy, checked_instance_url, checked_origin
from sync.connectors.servicenow.connector import ServiceNowConnector
from sync.errors import ConfigurationError, TransientError
from sync.sandbox.authority import make_authority
from sync.sandbox.pair import Pair

Open = Callable[..., ServiceNowConnector]


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("10.1.2.3", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::10.1.2.3", False),
        ("2002:7f00:1::", False),
        ("64:ff9b:1::10.1.2.3", False),
        ("::127.0.0.1", False),
        ("::ffff:0:127.0.0.1", False),
        ("fec0::1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
    ],
)
def test_only_public_addresses_are_reached_unasked(address: str, allowed: bool) -> None:
    assert AddressPolicy.of(()).permits("acme.example", address) is allowed


@pytest.mark.parametrize("entry", ["10.1.2.3", "10.0.0.0/8", "acme.example", "ACME.example."])
def test_an_operator_can_list_a_private_host_address_or_network(entry: str) -> None:
    policy = AddressPolicy.of((entry,))

    assert policy.permits("acme.example", "10.1.2.3")
    assert not policy.permits("other.example", "192.168.1.1")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://acme.service-now.com", "not_https"),
        ("ftp://acme.service-now.com", "bad_url"),
        ("acme.service-now.com", "bad_url"),
        ("https://", "bad_url"),
        ("https://abel:secret@acme.service-now.com", "bad_url"),
        ("http://abel:secret@acme.service-now.com", "not_https"),
        ("ftp://abel:secret@acme.service-now.com", "bad_url"),
        ("https://abel:secret@acme.service-now.com:notaport", "bad_url"),
        ("https://abel:secret@[acme", "bad_url"),
        ("https://acme.service-now.com:notaport", "bad_url"),
        ("https://acme .service-now.com", "bad_url"),
        ("https://acme.\nservice-now.com", "bad_url"),
    ],
)
def test_an_address_that_cannot_work_is_refused_before_anything_is_sent(url: str, code: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        checked_origin(url)
    assert caught.value.code == code
    assert caught.value.advice
    assert "secret" not in str(caught.value)


def test_a_token_is_only_sent_to_a_salesforce_host_the_login_host_or_a_listed_one() -> None:
    login, policy = "https://login.acme.example", AddressPolicy.of(("data.acme.example",))

    for url in (
        "https://acme.my.salesforce.com",
        "https://login.acme.example",
        "https://data.acme.example:8443",
    ):
        assert checked_instance_url(url, login_url=login, policy=policy) == url
    for url in (
        "https://evil.example",
        "http://acme.my.salesforce.com",
        "https://salesforce.com.evil.example",
    ):
        with pytest.raises(ConfigurationError):
            checked_instance_url(url, login_url=login, policy=policy)


def test_a_host_that_resolves_to_this_machine_is_not_reached_unless_listed(
    pair: Pair, open_servicenow: Open
) -> None:
    url = f"https://localhost:{pair.servicenow.server.port}"
    connector = open_servicenow(url=url, allowed_hosts=())

    with pytest.raises(ConfigurationError, match="private address") as caught:
        connector.count("incident", "")

    assert caught.value.code == "address_not_allowed"
    assert pair.servicenow.counters.calls == 0
    assert open_servicenow(url=url, allowed_hosts=("localhost",)).count("incident", "") == 0


def test_an_untrusted_certificate_is_named_with_what_to_do(
    pair: Pair, open_servicenow: Open, tmp_path: object
) -> None:
    stranger = make_authority().write_ca(tmp_path)  # type: ignore[arg-type]
    connector = open_servicenow(ca_bundle=str(stranger))

    with pytest.raises(ConfigurationError) as caught:
        connector.count("incident", "")

    assert caught.value.code == "untrusted_certificate"
    assert "CA bundle" in caught.value.advice
    assert pair.servicenow.counters.calls == 0


def test_the_systems_authorities_do_not_trust_the_sandbox(open_servicenow: Open) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_servicenow(ca_bundle="").count("incident", "")
    assert caught.value.code == "untrusted_certificate"


def test_a_ca_bundle_that_is_not_there_is_named(open_servicenow: Open) -> None:
    with pytest.raises(ConfigurationError, match="nowhere.pem"):
        open_servicenow(ca_bundle="nowhere.pem")


def test_an_unknown_host_is_a_matter_of_configuration(open_servicenow: Open) -> None:
    with pytest.raises(ConfigurationError, match="no host acme.invalid"):
        open_servicenow(url="https://acme.invalid").count("incident", "")


def test_a_dead_host_is_transient_and_tried_again(open_servicenow: Open, observed: object) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    connector = open_servicenow(url=f"https://127.0.0.1:{port}", auth="basic")

    with pytest.raises(TransientError, match="refused") as caught:
        connector.count("incident", "")

    assert caught.value.code == "connect_failed"
    assert len(observed.pauses) == 3  # type: ignore[attr-defined]


def test_a_host_that_speaks_no_tls_is_named(open_servicenow: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        import threading

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        server = threading.Thread(target=answer)
        server.start()
        connector = open_servicenow(url=f"https://127.0.0.1:{listener.getsockname()[1]}", auth="basic")
        with pytest.raises(ConfigurationError, match="does not speak TLS"):
            connector.count("incident", "")
        server.join()
