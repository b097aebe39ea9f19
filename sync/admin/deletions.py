"""What a deletion does, on the console's pages: the form's controls, the button that lets through what was held back,
and the end of a pair in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin

from integration_console.theme.toolkit import ModelForm, Select, Textarea
from sync.admin.base import rules
from sync.admin.counted import SYSTEMS as NAMES
from sync.configuration.columns import with_deletions
from sync.configuration.documents import Closing, Deletions
from sync.configuration.readers import COLUMN
from sync.configuration.rules import DELETION_POLICIES
from sync.models import Event, Flow, RecordLink
from sync.models.base import OutcomeChoices
from sync.models.link import LinkState

OTHER = {"servicenow": "salesforce", "salesforce": "servicenow"}
CONTROLS = ("deletions_servicenow", "closing_salesforce", "deletions_salesforce", "closing_servicenow")
# Where the form tells what `sync.configuration.rules` finds: beside the values that are missing.
PLACES = {"deletions.servicenow": "closing_salesforce", "deletions.salesforce": "closing_servicenow"}
_DONE = {"close": "is closed", "unlink": "is unlinked", "delete": "is deleted, too"}
_WAS = {
    "ignore": "was left as it is, by policy",
    "close": "was closed by policy",
    "unlink": "was unlinked by policy",
    "delete": "was deleted as well, by policy",
}
_POLICY = re.compile(r"policy: (\w+)")  # in the note that the engine leaves with the event


def _policy_field(side: str) -> forms.ChoiceField:
    return forms.ChoiceField(
        choices=list(DELETION_POLICIES.items()),
        required=False,
        widget=Select(),
        label=f"Deleted in {NAMES[side]}",
        help_text=f"What happens to its record in {NAMES[OTHER[side]]}. Only a deletion that the platform itself names counts.",
    )


def _closing_field(side: str, example: str) -> forms.CharField:
    return forms.CharField(
        required=False,
        widget=Textarea(attrs={"rows": 3, "placeholder": example}),
        label=f"Values that close it in {NAMES[side]}",
        help_text="One field=value a line.",
    )


class DeletionsForm(ModelForm):
    """The controls of `deletions`, which has no column of its own: a policy and closing values for either side."""

    deletions_servicenow = _policy_field("servicenow")
    closing_salesforce = _closing_field("salesforce", "Status=Closed")
    deletions_salesforce = _policy_field("salesforce")
    closing_servicenow = _closing_field(
        "servicenow", "state=7\nclose_code=Solution provided\nclose_notes=The Case was deleted."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for side in NAMES:
            self.initial[f"deletions_{side}"] = _stored(self.instance).get(side, "ignore")
            self.initial[f"closing_{side}"] = lines(_closing(self.instance, side))

    def clean_closing_servicenow(self) -> dict[str, Any]:
        found = parse_lines(self.cleaned_data["closing_servicenow"])
        for name, value in found.items():
            if not value:
                raise forms.ValidationError(f"Give the value that goes into {name}.")
        return found

    def clean_closing_salesforce(self) -> dict[str, Any]:
        """Typed as in the configuration file; a line that stands as it was keeps its value, and so its type."""
        kept = _closing(self.instance, "salesforce")
        return {
            name: kept[name] if name in kept and _text(kept[name]) == value else _typed(value)
            for name, value in parse_lines(self.cleaned_data["closing_salesforce"]).items()
        }

    def deletions(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The option as the engine reads it, of what the form was given."""
        closing = Closing(
            servicenow=data.get("closing_servicenow") or {}, salesforce=data.get("closing_salesforce") or {}
        )
        return with_deletions(
            Deletions(
                servicenow=data.get("deletions_servicenow") or "ignore",
                salesforce=data.get("deletions_salesforce") or "ignore",
                close=closing,
            )
        )


