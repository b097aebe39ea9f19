"""The audit log: written by services and signals for people's and configuration events, chained by HMAC."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from sync.actor import current_actor
from sync.encryption import keyring
from sync.models import AuditEntry

PURPOSE = "audit log chain"
PRUNED = "audit.pruned"  # an entry that vouches for those that were deleted on purpose


def record(
    action: str,
    target: models.Model | None = None,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    label: str = "",
) -> AuditEntry:
    """Append an entry about the current actor. `before` and `after` must hold no secret; values are made JSON.

    What is signed is what every database gives back: text without NUL or halves of emoji, addresses in one spelling.
    """
    actor = current_actor()
    with transaction.atomic():
        last = _last_for_update()
        entry = AuditEntry(
            number=(last.number if last else 0) + 1,
            at=timezone.now(),
            actor_id=actor.user_id,
            actor_name=_text(actor.name)[:150],
            ip=_address(actor.ip),
            action=action,
            object_type=target._meta.label_lower if target is not None else "",
            object_id=str(target.pk) if target is not None and target.pk is not None else "",
            object_label=_text(label or (str(target) if target is not None else ""))[:200],
            before=_plain(before),
            after=_plain(after),
            key_id=keyring().first,
            previous_mac=last.mac if last else "",
        )
        entry.mac = _mac(entry)
        entry.save()
    return entry


FACTS = (
    "number", "at", "actor_name", "ip", "action", "object_type", "object_id", "object_label", "before", "after", "key_id",
    "previous_mac", "mac",
)  # fmt: skip


def facts(entry: AuditEntry) -> dict[str, Any]:
    """An entry for people and programs outside; `at` in UTC."""
    return {**{name: getattr(entry, name) for name in FACTS}, "at": entry.at.isoformat()}


def newest_link() -> dict[str, Any]:
    """Number, moment and mac of the newest entry: kept elsewhere, it shows later whether the end was cut off."""
    newest = AuditEntry.objects.order_by("-number").first()
    return {
        "newest": newest.number if newest else 0,
        "at": newest.at.isoformat() if newest else "",
        "mac": newest.mac if newest else "",
    }


def older_than(before: datetime) -> int:
    """How many entries `prune` would delete."""
    return AuditEntry.objects.filter(number__lte=_last_before(before)).count()


def _last_before(before: datetime) -> int:
    """The number of the last of the entries from the first on that are all older; 0 where there is none."""
    younger = AuditEntry.objects.filter(at__gte=before).order_by("number").first()
    until = younger.number if younger is not None else _newest_number() + 1
    return until - 1 if AuditEntry.objects.filter(number__lt=until).exists() else 0


def _newest_number() -> int:
    newest = AuditEntry.objects.order_by("-number").first()
    return newest.number if newest else 0


def prune(before: datetime) -> int:
    """Delete the entries that are older, up to the first that is not, and leave a signed one that says up to which.

    Raises ValueError where the chain is broken: what was done to it would be out of sight with them.
    """
    with transaction.atomic():
        _last_for_update()
        last = AuditEntry.objects.filter(number=_last_before(before)).first()
        if last is None:
            return 0
        if (fault := next(verify(), None)) is not None:
            raise ValueError(
                f"Entry {fault.number} {fault.text}: nothing is deleted from a log that is not whole."
            )
        gone: models.QuerySet[AuditEntry] = models.QuerySet(AuditEntry).filter(number__lte=last.number)
        count = gone.count()
        record(PRUNED, after={"through": last.number, "mac": last.mac, "entries": count, "before": before})
        gone.delete()
    return count


def _last_for_update() -> AuditEntry | None:
    """The newest entry; writers take turns (SQLite: the transaction is IMMEDIATE; elsewhere an advisory lock)."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(7203341)")
    return AuditEntry.objects.order_by("-number").first()


def _plain(values: Mapping[str, Any] | None) -> Any:
    return None if values is None else _storable(json.loads(json.dumps(dict(values), default=str)))


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {_text(name): _storable(inner) for name, inner in value.items()}
    return [_storable(inner) for inner in value] if isinstance(value, list) else value


def _text(text: str) -> str:
    """Without what PostgreSQL refuses to store: an entry must never fail for what somebody typed."""
    return text.replace("\x00", "").encode(errors="replace").decode()


def _address(text: str) -> str | None:
    """The one spelling of an address in which databases store it; None for what is no address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


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
    """Walk the chain from its first entry, or from where it was pruned; yields what was edited, is missing or cannot
    be checked.

    That its newest entries were cut off is not seen in what is left: compare their number with one noted elsewhere.
    """
    return _walk(AuditEntry.objects.order_by("number").iterator(), *_beginning())


@dataclass(frozen=True, slots=True)
class Checked:
    """Entries `since` to `until` were looked at, which is the whole log or its end; `fault`: the first, if any."""

    since: int
    until: int
    whole_log: bool
    fault: Fault | None


def check_newest(count: int) -> Checked:
    """As `verify`, of so many of the newest entries; the one before them is taken as it stands."""
    entries = list(AuditEntry.objects.order_by("-number")[: count + 1])[::-1]
    whole_log = len(entries) <= count
    beginning = _beginning() if whole_log else (entries[0].mac, entries[0].number + 1)
    looked_at = entries if whole_log else entries[1:]
    since, until = (looked_at[0].number, looked_at[-1].number) if looked_at else (0, 0)
    return Checked(since, until, whole_log, next(_walk(looked_at, *beginning), None))


def _walk(entries: Iterable[AuditEntry], previous: str, expected: int) -> Iterator[Fault]:
    for entry in entries:
        if entry.number != expected:
            yield Fault(expected, f"entries {expected} to {entry.number - 1} are missing")
        elif entry.previous_mac != previous:
            yield Fault(entry.number, "does not continue the entry before it")
        if entry.key_id not in keyring().raw:
            yield Fault(
                entry.number, f"was signed under key {entry.key_id!r}, which ENCRYPTION_KEYS does not list"
            )
        elif not hmac.compare_digest(_mac(entry), entry.mac):
            yield Fault(entry.number, "was edited after it was written")
        previous, expected = entry.mac, entry.number + 1


def _beginning() -> tuple[str, int]:
    """The mac that the first entry continues and its number: those of the very first unless a genuine entry, which is
    part of the chain itself, says that all before it were pruned."""
    first = AuditEntry.objects.order_by("number").first()
    for stub in AuditEntry.objects.filter(action=PRUNED).order_by("-number"):
        said = stub.after or {}
        if first is not None and said.get("through") == first.number - 1 and _is_genuine(stub):
            return str(said.get("mac", "")), first.number
    return "", 1


def _is_genuine(entry: AuditEntry) -> bool:
    return entry.key_id in keyring().raw and hmac.compare_digest(_mac(entry), entry.mac)
