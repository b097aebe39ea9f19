"""The form of a flow: plain words for each setting, and the very checks that a configuration file meets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django import forms

from integration_console.theme.toolkit import Select, Switch, Textarea, TextInput
from sync.admin import deletions, files
from sync.admin.acts import ActsForm
from sync.admin.comments import COMMENTS_PLACES, CommentsForm
from sync.admin.deletions import DeletionsForm
from sync.admin.files import FilesForm
from sync.configuration.columns import with_approval, with_bulk, with_guard, with_key_prefix
from sync.configuration.documents import GUARD
from sync.configuration.rules import BULK, BULK_PROBLEM, GUARDS, KEY_PREFIXES, bulk_of, flow_problems
from sync.cron import CronError, parse_cron
from sync.engine.sharing import Claim, Clash, clashes, keyed_of, moved_keys
from sync.models import Flow
from sync.models.flow import Adopt, KeyStrategy

PUBLISHES = "Saving publishes a numbered revision, which runs use from then on."
OPTIONS = ("guard", "bulk", "key_prefix", "approval", "deletions", "comments", "attachments", "actions")
PLACES = {**deletions.PLACES, **files.PLACES}
CONDITIONS = ("servicenow_scope", "servicenow_enter", "salesforce_scope", "salesforce_enter")
# What either side can be asked by; what is stored already is offered as well.
KEYS = {
    "servicenow_key": (KeyStrategy.SYS_ID, KeyStrategy.FIELD),
    "salesforce_key": (KeyStrategy.EXTERNAL_ID, KeyStrategy.LOOKUP),
}
HELP = {
    "direction": "Both ways: a change on either side reaches the other. A field row may go one way only.",
    "servicenow_key": "How the incident made for a Case is found again. The derived sys_id is computed from the Case, "
    "so that a request sent twice makes one record.",
    "servicenow_key_field": "Only with the key “field”: the column that names the Salesforce record, "
    "such as correlation_id.",
    "salesforce_key": "How the Case made for an incident is found again. The external id must be unique in Salesforce.",
    "create_in_servicenow": "A Salesforce record that meets Enter on its tab, and has no counterpart, gets one here.",
    "create_in_salesforce": "A ServiceNow record that meets Enter on its tab, and has no counterpart, gets one here.",
    "servicenow_enter": "Encoded query: which records without a counterpart get one in Salesforce; empty: all in scope. "
    "A record that has one is followed whatever this says later.",
    "salesforce_enter": "SOQL condition, such as IsEscalated = true: which records without a counterpart get one in "
    "ServiceNow; empty: all in scope.",
    "tie": "Newest record wins, and nobody can tell which is newer: this side's value counts.",
    "adopt": "A record finds one that exists already on the other side, with other values: whose count.",
    "drift": "Somebody changed a field that this flow writes one-way: leave their value until the source changes, "
    "or write ours again.",
    "reconcile": "When both sides of every link are compared: five fields of cron in the flow's time zone; empty: never.",
    "on_leave": "A record with a counterpart leaves the scope. For now it is followed in any case.",
}


class FlowForm(ActsForm, FilesForm, DeletionsForm, CommentsForm):
    guard = forms.ChoiceField(
        choices=list(GUARDS.items()),
        initial=GUARD,
        required=False,
        widget=Select(),
        help_text="What is written to Salesforce only if nobody has edited the record since it was read. That takes a "
        "call for 25 records instead of 200; elsewhere an edit within those seconds may go under.",
    )
    bulk = forms.CharField(
        initial=BULK,
        required=False,
        max_length=8,
        widget=TextInput(),
        help_text="When a first load of a large table creates by jobs of Salesforce's Bulk API 2.0, which take fewer calls and "
        "more time: auto, never, always, or a number: from so many new records at a time.",
    )
    approval = forms.BooleanField(
        required=False,
        widget=Switch(),
        label="Plans need approval",
        help_text="What a dry run planned is applied only after somebody else than who asked for it has approved it. It is about plans "
        "alone: publishing, the schedule and runs that people start take their own permissions and wait for nobody.",
    )
    key_prefix = forms.ChoiceField(
        choices=list(KEY_PREFIXES.items()),
        required=False,
        widget=Select(),
        help_text="Where several ServiceNow instances fill this field, all flows but those of the first say instance: a clone has "
        "the sys_ids of its original. Flows whose actions look records up by key say it, too. Once there are pairs it stays.",
    )
    reason = forms.CharField(
        required=False, max_length=255, widget=TextInput(), help_text=f"Why you change it. {PUBLISHES}"
    )

    keep_draft = forms.BooleanField(
        required=False,
        widget=Switch(),
        label="Keep as a draft",
        help_text="Saves without publishing: runs go on as before until the draft is published.",
    )

    class Meta:
        model = Flow
        exclude = ("options",)
        labels = {
            "servicenow_connection": "Connection",
            "servicenow_key": "Key",
            "servicenow_key_field": "Key field",
            "salesforce_connection": "Connection",
            "salesforce_key": "Key",
            "create_in_servicenow": "Create records in ServiceNow",
            "create_in_salesforce": "Create records in Salesforce",
            "tie": "On a tie",
            "adopt": "On adoption",
            "drift": "On drift",
            "on_leave": "On leaving the scope",
            "start": "First poll reads",
        }
        help_texts = HELP
        widgets = {name: Textarea(attrs={"rows": 2}) for name in CONDITIONS}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "guard" in self.fields:
            self.initial["guard"] = self.instance.options.get("guard", GUARD)
        if "bulk" in self.fields:
            self.initial["bulk"] = self.instance.options.get("bulk", BULK)
        if "approval" in self.fields:
            self.initial["approval"] = bool(self.instance.options.get("approval"))
        if "key_prefix" in self.fields:
            self.initial["key_prefix"] = self.instance.options.get("key_prefix", "")
        if isinstance(adopt := self.fields.get("adopt"), forms.ChoiceField):
            adopt.choices = [("", "ask for two-way fields, ServiceNow's value for one-way"), *Adopt.choices]
        for name, offered in KEYS.items():
            if isinstance(field := self.fields.get(name), forms.ChoiceField):
                kept = {*offered, getattr(self.instance, name)}
                field.choices = [(value, label) for value, label in KeyStrategy.choices if value in kept]

    def clean_reconcile(self) -> str:
        cron: str = (self.cleaned_data["reconcile"] or "").strip()
        try:
            return parse_cron(cron) if cron else ""
        except CronError as problem:
            raise forms.ValidationError(str(problem)) from problem

    def clean_bulk(self) -> str | int:
        found = bulk_of((self.cleaned_data["bulk"] or "").strip() or BULK)
        if found is None:
            raise forms.ValidationError(BULK_PROBLEM)
        return found

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        data["start"] = (data.get("start") or "").strip() or "everything"
        if "guard" in data:
            data["options"] = self.instance.options = self._options(data)
        if (
            not data.get("salesforce_key_field")
            and not (data.get("options") or {}).get("actions")
            and "guard" in data
        ):
            self.add_error(
                "salesforce_key_field",
                "Name the field that holds the key. Only a flow that does nothing but act has none.",
            )
        for found, problem in flow_problems(data):
            column = {**PLACES, **COMMENTS_PLACES}.get(found, found)
            if column in self.fields and column not in self.errors:
                self.add_error(column, problem)
        for clash in self._clashes(data):
            self.add_error(clash.column if clash.column in self.fields else None, str(clash))
        return data

    def _clashes(self, data: dict[str, Any]) -> Iterator[Clash]:
        """With other flows: what publishing would refuse, told before anything is saved."""
        servicenow, salesforce = data.get("servicenow_connection"), data.get("salesforce_connection")
        if "guard" not in data or servicenow is None or salesforce is None:
            return
        claim = Claim(
            self.instance.pk, servicenow, salesforce,
            keyed_of(data.get("salesforce_object") or "", data.get("salesforce_key_field") or "", data["options"]),
            data.get("user_table"), data.get("routing_table"),
        )  # fmt: skip
        published = self.instance.revision.snapshot if self.instance.revision else None
        if moved := moved_keys(claim, published):
            yield moved
        elif data.get("enabled"):
            yield from islice(clashes(claim), 1)

    def _options(self, data: dict[str, Any]) -> dict[str, Any]:
        """The settings that have no column of their own, beside those that the form does not show."""
        kept = {name: value for name, value in self.instance.options.items() if name not in OPTIONS}
        return {
            **kept,
            **with_guard(data["guard"] or GUARD),
            **with_bulk(data.get("bulk", BULK)),
            **with_approval(bool(data.get("approval"))),
            **with_key_prefix(data.get("key_prefix", "")),
            **self.deletions(data),
            **self.comments(data),
            **self.attachments(data),
            **self.actions_of(data),
        }
