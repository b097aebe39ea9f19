"""Dead letters by cause: which share one, what mends it, and the deed that mends a missing entry of a value map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import CharField, Count, Max, Min, QuerySet
from django.db.models.functions import Cast

from mappings.models import FieldRow, ValueMap, ValueMapEntry
from mappings.registry import named
from mappings.spec import Direction
from sync import audit, revisions, services
from sync.models import DeadLetter, Flow
from sync.models.attention import DeadLetterState
from sync.models.base import SideChoices

# What letters of one cause have in common. `cause` tells values apart without showing them.
SAME = ("flow_id", "side", "code", "field", "rule", "cause")
# What adding an entry takes: whoever may write the value into its map, and read it there, is shown it.
MAPPING = ("mappings.change_valuemap", "mappings.add_valuemapentry")
LONGEST_VALUE = 255  # characters of an entry


def open_groups() -> QuerySet[DeadLetter, dict[str, Any]]:
    """Open letters by cause, largest group first: one query, in which nothing is decrypted. `sample`: one of them."""
    letters = DeadLetter.objects.filter(state=DeadLetterState.OPEN).order_by()
    grouped = letters.values(*SAME, "advice", "flow__name").annotate(
        count=Count("pk"), since=Min("first_at"), last=Max("last_at"), sample=Min(Cast("pk", CharField()))
    )
    found: QuerySet[DeadLetter, dict[str, Any]] = grouped.order_by("-count", "code", "field", "sample")
    return found


def alike(letter: DeadLetter) -> QuerySet[DeadLetter]:
    """The open letters of the same cause, whatever has become of this one."""
    same = {name: getattr(letter, name) for name in SAME}
    return DeadLetter.objects.filter(state=DeadLetterState.OPEN, **same).defer("content_sealed")


def look_at_missing_value(*, letter: DeadLetter, by: User | None) -> None:
    """Note in the audit log that a person was shown the value which they may add to its map: that one, no other."""
    for permission in MAPPING:
        services.require(by, permission)
    services.note_look(letter, by)


Fixes = dict[tuple[int, str, str], FieldRow]


def fixes(flows: set[int]) -> Fixes:
    """(flow, side written, field) -> the row whose value map lacks the value, where an entry is all that is missing."""
    rows = FieldRow.objects.filter(mapping__in=flows, value_map__isnull=False)
    found: Fixes = {}
    for row in rows.select_related("value_map"):
        function = named(row.transform)
        if function is not None and function.name == "value_map":
            found[row.mapping_id, SideChoices.SALESFORCE, row.salesforce] = row
            if not row.reverse:
                found[row.mapping_id, SideChoices.SERVICENOW, ", ".join(row.columns)] = row
    return found


def fix_of(letter: DeadLetter) -> FieldRow | None:
    """The row whose value map an entry can be added to, for letters that lack one."""
    if letter.code != "UNMAPPED_VALUE":
        return None
    return fixes({letter.flow_id}).get((letter.flow_id, letter.side, letter.field))


def missing_value(letter: DeadLetter, row: FieldRow) -> str:
    """The value as the map would hold it. Decrypts; call it only for somebody who may look."""
    content = letter.content or {}
    if letter.side == SideChoices.SALESFORCE and len(row.columns) > 1:
        source = content.get("source") or {}
        return ",".join(str(source.get(column, "")) for column in row.columns)
    return str(content.get("value", ""))


def users_of(value_map: ValueMap) -> list[Flow]:
    """The published flows that look values up in it, beside a row or in a formula."""
    within = {row.mapping_id for row in value_map.named_by()}
    beside = set(FieldRow.objects.filter(value_map=value_map).values_list("mapping_id", flat=True))
    return list(Flow.objects.filter(pk__in=within | beside, revision__isnull=False).select_related("revision"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Added:
    """`left`: flows that go on with the map as they have it: with other changes that are not published, or all of them
    where the person may not publish."""

    published: list[str]
    left: list[str]
    retried: int


def add_missing_value(
    *, letter: DeadLetter, counterpart: str, both_ways: bool, reason: str, by: User | None
) -> Added:
    """Add the entry that these letters lack; by a person who may publish, publish the flows that use the map and nothing
    else of them, and have the records read again, as whatever is published is for.

    Raises Refused where the entry is not all that is missing, or publishing would take along what somebody else drafts.
    """
    for permission in MAPPING:
        services.require(by, permission)
    publishes = by is None or by.has_perm("sync.publish_flow")
    row = fix_of(letter)
    if row is None or row.value_map is None:
        raise services.Refused("The field is not mapped by a value map alone any more. Open the flow and mend its row.")  # fmt: skip
    value_map = row.value_map
    with transaction.atomic():
        revisions.hold([flow.pk for flow in users_of(value_map)], also=[value_map.name])
        flows = users_of(value_map)
        drafted = [flow for flow in flows if revisions.differs(flow)] if publishes else flows
        if publishes and letter.flow_id in {flow.pk for flow in drafted}:
            raise services.Refused(
                f"{letter.flow.name} has other changes that are not published. Publish or undo them first."
            )
        _add(value_map, letter, missing_value(letter, row), counterpart, both_ways, reason)
        ready = [flow for flow in flows if flow not in drafted]
        for flow in ready:
            services.publish_flow(flow=flow, by=by, reason=f"{value_map}: a missing value. {reason}"[:255])
    if not publishes:
        return Added([], [flow.name for flow in flows], 0)
    retrier = by if by is not None and by.has_perm("sync.retry_deadletter") else None
    retried = services.retry_dead_letters(letters=alike(letter), by=retrier)
    return Added([flow.name for flow in ready], [flow.name for flow in drafted], retried)


def _add(
    value_map: ValueMap, letter: DeadLetter, value: str, counterpart: str, both_ways: bool, reason: str
) -> None:
    going_out = letter.side == SideChoices.SALESFORCE
    one_way = Direction.TO_SALESFORCE if going_out else Direction.TO_SERVICENOW
    here, there = (value, counterpart) if going_out else (counterpart, value)
    if max(len(here), len(there)) > LONGEST_VALUE:
        raise services.Refused(f"The value is longer than {LONGEST_VALUE} characters, more than an entry holds.")  # fmt: skip
    last = value_map.entries.aggregate(last=Max("position"))["last"] or 0
    entry = ValueMapEntry(
        value_map=value_map, position=last + 1, servicenow=here, salesforce=there,
        direction=Direction.BOTH if both_ways else one_way,
    )  # fmt: skip
    try:
        entry.full_clean()
    except ValidationError as problem:
        raise services.Refused(" ".join(problem.messages)) from None
    entry.save()
    audit.record(
        "value_map.entry_added", value_map,
        after={"ServiceNow": here, "Salesforce": there, "direction": str(entry.direction), "reason": reason},
    )  # fmt: skip
