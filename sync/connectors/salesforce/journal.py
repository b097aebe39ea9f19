"""What people said on records: case comments and feed posts.

Source: Object Reference, "CaseComment" and "FeedItem". A feed also shows changes of fields, case comments and more; posts
alone are entries. `CommentBody` and `Body` cannot be filtered by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sync.connectors.parallel import Workers
from sync.connectors.salesforce import soql
from sync.connectors.salesforce.org import Org
from sync.connectors.salesforce.reading import PAGE, rows_by_key, timed_query
from sync.core.notes import COMMENT, FEED, Entry, EntryPage, Place
from sync.core.records import Cursor
from sync.errors import SchemaError, TransientError

_POSTS = frozenset({"TextPost", "AdvancedTextPost", "LinkPost", "ContentPost"})


@dataclass(frozen=True, slots=True)
class _Stream:
    """An object whose rows are entries. `seen_by`: the field that says who sees one, `public` if it is customers, too.

    What does not say so is taken for internal.
    """

    body: str
    seen_by: str
    public: tuple[Any, Place]
    internal: Place
    type: str = ""

    @property
    def header(self) -> tuple[str, ...]:
        told = (self.seen_by, self.type) if self.type else (self.seen_by,)
        return ("Id", "ParentId", "CreatedDate", "CreatedById", *told)


_STREAMS = {
    COMMENT: _Stream("CommentBody", "IsPublished", (True, Place.PUBLISHED), Place.UNPUBLISHED),
    FEED: _Stream("Body", "Visibility", ("AllUsers", Place.FEED_PUBLIC), Place.FEED_INTERNAL, "Type"),
}


def headers(org: Org, name: str, since: datetime) -> Iterator[EntryPage]:
    """Pages by keyset; the last is the one that is done and counts fewer rows than its LIMIT."""
    stream, cursor = _STREAMS[name], Cursor(since)
    while True:
        text = soql.select(
            stream.header, name, soql.after(cursor, "CreatedDate"), order="CreatedDate, Id", limit=PAGE
        )
        data, read_at = timed_query(org, text)
        rows = data["records"]
        last = data.get("done") is True and data["totalSize"] < PAGE
        if not rows and not last:
            raise TransientError(
                "Salesforce answered an empty page and said that more follows.", code="bad_answer"
            )
        yield EntryPage(_all(stream, rows), read_at)
        if last:
            return
        cursor = Cursor(_moment(rows[-1]), rows[-1]["Id"])


def entries(
    org: Org, workers: Workers, name: str, ids: Sequence[str], parents: Sequence[str], since: datetime | None
) -> list[Entry]:
    stream = _STREAMS[name]
    key, keys = ("Id", ids) if ids else ("ParentId", parents)
    after = f"CreatedDate >= {soql.stamp(since.replace(microsecond=0))}" if since else ""
    names = (*stream.header, "CreatedBy.Name", stream.body)
    rows = rows_by_key(org, workers, name, key, keys, names, after) if keys else []
    return sorted(_all(stream, rows), key=lambda each: (each.at, each.id))


def _all(stream: _Stream, rows: Sequence[Mapping[str, Any]]) -> tuple[Entry, ...]:
    return tuple(_entry(stream, row) for row in rows if not stream.type or row.get(stream.type) in _POSTS)


def _entry(stream: _Stream, row: Mapping[str, Any]) -> Entry:
    value, public = stream.public
    author = row.get("CreatedBy")
    try:
        return Entry(
            row["Id"], row["ParentId"], public if row[stream.seen_by] == value else stream.internal,
            row["CreatedById"] or "", _moment(row),
            str(author.get("Name") or "") if isinstance(author, dict) else "", row.get(stream.body) or "",
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(
            f"An entry came without a usable {error}.",
            code="INVALID_FIELD",
            advice="Give the integration user access to case comments and posts.",
        ) from error


def _moment(row: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(row["CreatedDate"][:19]).replace(tzinfo=UTC)
