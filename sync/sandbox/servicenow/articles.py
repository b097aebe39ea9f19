"""Versions of knowledge articles: each a row with a sys_id of its own under the article's `article_id` and number.

An insert that names an `article_id` is a check-out: the next version, a draft beside what is published. Publishing a
version makes the one before outdated. Source: docs, "Knowledge article versioning"; that the row before keeps its
sys_id and becomes `outdated`, and the column `article_id`: public lists of the table's fields and of clients.
"""

from __future__ import annotations

from collections.abc import Iterator

from sync.sandbox.servicenow.schema import SYS_ID, Row, Table
from sync.sandbox.servicenow.store import Store

TABLE = "kb_knowledge"
PUBLISHED, OUTDATED = "published", "outdated"


def number(store: Store, table: Table, row: Row, now: str) -> None:
    """Give a new row its place among the versions of its article."""
    if table.name != TABLE:
        return
    at = table.position
    before = sorted(versions(store, table, row), key=lambda other: int(other[at["version"]] or 0))
    if not row[at["article_id"]]:
        row[at["article_id"]] = store.new_id()
    row[at["latest"]] = "true"
    row[at["version"]] = str(int(before[-1][at["version"]] or 0) + 1) if before else "1"
    if before:
        row[at["number"]] = before[-1][at["number"]]
    stamp_published(table, row, now)


def stamp_published(table: Table, row: Row, now: str) -> None:
    if table.name == TABLE and row[table.position["workflow_state"]] == PUBLISHED:
        row[table.position["published"]] = row[table.position["published"]] or now


def overtaken(store: Store, table: Table, row: Row) -> list[tuple[Row, dict[str, str]]]:
    """What a row that was just stored changes in the other versions of its article."""
    if table.name != TABLE:
        return []
    at, found = table.position, []
    for other in versions(store, table, row):
        changed: dict[str, str] = {}
        if row[at["latest"]] == other[at["latest"]] == "true" and _is_before(table, other, row):
            changed["latest"] = "false"
        if row[at["workflow_state"]] == PUBLISHED == other[at["workflow_state"]]:
            changed["workflow_state"] = OUTDATED
        if changed:
            found.append((other, changed))
    return found


def versions(store: Store, table: Table, row: Row) -> Iterator[Row]:
    """The other versions of its article."""
    at = table.position["article_id"]
    if row[at]:
        rows = store.data(table.name).by_id.values()
        yield from [other for other in rows if other[at] == row[at] and other[SYS_ID] != row[SYS_ID]]


def _is_before(table: Table, one: Row, other: Row) -> bool:
    at = table.position["version"]
    return int(one[at] or 0) < int(other[at] or 0)
