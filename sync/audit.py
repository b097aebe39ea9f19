"""The audit log: written by services and signals for people's and configuration events, chained by HMAC."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from sync.actor import current_actor
from sync.encryption import keyring
from sync.models import AuditEntry

PURPOSE = "audit log chain"


def record(
    action: str,
    target: models.Model | None = None,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    label: str = "",
) -> AuditEntry:
    """Append an entry about the current actor. `before` and `after` must hold no secret; values are made JSON."""
    actor = current_actor()
    with transaction.atomic():
        last = _last_for_update()
        entry = AuditEntry(
            number=(last.number if last else 0) + 1,
            at=timezone.now(),
            actor_id=actor.user_id,
            actor_name=actor.name,
            ip=actor.ip or None,
            action=action,
            object_type=target._meta.label_lower if target is not None else "",
            object_id=str(target.pk) if target is not None and target.pk is not None else "",
            object_label=(label or (str(target) if target is not None else ""))[:200],
            before=_plain(before),
            after=_plain(after),
            key_id=keyring().first,
            previous_mac=last.mac if last else "",
        )
        entry.mac = _mac(entry)
        entry.save()
    return entry


def _last_for_update() -> AuditEntry | None:
    """The newest entry; writers take turns (SQLite: the transaction is IMMEDIATE; elsewhere an advisory lock)."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(7203341)")
    return AuditEntry.objects.order_by("-number").first()


def _plain(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if values is None else json.loads(json.dumps(dict(values), default=str))


def _mac(entry: AuditEntry) -> str:
    covered = [
        entry.number, entry.at.isoformat(), entry.actor_name, entry.ip, entry.action, entry.object_type,
        entry.object_id, entry.object_label, entry.before, entry.after, entry.previous_mac,
    ]  # fmt: skip
    message = json.dumps(covered, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return keyring().mac(PURPOSE, message, entry.key_id)


@dataclass(frozen=True, slots=True)
class Fault:
    number: int
    text: str


def verify() -> Iterator[Fault]:
    """Walk the chain from its first entry; yields what was edited, is missing or cannot be checked."""
    previous, expected = "", 1
    for entry in AuditEntry.objects.order_by("number").iterator():
        if entry.number != expected:
            yield Fault(expected, f"entries {expected} to {entry.number - 1} are missing")
        elif entry.previous_mac != previous:
            yield Fault(entry.number, "does not continue the entry before it")
        if entry.key_id not in keyring().raw:
            yield Fault(entry.number, f"was signed under key {entry.key_id!r}, which ENCRYPTION_KEYS does not list")
        elif not hmac.compare_digest(_mac(entry), entry.mac):
            yield Fault(entry.number, "was edited after it was written")
        previous, expected = entry.mac, entry.number + 1
