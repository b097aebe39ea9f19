"""An instance in process under a clock that stands still, and queries asked of it as the API asks them."""

from __future__ import annotations

from functools import partial

from sync.sandbox.clock import ManualClock, OffsetClock
from sync.sandbox.credentials import Credentials
from sync.sandbox.platform import PlatformContext
from sync.sandbox.servicenow import build
from sync.sandbox.servicenow.language import parse
from sync.sandbox.servicenow.query import compile_query
from sync.sandbox.servicenow.scripts import Caller
from sync.sandbox.servicenow.search import search
from sync.sandbox.servicenow.terms import Scope, groups_of


class Instance:
    """Rows are named by the column `key` of a table, so that an answer reads as a list of names."""

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        context = PlatformContext("https://127.0.0.1:1", OffsetClock(self.clock), Credentials())
        self.platform = build(context)

    def user(self, user_name):
        return next(row for row in self.platform.rows("sys_user") if row["user_name"] == user_name)

    def group(self, name):
        return next(row for row in self.platform.rows("sys_user_group") if row["name"] == name)

    def scope(self, table, user_name="sync.user", time_zone="US/Pacific"):
        store, user_id = self.platform.store, self.user(user_name)["sys_id"]
        groups = partial(groups_of, store, user_id)
        caller = Caller(user_id, user_name, time_zone, self.platform.now(), self.platform.dialect, groups)
        return Scope(store, self.platform.registry[table], caller)

    def compile(self, table, query, **caller):
        return compile_query(parse(query), self.scope(table, **caller))

    def find(self, table, query, key, **caller):
        """The rows' values of `key`, in the order found."""
        found = search(
            self.platform.store,
            self.platform.registry[table],
            self.compile(table, query, **caller),
            offset=0,
            limit=1_000,
            count=True,
        )
        at = self.platform.registry[table].position[key]
        assert found.total == len(found.rows)
        return [row[at] for row in found.rows]
