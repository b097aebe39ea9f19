"""What the page of dead letters by cause shows of each group."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse

from sync.admin.base import list_url, salesforce_url, servicenow_url
from sync.causes import MAPPING, fixes
from sync.models import ActionRun, DeadLetter

GROUPS_A_PAGE = 20


@dataclass(frozen=True, slots=True)
class CauseLine:
    """`fix`: the address of the form that adds what is missing; "" where there is none, or it is not for this person."""

    count: int
    flow: str
    flow_id: int
    side: str
    field: str
    words: str
    code: str
    advice: str
    since: datetime
    last: datetime
    value_map: str
    value_map_id: int | None
    fix: str
    retry: str
    ignore: str
    one: str
    all: str


def causes_url() -> str:
    return reverse("admin:sync_deadletter_causes")


def cause_lines(request: HttpRequest, groups: list[dict[str, Any]]) -> list[CauseLine]:
    """One query, for the value maps that the groups lack values of."""
    known = fixes({group["flow_id"] for group in groups if group["code"] == "UNMAPPED_VALUE"})
    may = request.user.has_perm
    can = {
        "add_value": request.user.has_perms(MAPPING),
        "retry_group": may("sync.retry_deadletter"),
        "ignore_group": may("sync.ignore_deadletter"),
    }
    return [_line(group, known, can) for group in groups]


def _line(group: dict[str, Any], known: Any, can: dict[str, bool]) -> CauseLine:
    key = UUID(str(group["sample"]))
    row = (
        known.get((group["flow_id"], group["side"], group["field"]))
        if group["code"] == "UNMAPPED_VALUE"
        else None
    )

    def act(name: str) -> str:
        return reverse(f"admin:sync_deadletter_{name}", args=[key]) if can[name] else ""

    return CauseLine(
        count=group["count"], flow=group["flow__name"], flow_id=group["flow_id"], side=group["side"],
        field=group["field"], words=group["rule"] or group["code"], code=group["code"], advice=group["advice"],
        since=group["since"], last=group["last"], value_map=row.value_map.name if row else "",
        value_map_id=row.value_map_id if row else None, fix=act("add_value") if row else "", retry=act("retry_group"),
        ignore=act("ignore_group"), one=reverse("admin:sync_deadletter_change", args=[key]),
        all=list_url(DeadLetter, state__exact="open", flow__mapping_ptr__exact=group["flow_id"], code=group["code"],
                     field=group["field"]),
    )  # fmt: skip


def source_url(letter: DeadLetter) -> str:
    """The record in its own system, where it can be mended before it is retried; "" if it is not a record's letter."""
    flow, link = letter.flow, letter.link
    source = "servicenow" if letter.side == "salesforce" else "salesforce"
    if link is not None and link.end(source) != letter.record_id:
        return ""  # about a file, an entry or an action of the pair
    if link is None and (letter.operation != "create" or ActionRun.objects.of_letter(letter).exists()):
        return ""
    if letter.side == "salesforce":
        return servicenow_url(flow.servicenow_connection, flow.servicenow_table, letter.record_id)
    return salesforce_url(flow.salesforce_connection, flow.salesforce_object, letter.record_id)
