"""What a report wants to know of an instance beside the open questions: versions, limits, rights, lengths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sync.connectors.servicenow import query
from sync.probing.ground import Place
from sync.probing.report import Fact
from sync.probing.servicenow import Ground

_PROPERTIES = ("glide.buildname", "glide.war", "glide.sys.default.tz", "glide.invalid_query.returns_no_rows")
_SYSTEM_TABLES = ("sys_audit", "sys_audit_delete", "sys_journal_field", "sys_choice", "sys_user_group")
# What an API says to an empty GET where it is served: the Batch API is asked for the wrong method.
_APIS = {
    "Attachment API": ("/api/now/attachment?sysparm_limit=1", (200,)),
    "Batch API": ("/api/now/v1/batch", (405,)),
}
_MAX_DEPTH = 20  # of table inheritance


def facts(ground: Ground, places: Sequence[Place]) -> Iterator[Fact]:
    yield from _versions(ground)
    yield from _properties(ground)
    yield from _whom(ground)
    yield from _limits(ground)
    yield from (_readable(ground, table) for table in _SYSTEM_TABLES)
    yield from (_api(ground, name) for name in _APIS)
    for place in places or (Place(ground.table),):
        yield from _place(ground, place)


def _versions(ground: Ground) -> Iterator[Fact]:
    for version in ("v1", "v2"):
        seen = ground.reader.get(f"/api/now/{version}/table/sys_user", {"sysparm_limit": "1"})
        yield Fact(f"Table API {version}", "answers" if seen.served else "refused", seen.told())


def _properties(ground: Ground) -> Iterator[Fact]:
    fields = ("sys_id", "name", "value")
    wanted = query.one_of("name", list(_PROPERTIES))
    seen = ground.rows(wanted, table="sys_properties", fields=fields, limit=len(_PROPERTIES))
    values = {row.get("name"): str(row.get("value")) for row in seen.rows}
    for name in _PROPERTIES:
        yield Fact(name, values.get(name, "not readable or not set"))


def _whom(ground: Ground) -> Iterator[Fact]:
    user = ground.user
    yield Fact("own record in sys_user", "readable" if user else "hidden")
    if not user:
        return
    yield Fact("time zone of the user", user.get("time_zone") or "the instance's default")
    yield Fact("web_service_access_only", str(user.get("web_service_access_only") or "not readable"))
    condition, shown = f"user={user['sys_id']}", "user=<the user>"
    seen = ground.rows(condition, table="sys_user_has_role", fields=("role.name",), limit=500, shown=shown)
    roles = sorted({str(row.get("role.name") or "") for row in seen.rows} - {""})
    yield Fact("roles of the user", ", ".join(roles) or "not readable", seen.told())


def _limits(ground: Ground) -> Iterator[Fact]:
    seen = ground.rows("")
    limit = seen.headers.get("X-RateLimit-Limit", "")
    yield Fact("rate rule", f"{limit} an hour" if limit else "none told", seen.told())


def _readable(ground: Ground, table: str) -> Fact:
    seen = ground.rows("", table=table)
    readable = bool(seen.rows)
    state = (
        "readable"
        if readable
        else "hidden"
        if seen.total
        else "refused"
        if not seen.served
        else "hidden or empty"
    )
    return Fact(table, state, seen.told(f"{len(seen.rows)} of {seen.total} rows"))


def _api(ground: Ground, name: str) -> Fact:
    path, statuses = _APIS[name]
    seen = ground.reader.get(path)
    return Fact(name, "answers" if seen.status in statuses else "not known to answer", seen.told())


def _place(ground: Ground, place: Place) -> Iterator[Fact]:
    """Columns in the dictionary, columns that access rules take out of a row, and lengths of what flows map."""
    chain = _lineage(ground, place.name)
    entries = ground.rows(
        query.every(query.one_of("name", chain), "elementISNOTEMPTY"),
        table="sys_dictionary",
        fields=("sys_id", "name", "element", "max_length", "internal_type"),
        limit=5_000,
    )
    columns = {str(row.get("element")): row for row in reversed(entries.rows)}
    yield Fact(f"{place.name}: dictionary", f"{len(columns)} columns", entries.told())
    row = ground.reader.get(f"/api/now/v2/table/{place.name}", {"sysparm_limit": "1"})
    hidden = sorted(set(columns) - set(row.rows[0])) if row.rows and columns else []
    if row.rows:
        yield Fact(f"{place.name}: columns hidden from the user", ", ".join(hidden) or "none", row.told())
    for name in place.fields:
        yield Fact(f"{place.name}.{name}", _column(columns.get(name)))


def _column(row: Mapping[str, str] | None) -> str:
    return f"{row.get('internal_type')}({row.get('max_length')})" if row else "not in the dictionary"


def _lineage(ground: Ground, name: str) -> list[str]:
    """The table and those it extends, nearest first; the name alone where sys_db_object is hidden."""
    chain: list[str] = []
    wanted = f"name={query.name(name)}"
    while wanted and len(chain) < _MAX_DEPTH:
        rows = ground.rows(wanted, table="sys_db_object", fields=("sys_id", "name", "super_class")).rows
        if not rows:
            break
        chain.append(str(rows[0].get("name")))
        parent = rows[0].get("super_class")
        wanted = f"sys_id={parent}" if parent else ""
    return chain or [name]
