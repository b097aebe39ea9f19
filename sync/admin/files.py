"""Files on the console's pages: which of them a flow carries, as controls, and what became of a record's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin

from integration_console.theme.toolkit import ModelForm, Select, TextInput
from sync.configuration.columns import with_attachments
from sync.configuration.documents import Attachments
from sync.configuration.rules import patterns_problem
from sync.core.files import USUAL_SIZE, exact_size, parse_size, patterns_of, shown, size_of
from sync.core.records import Side
from sync.models import Attachment, Flow, RecordLink

CONTROLS = ("files_direction", "files_size", "files_types", "files_except")
PLACES = {"attachments": "files_direction"}
_USUAL = exact_size(USUAL_SIZE)
_WAYS = {
    "": "none",
    "both": "both ways",
    "to_salesforce": "to Salesforce",
    "to_servicenow": "to ServiceNow",
}
SHOWN_AT_MOST = 50  # files of a record on its page


class FilesForm(ModelForm):
    """The controls of `attachments`, which has no column of its own."""

    files_direction = forms.ChoiceField(
        choices=list(_WAYS.items()),
        required=False,
        widget=Select(),
        label="Carry files",
        help_text="Files on linked records reach the other side once. Deleting one is not carried; a new version of a "
        "Salesforce file arrives as another file.",
    )
    files_size = forms.CharField(
        required=False,
        max_length=20,
        widget=TextInput(attrs={"placeholder": _USUAL}),
        label="Largest file",
        help_text=f"Such as 25 MB or 1.5 GB; empty: {_USUAL}. Both platforms have limits of their own.",
    )
    files_types = forms.CharField(
        required=False,
        max_length=500,
        widget=TextInput(attrs={"placeholder": "image/*, *.pdf"}),
        label="Only these",
        help_text="Patterns with commas between; with a slash they are compared with the type, else with the name. "
        "Empty: all.",
    )
    files_except = forms.CharField(
        required=False,
        max_length=500,
        widget=TextInput(attrs={"placeholder": "*.exe, *.bat"}),
        label="But not these",
        help_text="What is left behind is noted on its record with the reason.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = _stored(self.instance)
        if stored is not None:
            self.initial["files_direction"] = stored.get("direction") or self.instance.direction
            self.initial["files_size"] = exact_size(size_of(stored)) if stored.get("max_size") else ""
            self.initial["files_types"] = ", ".join(patterns_of(stored.get("types")))
            self.initial["files_except"] = ", ".join(patterns_of(stored.get("except")))

    def clean_files_size(self) -> int:
        text = (self.cleaned_data["files_size"] or "").strip()
        size = parse_size(text or _USUAL)
        if size is None:
            raise forms.ValidationError("Write a size like 25 MB, 900 KB or 1.5 GB; at most 2 GB.")
        return size

    def clean_files_types(self) -> tuple[str, ...]:
        return _patterns(self.cleaned_data["files_types"])

    def clean_files_except(self) -> tuple[str, ...]:
        return _patterns(self.cleaned_data["files_except"])

    def attachments(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The option as the engine reads it, of what the form was given."""
        direction = data.get("files_direction") or ""
        if not direction:
            return {}
        wanted = Attachments(
            direction=direction,
            max_size=data.get("files_size") or USUAL_SIZE,
            types=data.get("files_types") or (),
            excluded=data.get("files_except") or (),
        )
        return with_attachments(wanted, data.get("direction") or "")


def _patterns(text: str | None) -> tuple[str, ...]:
    found = tuple(part for part in (part.strip() for part in (text or "").split(",")) if part)
    if problem := patterns_problem(found):
        raise forms.ValidationError(problem)
    return found


def _stored(flow: Flow) -> Mapping[str, Any] | None:
    found = flow.options.get("attachments")
    return found if isinstance(found, dict) else None


class FilesShown:
    """The same settings for those who may only look."""

    @admin.display(description="carry files")
    def files_direction(self, obj: Flow) -> str:
        stored = _stored(obj)
        return _WAYS[""] if stored is None else _WAYS[stored.get("direction") or obj.direction]

    @admin.display(description="largest file")
    def files_size(self, obj: Flow) -> str:
        return shown(size_of(_stored(obj) or {}))

    @admin.display(description="only these")
    def files_types(self, obj: Flow) -> str:
        return ", ".join(patterns_of((_stored(obj) or {}).get("types"))) or "all"

    @admin.display(description="but not these")
    def files_except(self, obj: Flow) -> str:
        return ", ".join(patterns_of((_stored(obj) or {}).get("except")))


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file of a record. A name is content: shown only where values are opened."""

    row: Attachment
    name: str
    message: str

    @property
    def side(self) -> str:
        """Where it goes, as an event says it."""
        return Side(self.row.side).other


def file_lines(link: RecordLink, *, with_names: bool) -> list[FileLine]:
    """The newest files of a pair, of either side."""
    rows = Attachment.objects.filter(link=link).order_by("-id")[:SHOWN_AT_MOST]
    return [
        FileLine(row, str(row.told.get("name", "")), str(row.told.get("message", "")))
        if with_names
        else FileLine(row, "", "")
        for row in rows
    ]
