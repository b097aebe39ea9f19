"""Comments and work notes on the console's pages: the form's controls, and what was carried between two records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet

from integration_console.theme.toolkit import ModelForm, Select, Switch, TextInput
from sync.configuration.columns import with_comments
from sync.configuration.documents import Comments, Public, Said
from sync.configuration.rules import BEFORE_LINK
from sync.core.notes import CHANNELS, KINDS, OFF, WORDS, Place, leaks
from sync.models import Flow, JournalEntry, RecordLink

COMMENTS_CONTROLS = (
    "comments_salesforce", "comments_direction", "work_notes_salesforce", "work_notes_direction", "work_notes_public",
    "work_notes_reason", "before_link",
)  # fmt: skip
# Where the form tells what `sync.configuration.rules` finds.
COMMENTS_PLACES = {
    **{f"comments.{kind}": f"{kind}_salesforce" for kind in KINDS},
    **{f"comments.{kind}.direction": f"{kind}_direction" for kind in KINDS},
    "comments.comments.public": "comments_salesforce",
    "comments.work_notes.public": "work_notes_public",
}
DIRECTIONS = {
    "": "as the flow does",
    "both": "both ways",
    "to_salesforce": "to Salesforce alone",
    "to_servicenow": "to ServiceNow alone",
}
_SEEN = {False: "internal", True: "seen by customers"}


def _channel_words(kind: Place, channel: str) -> str:
    if channel == OFF:
        return "nowhere: they are not carried"
    words = WORDS[Place(channel)]
    return f"{words} ({_SEEN[True]})" if leaks(kind, Place(channel)) else words


CHANNEL_WORDS = {
    kind: {channel: _channel_words(kind, channel) for channel in (OFF, *CHANNELS[kind])} for kind in KINDS
}


def _channel(kind: Place, label: str, text: str) -> forms.ChoiceField:
    return forms.ChoiceField(
        choices=list(CHANNEL_WORDS[kind].items()),
        required=False,
        widget=Select(),
        label=label,
        help_text=text,
    )


def _direction(label: str) -> forms.ChoiceField:
    return forms.ChoiceField(choices=list(DIRECTIONS.items()), required=False, widget=Select(), label=label)


class CommentsForm(ModelForm):
    """The controls of `comments`, which has no column of its own."""

    comments_salesforce = _channel(
        Place.COMMENTS,
        "Comments of ServiceNow are",
        "In Salesforce. Customers see them on both sides. Feed posts serve objects that have no comments.",
    )
    comments_direction = _direction("Comments go")
    work_notes_salesforce = _channel(
        Place.WORK_NOTES, "Work notes of ServiceNow are", "In Salesforce. Work notes are internal."
    )
    work_notes_direction = _direction("Work notes go")
    work_notes_public = forms.BooleanField(
        required=False,
        widget=Switch(),
        label="Work notes may become public",
        help_text="Only for a place that customers see. Without this no work note is ever sent to one.",
    )
    work_notes_reason = forms.CharField(
        required=False,
        max_length=500,
        widget=TextInput(),
        label="Why they may",
        help_text="Stands in the revision and in the audit log.",
    )
    before_link = forms.ChoiceField(
        choices=list(BEFORE_LINK.items()),
        required=False,
        widget=Select(),
        label="Said before",
        help_text="What was written before the two records were a pair.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = _stored(self.instance)
        for kind in KINDS:
            said = _said(self.instance, kind)
            self.initial[f"{kind}_salesforce"] = said.get("salesforce", OFF)
            self.initial[f"{kind}_direction"] = said.get("direction", "")
        reason = _reason(self.instance)
        self.initial["work_notes_public"], self.initial["work_notes_reason"] = bool(reason), reason
        self.initial["before_link"] = stored.get("before_link", "leave")

    def clean_work_notes_reason(self) -> str:
        """A tick needs its reason; a reason alone is no tick."""
        reason: str = (self.cleaned_data["work_notes_reason"] or "").strip()
        if self.cleaned_data.get("work_notes_public") and not reason:
            raise forms.ValidationError("Say why work notes may become public.")
        return reason if self.cleaned_data.get("work_notes_public") else ""

    def comments(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The option as the engine reads it, of what the form was given."""
        comments, work_notes = (
            Said(
                salesforce=data.get(f"{kind}_salesforce") or OFF,
                direction=data.get(f"{kind}_direction") or "",
                public=Public(reason=data.get(f"{kind}_reason") or ""),
            )
            for kind in KINDS
        )
        return with_comments(
            Comments(comments=comments, work_notes=work_notes, before_link=data.get("before_link") or "leave")
        )


def _stored(flow: Flow) -> Mapping[str, Any]:
    found = flow.options.get("comments")
    return found if isinstance(found, dict) else {}


def _said(flow: Flow, kind: str) -> Mapping[str, Any]:
    found = _stored(flow).get(kind)
    return found if isinstance(found, dict) else {}


def _reason(flow: Flow) -> str:
    public = _said(flow, Place.WORK_NOTES).get("public")
    return str(public.get("reason") or "") if isinstance(public, dict) else ""


class CommentsShown:
    """The same settings for those who may only look."""

    @admin.display(description="comments of ServiceNow are")
    def comments_salesforce(self, obj: Flow) -> str:
        return CHANNEL_WORDS[Place.COMMENTS].get(_said(obj, Place.COMMENTS).get("salesforce", OFF), "")

    @admin.display(description="comments go")
    def comments_direction(self, obj: Flow) -> str:
        return DIRECTIONS.get(_said(obj, Place.COMMENTS).get("direction", ""), "")

    @admin.display(description="work notes of ServiceNow are")
    def work_notes_salesforce(self, obj: Flow) -> str:
        return CHANNEL_WORDS[Place.WORK_NOTES].get(_said(obj, Place.WORK_NOTES).get("salesforce", OFF), "")

    @admin.display(description="work notes go")
    def work_notes_direction(self, obj: Flow) -> str:
        return DIRECTIONS.get(_said(obj, Place.WORK_NOTES).get("direction", ""), "")

    @admin.display(description="work notes may become public", boolean=True)
    def work_notes_public(self, obj: Flow) -> bool:
        return bool(_reason(obj))

    @admin.display(description="why they may")
    def work_notes_reason(self, obj: Flow) -> str:
        return _reason(obj) or "–"

    @admin.display(description="said before")
    def before_link(self, obj: Flow) -> str:
        return BEFORE_LINK.get(_stored(obj).get("before_link", "leave"), "")


def entries_of(link: RecordLink) -> QuerySet[JournalEntry]:
    """What was carried between the two records, latest first; without texts, which stand on the platforms."""
    return link.entries.defer("text_sealed").order_by("-written_at", "source_id", "part")
