"""Who we are in an org: from the identity URL of the login, or where it brought none, by asking."""

from __future__ import annotations

from sync.connectors.base import Token
from sync.connectors.salesforce.ids import to_18
from sync.connectors.salesforce.org import Org
from sync.errors import TransientError


def who_we_are(org: Org, token: Token) -> tuple[str, str]:
    """Ids of the organisation and of the user, 18 characters each."""
    parts = token.identity.rstrip("/").split("/")[-2:]
    if len(parts) != 2 or not parts[0].startswith("00D"):
        parts = _userinfo(org, token)
    org_id, user_id = map(to_18, parts)
    return org_id, user_id


def _userinfo(org: Org, token: Token) -> list[str]:
    data = org.get("/services/oauth2/userinfo", token=token)
    if not isinstance(data, dict):
        raise TransientError("Salesforce does not tell who is logged in.", code="bad_answer")
    return [str(data.get("organization_id", "")), str(data.get("user_id", ""))]
