"""Bringing back a deleted record from `sys_audit_delete`, as an administrator does under Deleted Records.

Source: docs t_RestoreADeletedRecordAndRef: role admin, audited tables alone, without the record's attachments; KB0634666:
what `sys_audit` says of the deletion stays. Whether the record's stamps come back as they were is a switch.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from sync.sandbox.servicenow import errors
from sync.sandbox.servicenow.access import Principal
from sync.sandbox.servicenow.records import Records
from sync.sandbox.servicenow.schema import SYS_CLASS, SYS_ID, Row, Table
from sync.sandbox.servicenow.store import Store


def deletion(store: Store, table: Table, sys_id: str) -> Row | None:
    """The last `sys_audit_delete` entry of a record of the table or of one that extends it."""
    at = store.registry["sys_audit_delete"].position
    names = {member.name for member in store.registry.family(table)}
    found = None
    for row in store.every("sys_audit_delete"):
        if row[at["documentkey"]] == sys_id and row[at["tablename"]] in names:
            found = row
    return found


def deleted_row(store: Store, entry: Row) -> Row:
    """The row as it was when it was deleted, read from the entry's XML."""
    at = store.registry["sys_audit_delete"].position
    table = store.registry[entry[at["tablename"]]]
    root = ET.fromstring(entry[at["payload"]])  # noqa: S314 - written by the sandbox itself
    kept = {child.tag: child.text or "" for child in root}
    return [kept.get(column.name, "") for column in table.columns]


def undelete(store: Store, records: Records, table: Table, sys_id: str, principal: Principal) -> Row:
    """Raises Refused without the role, without an entry, or where the sys_id is in use again."""
    entry = deletion(store, table, sys_id)
    if not principal.admin:
        raise errors.acl("Undelete")
    if entry is None:
        raise errors.missing()
    if store.find(table.name, sys_id) is not None:
        raise errors.unique_key(table.name)
    row = deleted_row(store, entry)
    owner = store.registry[row[SYS_CLASS]]
    stored = records.raw(
        owner, {column.name: value for column, value in zip(owner.columns, row, strict=True)}
    )
    store.data("sys_audit_delete").remove(entry[SYS_ID])
    if store.dialect.undelete_stamps_record:
        return records.touch(owner, stored, principal)
    return stored
