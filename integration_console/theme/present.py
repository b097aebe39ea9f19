"""How the console shows a status, a number, a moment and a structure: one way on every page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

# The colour of every status word. Colour never stands alone: a badge always shows the word.
TONES: Mapping[str, str] = {
    **dict.fromkeys(
        ("succeeded", "healthy", "ok", "active", "resolved", "by_rule", "answered", "alive", "done"), "green"
    ),
    **dict.fromkeys(("created", "updated", "adopted", "approved", "applied"), "green"),
    **dict.fromkeys(
        ("partial", "behind", "conflict", "conflicts", "warning", "open", "changed", "stale"), "amber"
    ),
    **dict.fromkeys(
        ("failed", "failing", "error", "blocked", "deleted_sn", "deleted_sf", "silent", "refused"), "red"
    ),
    **dict.fromkeys(("running", "retried", "asked", "planned", "sent", "applying"), "blue"),
    **dict.fromkeys(
        ("paused", "cancelled", "deferred", "deleted", "ignored", "unlinked", "left", "skipped"), "slate"
    ),
    **dict.fromkeys(("in_doubt", "in doubt"), "violet"),
}
SIDES: Mapping[str, tuple[str, str]] = {
    "servicenow": ("SN", "ServiceNow"),
    "salesforce": ("SF", "Salesforce"),
}
ARROWS: Mapping[str, tuple[str, str]] = {
    "to_salesforce": ("→", "from ServiceNow to Salesforce"),
    "to_servicenow": ("←", "from Salesforce to ServiceNow"),
    "both": ("↔", "both ways"),
}
_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def tone(word: str) -> str:
    return TONES.get(word, "grey")


def badge(word: str, label: str = "") -> SafeString:
    """The status word in its colour; `label` where people read another word than the stored one."""
    return format_html('<span class="ic-badge ic-{}">{}</span>', tone(word), label or word.replace("_", " "))


def number(value: int | float | None) -> str:
    return "–" if value is None else f"{value:,}"


def span(seconds: float) -> str:
    """A duration in its greatest unit: 41 s, 3 min, 2 d."""
    whole = int(abs(seconds))
    for size, unit in _STEPS:
        if whole >= size:
            return f"{whole // size:,} {unit}"
    return f"{abs(seconds):.1f} s" if seconds else "0 s"


def ago(moment: datetime | None, *, now: datetime | None = None) -> SafeString:
    """ "3 min ago" or "in 58 s", with the exact UTC time on hover; a dash for never."""
    if moment is None:
        return SafeString("–")
    distance = ((now or timezone.now()) - moment).total_seconds()
    words = (
        "just now"
        if abs(distance) < 1
        else f"{span(distance)} ago"
        if distance > 0
        else f"in {span(distance)}"
    )
    exact = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(),
        exact.strftime("%Y-%m-%d %H:%M:%S UTC"),
        words,
    )


def side_mark(side: str) -> SafeString:
    short, name = SIDES.get(side, ("?", side))
    return format_html(
        '<span class="ic-side ic-side-{}" title="{}" aria-hidden="true">{}</span>', side, name, short
    )


def side_name(side: str) -> SafeString:
    return format_html(
        '<span class="ic-nowrap">{} {}</span>', side_mark(side), SIDES.get(side, ("", side))[1]
    )


def arrow(direction: str) -> SafeString:
    sign, words = ARROWS.get(direction, ("↔", direction))
    return format_html('<span class="ic-arrow" title="{}">{}</span>', words, sign)


def percent(part: int, whole: int | None) -> int:
    return min(100, part * 100 // whole) if whole else 0


def words(name: str) -> str:
    """A key of ours as people read it: unmapped_to_salesforce -> unmapped to salesforce."""
    return name.replace("_", " ")


def how(transform: str) -> str:
    """How a value is carried over: the words of a transform's name, a formula as it is written."""
    return words(transform) if transform.isidentifier() else transform


def plain(value: Any) -> str:
    """A single value as text; nothing is "empty", never a Python or JSON literal."""
    if value is None or value == "" or value == [] or value == {}:
        return "empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return number(value)
    return printable(str(value))


def printable(text: str) -> str:
    """Text that a page can be encoded with: platforms do send lone surrogates, half an emoji that was cut."""
    return text.encode("utf-8", "replace").decode("utf-8")


def flat(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The leaves of a nested structure with their paths; items of a list are named by what names them, else by number."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flat(inner, (*path, words(str(key))))
    elif _is_list(value) and any(isinstance(item, Mapping | list) for item in value):
        for position, item in enumerate(value, start=1):
            yield from flat(item, (*path, _name_of(item, position)))
    elif _is_list(value):
        yield path, ", ".join(plain(item) for item in value)
    else:
        yield path, value


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _name_of(item: Any, position: int) -> str:
    if isinstance(item, Mapping):
        for key in ("salesforce", "name", "field"):
            if item.get(key):
                return str(item[key])
    return str(position)


_EMPTY: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True, slots=True)
class Difference:
    path: str
    before: str
    after: str
    changed: bool


def compare(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Difference]:
    """Before and after side by side, leaf by leaf, what changed first; a side that has no such leaf shows a dash.

    Of something new or gone only what is not empty is listed. Keys that only the database reads are left out.
    """
    whole = before is not None and after is not None
    old, new = dict(flat(before or {})), dict(flat(after or {}))
    rows = [
        Difference(
            path=" · ".join(path) or "value",
            before=plain(old[path]) if path in old else "–",
            after=plain(new[path]) if path in new else "–",
            changed=old.get(path) != new.get(path),
        )
        for path in dict.fromkeys((*old, *new))
        if path and path[-1] != "id" and (whole or old.get(path) not in _EMPTY or new.get(path) not in _EMPTY)
    ]
    return sorted(rows, key=lambda row: not row.changed)


def table(data: Mapping[str, Any]) -> SafeString:
    """A structure as a two-column table, for people."""
    rows = ((printable(" · ".join(path)), plain(value)) for path, value in flat(data))
    body = format_html_join("", '<tr><th scope="row">{}</th><td>{}</td></tr>', rows)
    return format_html('<table class="ic-table ic-pairs"><tbody>{}</tbody></table>', body)


def older_than(moment: datetime | None, limit: timedelta) -> bool:
    return moment is None or timezone.now() - moment > limit
