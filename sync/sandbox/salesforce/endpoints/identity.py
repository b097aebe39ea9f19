"""The identity URL, which every token answer carries as `id`: who the token's user is.

Source: Help, "Identity URLs"; jsforce reads it as `identity()`. The token may also stand in the query.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sync.sandbox.salesforce.routing import ROUTES
from sync.sandbox.wire import Request, Response

if TYPE_CHECKING:
    from sync.sandbox.salesforce.platform import SalesforcePlatform

_SERVICES = ("rest", "sobjects", "query")
_PHOTOS = {"picture": "F", "thumbnail": "T"}  # there are none behind the addresses


@ROUTES.route("GET|POST", "/id/{org_id}/{user_id}")
def identity(platform: SalesforcePlatform, request: Request, org_id: str, user_id: str) -> Response:
    bearer = f"Bearer {request.query.get('oauth_token', '')}"
    with platform.org.lock:
        session = platform.sessions.find(request.headers.get("authorization", bearer))
        if session is None:
            return Response.text("Bad_OAuth_Token", 403)
        return Response.json(_answer(platform, session.user_id))


def _answer(platform: SalesforcePlatform, user_id: str) -> dict[str, Any]:
    users = platform.org.tables["User"]
    row = users.rows[user_id].values

    def get(name: str) -> Any:
        return row[users.slots[name]]

    return {
        "id": f"{platform.url}/id/{platform.org_id}/{user_id}",
        "asserted_user": True,
        "user_id": user_id,
        "organization_id": platform.org_id,
        "username": get("Username"),
        "nick_name": get("Alias"),
        "display_name": get("Name"),
        "email": get("Email"),
        "email_verified": True,
        "first_name": get("FirstName"),
        "last_name": get("LastName"),
        "timezone": get("TimeZoneSidKey"),
        "active": get("IsActive"),
        "user_type": get("UserType").upper(),
        "language": get("LanguageLocaleKey"),
        "locale": "en_US",
        "utcOffset": _offset(get("TimeZoneSidKey"), platform.clock.now()),
        "photos": {name: f"{platform.url}/profilephoto/005/{size}" for name, size in _PHOTOS.items()},
        "urls": {name: f"{platform.url}/services/data/v{{version}}/{_path(name)}" for name in _SERVICES},
    }


def _path(service: str) -> str:
    return "" if service == "rest" else f"{service}/"


def _offset(zone: str, now: datetime) -> int:
    """Milliseconds between the user's zone and UTC."""
    offset = now.astimezone(ZoneInfo(zone or "UTC")).utcoffset()
    return int(offset.total_seconds() * 1000) if offset else 0
