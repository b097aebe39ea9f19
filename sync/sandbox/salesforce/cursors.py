"""Open queries: ten a user, the oldest closed silently by the eleventh, all gone after a while."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from sync.sandbox.salesforce.ids import series
from sync.sandbox.salesforce.org import Org
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.soql.select import Renderer
from sync.sandbox.salesforce.store import Row

MAX_OPEN = 10


@dataclass(slots=True)
class Cursor:
    """Which rows a query found, as references: a page shows what they hold when it is fetched."""

    rows: list[Row]
    render: Renderer
    page_size: int
    opened_at: int
    key: str = ""


class Cursors:
    def __init__(self, org: Org) -> None:
        self._org = org
        self._keys = series("0r8")
        self._open: dict[str, OrderedDict[str, Cursor]] = {}

    def open(self, user_id: str, cursor: Cursor) -> str:
        """Keep a cursor and return its key."""
        mine = self._open.setdefault(user_id, OrderedDict())
        cursor.key = next(self._keys)
        mine[cursor.key] = cursor
        while len(mine) > MAX_OPEN:
            mine.popitem(last=False)
        return cursor.key

    def find(self, user_id: str, key: str) -> Cursor:
        """Raises Refusal (INVALID_QUERY_LOCATOR)."""
        cursor = self._open.get(user_id, OrderedDict()).get(key)
        life = self._org.dialect.cursor_lifetime_minutes * 60
        if cursor is None or self._org.now() - cursor.opened_at > life:
            raise Refusal("INVALID_QUERY_LOCATOR", "invalid query locator")
        return cursor
