"""What the methods need to know, each with the words by which a form asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sync.connectors.base import Profile


class Source(Enum):
    """Where a credential comes from."""

    COLUMN = "column"  # a column of the connection, shown and edited like any other
    ENTERED = "entered"  # typed once, sealed, never shown again
    OBTAINED = "obtained"  # given by the platform when a person pressed Connect


@dataclass(frozen=True, slots=True)
class Credential:
    """One thing a method needs. A column is an attribute of the profile, all else a key of its secrets."""

    name: str
    label: str
    help: str = ""
    source: Source = Source.ENTERED
    optional: bool = False


def credential(profile: Profile, name: str) -> str:
    """The value by its name; "" if there is none."""
    return str(getattr(profile, name)) if name in COLUMNS else profile.secrets.get(name, "")


CLIENT_ID = Credential("client_id", "Client ID")
CLIENT_SECRET = Credential("client_secret", "Client secret")
CLIENT_SECRET_IF_ASKED = Credential(
    "client_secret", "Client secret", "Empty if the app does not require one.", optional=True
)
USERNAME = Credential("username", "User name", source=Source.COLUMN)
PASSWORD = Credential("password", "Password")
SECURITY_TOKEN = Credential(
    "security_token",
    "Security token",
    "Sent by Salesforce by e-mail; empty if the network is trusted there.",
    optional=True,
)
REFRESH_TOKEN = Credential(
    "refresh_token",
    "Refresh token",
    "What the platform gives instead of it later is kept by itself; one that is entered here counts from then on.",
)
APPROVAL = Credential("refresh_token", "Approval", source=Source.OBTAINED)
PRIVATE_KEY = Credential(
    "private_key",
    "Private key",
    "The whole PEM text of an RSA key without passphrase, whose certificate the platform holds.",
)
AUDIENCE = Credential("audience", "Audience", source=Source.COLUMN, optional=True)
KEY_ID = Credential("key_id", "Key ID", source=Source.COLUMN, optional=True)

COLUMNS = frozenset(need.name for need in (USERNAME, AUDIENCE, KEY_ID))
