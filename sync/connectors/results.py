"""Write results for calls that failed as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from sync.core.records import Refusal, Reply, Write, WriteResult
from sync.errors import OutcomeUnknownError, RefusedError, SchemaError, SyncError, TransientError


def failed_alike(writes: Sequence[Write], error: SyncError) -> list[WriteResult]:
    """One result each for writes that met the same fault.

    Refused: the platform read the call and said no. Unknown: it may have acted. Anything else kept the call
    from being executed at all: limits, credentials, the connection itself.
    """
    if isinstance(error, RefusedError | SchemaError):
        refusal = Refusal(error.code, error.message)
        return [WriteResult(write.ref, Reply.REFUSED, write.id, refusal=refusal) for write in writes]
    reply = Reply.UNKNOWN if isinstance(error, OutcomeUnknownError) else Reply.UNSENT
    after = error.retry_after if isinstance(error, TransientError) else None
    return [
        WriteResult(write.ref, reply, write.id, message=error.message, retry_after=after, fault=error)
        for write in writes
    ]
