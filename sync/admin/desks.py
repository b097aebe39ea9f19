"""Desks on a record's page: where the pair belongs, who has it on either side, and handing it over and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from integration_console.theme.actions import ActionForm
from integration_console.theme.toolkit import Select, Textarea
from mappings.models import Desk, UserTableEntry
from sync import handing
from sync.admin.base import rules
from sync.models import HandOver, Placement, RecordLink
from sync.models.link import LinkState
from sync.models.routing import HandOverState

HAND_OVERS_SHOWN = 10


class OnWrongDesk(admin.SimpleListFilter):
    """As the runs saw it last."""

    title = "desk"
    parameter_name = "desk"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("wrong", "on the wrong desk"), ("right", "on its desk")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[RecordLink]) -> QuerySet[RecordLink]:
        if self.value() == "wrong":
            return queryset.filter(placement__wrong=True)
        if self.value() == "right":
            return queryset.filter(placement__wrong=False).exclude(placement__belongs="")
        return queryset


class HandOverForm(ActionForm):
    """`target` is the record."""

    to = forms.ChoiceField(label="To the desk", widget=Select())
    reason = forms.CharField(
        max_length=1000, label="Why", widget=Textarea(attrs={"rows": 3}),
        help_text="It stands in the note on both records, for colleagues alone.",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        to = self.fields["to"]
        assert isinstance(to, forms.ChoiceField)
        now = handing.stands_on(self.target) if self.target is not None else ""
        desks = handing.desks_of(self.target.flow) if self.target is not None else []
        to.choices = [(desk.name, _choice(desk, now)) for desk in desks]
        placed = Placement.objects.filter(link=self.target).first()
        if placed is not None and placed.wrong:
            to.initial = placed.belongs


def _choice(desk: Desk, now: str) -> str:
    works = f"{desk.name}: {desk.servicenow} / {desk.salesforce}, works in {desk.get_works_in_display()}"
    return f"{works} (has it now)" if desk.name == now else works


class HandBackForm(ActionForm):
    reason = HandOverForm.base_fields["reason"]


def _is_routed(link: RecordLink) -> bool:
    return link.state == LinkState.ACTIVE and link.flow.routing_table_id is not None


def _back_to(link: RecordLink) -> str:
    last = handing.last_done(link)
    return last.from_desk if last is not None else ""


HAND_OVER = rules(
    permission=handing.PERMISSION,
    title=lambda link: f"Hand {link} over?",
    description="The next run gives it to the desk's group in ServiceNow and to its queue in Salesforce, whoever has it now, and leaves "
    "a note on both records that says from whom, to whom, by whom and why.",
    submit="Hand over",
    form=HandOverForm,
    when=_is_routed,
)
HAND_BACK = rules(
    permission=handing.PERMISSION,
    title=lambda link: f"Hand {link} back to {_back_to(link)}?",
    description="To the desk that it was handed over from last, on both sides, with a note on both records.",
    submit="Hand back",
    form=HandBackForm,
    when=lambda link: _is_routed(link) and bool(_back_to(link)),
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who has a record on a side, in the words that this database knows; ids where it knows none."""

    side: str
    desk: str
    label: str


@dataclass(frozen=True, slots=True)
class HandOverLine:
    order: HandOver
    reason: str


def desk_context(link: RecordLink, *, is_open: bool) -> dict[str, Any]:
    """What the page says of desks; nothing where the flow has no routing table."""
    if link.flow.routing_table_id is None:
        return {}
    placed = Placement.objects.filter(link=link).first()
    orders = HandOver.objects.filter(link=link)[:HAND_OVERS_SHOWN]
    return {
        "placed": placed,
        "owners": list(_owners(link, placed)) if placed else [],
        "asked": next((order for order in orders if order.state == HandOverState.ASKED), None),
        "hand_overs": [HandOverLine(order, (order.reason or "") if is_open else "") for order in orders],
        "routing_table": link.flow.routing_table,
    }


def _owners(link: RecordLink, placed: Placement) -> Iterator[Owner]:
    known = _names(link)
    people = [known.get(id, id) for id in (placed.person_id, placed.group_id) if id]
    yield Owner("servicenow", placed.here, ", ".join(people) or "nobody")
    yield Owner("salesforce", placed.there, known.get(placed.owner_id, placed.owner_id) or "nobody")


def _names(link: RecordLink) -> dict[str, str]:
    """Ids that the user table or the routing table has resolved, by their names."""
    entries = UserTableEntry.objects.filter(table=link.flow.user_table_id) if link.flow.user_table_id else ()
    desks = handing.desks_of(link.flow)
    rows: list[UserTableEntry | Desk] = [*entries, *desks]
    here = {row.servicenow_id: row.servicenow for row in rows if row.servicenow_id}
    return here | {row.salesforce_id: row.salesforce for row in rows if row.salesforce_id}
