"""Open questions about a ServiceNow instance, as far as reading answers them.

Each function asks one question. Evidence holds counts, names and codes: values of records, where a query needs one,
are shown as what they stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sync.connectors.servicenow import query
from sync.probing.ground import Place
from sync.probing.reader import Reader, Seen
from sync.probing.report import NO, UNKNOWN, YES, Verdict

TABLES = "/api/now/v2/table/"
_SHAPE = {"sysparm_display_value": "false", "sysparm_exclude_reference_link": "true"}
# Columns that are often empty, tried in this order where the table has them.
_OFTEN_EMPTY = (
    "assigned_to",
    "correlation_id",
    "close_notes",
    "resolved_by",
    "parent",
    "company",
    "title",
    "email",
)
_NOBODY = "0" * 32  # no row has this sys_id, and no text column holds it
_SAMPLE = 500  # rows
_URL_SIZES = (2_000, 8_000, 16_000)  # bytes
_GRACE = timedelta(seconds=2)  # between what one transaction stamps
_STAMP = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Ground:
    """`table` has rows if any table does; `columns` are those of its first row; `user` is {} where it is hidden."""

    reader: Reader
    table: str
    columns: frozenset[str]
    user: Mapping[str, Any]

    def rows(
        self,
        condition: str,
        *,
        table: str = "",
        fields: Sequence[str] = ("sys_id",),
        limit: int = 1,
        shown: str = "",
    ) -> Seen:
        """One page of a list. `shown` stands for the condition in the report."""
        name = table or self.table
        params = {"sysparm_query": condition, "sysparm_fields": ",".join(fields), "sysparm_limit": str(limit)}
        plain = f"{TABLES}{name}?sysparm_query={shown or condition}"
        return self.reader.get(TABLES + name, {**params, **_SHAPE}, shown=plain)


Ask = Callable[[Ground], Verdict]


def survey(reader: Reader, places: Sequence[Place]) -> Ground:
    """Find a table with rows and the user's own record. Raises SyncError if the instance does not answer."""
    reader.fetch(TABLES + "sys_user", {"sysparm_limit": "1", "sysparm_fields": "sys_id"})
    bare = Ground(reader, "sys_user", frozenset(), {})
    for name in dict.fromkeys((*(place.name for place in places), "incident", "sys_user")):
        rows = reader.get(TABLES + name, {"sysparm_limit": "1", **_SHAPE}).rows
        if rows:
            return Ground(reader, name, frozenset(rows[0]), _own_record(bare))
    return Ground(reader, "sys_user", frozenset(), _own_record(bare))


def _own_record(ground: Ground) -> Mapping[str, Any]:
    username = ground.reader.profile.username
    wanted = query.one_of("user_name", [username]) if username else "user_name=javascript:gs.getUserName()"
    fields = ("sys_id", "user_name", "time_zone", "web_service_access_only", "active")
    rows = ground.rows(wanted, table="sys_user", fields=fields, limit=2).rows
    return rows[0] if len(rows) == 1 else {}


def unknown_field(ground: Ground) -> Verdict:
    plain, odd = ground.rows(""), ground.rows("zz_no_such_field=1")
    evidence = (plain.told(f"rows: {plain.total}"), odd.told(f"rows: {odd.total}"))
    if not (plain.total and odd.served) or odd.total is None:
        return Verdict(UNKNOWN, evidence)
    return Verdict(NO if odd.total else YES, evidence)


def not_equal(ground: Ground) -> Verdict:
    """Count rows with an empty column among those that differ from a value which none has."""
    for column in _OFTEN_EMPTY:
        if column not in ground.columns:
            continue
        conditions = ("", f"{column}ISEMPTY", f"{column}!={_NOBODY}")
        seen = [ground.rows(condition) for condition in conditions]
        every, empty, other = (each.total for each in seen)
        evidence = tuple(each.told(f"rows: {each.total}") for each in seen)
        if every is None or not empty or other is None:
            continue
        return Verdict({every: YES, every - empty: NO}.get(other, UNKNOWN), evidence)
    return Verdict(UNKNOWN, (f"No column of {ground.table} with empty values was found.",))


