"""What a report wants to know of an org beside the open questions: versions, limits, rights, keys, lengths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sync.connectors.salesforce import soql
from sync.connectors.salesforce.ids import to_18
from sync.probing.ground import Place
from sync.probing.report import Fact
from sync.probing.salesforce import Ground, fields_of

_ORGANIZATION = ("InstanceName", "IsSandbox", "OrganizationType", "TimeZoneSidKey")
_OBJECTS = ("CaseComment", "CaseHistory", "CaseStatus", "ContentVersion", "Group", "RecordType", "User")


def facts(ground: Ground, places: Sequence[Place]) -> Iterator[Fact]:
    yield from _versions(ground)
    yield from _limits(ground)
    yield from _organization(ground)
    yield from _user(ground)
    yield from (_readable(ground, name) for name in _OBJECTS)
    for place in places or (ground.place,):
        yield from _place(ground, place)


def _versions(ground: Ground) -> Iterator[Fact]:
    listed = ground.reader.get("/services/data")
    versions = [str(each.get("version")) for each in listed.data or () if isinstance(each, dict)]
    yield Fact("API versions", f"{versions[0]} to {versions[-1]}" if versions else "not told", listed.told())
    resources = ground.reader.get(ground.base)
    names = sorted(resources.data) if isinstance(resources.data, dict) else []
    yield Fact(
        "API version used", ground.base.rpartition("v")[2], resources.told(f"resources: {', '.join(names)}")
    )


def _limits(ground: Ground) -> Iterator[Fact]:
    seen = ground.reader.get(f"{ground.base}/limits")
    limits = seen.data if isinstance(seen.data, dict) else {}
    for name in ("DailyApiRequests", "DailyBulkV2QueryJobs", "DailyBulkApiBatches"):
        each = limits.get(name)
        value = f"{each.get('Remaining')} of {each.get('Max')} left" if isinstance(each, dict) else "not told"
        yield Fact(name, value, seen.told())


def _organization(ground: Ground) -> Iterator[Fact]:
    for name in _ORGANIZATION:  # one by one: a field that is hidden would fail the others
        yield Fact(f"Organization.{name}", _value(ground, "Organization", name, ""))


def _user(ground: Ground) -> Iterator[Fact]:
    """The login's own user: by the identity URL of the token, else by the user info."""
    user_id = ground.reader.token().identity.rstrip("/").rpartition("/")[2]
    if not user_id.startswith("005"):
        data = ground.reader.get("/services/oauth2/userinfo").data
        user_id = str(data.get("user_id", "")) if isinstance(data, dict) else ""
    if not user_id.startswith("005"):
        yield Fact("time zone of the user", "not told")
        return
    yield Fact("time zone of the user", _value(ground, "User", "TimeZoneSidKey", to_18(user_id)))


def _value(ground: Ground, name: str, field: str, record_id: str) -> str:
    condition = soql.one_of("Id", [record_id]) if record_id else ""
    rows = ground.query(soql.select([field], name, condition, order="Id", limit=1)).rows
    return str(rows[0].get(field)) if rows else "not readable"


def _readable(ground: Ground, name: str) -> Fact:
    seen = ground.query(soql.count(name, ""))
    return Fact(name, f"readable, {seen.total} rows" if seen.served else "not readable", seen.told())


def _place(ground: Ground, place: Place) -> Iterator[Fact]:
    described = ground.describe(place.name)
    fields = fields_of(described)
    yield Fact(place.name, f"{len(fields)} fields visible", described.told())
    if place.key_field:
        yield Fact(f"{place.name}.{place.key_field} as key", _key(fields.get(place.key_field)))
    for name in place.fields:
        yield Fact(f"{place.name}.{name}", _field(fields.get(name)))


def _key(field: Mapping[str, Any] | None) -> str:
    if field is None:
        return "not there, or hidden from the user"
    flags = {"unique": "unique", "externalId": "external id", "caseSensitive": "case-sensitive"}
    held = [f"{'' if field.get(flag) else 'not '}{words}" for flag, words in flags.items()]
    return f"{', '.join(held)}, {_field(field)}"


def _field(field: Mapping[str, Any] | None) -> str:
    if field is None:
        return "not there, or hidden from the user"
    writable = "writable" if field.get("updateable") else "read-only"
    return f"{field.get('type')}({field.get('length') or 0}), {writable}"
