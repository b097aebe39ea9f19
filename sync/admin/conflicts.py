"""Conflicts: both sides changed one field. Both values, who wrote them, what each choice would write; a person chooses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.actions import ActionForm, Done, console_action
from integration_console.theme.admin import ReadOnlyAdmin
from integration_console.theme.filters import IndexedValuesFilter
from integration_console.theme.toolkit import PRIMARY, Select, TextInput
from mappings.models.mapping import ConflictPolicy
from sync import services
from sync.admin.base import link_to, links_out, list_url, page_url, person, rules
from sync.admin.conflict_page import rule_words, seen
from sync.admin.values import opened
from sync.core.records import Side
from sync.models import Conflict
from sync.models.attention import ConflictState
from sync.models.base import SideChoices
from sync.ruling import MAPPING, make_rule, resolve_chosen

NAMES = dict(SideChoices.choices)
NAMED = 5  # of those left alone, in the message
STAYS = "If either side changes before that, the conflict stays open and shows the new values."


class SideForm(ActionForm):
    side = forms.ChoiceField(choices=SideChoices.choices, widget=Select(), label="Whose value counts")


class SeenForm(ActionForm):
    """`seen`: the choice that the person saw, so that nobody overrides another's without knowing."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen"] = self.target.choice if self.target else ""


class ChosenForm(SideForm):
    """`seen`: which of the chosen had a choice already when the person was asked, so that none made since is overridden."""

    seen = forms.JSONField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.target.exclude(choice="").values_list("pk", "choice")
        self.initial["seen"] = {str(pk): choice for pk, choice in chosen}

    def clean_seen(self) -> dict[str, str]:
        seen = self.cleaned_data["seen"]
        return seen if isinstance(seen, dict) else {}


class DecideForm(SeenForm, SideForm):
    """What the page's own form sends: the arrow keys choose a side there, Enter takes it."""


class RuleForm(ActionForm):
    policy = forms.ChoiceField(
        choices=[
            (ConflictPolicy.SERVICENOW, "ServiceNow's value counts"),
            (ConflictPolicy.SALESFORCE, "Salesforce's value counts"),
            (ConflictPolicy.NEWEST, "The newest counts"),
        ],
        widget=Select(), label="From now on",
    )  # fmt: skip
    reason = forms.CharField(
        widget=TextInput(), max_length=200, help_text="Kept with the revision and in the audit log."
    )


def _is_open(conflict: Conflict) -> bool:
    return conflict.state == ConflictState.OPEN


def _take(side: Side) -> Any:
    """The dialog of the button that takes `side`'s value."""
    name, other = NAMES[side], NAMES[side.other]
    return rules(
        permission="sync.resolve_conflict",
        title=lambda conflict: f"Take {name}'s value of {conflict.field}?",
        description=lambda conflict: (
            f"The next run of {conflict.link}, which is queued now, writes {name}'s value over {other}'s. {STAYS}"
        ),
        submit=f"Take {name}'s value",
        form=SeenForm,
        when=lambda conflict: _is_open(conflict) and conflict.choice != side,
    )


DECIDE = rules(
    permission="sync.resolve_conflict",
    title=lambda conflict: f"Whose value of {conflict.field} counts?",
    description=lambda conflict: (
        f"The next run of {conflict.link}, which is queued now, writes it over the other side's. {STAYS}"
    ),
    submit="Take it",
    form=DecideForm,
    when=lambda conflict: False,  # the page has the form itself
)


def _rule_said(request: HttpRequest, conflict: Conflict) -> str:
    name = conflict.link.flow.name
    if not request.user.has_perm("sync.publish_flow"):
        return f"It is in the draft of {name} and decides nothing until somebody publishes it."
    row = Conflict.objects.filter(
        link__flow=conflict.link.flow_id, row=conflict.row, state=ConflictState.OPEN, choice=""
    )
    count = row.count()
    now = "1 open conflict is" if count == 1 else f"{count:,} open conflicts are"
    return f"Publishes {name} with that change alone, and has its records read again: {now} decided by it."


MAKE_RULE = rules(
    permission=MAPPING[0],
    also=MAPPING[1:],
    title=lambda conflict: f"Make it a rule for {conflict.field}?",
    description=lambda conflict: f"Sets what counts where both sides change {conflict.field}.",
    addressed=_rule_said,
    submit="Make it a rule",
    form=RuleForm,
    when=_is_open,
)
TAKE_CHOSEN = rules(
    permission="sync.resolve_conflict",
    title=lambda count: f"Resolve {count:,} conflicts?" if count != 1 else "Resolve 1 conflict?",
    description=f"The next run, which is queued now, writes one side's value over the other's in each of them. {STAYS} "
    "Those that are closed already, or that somebody else chooses for meanwhile, are left alone.",
    submit="Resolve",
    form=ChosenForm,
    several=True,
)


