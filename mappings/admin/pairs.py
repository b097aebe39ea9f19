"""Pairs of values or names, edited in rows: what each row alone cannot tell is told of them together."""

from __future__ import annotations

from typing import Any

from integration_console.theme.meanwhile import RevivingFormSet
from mappings import checks


class PairsFormSet(RevivingFormSet):
    """Refuses two rows with one question: the database would as well, but only after both were found good alone."""

    def clean(self) -> None:
        super().clean()
        kept = self.kept()
        for trouble in checks.contradictions([form.instance for form in kept], numbered):
            kept[trouble.index].add_error(trouble.part, trouble.text)

    def kept(self) -> list[Any]:
        """The forms of rows that are good alone and will stay."""
        return [
            form
            for form in self.forms
            if form not in self.deleted_forms and not form.errors and (form.instance.pk or form.has_changed())
        ]


def numbered(index: int) -> str:
    return f"row {index + 1}"
