"""Writes to ServiceNow: one call each, side by side. The answer holds what was really stored."""

from __future__ import annotations

from sync.connectors.results import failed_alike
from sync.connectors.servicenow.instance import Instance
from sync.connectors.servicenow.reading import columns, version
from sync.core.records import Operation, Refusal, Reply, Write, WriteResult
from sync.errors import OutcomeUnknownError, RefusedError, SchemaError, SyncError


def send(instance: Instance, table: str, write: Write) -> list[WriteResult]:
    """Send one write; its one result whatever happens.

    Unknown choices, protected fields and over-long texts are dropped or cut with a 2xx: `stored` tells.
    """
    try:
        return [_sent(instance, table, write)]
    except RefusedError as error:
        # The key of an insert is its sys_id: where that is taken, it names the record that has it.
        taken = str(write.values.get("sys_id", "")) if error.code == "DUPLICATE_VALUE" else ""
        refusal = Refusal(error.code, error.message, existing_id=taken)
        return [WriteResult(write.ref, Reply.REFUSED, write.id, refusal=refusal)]
    except SyncError as error:
        return failed_alike([write], error)


def _sent(instance: Instance, table: str, write: Write) -> WriteResult:
    fields = columns((*write.values, *write.returning), "")
    if write.operation is Operation.CREATE:
        row = instance.create(table, write.values, fields)
    elif write.operation is Operation.UPDATE:
        row = instance.update(table, write.id, write.values, fields)
    elif write.operation is Operation.DELETE:
        instance.delete(table, write.id)
        return WriteResult(write.ref, Reply.DONE, write.id)
    else:
        raise RefusedError(f"A connector cannot {write.operation}.", code="UNSUPPORTED_OPERATION")
    try:
        seen = version(row)
    except SchemaError as error:
        raise OutcomeUnknownError(error.message, code="bad_answer", advice=error.advice) from error
    created = write.operation is Operation.CREATE
    return WriteResult(write.ref, Reply.DONE, row["sys_id"], created, stored=row, version=seen)