def parse_lines(text: str) -> dict[str, str]:
    """Lines of field=value. Raises ValidationError for one that is none, and for a field that stands there twice."""
    found: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, separator, value = (part.strip() for part in line.partition("="))
        if not separator or not COLUMN.fullmatch(name):
            raise forms.ValidationError(f"“{line}” is not of the form field=value.")
        if name in found:
            raise forms.ValidationError(f"{name} stands there twice.")
        found[name] = value
    return found


def lines(values: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}={_text(value)}" for name, value in values.items())


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _typed(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return int(text) if re.fullmatch(r"-?\d{1,15}", text) else text or None


def _stored(flow: Flow) -> Mapping[str, Any]:
    found = flow.options.get("deletions")
    return found if isinstance(found, dict) else {}


def _closing(flow: Flow, side: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (_stored(flow).get("close") or {}).get(side) or {}
    return found


class DeletionsShown:
    """The same settings for those who may only look."""

    @admin.display(description="deleted in ServiceNow")
    def deletions_servicenow(self, obj: Flow) -> str:
        return DELETION_POLICIES.get(_stored(obj).get("servicenow", "ignore"), "")

    @admin.display(description="deleted in Salesforce")
    def deletions_salesforce(self, obj: Flow) -> str:
        return DELETION_POLICIES.get(_stored(obj).get("salesforce", "ignore"), "")

    @admin.display(description="values that close it in ServiceNow")
    def closing_servicenow(self, obj: Flow) -> str:
        return lines(_closing(obj, "servicenow"))

    @admin.display(description="values that close it in Salesforce")
    def closing_salesforce(self, obj: Flow) -> str:
        return lines(_closing(obj, "salesforce"))


def _what_will_be(flow: Flow) -> str:
    """What the policies of the published revision do, a sentence for each side that has one."""
    options = flow.revision.snapshot.get("options", {}) if flow.revision else {}
    policies = options.get("deletions") or {}
    ends = {"servicenow": flow.servicenow_table, "salesforce": flow.salesforce_object}
    return " ".join(
        f"Where a record was deleted in {NAMES[side]}, its {ends[other]} in {NAMES[other]} {_DONE[policies[side]]}."
        for side, other in OTHER.items()
        if policies.get(side) in _DONE
    )


ALLOW = rules(
    permission="sync.pause_flow",
    title=lambda flow: f"Allow the deletions of {flow.name}?",
    description=lambda flow: (
        f"{flow.deletions_paused} Allowed, the next run carries over all that it finds by then. {_what_will_be(flow)}"
    ),
    submit="Allow",
    when=lambda flow: bool(flow.deletions_paused),
)


def ending(link: RecordLink) -> str:
    """How the pair ended, in a sentence or two; "" while it lives. A policy is a setting and no value of a record."""
    if link.state not in (
        LinkState.DELETED_IN_SERVICENOW,
        LinkState.DELETED_IN_SALESFORCE,
        LinkState.UNLINKED,
    ):
        return ""
    event = Event.objects.filter(link=link, outcome=OutcomeChoices.DELETED).order_by("-id").first()
    where = _deleted_in(link, event)
    first = f"Deleted in {NAMES[where]}." if where else "Unlinked."
    happened = _happened(link, event, where) if event and where else ""
    later = (
        "Each record is on its own; nothing is carried between them."
        if link.state == LinkState.UNLINKED
        else "Nothing is written to this pair, unless the record is restored."
    )
    return " ".join(filter(None, (first, happened, later)))


def _deleted_in(link: RecordLink, event: Event | None) -> str:
    if link.state == LinkState.UNLINKED:
        return OTHER[event.side] if event else ""  # the event is about the record that is left
    return "servicenow" if link.state == LinkState.DELETED_IN_SERVICENOW else "salesforce"


def _happened(link: RecordLink, event: Event, where: str) -> str:
    at = f"{event.at:%d %b %Y, %H:%M} UTC"
    found = _POLICY.search(" ".join((event.detail or {}).get("notes", ())))
    if found is None or found[1] not in _WAS:
        return f"Noticed on {at}."
    left = link.salesforce_object if where == "servicenow" else link.servicenow_table
    return f"On {at} its {left} {_WAS[found[1]]}."
