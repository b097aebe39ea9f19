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

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from sync import audit, services
from sync.models import AuditEntry, LoginTally

SPAN = timedelta(minutes=15)
# Attempts in a span. That of an account alone is high: it is there against many addresses, and whoever knows a name can use it up.
LIMITS = {"account and address": 5, "address": 30, "account": 60}
OWN = ("account and address", "account")  # of these limits, what is an account's own


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


def is_held(account: User, *, now: datetime | None = None) -> bool:
    """Whether this account's next attempt would be refused, from some address at least. The limit of an address is not its own."""
    now = now or timezone.now()
    tallies = LoginTally.objects.filter(since__gt=now - SPAN)
    of = {key: name for attempt in _of_late(account, now) for name, key in attempt.counted() if name in OWN}
    found = tallies.filter(key__in=of).values_list("key", "attempts")
    return any(attempts >= LIMITS[of[key]] for key, attempts in found)


def lift(*, account: User, by: User | None) -> None:
    """Let the account be tried anew at once. Raises Refused for a superuser's, unless one asks.

    What an address has used up, whoever was tried from it, stays.
    """
    services.require(by, "auth.change_user")
    if account.is_superuser and by is not None and not by.is_superuser:
        raise services.Refused("Only a superuser lets a superuser's account be tried anew.")
    keys = {
        key for attempt in _of_late(account, timezone.now()) for name, key in attempt.counted() if name in OWN
    }
    with transaction.atomic():
        LoginTally.objects.filter(key__in=keys).delete()
        audit.record("login.limit_lifted", account)


def _of_late(account: User, now: datetime) -> list[Attempt]:
    """From which addresses it was tried within the span: the audit log tells, the tallies are digests."""
    name = account.get_username()
    entries = AuditEntry.objects.filter(
        at__gt=now - SPAN, action__in=("login.failed", "login.throttled"), object_label__iexact=name[:150]
    )
    return [Attempt(name, address or "") for address in {"", *entries.values_list("ip", flat=True)}]


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
