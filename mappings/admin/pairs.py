"""Pairs of values or names, edited in rows: what each row alone cannot tell is told of them together."""

from __future__ import annotations

from typing import Any

from integration_console.theme.toolkit import InlineFormSet
from mappings.spec import Direction

# The side whose value must be alone, the direction in which it need not be, and what to say of the second row.
ANSWERS = (
    ("servicenow", Direction.TO_SERVICENOW, "Another row already takes this ServiceNow side to Salesforce; make one of them one-way."),
    ("salesforce", Direction.TO_SALESFORCE, "Another row already takes this Salesforce side back; make one of them one-way."),
)  # fmt: skip


class PairsFormSet(InlineFormSet):
    """Refuses two rows with one question: the database would as well, but only after both were found good alone."""

    def clean(self) -> None:
        super().clean()
        asked: set[tuple[str, ...]] = set()
        for form in self.forms:
            if form in self.deleted_forms or form.errors or not (form.instance.pk or form.has_changed()):
                continue
            for side, exempt, problem in ANSWERS:
                if form.instance.direction == exempt:
                    continue
                question = _question(form.instance, side)
                if question in asked:
                    form.add_error(side, problem)
                asked.add(question)


def _question(entry: Any, side: str) -> tuple[str, ...]:
    return side, getattr(entry, "kind", ""), getattr(entry, side)
