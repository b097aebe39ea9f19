"""Who works in a lane: one conditional update takes it, another renews it; nothing is sent or committed without it."""

from __future__ import annotations

import os
import platform
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.db import IntegrityError, transaction
from django.db.models import Q

from sync.errors import LeaseLostError
from sync.models import Flow, LaneLease

# Longer than a call's own timeout (65 s) plus the wait for a free slot: a call never outlives its lease.
DURATION = timedelta(seconds=180)


@dataclass(frozen=True, slots=True)
class Lease:
    flow_id: int
    lane: str
    token: str


def take(flow: Flow, lane: str, now: datetime) -> Lease | None:
    """Take the lane if nobody holds it; None if somebody does. A dead process on this host holds nothing."""
    _ensure_row(flow, lane)
    row = LaneLease.objects.get(flow=flow, lane=lane)
    free = Q(token="") | Q(until__lt=now)
    if row.token and _holder_is_dead(row.holder):
        free |= Q(token=row.token)
    token = secrets.token_hex(16)
    taken = LaneLease.objects.filter(free, pk=row.pk).update(token=token, holder=_me(), until=now + DURATION)
    return Lease(flow.pk, lane, token) if taken == 1 else None


def renew(lease: Lease, now: datetime) -> None:
    """Prolong the lease, inside the caller's transaction. Raises LeaseLostError if it is somebody else's now."""
    renewed = LaneLease.objects.filter(
        flow_id=lease.flow_id, lane=lease.lane, token=lease.token, until__gt=now
    ).update(until=now + DURATION)
    if renewed != 1:
        raise LeaseLostError("This run lost its lease to another worker and commits nothing more.")


def release(lease: Lease) -> None:
    LaneLease.objects.filter(flow_id=lease.flow_id, lane=lease.lane, token=lease.token).update(
        token="", holder="", until=None
    )


def held(flow_id: int, lane: str, now: datetime) -> bool:
    """Whether a living worker holds the lane."""
    row = LaneLease.objects.filter(flow_id=flow_id, lane=lane, until__gt=now).exclude(token="").first()
    return row is not None and not _holder_is_dead(row.holder)


def living_tokens(flow_id: int | None, now: datetime) -> set[str]:
    """Tokens that workers hold now, of one flow or of all."""
    rows = LaneLease.objects.filter(until__gt=now).exclude(token="")
    if flow_id is not None:
        rows = rows.filter(flow_id=flow_id)
    return {row.token for row in rows if not _holder_is_dead(row.holder)}


def _ensure_row(flow: Flow, lane: str) -> None:
    try:
        with transaction.atomic():
            LaneLease.objects.get_or_create(flow=flow, lane=lane)
    except IntegrityError:
        pass  # another worker made it at the same moment


def _me() -> str:
    return f"{_host()}|{os.getpid()}|{_started(os.getpid())}"


def _holder_is_dead(holder: str) -> bool:
    """True only if the holder ran on this very host and its process is gone; unknown counts as alive.

    A dead process sends nothing more, so its lease protects nothing. What it had sent may still be executed by
    the platform: its open intents say so, and are settled before their records are touched.
    """
    host, _, rest = holder.partition("|")
    pid, _, started = rest.partition("|")
    if not _host() or host != _host() or not pid.isdigit():
        return False
    return _started(int(pid)) != started


def _host() -> str:
    """This boot of this machine, and the process-id namespace; "" where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{platform.node()}:{boot}:{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When the process started, in clock ticks since boot, so that a reused number is told apart; "" if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]
