"""A list as a file: the rows that its filters show, in the columns that it shows, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from html import unescape
from typing import Any

from django.contrib.admin.utils import label_for_field, lookup_field
from django.http import HttpResponse
from django.utils.html import strip_tags
from django.utils.safestring import SafeString

from integration_console.theme.paging import MOST

# A cell that begins so is a formula to a spreadsheet, wherever its text came from.
RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_TIME = re.compile(r'<time datetime="([^"]*)"[^>]*>.*?</time>', re.DOTALL)
_ORNAMENT = re.compile(r'<(\w+)[^>]*aria-hidden="true"[^>]*>.*?</\1>', re.DOTALL)
_BLOCK = re.compile(r"<(div|br|li|p)\b")


def cell(value: Any) -> str:
    """A value as text that no spreadsheet runs: what begins like a formula gets an apostrophe, numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value)
    text = value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
    return f"'{text}" if text.lstrip(" \x00").startswith(RUNS) or text.startswith(RUNS) else text


def spoken(value: Any) -> Any:
    """What a column says, without its looks: a moment in UTC instead of "3 min ago"."""
    return _said(value) if isinstance(value, SafeString) else value


@lru_cache(maxsize=2_000)
def _said(value: str) -> str:
    """Remembered, because flows, states and causes come again and again down a list of thousands."""
    said = _ORNAMENT.sub("", _TIME.sub(r"\1", value))
    return " ".join(unescape(strip_tags(_BLOCK.sub(r" <\1", said))).split())


def csv_text(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([cell(name) for name in header])
    writer.writerows([cell(value) for value in row] for row in rows)
    return out.getvalue()


def download(text: str, name: str, kind: str) -> HttpResponse:
    """A file and never a page, whatever stands in it. Spreadsheets tell UTF-8 by the mark at its beginning."""
    mark = "\ufeff" if kind == "csv" else ""
    types = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson; charset=utf-8"}
    return HttpResponse(
        mark + text,
        content_type=types[kind],
        headers={"Content-Disposition": f'attachment; filename="{name}.{kind}"', "Cache-Control": "no-store"},
    )


def list_table(admin: Any, found: Any) -> tuple[list[str], list[list[Any]]]:
    """Header and rows of the queryset of a list, as it is filtered and ordered; as many as a list pages through."""
    names: Sequence[str] = [name for name in admin.list_display if name != "action_checkbox"]
    header = [str(label_for_field(name, admin.model, admin)) for name in names]
    return header, [[_value(admin, row, name) for name in names] for row in found[:MOST]]


def _value(admin: Any, row: Any, name: str) -> Any:
    field, _, value = lookup_field(name, row, admin)
    choices = dict(getattr(field, "flatchoices", ()) or ())
    return choices.get(value, spoken(value))
