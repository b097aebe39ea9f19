"""Signed assertions for the JWT bearer grant.

Sources: RFC 7523; Salesforce help, "OAuth 2.0 JWT Bearer Flow"; ServiceNow, "Configure an OAuth JWT endpoint".
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sync.connectors.auth.credentials import credential
from sync.connectors.base import Profile
from sync.connectors.http import Transport
from sync.core.records import Side
from sync.errors import ConfigurationError

# Salesforce refuses an assertion that lives longer than three minutes beyond its clock's tolerance.
LIFETIME = timedelta(seconds=150)
PRODUCTION, SANDBOX = "https://login.salesforce.com", "https://test.salesforce.com"
_SMALLEST_KEY = 2048  # bits, RFC 7518 section 3.3
# Answered without credentials: all we want of them is the Date header.
_CLOCKS = {Side.SERVICENOW: "/api/now/v2/table/sys_user?sysparm_limit=1", Side.SALESFORCE: "/services/data/"}


def assertion(transport: Transport) -> str:
    """A fresh assertion in the platform's time, for its user, signed with the connection's key (RS256).

    Raises ConfigurationError for a key that cannot sign.
    """
    profile = transport.profile
    client_id = credential(profile, "client_id")
    claims = {
        "iss": client_id,
        "sub": profile.username,
        "aud": audience(profile) if profile.system is Side.SALESFORCE else client_id,
        "exp": int((platform_now(transport) + LIFETIME).timestamp()),
        "jti": uuid4().hex,
    }
    key = checked_private_key(credential(profile, "private_key"))
    headers = {"kid": profile.key_id} if profile.key_id else None
    return jwt.encode(claims, key, algorithm="RS256", headers=headers)


def audience(profile: Profile) -> str:
    """Salesforce's login host: as the connection says, else by its address (My Domains of sandboxes have .sandbox.)."""
    if profile.audience:
        return profile.audience
    host = urlsplit(profile.url).hostname or ""
    return SANDBOX if host == "test.salesforce.com" or ".sandbox." in host else PRODUCTION


def platform_now(transport: Transport) -> datetime:
    """The platform's time, asked for once if no answer has told it: an assertion out of time is refused."""
    if transport.server_now() is None:
        with suppress(ConfigurationError):  # a refusal, too, says what time it is
            transport.request("GET", transport.origin + _CLOCKS[transport.profile.system])
    return transport.server_now() or datetime.now(UTC)


def checked_private_key(text: str) -> RSAPrivateKey:
    """The RSA key of a PEM text, which may have \\n for its line ends, as environments hold it.

    Raises ConfigurationError (bad_private_key) that says what is wrong, without a word of the text.
    """
    pem = text.strip().replace("\\n", "\n")
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise _bad_key(
            "The private key is protected by a passphrase.",
            "Remove it (openssl pkey -in key.pem -out plain.pem) and enter the plain key; it is stored encrypted.",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise _unreadable(pem) from None
    if not isinstance(key, RSAPrivateKey):
        raise _bad_key("The private key is not an RSA key, which RS256 needs.", _MAKE_ONE)
    if key.key_size < _SMALLEST_KEY:
        raise _bad_key(f"The private key has {key.key_size} bits, and at least 2,048 are needed.", _MAKE_ONE)
    return key


_MAKE_ONE = (
    "Make one with: openssl req -x509 -newkey rsa:2048 -noenc -days 730 -keyout key.pem -out certificate.pem"
)


def _unreadable(pem: str) -> ConfigurationError:
    if "-----BEGIN CERTIFICATE-----" in pem or "-----BEGIN PUBLIC KEY-----" in pem:
        return _bad_key(
            "This is the public half.",
            "Give it to the platform, and enter the private key here (BEGIN PRIVATE KEY).",
        )
    if "-----BEGIN" not in pem or "-----END" not in pem:
        return _bad_key(
            "The private key is no whole PEM text.",
            "Enter everything from -----BEGIN PRIVATE KEY----- to -----END PRIVATE KEY-----.",
        )
    return _bad_key("The private key cannot be read: it is damaged or of an unknown kind.", _MAKE_ONE)


def _bad_key(message: str, advice: str) -> ConfigurationError:
    return ConfigurationError(message, code="bad_private_key", advice=advice)
