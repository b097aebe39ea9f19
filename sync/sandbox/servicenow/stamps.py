"""The platform's date format: UTC without a zone, whole seconds; display values in a user's zone."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

FORMAT = "%Y-%m-%d %H:%M:%S"


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(FORMAT)


def parse(text: str) -> datetime | None:
    """The moment of a stored or sent stamp (a bare date means its midnight); None when it is no stamp."""
    for layout in (FORMAT, "%Y-%m-%d"):
        try:
            return datetime.strptime(text, layout).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def from_iso(text: str) -> str:
    """An ISO 8601 stamp as it is stored; any other text as it is."""
    try:
        moment = datetime.fromisoformat(text) if "T" in text else None
    except ValueError:
        return text
    return text if moment is None else stamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """A user's zone; an unknown or empty name means UTC, as on an instance without a default."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def local(text: str, zone_name: str) -> str:
    """A stored stamp as the user reads it."""
    moment = parse(text)
    return moment.astimezone(zone(zone_name)).strftime(FORMAT) if moment else text


def from_local(text: str, zone_name: str) -> str:
    """What a user typed, as it is stored."""
    moment = parse(text)
    return stamp(moment.replace(tzinfo=zone(zone_name))) if moment else ""
