"""What a flow's settings must keep to beside one another: told alike by the configuration file and the flow's form.

Pure. Settings have the names of the model's columns, so that both can be asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from mappings.linting import BOTH_CREATE
from sync.core import notes
from sync.core.keys import INSTANCE

GUARDS = {
    "live": "live: two-way fields, in the live lane",
    "strict": "strict: every field, in a resync too",
}
BULKS = {
    "auto": "auto: where it takes fewer calls",
    "never": "never: collections of 200",
    "always": "always",
}
BULK = "auto"
# What stands before the sys_id in the key of a Salesforce record.
KEY_PREFIXES = {
    "": "nothing: one instance fills this field",
    INSTANCE: "instance: the id of the ServiceNow instance, because several fill this field",
}
MOST_BULK = 1_000_000  # as a number: from so many creates at a time
# What happens to a record whose counterpart was deleted.
DELETION_POLICIES = {
    "ignore": "nothing: it stays as it is",
    "close": "close it: give it the values below",
    "unlink": "unlink it: it is on its own from then on",
    "delete": "delete it, too",
}
# What was said on two records before they were a pair.
BEFORE_LINK = {"leave": "leave it where it is", "carry": "carry it, too"}
_NAMES = {"servicenow": "ServiceNow", "salesforce": "Salesforce"}
_OTHER = {"servicenow": "salesforce", "salesforce": "servicenow"}
STARTS = ("everything", "now")
LONGEST_START = 32  # characters
LONGEST_PATTERN = 80
_PATTERN = re.compile(rf"[^\x00-\x1f\x7f,]{{1,{LONGEST_PATTERN}}}")

Problem = tuple[str, str]  # column, sentence


def bulk_of(text: str) -> str | int | None:
    """The setting `bulk`: one of BULKS, or from how many creates at a time; None for anything else."""
    if text in BULKS:
        return text
    return int(text) if text.isdecimal() and len(text) < 8 and 1 <= int(text) <= MOST_BULK else None


BULK_PROBLEM = f"Expected {', '.join(BULKS)} or a number of records from 1 to {MOST_BULK:,}."


def start_problem(start: str) -> str:
    """Why `start` cannot be taken, "" if it can: everything, now, or an ISO 8601 time with its offset."""
    if start in STARTS:
        return ""
    wanted = "everything, now, or a time such as 2026-11-07T00:00:00+00:00"
    try:
        moment = datetime.fromisoformat(start)
    except ValueError:
        return f"{start!r} is not {wanted}."
    if moment.tzinfo is None:
        return f"{start!r} names no offset from UTC: add one, such as +00:00."
    return f"Longer than {LONGEST_START} characters." if len(start) > LONGEST_START else ""


def flow_problems(flow: Mapping[str, Any]) -> Iterator[Problem]:
    """Settings that contradict each other, by the column to mend."""
    if problem := start_problem(flow.get("start") or ""):
        yield "start", problem
    yield from _key_problems(flow)
    options = flow.get("options") or {}
    yield from deletion_problems(options.get("deletions") or {})
    yield from comment_problems(flow, options.get("comments") or {})
    yield from attachment_problems(options.get("attachments") or {}, flow.get("direction") or "")
    if not flow.get("create_in_servicenow"):
        return
    if flow.get("direction") == "to_salesforce":
        yield (
            "create_in_servicenow",
            "The flow's direction writes nothing to ServiceNow, so it can create nothing there.",
        )
    if flow.get("servicenow_key") == "coalesce":
        yield (
            "servicenow_key",
            "An import set's coalesce cannot create records without risking a second one: take the derived sys_id, "
            "or a field such as correlation_id.",
        )
    both = flow.get("create_in_salesforce") and flow.get("direction") != "to_servicenow"
    if both and not (flow.get("servicenow_enter") and flow.get("salesforce_enter")):
        yield (
            "create_in_servicenow",
            BOTH_CREATE,
        )


def _key_problems(flow: Mapping[str, Any]) -> Iterator[Problem]:
    strategy, field = flow.get("servicenow_key"), flow.get("servicenow_key_field")
    if strategy == "sys_id" and field:
        yield (
            "servicenow_key_field",
            "A derived sys_id needs no field: leave it empty, or choose the key “field”.",
        )
    elif strategy in ("field", "coalesce") and not field:
        yield "servicenow_key_field", "Name the column that holds the key, for example correlation_id."


def deletion_problems(deletions: Mapping[str, Any]) -> Iterator[Problem]:
    """Told as `deletions.<side>`: to close a record one must know with which values."""
    closing = deletions.get("close") or {}
    for side, other in _OTHER.items():
        if deletions.get(side) == "close" and not closing.get(other):
            text = f"Say which values close a record of {_NAMES[other]} whose counterpart was deleted."
            yield f"deletions.{side}", text


def comment_problems(flow: Mapping[str, Any], comments: Mapping[str, Any]) -> Iterator[Problem]:
    """Told as `comments.<key>`: above all, that an internal entry would become public."""
    direction, salesforce_object = (
        flow.get("direction") or "to_salesforce",
        flow.get("salesforce_object") or "",
    )
    for where, problem in notes.problems(comments, direction, salesforce_object):
        yield f"comments.{where}", problem


def attachment_problems(attachments: Mapping[str, Any], direction: str) -> Iterator[Problem]:
    """A flow writes nothing to a side, so it puts no files there either."""
    wanted = attachments.get("direction") or direction
    if direction != "both" and wanted != direction:
        yield "attachments", f"{wanted} is wider than the flow's {direction}; files go where the flow writes."


def patterns_problem(patterns: Sequence[str]) -> str:
    """Why one of them cannot be a pattern of file names or types; "" if all can."""
    bad = next((each for each in patterns if not _PATTERN.fullmatch(each)), None)
    return (
        ""
        if bad is None
        else f"{bad!r} is no pattern like *.pdf or image/*, of at most {LONGEST_PATTERN} characters."
    )
