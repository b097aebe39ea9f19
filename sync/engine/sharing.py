"""What flows of several instances and orgs must not share: one space of keys, one user table, one routing table.

Asked before a flow is published, by its form, and before each run: of two flows that clash the older one goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from mappings.models import RoutingTable, UserTable
from sync.core.keys import INSTANCE
from sync.errors import ConfigurationError
from sync.models import Connection, Flow, RecordLink


@dataclass(frozen=True, slots=True)
class Claim:
    """What a flow lays hold of; `pk` None: it is new."""

    pk: int | None
    servicenow: Connection
    salesforce: Connection
    object: str
    key_field: str
    prefixed: bool
    user_table: UserTable | None
    routing_table: RoutingTable | None = None

    @classmethod
    def of(cls, flow: Flow) -> Claim:
        return cls(
            flow.pk, flow.servicenow_connection, flow.salesforce_connection, flow.salesforce_object,
            flow.salesforce_key_field, flow.options.get("key_prefix") == INSTANCE, flow.user_table,
            flow.routing_table,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clash:
    column: str  # of the flow's form
    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.text} {self.advice}"


def clashes(claim: Claim, *, older: bool = False) -> Iterator[Clash]:
    """With the other flows that are enabled and published; of them with the `older` ones alone."""
    others = _others(claim)
    for other in others.filter(pk__lt=claim.pk) if older and claim.pk else others:
        theirs = Claim.of(other)
        if _same_org(claim, theirs) and not _same_instance(claim, theirs) and _same_keys(claim, theirs):
            yield _of_keys(claim, theirs, other.name)
        if not (_same_org(claim, theirs) and _same_instance(claim, theirs)):
            yield from _of_tables(claim, theirs, other.name)


def _of_tables(claim: Claim, other: Claim, name: str) -> Iterator[Clash]:
    for column in ("user_table", "routing_table"):
        table = getattr(claim, column)
        if table is not None and getattr(other, column) == table:
            yield Clash(
                column,
                f"{name} uses the {table._meta.verbose_name} {table.name} between other systems, whose ids are not these.",
                "Make a table of its own for this flow.",
            )


def check_clashes(flow: Flow) -> None:
    """Raises ConfigurationError with the first clash with an older flow."""
    for other in clashes(Claim.of(flow), older=True):
        raise ConfigurationError(other.text, code="shared", advice=other.advice)


def moved_keys(claim: Claim, published: Any) -> Clash | None:
    """Pairs would be looked for by keys that their records do not carry, once the prefix is another."""
    options = (published or {}).get("options") or {}
    was = options.get("key_prefix") == INSTANCE
    if published is None or was == claim.prefixed or claim.pk is None:
        return None
    if not RecordLink.objects.filter(flow_id=claim.pk).exists():
        return None
    return Clash(
        "key_prefix",
        "The records of this flow's pairs carry keys of the present form, and would not be found by another.",
        "Leave it, and say the prefix in the flow of the other instance: those keys differ then.",
    )


def _others(claim: Claim) -> QuerySet[Flow]:
    """Flows that may share something with this one."""
    same_table = Q(pk=None)
    for column in ("user_table", "routing_table"):
        if getattr(claim, column) is not None:
            same_table |= Q(**{column: getattr(claim, column)})
    near = Q(salesforce_object=claim.object, salesforce_key_field=claim.key_field) & ~Q(
        servicenow_connection=claim.servicenow
    )
    if not claim.key_field:  # it only acts, and makes no counterparts
        near = Q(pk=None)
    foreign = same_table & ~Q(servicenow_connection=claim.servicenow, salesforce_connection=claim.salesforce)
    used = Flow.objects.filter(near | foreign, enabled=True, revision__isnull=False).exclude(pk=claim.pk or 0)
    return used.select_related(
        "servicenow_connection", "salesforce_connection", "user_table", "routing_table"
    ).defer("servicenow_connection__secrets_sealed", "salesforce_connection__secrets_sealed")


def _same_org(one: Claim, other: Claim) -> bool:
    return _same(one.salesforce, other.salesforce) or (
        bool(one.salesforce.org_id) and one.salesforce.org_id == other.salesforce.org_id
    )


def _same_instance(one: Claim, other: Claim) -> bool:
    """By the address alone: a clone may have kept the id of its original."""
    return _same(one.servicenow, other.servicenow)


def _same(one: Connection, other: Connection) -> bool:
    return one.pk == other.pk or one.url == other.url


def _same_keys(one: Claim, other: Claim) -> bool:
    if (one.object, one.key_field) != (other.object, other.key_field) or one.prefixed != other.prefixed:
        return False
    return not one.prefixed or one.servicenow.org_id == other.servicenow.org_id


def _of_keys(claim: Claim, other: Claim, name: str) -> Clash:
    where = f"{claim.object}.{claim.key_field}"
    if claim.prefixed:
        return Clash(
            "key_prefix",
            f"{name} writes {where} too, and its instance bears the same id {other.servicenow.org_id or '(not known yet)'}: "
            "a clone that kept its original's, or one never tested.",
            "Give the clone its own instance_id and test both connections.",
        )
    return Clash(
        "key_prefix",
        f"{name} fills {where} of the same org from another instance, and the sys_ids of two instances may be equal.",
        "Say key_prefix: instance in this flow; its keys then begin with the instance's id.",
    )
