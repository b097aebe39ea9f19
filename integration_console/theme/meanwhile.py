"""Two people on one form: who saves second is told what the first one changed, and keeps what was typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.core import signing
from django.db.models import Model
from django.utils import timezone

from integration_console.theme import present
from integration_console.theme.toolkit import InlineFormSet

FIELD = "opened"  # of the form: what it showed when it was opened, signed
TOLD = 20  # changes
_SALT = "console.opened"
State = Mapping[str, Any]

if TYPE_CHECKING:
    from integration_console.theme.toolkit import ModelForm

    _Form = ModelForm
else:
    _Form = object


def token(state: State) -> str:
    """The state in a form of its own, so that what changed since can be told line by line."""
    return signing.dumps(state, salt=_SALT, compress=True)


class Opened(_Form):
    """Refuses a form that was opened before somebody else saved. `state_of` reads the row as the database has it."""

    state_of: Callable[[Model], State]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        for line in self._meanwhile():
            self.add_error(None, line)
        return data

    def _meanwhile(self) -> list[str]:
        sent = str(self.data.get(FIELD) or "")
        if not sent or self.instance.pk is None:
            return []
        # Held until this save is committed: of two at once, the second looks at what the first one wrote.
        rows = type(self.instance)._default_manager.select_for_update(of=("self",))
        held = rows.filter(pk=self.instance.pk).first()
        if held is None:
            return []
        now = type(self).state_of(held)
        try:
            then = signing.loads(sent, salt=_SALT)
        except signing.BadSignature:
            return ["This page was opened before the console was set up anew. Open it again and repeat the change."]  # fmt: skip
        changed = [line for line in present.compare(then, signing.loads(token(now), salt=_SALT)) if line.changed]  # fmt: skip
        if not changed:
            return []
        more = [f"And {len(changed) - TOLD:,} more."] if len(changed) > TOLD else []
        return [
            f"{_by_whom(held)} while you edited it. Nothing of yours is lost: it stands below and is not saved yet. Save again to put it "
            "over theirs, or open the page anew to begin from what is there now. Changed meanwhile:",
            *(f"{line.path}: {line.before} → {line.after}" for line in changed[:TOLD]),
            *more,
        ]


class RevivingFormSet(InlineFormSet):
    """Rows that somebody removed while they were edited here are rows to be added: nothing that was typed is lost."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        was_there = self.is_bound and index is not None and index < self.initial_form_count()
        form.is_revived = was_there and form.instance._state.adding
        if form.is_revived:
            # The row of this id is gone; that it cannot be chosen any more is no mistake of the person.
            form.fields[form.instance._meta.pk.name] = forms.CharField(
                required=False, widget=forms.HiddenInput()
            )

    @property
    def initial_forms(self) -> list[Any]:
        return [form for form in super().initial_forms if not form.is_revived]

    @property
    def extra_forms(self) -> list[Any]:
        return [*(form for form in super().initial_forms if form.is_revived), *super().extra_forms]


def _by_whom(row: Model) -> str:
    """By the newest entry of the audit log about the row."""
    from sync.models import AuditEntry  # the look of the console knows the log; not the other way round

    entry = (
        AuditEntry.objects.filter(object_type=row._meta.label_lower, object_id=str(row.pk))
        .order_by("-number")
        .first()
    )
    if entry is None:
        return "Somebody changed this"
    moment = present.span((timezone.now() - entry.at).total_seconds())
    return f"{entry.actor_name or 'The command line'} changed this {moment} ago,"
