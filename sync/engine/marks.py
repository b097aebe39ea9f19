"""The tag of a mark: nobody without our key can make it, and it holds for one flow's system of origin alone."""

from __future__ import annotations

import hmac

from sync.core.notes import TAG, Mark
from sync.core.records import Side
from sync.encryption import keyring
from sync.models import Flow

PURPOSE = "journal mark"


def sign(flow: Flow, mark: Mark, source: Side) -> str:
    return _tag(_message(flow, mark, source))


def verify(flow: Flow, mark: Mark, source: Side) -> bool:
    """Whether we made the mark, under whichever of our keys, of an entry of this flow's `source`."""
    message = _message(flow, mark, source)
    return any(hmac.compare_digest(mark.tag, _tag(message, key_id)) for key_id in keyring().raw)


def _message(flow: Flow, mark: Mark, source: Side) -> str:
    """Bound to the system it came from: what was carried here from a third system goes on like anybody's words."""
    origin = flow.servicenow_connection if source is Side.SERVICENOW else flow.salesforce_connection
    return f"{source}:{origin.url}:{mark.message}"


def _tag(message: str, key_id: str = "") -> str:
    return keyring().mac(PURPOSE, message.encode(), key_id)[:TAG]
