"""Open questions about a Salesforce org, as far as reading answers them.

Each function asks one question by SOQL, describe or a conditional GET. Evidence holds counts, names and codes; ids and
texts of records, where a request needs one, are shown as what they stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from sync.connectors.salesforce import soql
from sync.connectors.salesforce.org import DEFAULT_API_VERSION
from sync.probing.ground import Place
from sync.probing.reader import Reader, Seen
from sync.probing.report import NO, UNKNOWN, YES, Verdict

_SAMPLE = 200  # rows
_MINUTE = 60  # seconds


@dataclass(frozen=True, slots=True)
class Ground:
    """`place` is the object asked about, `fields` its describe by name ({} where it cannot be described)."""

    reader: Reader
    base: str  # /services/data/vXX.X
    place: Place
    fields: Mapping[str, Mapping[str, Any]]

    def query(self, statement: str, *, resource: str = "query", shown: str = "") -> Seen:
        path = f"{self.base}/{resource}"
        return self.reader.get(path, {"q": statement}, shown=f"{path}?q={shown or statement}")

    def describe(self, name: str) -> Seen:
        return self.reader.get(f"{self.base}/sobjects/{name}/describe")


Ask = Callable[[Ground], Verdict]


def survey(reader: Reader, places: Sequence[Place]) -> Ground:
    """Describe Case, or the first object where no flow uses it. Raises SyncError if the org does not answer."""
    base = f"/services/data/v{reader.profile.api_version or DEFAULT_API_VERSION}"
    reader.fetch(base)
    first = places[0] if places else Place("Case")
    place = next((place for place in places if place.name == "Case"), first)
    bare = Ground(reader, base, place, {})
    return Ground(reader, base, place, fields_of(bare.describe(place.name)))


def fields_of(described: Seen) -> dict[str, Mapping[str, Any]]:
    data = described.data if isinstance(described.data, dict) else {}
    fields = data.get("fields")
    return {str(each.get("name")): each for each in fields} if isinstance(fields, list) else {}


def kept_blanks(ground: Ground) -> Verdict:
    """A text that begins with a blank proves that blanks are kept; none proves nothing."""
    name = next(
        (n for n, f in ground.fields.items() if f.get("type") == "string" and f.get("updateable")), ""
    )
    if not name:
        return Verdict(UNKNOWN, (f"{ground.place.name} shows no text field.",))
    name = "Subject" if "Subject" in ground.fields else name
    seen = ground.query(soql.count(ground.place.name, f"{soql.name(name)} LIKE ' %'"))
    return Verdict(NO if seen.total else UNKNOWN, (seen.told(f"rows: {seen.total}"),))


def commented_cases(ground: Ground) -> Verdict:
    """Was the case stamped at the moment of its newest comment, though nobody edited it then?"""
    columns = "ParentId, CreatedDate, Parent.SystemModstamp, Parent.LastModifiedDate"
    statement = f"SELECT {columns} FROM CaseComment ORDER BY CreatedDate DESC LIMIT {_SAMPLE}"  # noqa: S608 - constants
    seen = ground.query(statement)
    newest = {str(row.get("ParentId")): row for row in reversed(seen.rows)}
    kinds = [_kind_of_comment(row) for row in newest.values()]
    untouched, touched = kinds.count("untouched"), kinds.count("touched")
    told = f"of {len(newest)} cases: {untouched} not stamped since their newest comment, {touched} stamped with it alone"
    return Verdict(NO if untouched else YES if touched else UNKNOWN, (seen.told(told),))


def _kind_of_comment(row: Mapping[str, Any]) -> str:
    parent = row.get("Parent") or {}
    at, stamped, edited = (_moment(each) for each in (
        row.get("CreatedDate"), parent.get("SystemModstamp"), parent.get("LastModifiedDate"),
    ))  # fmt: skip
    if at is None or stamped is None or edited is None:
        return ""
    if stamped < at:
        return "untouched"
    return "touched" if stamped - at <= timedelta(seconds=2) and edited < at else ""


def deleted_keys(ground: Ground) -> Verdict:
    """A living row with the key of a deleted one proves that the bin does not block it."""
    key, name = ground.place.key_field, ground.place.name
    if not ground.fields.get(key, {}).get("unique"):
        return Verdict(UNKNOWN, (f"{name} has no unique key field that a flow names.",))
    condition = f"IsDeleted = true AND {soql.name(key)} != null"
    binned = ground.query(
        soql.select([key], name, condition, order="SystemModstamp DESC", limit=_SAMPLE), resource="queryAll"
    )
    keys = sorted({str(row.get(key)) for row in binned.rows})
    if not keys:
        return Verdict(UNKNOWN, (binned.told("no deleted row with a key"),))
    shown = soql.count(name, f"{key} IN (<keys of deleted rows>)")
    living = ground.query(soql.count(name, soql.one_of(key, keys)), shown=shown)
    evidence = (binned.told(f"{len(keys)} keys"), living.told(f"rows: {living.total}"))
    return Verdict(NO if living.total else UNKNOWN, evidence)


def conditional_grain(ground: Ground) -> Verdict:
    """Ask for a row unless it changed since a second before its change, in the middle of a minute."""
    name = ground.place.name
    newest = "LastModifiedDate DESC"
    listed = ground.query(soql.select(["Id", "LastModifiedDate"], name, "", order=newest, limit=50))
    moments = [(str(row.get("Id")), _moment(row.get("LastModifiedDate"))) for row in listed.rows]
    usable = [(each, at) for each, at in moments if at is not None and at.second >= 2]
    if not usable:
        return Verdict(UNKNOWN, (listed.told(f"rows: {len(moments)}"),))
    record, at = usable[0]
    same = _unless_modified(ground, record, at, "its LastModifiedDate")
    before = _unless_modified(ground, record, at - timedelta(seconds=1), "one second earlier")
    evidence = (same.told(), before.told())
    if same.status != 304:
        return Verdict(UNKNOWN, evidence)
    return Verdict({200: "1", 304: f"more than 1, perhaps {_MINUTE}"}.get(before.status, UNKNOWN), evidence)


def _unless_modified(ground: Ground, record: str, at: datetime, words: str) -> Seen:
    path = f"{ground.base}/sobjects/{ground.place.name}/"
    headers = {"If-Modified-Since": format_datetime(at, usegmt=True)}
    shown = f"{path}<a row>?fields=Id, If-Modified-Since: {words}"
    return ground.reader.get(path + record, {"fields": "Id"}, headers=headers, shown=shown)


def password_login(ground: Ground) -> Verdict:
    method = ground.reader.profile.auth
    return Verdict(YES if method == "oauth_password" else UNKNOWN, (f"Logged in by {method}.",))


def _moment(text: object) -> datetime | None:
    """A date-time of the API, aware; None if it is none."""
    try:
        return datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%S.%f%z")
    except ValueError:
        return None


ASKS: Mapping[str, Ask] = {
    "trims_text": kept_blanks,
    "comments_touch_case": commented_cases,
    "recycle_bin_blocks_unique_values": deleted_keys,
    "if_unmodified_since_grain": conditional_grain,
    "password_grant": password_login,
}
