"""Which addresses a connection may reach: the public internet, and private hosts that an operator has listed.

A platform's address is typed by a person and Salesforce sends another one with each token. Without this policy
either could point the console, with credentials in hand, at a service inside its own network. The check is made
on the address really connected to, after the TCP handshake and before TLS, so that a name that resolves
differently the second time changes nothing.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError

from sync.errors import ConfigurationError, SyncError, TransientError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# RFC 6052: an IPv4 address inside an IPv6 one, behind which a translator would reach it.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Not for the internet, though Python calls them global: site-local addresses (RFC 3879), a network's own
# translators (RFC 8215), and two former ways to write an IPv4 address (RFC 4291, RFC 2765).
_INTERNAL = tuple(
    ipaddress.IPv6Network(network) for network in ("fec0::/10", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96")
)
_USER_PART = re.compile(r"//[^/?#]*@")
_SALESFORCE_DOMAINS = (".salesforce.com", ".force.com", ".salesforce.mil", ".sfcrmproducts.cn")
_NO_SUCH_NAME = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
_CERTIFICATE_ADVICE = (
    "Check the address. If the server uses a certificate authority of your own, name its PEM file as the "
    "connection's CA bundle."
)


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What `allowed_hosts` of a connection permits. A listed host name permits whatever it resolves to."""

    names: frozenset[str]
    networks: tuple[Network, ...]

    @classmethod
    def of(cls, allowed_hosts: Sequence[str]) -> AddressPolicy:
        names, networks = set(), []
        for entry in allowed_hosts:
            try:
                networks.append(ipaddress.ip_network(entry.strip().strip("[]"), strict=False))
            except ValueError:
                names.add(entry.strip().lower().rstrip("."))
        return cls(frozenset(names), tuple(networks))

    def permits(self, host: str, address: str) -> bool:
        if host.lower().rstrip(".") in self.names:
            return True
        peer = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
        if any(peer.version == network.version and peer in network for network in self.networks):
            return True
        if any(peer in network for network in _INTERNAL if peer.version == network.version):
            return False
        return peer.is_global and not peer.is_multicast

    def lists(self, host: str) -> bool:
        """Whether an operator has named this host, or its literal address."""
        if host.lower().rstrip(".") in self.names:
            return True
        try:
            peer = _unwrapped(ipaddress.ip_address(host))
        except ValueError:
            return False
        return any(peer.version == network.version and peer in network for network in self.networks)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 notation carries, so that ::ffff:127.0.0.1 does not pass for a public one."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def checked_origin(url: str) -> str:
    """Return `https://host[:port]` of an address, or raise ConfigurationError saying what is wrong with it."""
    shown = repr(_USER_PART.sub("//", url))  # a password that was typed into it is not repeated
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _bad_url(f"{shown} is not an address.") from None
    if any(letter.isspace() for letter in url.strip()):  # urlsplit drops some of them without a word
        raise _bad_url(f"{shown} is not an address: there is a blank or a line end in it.")
    if parts.scheme == "http":
        raise ConfigurationError(
            f"{shown} starts with http://, which would send credentials in the clear.",
            code="not_https",
            advice="Write the address with https://.",
        )
    if parts.scheme != "https" or not host:
        raise _bad_url(f"{shown} is not an https:// address.")
    if parts.username or parts.password:
        raise _bad_url(
            "The address holds a user name or password; they belong in the connection's own fields."
        )
    name = f"[{host}]" if ":" in host else host
    return f"https://{name}" if port in (None, 443) else f"https://{name}:{port}"


def _bad_url(message: str) -> ConfigurationError:
    return ConfigurationError(message, code="bad_url", advice="Write it like https://acme.service-now.com.")


def checked_instance_url(url: str, *, login_url: str, policy: AddressPolicy) -> str:
    """Return the origin that Salesforce named with a token, if it is one to send that token to."""
    origin = checked_origin(url)
    host = urlsplit(origin).hostname or ""
    if host == urlsplit(login_url).hostname or host.endswith(_SALESFORCE_DOMAINS) or policy.lists(host):
        return origin
    raise ConfigurationError(
        f"The login answered with the data address {origin}, which is not a Salesforce host.",
        code="instance_url_not_allowed",
        advice="Check the login address; if the host is yours, add it to CONNECTION_ALLOWED_HOSTS and restart.",
    )


