"""What flows of several instances and orgs must not share: one space of keys, one user table, one routing table.

Asked before a flow is published, by its form, and before each run: of two flows that clash the older one goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from mappings.models import RoutingTable, UserTable
from sync.core.keys import INSTANCE, Keyed, Keys, asked_by_key
from sync.errors import ConfigurationError
from sync.models import Connection, Flow, RecordLink


@dataclass(frozen=True, slots=True)
class Claim:
    """What a flow lays hold of; `pk` None: it is new."""

    pk: int | None
    servicenow: Connection
    salesforce: Connection
    keyed: Keyed
    user_table: UserTable | None
    routing_table: RoutingTable | None = None

    @classmethod
    def of(cls, flow: Flow) -> Claim:
        return cls(
            flow.pk, flow.servicenow_connection, flow.salesforce_connection,
            keyed_of(flow.salesforce_object, flow.salesforce_key_field, flow.options), flow.user_table,
            flow.routing_table,
        )  # fmt: skip


def keyed_of(object: str, key_field: str, options: Mapping[str, Any]) -> Keyed:
    """`options`: a flow's."""
    asks = asked_by_key(options.get("actions"), object)
    return Keyed(object, key_field, options.get("key_prefix") == INSTANCE, asks)


def known_keys(flow: Flow, options: Mapping[str, Any]) -> Keys:
    """Of these options, as far as it is known which instance the connection leads to."""
    return Keys(flow.servicenow_connection.org_id if options.get("key_prefix") == INSTANCE else "")


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
        if _same_org(claim, theirs):
            yield from _of_keys(claim, theirs, other.name)
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
    if published is None or was == claim.keyed.prefixed or claim.pk is None:
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
    keyed, near = claim.keyed, Q(pk=None)
    if keyed.field:  # else it only acts, and makes no counterparts
        near |= Q(salesforce_object=keyed.object, salesforce_key_field=keyed.field)
        near &= ~Q(servicenow_connection=claim.servicenow)
        near |= Q(options__has_key="actions")  # which may ask for what it fills
    if keyed.asks:
        near |= Q(salesforce_object__in={object for object, _ in keyed.asks}) & ~Q(salesforce_key_field="")
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


def _of_keys(claim: Claim, other: Claim, name: str) -> Iterator[Clash]:
    same = _same_instance(claim, other)
    if not same and _same_keys(claim, other):
        yield _of_one_field(claim, other, name)
    if claim.keyed.misses(other.keyed, same_instance=same):
        yield Clash(
            "key_prefix",
            f"{name} fills {_where(other)} with keys {_form(other)}{_whose(same)}, and this flow's actions look for keys {_form(claim)}.",
            "Take the prefix out of this flow."
            if claim.keyed.prefixed
            else "Say key_prefix: instance in this flow, too.",
        )
    elif other.keyed.misses(claim.keyed, same_instance=same):
        yield Clash(
            "key_prefix",
            f"The actions of {name}{_whose(same)} look for keys {_form(other)} in {_where(claim)}, which this flow fills with keys "
            f"{_form(claim)}.",
            f"Let {name} say the same of key_prefix first."
            if same
            else "Say key_prefix: instance in one of them.",
        )


def _where(claim: Claim) -> str:
    return f"{claim.keyed.object}.{claim.keyed.field}"


def _form(claim: Claim) -> str:
    return "that begin with the instance's id" if claim.keyed.prefixed else "without prefix"


def _whose(same: bool) -> str:
    return "" if same else " of another instance"


def _same_keys(one: Claim, other: Claim) -> bool:
    here, there = one.keyed, other.keyed
    if not here.field or (here.object, here.field, here.prefixed) != (
        there.object,
        there.field,
        there.prefixed,
    ):
        return False
    return not here.prefixed or one.servicenow.org_id == other.servicenow.org_id


def _of_one_field(claim: Claim, other: Claim, name: str) -> Clash:
    where = _where(claim)
    if claim.keyed.prefixed:
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
