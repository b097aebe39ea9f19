"""What a refused login means and what to do about it, by the words the vendors use.

Sources: Salesforce help, "OAuth 2.0 Error Codes"; SOAP API Developer Guide, "Error Codes"; texts as public clients and
their issues show them. Descriptions are matched in part and in lower case; an unknown one is advised by its error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_CONNECT_AGAIN = "Open the connection in the console and press Connect again."

# Salesforce's invalid_grant stands for nearly everything; its description tells more.
_GRANT_REFUSALS: Sequence[tuple[str, str]] = (
    (
        "expired access/refresh token",
        "The refresh token was revoked, replaced or not used for too long. Enter a new one, or with the method "
        "authorization code press Connect again.",
    ),
    (
        "hasn't approved this consumer",
        "Set the app to 'Admin approved users are pre-authorized' and give the user's profile or permission set access "
        "to it, or let the user approve the app once. Check also the spelling of the user name, and the audience.",
    ),
    (
        "not admin approved",
        "Give the user's profile or a permission set access to the app: it lets pre-authorised users in alone.",
    ),
    (
        "ip restricted",
        "Let the console's address in: Trusted IP Ranges, the profile's Login IP Ranges, or the app's IP Relaxation. "
        "Check the profile's login hours too.",
    ),
    (
        "audience is invalid",
        "Set the connection's audience to the login host: https://login.salesforce.com, https://test.salesforce.com "
        "for a sandbox, or the org's My Domain.",
    ),
    (
        "invalid assertion",
        "The app's certificate does not belong to the private key, or the client ID is another app's. Upload the "
        "certificate of this key to the app, and enable the JWT bearer flow there.",
    ),
    (
        "expired authorization code",
        "The code or the assertion was out of time when it arrived. If it happens again, a clock between the console "
        "and Salesforce is wrong: Test connection shows the difference. With Connect, press it again.",
    ),
    ("authorization code", _CONNECT_AGAIN + " A code works once and for a few minutes."),
    ("code verifier", _CONNECT_AGAIN + " It must be finished in the window in which it was begun."),
    (
        "not supported on this domain",
        "Use the org's My Domain as the connection's address; client credentials do not work on login.salesforce.com.",
    ),
    (
        "client credentials user",
        "Choose a Run As (execution) user in the app's client credentials settings.",
    ),
    ("valid scopes", "Add the scope api (Manage user data via APIs) to the app."),
    ("locked", "Unlock the user in Salesforce, then correct the password here before anything tries again."),
)
_BY_ERROR: Mapping[str, str] = {
    "invalid_client_id": "Check the client ID (consumer key) of the app; a new app takes some minutes to be known.",
    "invalid_client": "Check the client secret of the app, and that the app is allowed in this org.",
    "invalid_client_credentials": "Check the client secret of the app.",
    "invalid_grant": (
        "Check user name, password and security token; that the flow is allowed in the org's OAuth settings; that "
        "the app has an execution user; and that the address is the org's My Domain for client credentials."
    ),
    "unsupported_grant_type": "Enable this OAuth flow in the app, or choose another method.",
    "invalid_app_access": "Give the user's profile or a permission set access to the app.",
    "invalid_scope": "Add the scopes api and refresh_token to the app.",
    "redirect_uri_mismatch": "Register the callback address shown on the connection's page in the app, letter by letter.",
    "access_denied": _CONNECT_AGAIN + " This time choose Allow, as the user that the console is to work as.",
    "inactive_user": "Activate the integration user.",
    "inactive_org": "The org is not active: ask its administrator.",
    "OAUTH_APP_BLOCKED": "Unblock the app in Setup, Connected Apps OAuth Usage.",
    "OAUTH_APP_ACCESS_DENIED": "Install the app in this org, or give the user access to it.",
    "OAUTH_APPROVAL_ERROR_GENERIC": "Check the app's scopes and policies in Salesforce, then press Connect again.",
    "OAUTH_EC_APP_NOT_FOUND": "The org knows no app of this client ID: check both, and the address.",
}
_BY_FAULT: Mapping[str, str] = {
    "INVALID_LOGIN": "Check user name, password and security token, and that the user is active and not locked out.",
    "LOGIN_MUST_USE_SECURITY_TOKEN": (
        "Enter the user's security token (Salesforce sends it by e-mail after Reset My Security Token), or add the "
        "console's address to the trusted IP ranges."
    ),
    "API_DISABLED_FOR_ORG": "The org's edition has no API: use one that has, or have it enabled by Salesforce.",
    "API_CURRENTLY_DISABLED": "Give the user the API Enabled permission.",
    "PASSWORD_LOCKOUT": "Unlock the user in Salesforce, then correct the password here.",
    "PASSWORD_EXPIRED": "Set a new password in Salesforce and enter it here; let the integration user's never expire.",
    "ORG_LOCKED": "The org is locked: ask Salesforce Support.",
    "UNSUPPORTED_API_VERSION": "SOAP login has ended here: choose one of the OAuth methods.",
    "INVALID_OPERATION": "The org has SOAP login switched off: choose one of the OAuth methods.",
    "LOGIN_DURING_RESTRICTED_DOMAIN": "Add the console's address to the login IP ranges of the user's profile.",
    "LOGIN_DURING_RESTRICTED_TIME": "Widen the login hours of the user's profile.",
    "INVALID_SSO_GATEWAY_URL": "The user logs in by single sign-on: use an OAuth method or a user with a password.",
    "INSUFFICIENT_ACCESS": "Give the user the permission Use Any API Auth, or choose one of the OAuth methods.",
}


def oauth_advice(error: str, description: str) -> str:
    """What to do about an OAuth error of Salesforce."""
    said = description.lower()
    if error == "invalid_grant":
        found = next((advice for words, advice in _GRANT_REFUSALS if words in said), "")
        return found or _BY_ERROR["invalid_grant"]
    return _BY_ERROR.get(error, _BY_ERROR["invalid_grant"])


def approval_advice(error: str) -> str:
    """What to do about an error that an authorize page of either platform sent back."""
    return _BY_ERROR.get(
        error, "Check the app or registry entry, its callback address and scopes, then press Connect again."
    )


def soap_advice(code: str) -> str:
    """What to do about a fault of SOAP login()."""
    return _BY_FAULT.get(code, _BY_FAULT["INVALID_LOGIN"])


def is_login_rate(error: str, description: str) -> bool:
    """Too many logins of this user within the hour: to wait for, not to mend."""
    return error == "rate_limit_exceeded" or "login rate exceeded" in description.lower()
