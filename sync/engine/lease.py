"""Who works in a lane, or on a part of a first load: one conditional update takes it, another renews it.

Nothing is sent or committed without it.
"""

from __future__ import annotations

import os
import platform
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db.models import Q, QuerySet

from sync.engine import bulk
from sync.errors import LeaseLostError
from sync.models import Flow, LaneLease, Partition

# Longer than a call's own timeout (65 s) plus the wait for a free slot: a call never outlives its lease.
DURATION = timedelta(seconds=180)


@dataclass(frozen=True, slots=True)
class Lease:
    flow_id: int
    lane: str
    token: str
    partition: int | None = None  # of a first load; None: the whole lane

    def held(self) -> QuerySet[LaneLease] | QuerySet[Partition]:
        """The row, as long as it is ours."""
        if self.partition is not None:
            return Partition.objects.filter(**self.key, token=self.token)
        return LaneLease.objects.filter(**self.key, token=self.token)

    @property
    def model(self) -> type[LaneLease] | type[Partition]:
        return LaneLease if self.partition is None else Partition

    @property
    def key(self) -> dict[str, Any]:
        if self.partition is not None:
            return {"id": self.partition}
        return {"flow_id": self.flow_id, "lane": self.lane}


def take(flow: Flow, lane: str, now: datetime) -> Lease | None:
    """Take the lane if nobody holds it; None if somebody does. A dead process on this host holds nothing."""
    row = LaneLease.objects.filter(flow=flow, lane=lane).first() or _new_row(flow, lane)
    token = _take(LaneLease.objects.filter(pk=row.pk), row, now)
    return Lease(flow.pk, lane, token) if token else None


def take_part(flow_id: int, lane: str, part: Partition, now: datetime) -> Lease | None:
    """Likewise a part of a first load."""
    token = _take(Partition.objects.filter(pk=part.pk), part, now)
    return Lease(flow_id, lane, token, part.pk) if token else None


def _take(rows: QuerySet[Any], row: LaneLease | Partition, now: datetime) -> str:
    """The new token; "" if a living worker holds the row."""
    free = Q(token="") | Q(until__lt=now)
    if row.token and _holder_is_dead(row.holder):
        free |= Q(token=row.token)
    token = secrets.token_hex(16)
    taken = rows.filter(free).update(token=token, holder=_me(), until=now + DURATION)
    return token if taken == 1 else ""


def renew(lease: Lease, now: datetime) -> None:
    """Prolong the lease, inside the caller's transaction. Raises LeaseLostError if it is somebody else's now."""
    until, model = {"until": now + DURATION}, lease.model
    if bulk.change(model, until, **lease.key, token=lease.token, until__gt=now) != 1:
        raise LeaseLostError("This run lost its lease to another worker and commits nothing more.")


def release(lease: Lease) -> None:
    lease.held().update(token="", holder="", until=None)


def held(flow_id: int, lane: str, now: datetime) -> bool:
    """Whether a living worker holds the lane."""
    row = LaneLease.objects.filter(flow_id=flow_id, lane=lane, until__gt=now).exclude(token="").first()
    return row is not None and is_held(row, now)


def is_held(row: LaneLease | Partition, now: datetime) -> bool:
    """Whether a living worker holds the row, as far as it was read."""
    return bool(row.token) and row.until is not None and row.until > now and not _holder_is_dead(row.holder)


def at_work(now: datetime) -> int:
    """How many lanes and parts are held, be their holders living or not."""
    return sum(
        rows.filter(until__gt=now).exclude(token="").count()
        for rows in (LaneLease.objects.all(), Partition.objects.all())
    )


def living_tokens(flow_id: int | None, now: datetime) -> set[str]:
    """Tokens that workers hold now, of one flow or of all."""
    lanes = LaneLease.objects.filter(until__gt=now).exclude(token="")
    parts = Partition.objects.filter(until__gt=now).exclude(token="")
    if flow_id is not None:
        lanes, parts = lanes.filter(flow_id=flow_id), parts.filter(run__flow_id=flow_id)
    held = [*lanes.values_list("token", "holder"), *parts.values_list("token", "holder")]
    return {token for token, holder in held if not _holder_is_dead(holder)}


def _new_row(flow: Flow, lane: str) -> LaneLease:
    return LaneLease.objects.get_or_create(flow=flow, lane=lane)[0]  # another worker may be first


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
