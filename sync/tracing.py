"""From a number or an id that a person has at hand to what the console knows of that record. Reads rows, asks no platform."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from sync.connectors.salesforce.ids import spelled_18
from sync.models import DeadLetter, RecordLink, Waiting

MOST = 20  # shown of each kind
LONGEST = 300  # characters of what is typed or pasted; no address of a record is longer
CASE_DIGITS = 8  # a Case number as Salesforce shows it: 00001042
SHORTEST_BEGINNING = 4  # characters of a number of which only the beginning is known
_SYS_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_ID = re.compile(r"[0-9a-zA-Z]{15}(?:[0-9a-zA-Z]{3})?")
_NUMBER = re.compile(r"[A-Z]{2,8}\d+|\d+")  # INC0010004, 00001001
_BEYOND = "\uffff"  # sorts after every character of a number


@dataclass(frozen=True, slots=True)
class Sought:
    """What a person typed, as ids and numbers are stored. Each part is "" where the text cannot be one."""

    text: str
    sys_id: str = ""
    salesforce_id: str = ""
    number: str = ""

    @property
    def ids(self) -> list[str]:
        return [id for id in (self.sys_id, self.salesforce_id) if id]

    @property
    def name(self) -> str:
        """What a run is asked to read: it tells an Id from a number by its form, as here."""
        if self.salesforce_id and not _NUMBER.fullmatch(self.number):
            return self.salesforce_id
        return self.sys_id or self.number


def sought(typed: str) -> Sought:
    """Read a number, a sys_id, an Id of 15 or 18 characters, or the address of a record's page in either system.

    Letter case and leading zeros are forgiven, except in an Id of 15 characters, where the case is part of the name.
    """
    text = typed.replace("\x00", "").strip()[:LONGEST]  # which PostgreSQL takes in no text
    if found := _SYS_ID.search(text.lower()):
        return Sought(text, sys_id=found[0])
    if "/" in text:
        part = next((part for part in re.split(r"[/?#]", text) if _is_id(part)), "")
        return Sought(text, salesforce_id=spelled_18(part))
    number = text.zfill(CASE_DIGITS) if text.isascii() and text.isdigit() else text.upper()
    return Sought(text, salesforce_id=spelled_18(text) if _is_id(text) else "", number=number[:80])


def _is_id(text: str) -> bool:
    """Ids begin with the prefix of their object; of words in an address, few are of that length and have a digit."""
    return bool(_ID.fullmatch(text)) and any(char.isdigit() for char in text)


@dataclass(frozen=True, slots=True)
class Traced:
    """`letters`, `waiting`: of records that have no counterpart yet, for those who may see them."""

    sought: Sought
    links: list[RecordLink]
    letters: list[DeadLetter]
    waiting: list[Waiting]

    @property
    def only(self) -> Model | None:
        """The one thing that is known, if it is one."""
        found: list[Model] = [*self.links, *self.letters, *self.waiting]
        return found[0] if len(found) == 1 else None

    @property
    def is_known(self) -> bool:
        return bool(self.links or self.letters or self.waiting)


def trace(typed: str, *, letters: bool = True, waiting: bool = True) -> Traced:
    """At most seven queries, whatever is asked and however many records there are."""
    asked = sought(typed)
    if not asked.name:
        return Traced(asked, [], [], [])
    links = _links(asked)
    ends = {end for link in links for end in (link.servicenow_id, link.salesforce_id)}
    alone = _named(asked, "record_id", "record_number")
    lone = DeadLetter.objects.filter(alone, link=None).exclude(record_id__in=ends).defer("content_sealed")
    waits = Waiting.objects.filter(alone).exclude(record_id__in=ends).select_related("flow")
    return Traced(
        asked,
        links,
        list(lone.select_related("flow")[:MOST]) if letters else [],
        list(waits[:MOST]) if waiting else [],
    )


def _links(asked: Sought) -> list[RecordLink]:
    """Those of exactly that name, else those whose number begins with it."""
    known = _known()
    exact = Q(servicenow_id=asked.sys_id) if asked.sys_id else Q()
    exact |= Q(salesforce_id=asked.salesforce_id) if asked.salesforce_id else Q()
    exact |= Q(servicenow_number=asked.number) | Q(salesforce_number=asked.number) if asked.number else Q()
    found = list(known.filter(exact)[:MOST])
    if found or len(asked.number) < SHORTEST_BEGINNING:
        return found
    return list(known.filter(begins(asked.number, MOST))[:MOST])


def begins(typed: str, most: int) -> Q:
    """Links of a list that are called so: of that id, or with a number or Id that begins so, at most so many by each column."""
    asked = sought(typed)
    found = Q(pk__in=_beginning("salesforce_number", asked.number, most))
    found |= Q(pk__in=_beginning("servicenow_number", asked.number, most))
    if asked.sys_id:
        found |= Q(servicenow_id=asked.sys_id)
    if asked.salesforce_id:
        found |= Q(salesforce_id=asked.salesforce_id)
    elif "/" not in asked.text:
        found |= Q(pk__in=_beginning("salesforce_id", asked.text, most))
    return found


def _beginning(column: str, text: str, most: int) -> list[UUID]:
    """Keys in the order of the column: its index ends the search after so many, whatever else the list is sorted by."""
    if not text:
        return []
    rows = RecordLink.objects.filter(
        **{f"{column}__range": (text, text + _BEYOND)}
    )  # a range, not a pattern: every database finds it
    return list(rows.order_by(column).values_list("pk", flat=True)[:most])


def _known() -> QuerySet[RecordLink]:
    links = RecordLink.objects.select_related("flow", "servicenow_connection", "salesforce_connection")
    return links.defer(
        "base_sealed", "fields_sealed", "servicenow_connection__secrets_sealed", "salesforce_connection__secrets_sealed"
    )  # fmt: skip


def _named(asked: Sought, id: str, number: str) -> Q:
    by_id = Q(**{f"{id}__in": asked.ids})
    return by_id | Q(**{number: asked.number}) if asked.number else by_id