@admin.register(Conflict)
class ConflictAdmin(ReadOnlyAdmin):
    appears_here = "A field that both sides changed appears here, and waits where a person is to decide."
    list_display = ("record", "field", "status", "of_flow", "since", "decided")
    list_display_links = ("record",)
    list_filter = ("state", "link__flow", ("field", IndexedValuesFilter))
    search_fields = ("link__servicenow_number", "link__salesforce_number", "field")
    list_select_related = ("link", "link__flow", "resolved_by")
    actions = ("take_chosen",)
    actions_row = ("take_servicenow", "take_salesforce")
    actions_detail = ("take_servicenow", "take_salesforce", "decide", "make_rule")
    page_template = "console/conflict.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conflict]:
        queryset = super().get_queryset(request).select_related("link", "link__flow", "resolved_by")
        return queryset.defer("values_sealed", "link__base_sealed", "link__fields_sealed")

    def page_context(self, request: HttpRequest, obj: Conflict) -> dict[str, Any]:
        flow = obj.link.flow
        same = {"state": ConflictState.OPEN, "field": obj.field}
        return {
            "title": f"{obj.field} of {obj.link}",
            "link": obj.link,
            "out": links_out(obj.link),
            "status": status(obj),
            "decided": decided(obj),
            "why": rule_words(obj.rule),
            "may_decide": _is_open(obj) and DECIDE.allows(request),
            "siblings": Conflict.objects.filter(link__flow=flow, **same).exclude(pk=obj.pk).count(),
            "siblings_url": list_url(Conflict, **same, link__flow__mapping_ptr__exact=flow.pk),
            **opened(request, obj, lambda: seen(obj)),
        }

    @admin.display(description="record")
    def record(self, obj: Conflict) -> str:
        return str(obj.link)

    @admin.display(description="status", ordering="state")
    def status(self, obj: Conflict) -> SafeString:
        return status(obj)

    @admin.display(description="flow")
    def of_flow(self, obj: Conflict) -> SafeString:
        return link_to(obj.link.flow)

    @admin.display(description="since", ordering="at")
    def since(self, obj: Conflict) -> SafeString:
        return present.ago(obj.at)

    @admin.display(description="decided")
    def decided(self, obj: Conflict) -> SafeString | str:
        return decided(obj)

    @console_action("Take ServiceNow's value", _take(Side.SERVICENOW), icon="east", variant=PRIMARY)
    def take_servicenow(self, request: HttpRequest, target: Conflict, answers: dict[str, Any]) -> Done:
        return _taken(request, target, Side.SERVICENOW, answers)

    @console_action("Take Salesforce's value", _take(Side.SALESFORCE), icon="west", variant=PRIMARY)
    def take_salesforce(self, request: HttpRequest, target: Conflict, answers: dict[str, Any]) -> Done:
        return _taken(request, target, Side.SALESFORCE, answers)

    @console_action("Decide", DECIDE)
    def decide(self, request: HttpRequest, target: Conflict, answers: dict[str, Any]) -> Done:
        return _taken(request, target, Side(answers["side"]), answers)

    @console_action("Make it a rule", MAKE_RULE, icon="gavel")
    def make_rule(self, request: HttpRequest, target: Conflict, answers: dict[str, Any]) -> Done:
        ruled = make_rule(
            conflict=target, policy=answers["policy"], reason=answers["reason"], by=person(request)
        )
        if not ruled.published:
            return Done(
                f"The rule for {target.field} is in the draft until it is published.", page_url(target)
            )
        count = ruled.decided
        said = "1 open conflict" if count == 1 else f"{count:,} open conflicts"
        return Done(
            f"It is a rule for {target.field} now; the next run decides {said} by it.", page_url(target)
        )

    @console_action("Resolve the chosen", TAKE_CHOSEN)
    def take_chosen(self, request: HttpRequest, target: QuerySet[Conflict], answers: dict[str, Any]) -> Done:
        side = Side(answers["side"])
        done = resolve_chosen(conflicts=target, side=side, seen=answers["seen"], by=person(request))
        what = "1 conflict waits" if done.count == 1 else f"{done.count:,} conflicts wait"
        said = (
            f"{NAMES[side]}'s value is taken: {what} for the next run."
            if done.count
            else "Nothing was taken."
        )
        return Done(
            f"{said}{_left_said(done.left)}",
            list_url(Conflict),
            messages.WARNING if done.left else messages.SUCCESS,
        )


def _left_said(left: Sequence[Conflict]) -> str:
    """Which of the chosen somebody else has chosen for meanwhile; the first few by name."""
    if not left:
        return ""
    named = [
        f"{conflict.link}: {conflict.field}, {conflict.resolved_by or 'somebody'} chose {conflict.get_choice_display()}"
        for conflict in left[:NAMED]
    ]
    more = f" and {len(left) - NAMED:,} more" if len(left) > NAMED else ""
    return f" Left alone, as others chose meanwhile: {'; '.join(named)}{more}. Until the next run they can still be chosen."


def _taken(request: HttpRequest, conflict: Conflict, side: Side, answers: dict[str, Any]) -> Done:
    seen = answers["seen"]
    if not services.resolve_conflicts(conflicts=[conflict], side=side, by=person(request), seen=seen):
        raise services.Refused(f"This conflict is closed already: {conflict.get_state_display()}.")
    return Done(
        f"{NAMES[side]}'s value of {conflict.field} is taken; the next run writes it.", page_url(conflict)
    )


def status(conflict: Conflict) -> SafeString:
    if _is_open(conflict) and conflict.choice:
        return present.badge("retried", f"{NAMES[conflict.choice]}'s value chosen")
    return present.badge(conflict.state, conflict.get_state_display())


def decided(conflict: Conflict) -> SafeString | str:
    """By whom, and when; "" while nobody has."""
    who = str(conflict.resolved_by) if conflict.resolved_by else "somebody who is gone"
    if _is_open(conflict):
        return f"chosen by {who}, waits for the next run" if conflict.choice else ""
    if conflict.state == ConflictState.RESOLVED:
        name = NAMES.get(conflict.choice, "one side")
        return format_html("{} chose {}, written {}", who, name, present.ago(conflict.resolved_at))
    return format_html("{} {}", rule_words(conflict.rule), present.ago(conflict.resolved_at))
