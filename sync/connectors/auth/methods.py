"""The table of methods: what each needs, how it logs in, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sync.connectors.auth import grants, soap
from sync.connectors.auth.credentials import (
    APPROVAL,
    AUDIENCE,
    CLIENT_ID,
    CLIENT_SECRET,
    CLIENT_SECRET_IF_ASKED,
    KEY_ID,
    PASSWORD,
    PRIVATE_KEY,
    REFRESH_TOKEN,
    SECURITY_TOKEN,
    USERNAME,
    Credential,
    Source,
    credential,
)
from sync.connectors.base import Profile, Token
from sync.connectors.http import Transport
from sync.core.records import Side
from sync.errors import ConfigurationError

# Makes a new token; `old` is the last one, whose refresh token may be newer than the configured one.
LogIn = Callable[[Transport, Token | None], Token]


@dataclass(frozen=True, slots=True)
class AuthMethod:
    """One way to log in. Without `log_in`, user name and password go as a header with every call.

    `legacy`: why not to choose it, said in the form and at each test. `refused`: what to check when a platform refuses
    without a reason, as ServiceNow does.
    """

    label: str
    needs: tuple[Credential, ...]
    log_in: LogIn | None
    help: str = ""
    legacy: str = ""
    refused: str = ""

    def missing(self, profile: Profile) -> tuple[Credential, ...]:
        return tuple(need for need in self.needs if not need.optional and not credential(profile, need.name))

    @property
    def secret_names(self) -> tuple[str, ...]:
        """What a person or a configuration file gives, besides columns."""
        return tuple(need.name for need in self.needs if need.source is Source.ENTERED)

    @property
    def by_approval(self) -> bool:
        """Whether a person lets the console in by Connect."""
        return APPROVAL in self.needs


_CLIENT = (CLIENT_ID, CLIENT_SECRET)
_PUBLIC_CLIENT = (CLIENT_ID, CLIENT_SECRET_IF_ASKED)
_KEEPS_ONE = "It keeps a user's password here"
_CHECK_ENTRY = (
    "ServiceNow gives one answer for all causes. Check the client ID and secret, that the entry in the Application "
    "Registry is active, "
)
_SERVICENOW: Mapping[str, AuthMethod] = {
    "oauth_client_credentials": AuthMethod(
        "OAuth client credentials",
        _CLIENT,
        grants.client_credentials,
        help="Runs as the OAuth Application User of the registry entry. The grant is enabled by the system property "
        "glide.oauth.inbound.client.credential.grant_type.enabled.",
        refused=_CHECK_ENTRY
        + "that it has an OAuth Application User who is active and not locked, and that the "
        "system property glide.oauth.inbound.client.credential.grant_type.enabled is true.",
    ),
    "oauth_jwt_bearer": AuthMethod(
        "OAuth JWT bearer",
        (*_CLIENT, USERNAME, PRIVATE_KEY, KEY_ID),
        grants.jwt_bearer,
        help="The instance holds the key's certificate in a JWT verifier map of the registry entry.",
        refused=_CHECK_ENTRY
        + "that its JWT verifier map holds the certificate of this private key (and its kid, if "
        "any), that the user field of the entry finds this user name, and that the user is active.",
    ),
    "oauth_authorization_code": AuthMethod(
        "OAuth authorization code",
        (*_CLIENT, APPROVAL),
        grants.refresh_token,
        help="Save, register the callback address in the registry entry's Redirect URL, then press Connect and log in "
        "as the user that the console is to work as.",
        refused=_CHECK_ENTRY
        + "and press Connect again: the approval may have been revoked or have run out (100 days "
        "by default), or its user be inactive.",
    ),
    "oauth_refresh_token": AuthMethod(
        "OAuth refresh token",
        (*_CLIENT, REFRESH_TOKEN),
        grants.refresh_token,
        help="For a refresh token that was obtained elsewhere for the same client.",
        refused=_CHECK_ENTRY
        + "and enter a new refresh token: it may have been revoked or have run out (100 days by "
        "default), be another client's, or its user be inactive.",
    ),
    "oauth_password": AuthMethod(
        "OAuth password",
        (*_CLIENT, USERNAME, PASSWORD),
        grants.password,
        help="The user must not be marked Web service access only.",
        legacy=f"{_KEEPS_ONE}, and the grant is going out of use. Prefer client credentials or JWT bearer.",
        refused=_CHECK_ENTRY
        + "and that the user is active, not locked out and not marked Web service access only.",
    ),
    "basic": AuthMethod(
        "Basic",
        (USERNAME, PASSWORD),
        None,
        help="A user marked Web service access only is enough.",
        legacy=f"{_KEEPS_ONE} and sends it with every call. Prefer client credentials or JWT bearer.",
    ),
}
_SALESFORCE: Mapping[str, AuthMethod] = {
    "oauth_client_credentials": AuthMethod(
        "OAuth client credentials",
        _CLIENT,
        grants.client_credentials,
        help="The address must be the org's own My Domain; the app needs an execution user (Run As) and the scope api.",
    ),
    "oauth_jwt_bearer": AuthMethod(
        "OAuth JWT bearer",
        (CLIENT_ID, USERNAME, PRIVATE_KEY, AUDIENCE),
        grants.jwt_bearer,
        help="The app holds the key's certificate, and the user is pre-authorised for it.",
    ),
    "oauth_authorization_code": AuthMethod(
        "OAuth authorization code",
        (*_PUBLIC_CLIENT, APPROVAL),
        grants.refresh_token,
        help="Save, register the callback address in the app (scopes api and refresh_token), then press Connect and log "
        "in as the user that the console is to work as.",
    ),
    "oauth_refresh_token": AuthMethod(
        "OAuth refresh token",
        (*_PUBLIC_CLIENT, REFRESH_TOKEN),
        grants.refresh_token,
        help="For a refresh token that was obtained elsewhere for the same app.",
    ),
    "oauth_password": AuthMethod(
        "OAuth password",
        (*_CLIENT, USERNAME, PASSWORD, SECURITY_TOKEN),
        grants.password,
        help="Blocked by default in orgs made since 2023, and not available to External Client Apps.",
        legacy=f"{_KEEPS_ONE}, and Salesforce blocks the grant in new orgs. Prefer client credentials or JWT bearer.",
    ),
    "soap_login": AuthMethod(
        "SOAP login",
        (USERNAME, PASSWORD, SECURITY_TOKEN),
        soap.log_in,
        help="For orgs where no app can be set up.",
        legacy="SOAP login ends: it is not part of API 65.0 and later, and Salesforce retires it for all older versions "
        "in June 2027 (Summer '27). Move to client credentials or JWT bearer before.",
    ),
}
METHODS: Mapping[tuple[Side, str], AuthMethod] = {
    **{(Side.SERVICENOW, name): method for name, method in _SERVICENOW.items()},
    **{(Side.SALESFORCE, name): method for name, method in _SALESFORCE.items()},
}


def method_of(profile: Profile) -> AuthMethod:
    """The profile's method, or ConfigurationError naming what is unknown or missing."""
    method = METHODS.get((profile.system, profile.auth))
    if method is None:
        known = ", ".join(name for system, name in METHODS if system is profile.system)
        raise ConfigurationError(
            f"{profile.name}: there is no authentication method {profile.auth!r}.",
            code="unknown_auth",
            advice=f"Choose one of {known}.",
        )
    missing = method.missing(profile)
    if missing == (APPROVAL,):
        raise ConfigurationError(
            f"{profile.name} is not connected: nobody has let the console in yet.",
            code="not_connected",
            advice="Open the connection in the console and press Connect.",
        )
    if missing:
        names = ", ".join(need.label for need in missing if need is not APPROVAL)
        raise ConfigurationError(
            f"{profile.name}: {names} missing.",
            code="missing_credentials",
            advice="Fill the connection's credentials.",
        )
    return method