def tls_context(ca_bundle: str) -> ssl.SSLContext:
    """A verifying context that trusts `ca_bundle` alone, or the system's authorities if that is ""."""
    try:
        context = ssl.create_default_context(cafile=ca_bundle or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"The CA bundle {ca_bundle} cannot be read: {error.strerror or error}.",
            code="ca_bundle",
            advice="Name a PEM file that this user may read, or leave the field empty for the system's authorities.",
        ) from error
    paths = ssl.get_default_verify_paths()
    if not ca_bundle and not any(path and os.path.exists(path) for path in (paths.cafile, paths.capath)):
        import certifi  # a Python built without the system's store: requests brings this one

        context.load_verify_locations(certifi.where())
    return context


class GuardedConnection(HTTPSConnection):
    """A TLS connection that checks its peer and sorts what fails before a request can have left.

    urllib3 lets a SyncError pass through unchanged, so that whatever it raises *itself* happened after the
    connection stood: that is the line between "never sent" and "unknown".
    """

    policy: AddressPolicy

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        address = sock.getpeername()[0]
        if self.policy.permits(self.host, address):
            return sock
        sock.close()
        named = f"{address} is" if self.host == address else f"{self.host} is {address},"
        raise ConfigurationError(
            f"{named} a private address, which connections may not reach.",
            code="address_not_allowed",
            advice="If that is intended, add the host or its network to CONNECTION_ALLOWED_HOSTS and restart.",
        )

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, HTTPError) as error:
            self.close()
            raise _connect_error(error, f"{self.host}:{self.port}") from error


def _connect_error(error: Exception, where: str) -> SyncError:
    """Sort what kept a connection from standing; nothing was sent in any of these cases."""
    if isinstance(error, NameResolutionError):
        return _name_error(error, where)
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConfigurationError(
            f"The certificate of {where} is not trusted: {error.verify_message or error.reason}.",
            code="untrusted_certificate",
            advice=_CERTIFICATE_ADVICE,
        )
    if isinstance(error, ssl.SSLError) and "WRONG_VERSION_NUMBER" in str(error):
        return ConfigurationError(
            f"{where} does not speak TLS.", code="not_https", advice="Check host and port."
        )
    if isinstance(error, NewConnectionError):  # a subclass of the time-out below
        cause = error.__cause__
        reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else "no route"
        return TransientError(
            f"No connection to {where}: {reason}.",
            code="connect_failed",
            advice="Check host and port, and that a firewall lets the console through.",
        )
    if isinstance(error, ConnectTimeoutError | TimeoutError):
        return TransientError(f"{where} did not answer the connection in time.", code="connect_timeout")
    return TransientError(
        f"The TLS handshake with {where} failed: {type(error).__name__}.", code="tls_failed"
    )


def _name_error(error: NameResolutionError, where: str) -> SyncError:
    cause = error.__cause__
    if isinstance(cause, socket.gaierror) and cause.errno in _NO_SUCH_NAME:
        return ConfigurationError(
            f"There is no host {where.rpartition(':')[0]}.",
            code="unknown_host",
            advice="Check the address for typing errors.",
        )
    return TransientError(f"The name of {where} could not be looked up just now.", code="name_lookup_failed")


class GuardedAdapter(HTTPAdapter):
    """requests' adapter with our TLS context and guarded connections; nothing is retried here."""

    def __init__(self, policy: AddressPolicy, context: ssl.SSLContext, *, pool: int) -> None:
        self._policy = policy
        self._context = context
        super().__init__(pool_connections=4, pool_maxsize=pool, max_retries=0, pool_block=True)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **pool_kwargs)
        connection = type("PolicyConnection", (GuardedConnection,), {"policy": self._policy})
        pool = type("PolicyPool", (HTTPSConnectionPool,), {"ConnectionCls": connection})
        self.poolmanager.pool_classes_by_scheme = {"https": pool}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        # The context already holds the authorities; requests would add certifi's list to it.
        conn.cert_reqs = "CERT_REQUIRED"
