"""What a person decides of many conflicts at once: one side for a selection, or a rule for a field."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from mappings.models import FieldRow
from sync import audit, revisions, services
from sync.actor import current_actor
from sync.core.records import Side
from sync.models import Conflict
from sync.models.attention import ConflictState
from sync.models.run import RunKind

MAPPING = ("sync.change_flow", "mappings.change_fieldrow")  # what changing a row of a flow takes


@dataclass(frozen=True, slots=True)
class Resolved:
    """`left`: those that somebody else has chosen for since the person saw them."""

    count: int
    left: list[Conflict]


def resolve_chosen(
    *, conflicts: QuerySet[Conflict], side: Side, seen: Mapping[str, str], by: User | None
) -> Resolved:
    """Take `side`'s value for the open ones. `seen`: primary key -> the choice that the person saw, where there was one."""
    services.require(by, "sync.resolve_conflict")
    with transaction.atomic():
        locked = (
            conflicts.select_related(None).select_for_update(of=("self",)).filter(state=ConflictState.OPEN)
        )
        chosen = list(locked.only("choice"))
        overtaken = [one.pk for one in chosen if one.choice and seen.get(str(one.pk)) != one.choice]
        free = [one for one in chosen if one.pk not in set(overtaken)]
        count = services.resolve_conflicts(conflicts=free, side=side, by=by) if free else 0
    left = Conflict.objects.filter(pk__in=overtaken).select_related("link", "resolved_by")
    return Resolved(count, list(left.defer("values_sealed", "link__base_sealed", "link__fields_sealed")))


@dataclass(frozen=True, slots=True)
class Ruled:
    """`decided`: how many open conflicts the next run decides by it; none before it is published."""

    published: bool
    decided: int


def make_rule(*, conflict: Conflict, policy: str, reason: str, by: User | None) -> Ruled:
    """Have `policy` decide from now on where both sides change this field.

    By a person who may publish, publishes the flow with that change alone: Refused where others are drafted. By one who
    may not, it is one more change of the draft.
    """
    for permission in MAPPING:
        services.require(by, permission)
    publishes = by is None or by.has_perm("sync.publish_flow")
    with transaction.atomic():
        [flow] = revisions.hold([conflict.link.flow_id])
        row = FieldRow.objects.filter(pk=conflict.row, mapping=flow).first()
        if row is None:
            raise services.Refused(
                f"{flow.name} maps {conflict.field} no more. This conflict closes with the next run."
            )
        if publishes and revisions.differs(flow):
            raise services.Refused(
                f"{flow.name} has other changes that are not published. Publish or undo them first."
            )
        before = row.conflict
        FieldRow.objects.filter(pk=row.pk).update(conflict=policy)
        audit.record(
            "conflict.made_rule", flow, before={"field": row.salesforce, "on conflict": before or "as the flow"},
            after={"field": row.salesforce, "on conflict": policy, "reason": reason},
        )  # fmt: skip
        if not publishes:
            return Ruled(False, 0)
        services.publish_flow(
            flow=flow, by=by, reason=f"{row.salesforce}, both sides changed: {policy}. {reason}"[:255]
        )
        same = Conflict.objects.filter(link__flow=flow, row=row.pk, state=ConflictState.OPEN, choice="")
        waiting = list(same.select_related("link").defer("values_sealed", "link__base_sealed", "link__fields_sealed"))  # fmt: skip
        services.wait_again(map(services.record_of, waiting), f"A rule was made by {current_actor().name}")
    with suppress(services.Refused):  # else the active run, or the next one, takes them from the waiting list
        services.request_run(flow=flow, by=None, kind=RunKind.RETRY)
    return Ruled(True, len(waiting))
