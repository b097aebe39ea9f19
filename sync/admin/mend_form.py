"""The dialog that mends a finding of the linter: what it will do, and what it asks for."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest

from integration_console.theme.actions import ActionForm
from integration_console.theme.toolkit import Select, TextInput
from mappings.linting import Finding
from mappings.models import ValueMap
from sync.admin.base import rules
from sync.causes import users_of
from sync.mending import PERMISSION, finding_of
from sync.models import Flow

GONE = "This finding does not stand any more. Look at the flow's page again."


class MendForm(ActionForm):
    """Says which finding, and for each value where it leads, or which constant is written."""

    finding = forms.CharField(widget=forms.HiddenInput, required=False, max_length=16)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        number = (self.data.get("finding") if self.is_bound else self.initial.get("finding")) or ""
        found = finding_of(self.target, str(number)) if self.target is not None else None
        self.asked = list(_asked(found)) if found else []
        for position, (value, choices, label) in enumerate(self.asked):
            self.fields[f"value_{position}"] = _field(value, choices, label)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        data["chosen"] = {
            value: data.get(f"value_{position}", "") for position, (value, _, _) in enumerate(self.asked)
        }
        return data


Choices = list[tuple[str, str]]  # value, what people read for it


def _asked(finding: Finding) -> list[tuple[str, Choices, str]]:
    """(value, what it may lead to, label) of each field of the form."""
    fix = finding.fix
    if fix is None or fix.kind not in ("entry", "constant"):
        return []
    choices = list(zip(fix.choices, fix.labels or fix.choices, strict=True))
    if fix.kind == "constant":
        return [("", choices, f"What is written to {fix.column}")]
    return [(value, choices, f"{value or 'nothing'} becomes") for value in fix.values]


def _field(value: str, choices: Choices, label: str) -> forms.Field:
    if not choices:
        return forms.CharField(label=label, max_length=255, widget=TextInput())
    offered = [("", "leave it as it is" if value else "choose"), *choices]
    return forms.ChoiceField(label=label, choices=offered, required=not value, widget=Select())


def _says(request: HttpRequest, flow: Flow) -> str:
    sent = request.POST if request.method == "POST" else request.GET
    finding = finding_of(flow, str(sent.get("finding", "")))
    if finding is None or finding.fix is None:
        return GONE
    return (
        f"{finding.text} {_does(finding)} It becomes part of the draft: runs use it once that is published."
    )


def _does(finding: Finding) -> str:
    fix = finding.fix
    assert fix is not None
    if fix.kind == "entry":
        flows = users_of(ValueMap.objects.get(name=fix.value_map))
        others = f", which {len(flows):,} flows use" if len(flows) > 1 else ""
        return f"Adds entries of this direction to the value map {fix.value_map}{others}."
    if fix.kind == "constant":
        return (
            f"Has the row write it to {fix.column}."
            if fix.row
            else f"Adds a row that writes a constant to {fix.column}."
        )
    if fix.kind == "remove":
        return "Takes the row out."
    return f"Changes the row: {', '.join(f'{name} becomes {value}' for name, value in fix.changes.items())}."


MEND = rules(
    permission=PERMISSION,
    title=lambda flow: f"Mend the mapping of {flow.name}?",
    description="",
    addressed=_says,
    submit="Mend it",
    form=MendForm,
    when=lambda flow: False,  # its links stand beside the findings
)
