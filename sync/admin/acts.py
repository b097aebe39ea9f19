"""A flow's actions on its page: written as in a configuration file, checked when they are saved, shown to those who look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integration_console.theme.toolkit import ModelForm, Textarea
from sync.configuration.actions import parsed, written
from sync.models import Flow

CONTROLS = ("acts",)
TOLD = 8  # problems at a time
READS = {"to_salesforce": ("servicenow",), "to_servicenow": ("salesforce",)}


class ActsForm(ModelForm):
    """The control of the option `actions`, which has no column of its own."""

    acts = forms.CharField(
        required=False,
        strip=False,
        widget=Textarea(
            attrs={"rows": 24, "spellcheck": "false", "style": "font-family: ui-monospace, monospace"}
        ),
        label="Actions",
        help_text="What is done after a create, an update or a transition, as in a configuration file: a list of actions, each with "
        "name, on and steps. docs/actions.md has the language.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["acts"] = written(self.instance.options.get("actions"))

    def actions_of(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The option as the engine reads it; what is wrong with it is told at the control."""
        text = data.get("acts") or ""
        found, problems = parsed(text, READS.get(data.get("direction") or "", ("servicenow", "salesforce")))
        for problem in problems[:TOLD]:
            where = f"{problem.path}: " if problem.path else ""
            self.add_error("acts", f"Line {problem.line}: {where}{problem.text}")
        return {"actions": found} if found else {}


class ActsShown:
    """The same for those who may only look."""

    @admin.display(description="actions")
    def acts(self, obj: Flow) -> SafeString:
        return format_html(
            '<pre class="ic-code" style="white-space: pre-wrap">{}</pre>',
            written(obj.options.get("actions")) or "none",
        )
