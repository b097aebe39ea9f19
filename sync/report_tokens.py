"""Tokens of the report: made, shown once, used and revoked; each is in the audit log."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from sync import audit
from sync.actor import Actor, acting_as, current_actor
from sync.models import ReportToken
from sync.services import require

PERMISSION = "sync.manage_reporttoken"
NOTED_EVERY = timedelta(hours=1)


def make(*, name: str, by: User | None) -> tuple[ReportToken, str]:
    """The row and the token itself, which nobody can read again. Raises PermissionDenied."""
    require(by, PERMISSION)
    text = f"icr_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        row = ReportToken.objects.create(name=name, digest=_digest(text), hint=text[:10], made_by=by)
        audit.record("report_token.made", row)
    return row, text


def revoke(*, token: ReportToken, by: User | None) -> None:
    """Acts at once. Raises PermissionDenied; revoking twice is one deed."""
    require(by, PERMISSION)
    with transaction.atomic():
        if ReportToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            audit.record("report_token.revoked", token)


def admitted(text: str) -> ReportToken | None:
    """The token that this is, if it is a valid one. Its use is in the audit log, once an hour."""
    token = ReportToken.objects.filter(digest=_digest(text), revoked_at=None).first()
    now = timezone.now()
    if token is None:
        return None
    if token.used_at is None or token.used_at < now - NOTED_EVERY:
        with acting_as(Actor(name=f"token {token.name}", ip=current_actor().ip)):
            audit.record("report.read", token)
        ReportToken.objects.filter(pk=token.pk).update(used_at=now)
    return token


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
