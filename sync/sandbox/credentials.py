"""The demo credentials: names are fixed, every password and secret is made at start unless given."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field


def _secret() -> str:
    return secrets.token_urlsafe(24)


def _client_id() -> str:
    return secrets.token_hex(16)


def _security_token() -> str:
    return secrets.token_hex(12)


@dataclass(frozen=True, slots=True)
class ServiceNowCredentials:
    """`sync.user` is web service access only: basic and client_credentials work, the password grant refuses it.

    The password grant is for the interactive `integration.admin`. `no.role` may log in and sees no rows.
    """

    client_id: str = field(default_factory=_client_id)
    client_secret: str = field(default_factory=_secret, repr=False)
    username: str = "sync.user"
    password: str = field(default_factory=_secret, repr=False)
    admin_username: str = "integration.admin"
    admin_password: str = field(default_factory=_secret, repr=False)
    no_role_username: str = "no.role"
    no_role_password: str = field(default_factory=_secret, repr=False)


@dataclass(frozen=True, slots=True)
class SalesforceCredentials:
    """The connected app runs client_credentials as `username`; the password grant wants password + token."""

    client_id: str = field(default_factory=_client_id)
    client_secret: str = field(default_factory=_secret, repr=False)
    username: str = "sync.user@acme.example"
    password: str = field(default_factory=_secret, repr=False)
    security_token: str = field(default_factory=_security_token, repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    servicenow: ServiceNowCredentials = field(default_factory=ServiceNowCredentials)
    salesforce: SalesforceCredentials = field(default_factory=SalesforceCredentials)
    control_token: str = field(default_factory=_secret, repr=False)
