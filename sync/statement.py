"""A reconciliation as a text that can be kept elsewhere, signed by HMAC under a key derived from the environment's."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable

from sync.encryption import keyring
from sync.models import Reconciliation, Suspect

PURPOSE = "reconciliation statement"
TITLE = "Integration Console: reconciliation"
TOLD = 1000  # differences listed
_SIGNATURE = re.compile(r"\nsigned: (\S+) ([0-9a-f]{64})\n\Z")


class UnknownKeyError(Exception):
    """The statement was signed under a key that ENCRYPTION_KEYS does not list."""


def signed(row: Reconciliation, suspects: Iterable[Suspect]) -> str:
    """The whole text, with its last line `signed: <key id> <HMAC-SHA256 of all that stands before it, as hex>`."""
    text = "\n".join([*_head(row), *_lines(suspects)])
    key_id = keyring().first
    return f"{text}\nsigned: {key_id} {keyring().mac(PURPOSE, text.encode(), key_id)}\n"


def is_genuine(text: str) -> bool:
    """Whether nothing was changed since it was signed here. Raises UnknownKeyError if that cannot be told."""
    text = text.replace("\r\n", "\n")
    found = _SIGNATURE.search(text)
    if found is None:
        return False
    if found[1] not in keyring().raw:
        raise UnknownKeyError(f"It was signed under key {found[1]!r}, which ENCRYPTION_KEYS does not list.")
    return hmac.compare_digest(keyring().mac(PURPOSE, text[: found.start()].encode(), found[1]), found[2])


def _head(row: Reconciliation) -> list[str]:
    flow, run = row.flow, row.run
    head = [
        TITLE,
        f"flow: {flow.name}, revision {row.revision.number if row.revision else '-'}",
        f"ServiceNow: {flow.servicenow_connection.name} {flow.servicenow_connection.url} {flow.servicenow_table}",
        f"Salesforce: {flow.salesforce_connection.name} {flow.salesforce_connection.url} {flow.salesforce_object}",
        f"as of: {row.as_of:%Y-%m-%d %H:%M:%S} UTC",
        f"result: {row.sentence}",
        *(f"{name.replace('_', ' ')}: {getattr(row, name)}" for name in row.COUNTS),
        f"read: {row.read_servicenow} records of ServiceNow, {row.read_salesforce} of Salesforce, "
        + ("everything in scope" if row.full else "where marks had moved"),
    ]
    if run is not None:
        head.append(
            f"calls: {run.calls_servicenow} to ServiceNow, {run.calls_salesforce} to Salesforce (run {run.pk})"
        )
    return [_line(part) for part in head]


def _lines(suspects: Iterable[Suspect]) -> list[str]:
    lines = [
        _line(
            f"{each.finding.replace('_', ' ')}: {each.servicenow_number} {each.servicenow_id or '-'} "
            f"| {each.salesforce_number} {each.salesforce_id or '-'} | {each.field_names or each.note}"
        )
        for _, each in zip(range(TOLD), suspects, strict=False)
    ]
    return ["", *lines] if lines else []


def _line(text: str) -> str:
    """On one line, whatever somebody typed."""
    return " ".join(text.split())
