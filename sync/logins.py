"""Logins are throttled: so many attempts for an account from an address, for an address and for an account.

Each attempt is counted before its password is looked at, so that a hundred at once are no more than a hundred in turn, and
taken back when the password was right. The counts are rows: every process and host goes by the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from sync import audit
from sync.models.login import LoginTally

SPAN = timedelta(minutes=15)
# Attempts in a span. That of an account alone is high: it is there against many addresses, and whoever knows a name can use it up.
LIMITS = {"account and address": 5, "address": 30, "account": 60}


class TooManyLogins(Exception):
    """Nothing more is tried before `until` (UTC)."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"Too many attempts; the next one at {until:%H:%M:%S} UTC.")
        self.until = until


@dataclass(frozen=True, slots=True)
class Attempt:
    account: str
    address: str

    def counted(self) -> Iterator[tuple[str, str]]:
        """The name of each limit with the digest it is counted under."""
        account, network = self.account.strip().casefold(), _network(self.address)
        for name, parts in (
            ("account and address", (account, network)), ("address", (network,)), ("account", (account,)),
        ):  # fmt: skip
            yield name, hashlib.sha256("\n".join((name, *parts)).encode(errors="replace")).hexdigest()


def admit(attempt: Attempt, *, now: datetime | None = None) -> None:
    """Count the attempt. Raises TooManyLogins where a limit is passed; the first one beyond is noted in the audit log."""
    now = now or timezone.now()
    for name, key in attempt.counted():
        tally = _counted(key, now)
        if tally.attempts <= LIMITS[name]:
            continue
        until = tally.since + SPAN
        if tally.attempts == LIMITS[name] + 1:
            said = {"attempts": LIMITS[name], "limit": name, "until": until.isoformat()}
            audit.record("login.throttled", label=attempt.account[:150], after=said)
        raise TooManyLogins(until)


def succeeded(attempt: Attempt) -> None:
    """The password was right: its account starts anew from this address, and the attempt counts against nobody."""
    for name, key in attempt.counted():
        tally = LoginTally.objects.filter(key=key)
        if name == "account and address":
            tally.delete()
        else:
            tally.filter(attempts__gt=0).update(attempts=F("attempts") - 1)


def _counted(key: str, now: datetime) -> LoginTally:
    """The tally with this attempt in it. Those whose span is over are gone: there are never many rows."""
    LoginTally.objects.filter(since__lte=now - SPAN).delete()
    with transaction.atomic():
        _, made = LoginTally.objects.get_or_create(key=key, defaults={"since": now})
        if not made:
            LoginTally.objects.filter(key=key).update(attempts=F("attempts") + 1)
        return LoginTally.objects.get(key=key)


def _network(address: str) -> str:
    """An IPv6 network is one customer's: they can change the rest of the address at will."""
    with suppress(ValueError):
        if (found := ip_address(address)).version == 6:
            return str(ip_network(f"{found}/64", strict=False))
    return address