def case_of_text(ground: Ground) -> Verdict:
    name = str(ground.user.get("user_name") or "")
    if name == name.swapcase():
        return Verdict(UNKNOWN)
    exact, swapped = (
        ground.rows(query.one_of("user_name", [each]), table="sys_user", shown=f"user_name=<{words}>")
        for each, words in ((name, "the user's own"), (name.swapcase(), "the same in the other case"))
    )
    evidence = (exact.told(f"rows: {exact.total}"), swapped.told(f"rows: {swapped.total}"))
    if not exact.total or swapped.total is None:
        return Verdict(UNKNOWN, evidence)
    return Verdict(NO if swapped.total else YES, evidence)


def order_of_union(ground: Ground) -> Verdict:
    ids = [str(row.get("sys_id")) for row in ground.rows("ORDERBYsys_id", limit=2).rows]
    if len(ids) < 2:
        return Verdict(UNKNOWN)
    low, high = sorted(ids)
    shown = "sys_id=<b>^NQsys_id=<a>^ORDERBYsys_id"
    seen = ground.rows(f"sys_id={high}^NQsys_id={low}^ORDERBYsys_id", limit=2, shown=shown)
    found = [str(row.get("sys_id")) for row in seen.rows]
    if sorted(found) != [low, high]:
        return Verdict(UNKNOWN, (seen.told(f"rows: {len(found)}"),))
    ordered = found == [low, high]
    return Verdict(YES if ordered else NO, (seen.told("a before b" if ordered else "b before a"),))


def hidden_rows(ground: Ground) -> Verdict:
    """Compare the three counts over the first rows by sys_id; they differ only where a row is hidden."""
    page = ground.rows("ORDERBYsys_id", limit=_SAMPLE)
    if not page.rows:
        return Verdict(UNKNOWN, (page.told(),))
    reach, shown = f"sys_id<={page.rows[-1].get('sys_id')}", "sys_id<=<the last row seen>"
    matching = ground.rows(reach, shown=shown)
    path = f"/api/now/stats/{ground.table}"
    params = {"sysparm_count": "true", "sysparm_query": reach}
    stats = ground.reader.get(path, params, shown=f"{path}?sysparm_count=true&sysparm_query={shown}")
    counted = _count(stats)
    evidence = (
        page.told(f"{len(page.rows)} rows visible"),
        matching.told(f"X-Total-Count {matching.total}"),
        stats.told(f"count {counted}"),
    )
    if matching.total is None or counted is None or matching.total == len(page.rows):
        return Verdict(UNKNOWN, evidence)
    return Verdict({matching.total: YES, len(page.rows): NO}.get(counted, UNKNOWN), evidence)


def _count(stats: Seen) -> int | None:
    result = stats.data.get("result") if isinstance(stats.data, dict) else None
    text = str(result.get("stats", {}).get("count", "")) if isinstance(result, dict) else ""
    return int(text) if text.isdigit() else None


def total_without_count(ground: Ground) -> Verdict:
    params = {"sysparm_no_count": "true", "sysparm_limit": "1", "sysparm_fields": "sys_id"}
    seen = ground.reader.get(TABLES + ground.table, params)
    if not seen.served:
        return Verdict(UNKNOWN, (seen.told(),))
    there = "X-Total-Count" in seen.headers
    return Verdict(NO if there else YES, (seen.told(f"X-Total-Count {'present' if there else 'absent'}"),))


def unknown_choice(ground: Ground) -> Verdict:
    return _property(ground, "glide.rest.choice.allow_non_existing_value")


def _property(ground: Ground, name: str) -> Verdict:
    seen = ground.rows(f"name={name}", table="sys_properties", fields=("sys_id", "name", "value"))
    value = str(seen.rows[0].get("value", "")) if seen.rows else ""
    answer = {"true": YES, "false": NO}.get(value, UNKNOWN)
    return Verdict(answer, (seen.told(f"value {value or 'not readable or not set'}"),))


def attached_files(ground: Ground) -> Verdict:
    """Look at files that were added to records a minute old or older: was the record stamped at that moment?"""
    condition = f"table_name={ground.table}^ORDERBYDESCsys_created_on"
    params = {"sysparm_query": condition, "sysparm_limit": "50"}
    path = "/api/now/attachment"
    files = ground.reader.get(path, params)
    added = {str(row.get("table_sys_id")): str(row.get("sys_created_on")) for row in reversed(files.rows)}
    if not added:
        return Verdict(UNKNOWN, (files.told("no attachment"),))
    fields = ("sys_id", "sys_created_on", "sys_updated_on")
    shown = "sys_idIN<records with attachments>"
    seen = ground.rows(query.one_of("sys_id", list(added)), fields=fields, limit=len(added), shown=shown)
    before = after = together = 0
    for row in seen.rows:
        gap = _gap(row, added[str(row.get("sys_id"))])
        before += gap is not None and gap < -_GRACE
        together += gap is not None and abs(gap) <= _GRACE
        after += gap is not None and gap > _GRACE
    evidence = (
        files.told(f"{len(files.rows)} attachments"),
        seen.told(f"last stamped before the file: {before}, with it: {together}, later: {after} records"),
    )
    return Verdict(NO if before else YES if together else UNKNOWN, evidence)


