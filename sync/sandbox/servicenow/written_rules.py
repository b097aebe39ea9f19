"""Business rules that somebody wrote into `sys_script`: those that abort a write whose record meets a condition."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sync.sandbox.servicenow.errors import aborted
from sync.sandbox.servicenow.language import parse
from sync.sandbox.servicenow.query import compile_query
from sync.sandbox.servicenow.schema import SYS_ID, Row, Table
from sync.sandbox.servicenow.scripts import Caller
from sync.sandbox.servicenow.store import Store
from sync.sandbox.servicenow.tables.scripts import SYS_SCRIPT
from sync.sandbox.servicenow.terms import Scope

_AT = SYS_SCRIPT.position


def obey_written(store: Store, table: Table, row: Row, action: str, now: datetime) -> None:
    """`action`: insert, update or delete; `row` as it would be stored. Raises Refused by the first rule that aborts."""
    for rule in _aborting(store, table, action):
        scope = Scope(store, table, Caller("", "system", "UTC", now, store.dialect))
        test = compile_query(parse(rule[_AT["filter_condition"]]), scope).test
        if test is None or test(row):
            raise aborted(table.name, rule[_AT["name"]], rule[SYS_ID])


def _aborting(store: Store, table: Table, action: str) -> Iterator[Row]:
    rules = store.data(SYS_SCRIPT.name).by_id
    if not rules:
        return
    names = {each.name for each in table.lineage()}
    wanted = {"when": "before", "active": "true", "abort_action": "true", f"action_{action}": "true"}
    for rule in sorted(rules.values(), key=lambda row: int(row[_AT["order"]] or "100")):
        if rule[_AT["collection"]] in names and all(
            rule[_AT[name]] == value for name, value in wanted.items()
        ):
            yield rule
