"""Hand over: a person sends a pair to another desk. Like every service it asks for its permission and leaves an audit entry.

Nothing is sent from here: the next run, which is queued now, writes the owner on both sides and a note on either record.
"""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from mappings.apply import MappingError, compile_mapping
from mappings.models import Desk
from mappings.spec import Environment
from sync import audit, revisions
from sync.actor import current_actor
from sync.core.notes import exchange_of
from sync.engine.handing import keeps_thread, owner_row
from sync.errors import ConfigurationError
from sync.models import Flow, HandOver, Placement, RecordLink, Waiting
from sync.models.attention import WaitingReason
from sync.models.base import SideChoices
from sync.models.link import LinkState
from sync.models.routing import HandOverState
from sync.models.run import RunKind
from sync.services import Refused, request_run, require

PERMISSION = "sync.hand_over"


def hand_over(*, link: RecordLink, to: str, reason: str, by: User | None, enqueue: bool = True) -> HandOver:
    """Have the pair handed over to the desk `to` of its flow's routing table. Raises Refused with what is in the way.

    A hand-over that was asked for and not carried out yet is replaced by this one.
    """
    require(by, PERMISSION)
    desk = _desk(link, to)
    now = timezone.now()
    with transaction.atomic():
        held = RecordLink.objects.select_for_update(of=("self",)).get(pk=link.pk)
        if held.state != LinkState.ACTIVE:
            raise Refused(f"{link} is no pair any more: nothing was handed over.")
        HandOver.objects.filter(link=held, state=HandOverState.ASKED).update(state=HandOverState.REPLACED)
        order = HandOver(
            flow=link.flow, link=held, from_desk=stands_on(held), to_desk=desk.name, group_id=desk.servicenow_id,
            queue_id=desk.salesforce_id, by=by, by_name=current_actor().name or "the command line", asked_at=now,
        )  # fmt: skip
        order.reason = reason.strip()
        order.save()
        Waiting.objects.update_or_create(
            flow=link.flow, side=SideChoices.SERVICENOW, record_id=held.servicenow_id,
            defaults={
                "record_number": held.servicenow_number, "reason": WaitingReason.RETRY, "attempts": 0,
                "since": now, "due_at": now, "message": f"Handed over to {desk.name} by {order.by_name}",
            },
        )  # fmt: skip
        # Why is for colleagues: it is kept sealed with the hand-over.
        audit.record("record.handed_over", held, after={"from": order.from_desk, "to": desk.name})
    if enqueue:
        _ask_for_run(link.flow)
    return order


def hand_back(*, link: RecordLink, reason: str, by: User | None, enqueue: bool = True) -> HandOver:
    """To the desk from which it was handed over last. Raises Refused where it never was."""
    last = last_done(link)
    if last is None or not last.from_desk:
        raise Refused(f"{link} was not handed over by a desk, so there is none to hand it back to.")
    return hand_over(link=link, to=last.from_desk, reason=reason, by=by, enqueue=enqueue)


def last_done(link: RecordLink) -> HandOver | None:
    return HandOver.objects.filter(link=link, state=HandOverState.DONE).first()


def stands_on(link: RecordLink) -> str:
    """The desk that has the pair, as a run last saw it; "" for none."""
    placed = Placement.objects.filter(link=link).first()
    return (placed.here or placed.there) if placed else ""


def desks_of(flow: Flow) -> list[Desk]:
    return list(Desk.objects.filter(table=flow.routing_table_id)) if flow.routing_table_id else []


def _desk(link: RecordLink, name: str) -> Desk:
    desk = next((desk for desk in desks_of(link.flow) if desk.name == name), None)
    if desk is None:
        raise Refused(f"{link.flow.name} knows no desk {name!r}: choose one of its routing table.")
    unknown = [
        f"{system} shows no {noun} {label!r}"
        for id, system, noun, label in (
            (desk.servicenow_id, "ServiceNow", "active group", desk.servicenow),
            (desk.salesforce_id, "Salesforce", "queue", desk.salesforce),
        )
        if not id
    ]
    if unknown:
        raise Refused(
            f"{' and '.join(unknown)}, or no run has looked it up yet: nobody can be handed anything there."
        )
    _check_flow(link.flow)
    return desk


def _check_flow(flow: Flow) -> None:
    """What the published flow must do for a hand-over to reach both sides and to leave a word on them."""
    if flow.revision is None:
        raise Refused(f"{flow.name} is not published.")
    data = flow.revision.snapshot
    try:
        rows = compile_mapping(revisions.mapping_spec(data), Environment()).rows
        exchange = exchange_of(data["options"].get("comments"), data["direction"], data["salesforce_object"])
    except (MappingError, ConfigurationError) as error:
        raise Refused(f"{flow.name} cannot run as it is published: {error}") from error
    if owner_row(rows) is None:
        raise Refused(
            f"{flow.name} does not map the owner both ways: give it a row of assigned_to, assignment_group and OwnerId."
        )
    if not keeps_thread(exchange):
        raise Refused(
            f"{flow.name} does not carry work notes both ways, and a hand-over leaves a word on both records: "
            "say where they go on its page."
        )


def _ask_for_run(flow: Flow) -> None:
    try:
        request_run(flow=flow, by=None, kind=RunKind.RETRY)
    except Refused:
        return  # the active run, or the next one, takes it from the waiting list