def _gap(row: Mapping[str, Any], attached_at: str) -> timedelta | None:
    """How long after its newest file a record was last stamped; None for files that came with a new record."""
    try:
        made, stamped, attached = (
            datetime.strptime(text, _STAMP)
            for text in (str(row["sys_created_on"]), str(row["sys_updated_on"]), attached_at)
        )
    except (KeyError, ValueError):
        return None
    return None if attached - made < timedelta(minutes=1) else stamped - attached


def article_versions(ground: Ground) -> Verdict:
    """Two rows under one number prove versions; none prove nothing, since nobody may have edited yet."""
    path = "/api/now/stats/kb_knowledge"
    params = {"sysparm_count": "true", "sysparm_group_by": "number", "sysparm_having": "count^number^>^1"}
    seen = ground.reader.get(path, params)
    groups = len(seen.rows)
    return Verdict(YES if groups else UNKNOWN, (seen.told(f"numbers with several rows: {groups}"),))


def machine_login(ground: Ground) -> Verdict:
    marked = ground.user.get("web_service_access_only")
    method = ground.reader.profile.auth
    evidence = (f"Logged in by {method}; web_service_access_only of its user is {marked or 'not readable'}.",)
    works = method in ("oauth_client_credentials", "oauth_jwt_bearer") and marked == "true"
    return Verdict(YES if works else UNKNOWN, evidence)


def machine_refresh_token(ground: Ground) -> Verdict:
    if ground.reader.profile.auth != "oauth_client_credentials":
        return Verdict(UNKNOWN)
    given = bool(ground.reader.token().refresh_token)
    return Verdict(
        YES if given else NO, (f"refresh_token {'given' if given else 'absent'} at the last login.",)
    )


def _long_urls(ground: Ground) -> list[Seen]:
    """Lists by ever longer queries, up to the first that is refused."""
    seen: list[Seen] = []
    for size in _URL_SIZES:
        ids = ",".join([_NOBODY] * (size // len(_NOBODY + ",")))
        seen.append(ground.rows(f"sys_idIN{ids}", shown=f"sys_idIN<{size:,} bytes>"))
        if not seen[-1].served:
            break
    return seen


def longest_url(ground: Ground) -> Verdict:
    seen = _long_urls(ground)
    evidence = tuple(each.told() for each in seen)
    if seen[-1].served:
        return Verdict(UNKNOWN, evidence)
    below = _URL_SIZES[len(seen) - 2] if len(seen) > 1 else 0
    return Verdict(f"between {below:,} and {_URL_SIZES[len(seen) - 1]:,}", evidence)


def long_url_status(ground: Ground) -> Verdict:
    last = _long_urls(ground)[-1]
    return Verdict(UNKNOWN if last.served or not last.status else str(last.status), (last.told(),))


def unknown_path(ground: Ground) -> Verdict:
    seen = ground.reader.get("/api/now/zz_no_such_api")
    return Verdict(str(seen.status) if seen.status and not seen.served else UNKNOWN, (seen.told(),))


ASKS: Mapping[str, Ask] = {
    "invalid_query_returns_no_rows": unknown_field,
    "not_equal_returns_empty": not_equal,
    "string_comparison_case_sensitive": case_of_text,
    "order_spans_union": order_of_union,
    "aggregates_count_hidden_rows": hidden_rows,
    "no_count_omits_total": total_without_count,
    "choice_allows_unknown": unknown_choice,
    "attachment_touches_record": attached_files,
    "article_edit_makes_new_row": article_versions,
    "web_only_users_have_client_credentials": machine_login,
    "client_credentials_gives_refresh_token": machine_refresh_token,
    "longest_url": longest_url,
    "long_url_status": long_url_status,
    "unknown_path_status": unknown_path,
}
