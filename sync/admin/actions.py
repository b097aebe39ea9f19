"""Actions: what was done for a record on an occasion, step by step; what is in doubt is decided by a person here."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.actions import ActionForm, Done, console_action
from integration_console.theme.admin import ReadOnlyAdmin
from integration_console.theme.filters import IndexedValuesFilter
from integration_console.theme.toolkit import DANGER, PRIMARY, Select, TextInput
from sync import services
from sync.admin.base import link_to, page_url, person, rules, salesforce_url, servicenow_url
from sync.admin.values import opened
from sync.core.actions import On
from sync.engine.agenda import RESTORED
from sync.models import ActionRun, ActionStep, DeadLetter
from sync.models.action import StepStatus
from sync.models.attention import DeadLetterState

STEPS_SHOWN = 300
NOTHING_TO_OPEN: dict[str, Any] = {"may_open": False, "is_open": False, "values": None}


class DoubtForm(ActionForm):
    """Which of the steps in doubt is meant; there is mostly one."""

    step = forms.ChoiceField(widget=Select(), label="Step in doubt")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = doubtful(self.target) if self.target is not None else []
        choice = self.fields["step"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [(str(step.pk), named(step)) for step in found]
        if len(found) == 1:
            choice.initial, choice.widget = str(found[0].pk), forms.HiddenInput()


class HappenedForm(DoubtForm):
    number = forms.CharField(
        widget=TextInput(), required=False, max_length=80, label="Number",
        help_text="Of what it made, such as REQ0010001, where later steps name it.",
    )  # fmt: skip
    id = forms.CharField(
        widget=TextInput(), required=False, max_length=40, label="Id", help_text="Likewise its sys_id or Id."
    )


class ReasonForm(ActionForm):
    reason = forms.CharField(widget=TextInput(), max_length=500, help_text="Kept in the audit log.")


def doubtful(action: ActionRun) -> list[ActionStep]:
    return list(action.steps.filter(status=StepStatus.IN_DOUBT).defer("content_sealed")[:50])


def named(step: ActionStep) -> str:
    return f"{step.name} ({step.audience})" if step.audience else step.name


HAPPENED = rules(
    permission="sync.decide_action",
    title=lambda action: f"{action}: did it happen?",
    description="You have looked over there, and it did. It is not sent again, and the steps after it go on.",
    submit="It happened",
    form=HappenedForm,
    when=lambda action: action.status == "in_doubt",
)
AGAIN = rules(
    permission="sync.decide_action",
    title=lambda action: f"{action}: do it again?",
    description="You have looked over there, and it did not happen. It is sent once more, with the next run, which is queued "
    "now. If the first request did take effect, it is done twice.",
    submit="Do it again",
    form=DoubtForm,
    when=lambda action: action.status == "in_doubt",
)
DROP = rules(
    permission="sync.decide_action",
    title=lambda action: f"Drop {action}?",
    description="What it has done stays done; nothing more is done on this occasion.",
    submit="Drop",
    form=ReasonForm,
    when=lambda action: not action.is_over,
)


class TriggerFilter(admin.SimpleListFilter):
    title = "trigger"
    parameter_name = "trigger"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(trigger.value, trigger.value) for trigger in On]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ActionRun]) -> QuerySet[ActionRun]:
        return queryset.filter(trigger=self.value()) if self.value() else queryset


@admin.register(ActionRun)
class ActionRunAdmin(ReadOnlyAdmin):
    appears_here = "What flows do beside carrying fields appears here: requests, tasks, posts and letters."
    list_display = ("record", "what", "state", "at_step", "of_flow", "side_of", "when")
    list_display_links = ("record",)
    list_filter = ("status", "flow", ("action", IndexedValuesFilter), TriggerFilter)
    search_fields = ("record_number", "=record_id", "action")
    list_select_related = ("flow",)
    actions_row = ("happened", "again")
    actions_detail = ("happened", "again", "drop")
    page_template = "console/action_run.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ActionRun]:
        return super().get_queryset(request).select_related(
            "flow__servicenow_connection", "flow__salesforce_connection"
        ).defer(
            "state_sealed", "flow__servicenow_connection__secrets_sealed", "flow__salesforce_connection__secrets_sealed"
        )  # fmt: skip

    def page_context(self, request: HttpRequest, obj: ActionRun) -> dict[str, Any]:
        steps = obj.steps.all()[:STEPS_SHOWN]
        letter = DeadLetter.objects.filter(
            flow=obj.flow_id, record_id=obj.pk.hex, state=DeadLetterState.OPEN
        ).first()
        removed = obj.details_removed_at
        read = NOTHING_TO_OPEN if removed else opened(request, obj, lambda: _values(obj, steps))
        return {
            "title": str(obj),
            "steps": [(step, named(step), target_url(obj, step), _said(read, step)) for step in steps],
            "letter": letter,
            "restored": any(step.code == RESTORED and step.status == StepStatus.IN_DOUBT for step in steps),
            "letter_url": page_url(letter) if letter else "",
            "record_url": record_url(obj),
            "days_kept": (removed - obj.finished_at).days if removed and obj.finished_at else 0,
            **read,
        }

    @admin.display(description="record", ordering="record_number")
    def record(self, obj: ActionRun) -> str:
        return obj.record_number or obj.record_id

    @admin.display(description="action", ordering="action")
    def what(self, obj: ActionRun) -> str:
        return obj.action

    @admin.display(description="status", ordering="status")
    def state(self, obj: ActionRun) -> SafeString:
        return present.badge(obj.status, obj.get_status_display())

    @admin.display(description="at step", ordering="step")
    def at_step(self, obj: ActionRun) -> str:
        return f"{obj.step} ({obj.code})" if obj.step and obj.code else obj.step or "–"

    @admin.display(description="flow", ordering="flow__name")
    def of_flow(self, obj: ActionRun) -> SafeString:
        return link_to(obj.flow)

    @admin.display(description="record of", ordering="side")
    def side_of(self, obj: ActionRun) -> SafeString:
        return present.side_name(obj.side)

    @admin.display(description="planned", ordering="id")
    def when(self, obj: ActionRun) -> SafeString:
        return present.ago(obj.created_at)

    @console_action("Happened", HAPPENED, icon="check_circle", variant=PRIMARY)
    def happened(self, request: HttpRequest, target: ActionRun, answers: dict[str, Any]) -> Done:
        step = target.steps.get(pk=answers["step"])
        services.say_action_happened(
            step=step, by=person(request), id=answers["id"], number=answers["number"]
        )
        return Done(f"{target} goes on behind {step.name}.", page_url(target))

    @console_action("Do it again", AGAIN, icon="replay")
    def again(self, request: HttpRequest, target: ActionRun, answers: dict[str, Any]) -> Done:
        step = target.steps.get(pk=answers["step"])
        services.do_action_again(step=step, by=person(request))
        return Done(f"{step.name} is sent once more with the next run.", page_url(target))

    @console_action("Drop", DROP, icon="do_not_disturb_on", variant=DANGER)
    def drop(self, request: HttpRequest, target: ActionRun, answers: dict[str, Any]) -> Done:
        services.drop_action(action=target, by=person(request), reason=answers["reason"])
        return Done(f"{target} is dropped.", page_url(target))


def _values(action: ActionRun, steps: Any) -> dict[str, Any]:
    """All that was captured and sent: for those who may see values."""
    state = action.state or {}
    return {
        "occasion": state.get("occasion"), "record": state.get("record"), "before": state.get("before"),
        "counterpart": state.get("other"), "results": state.get("steps"),
        "sent": {str(step.pk): step.content or {} for step in steps},
    }  # fmt: skip


def _said(read: dict[str, Any], step: ActionStep) -> dict[str, Any]:
    found: dict[str, Any] = read["values"]["sent"].get(str(step.pk), {}) if read["is_open"] else {}
    return found


def record_url(action: ActionRun) -> str:
    flow = action.flow
    if action.side == "servicenow":
        return servicenow_url(flow.servicenow_connection, flow.servicenow_table, action.record_id)
    return salesforce_url(flow.salesforce_connection, flow.salesforce_object, action.record_id)


def target_url(action: ActionRun, step: ActionStep) -> str:
    """What a step made or wrote to, on its platform."""
    if not step.target_id or " " in step.target:
        return ""
    flow = action.flow
    if step.side == "servicenow":
        return servicenow_url(flow.servicenow_connection, step.target, step.target_id)
    return salesforce_url(flow.salesforce_connection, step.target, step.target_id) if step.side else ""
