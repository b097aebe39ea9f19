"""Dead letters: what was refused, why, and what to do; retried or put aside by a person."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.actions import ActionForm, Done, console_action
from integration_console.theme.admin import ReadOnlyAdmin, paged
from integration_console.theme.filters import IndexedValuesFilter
from integration_console.theme.toolkit import PRIMARY, Switch, TextInput
from sync import services
from sync.admin.base import link_to, list_url, page_url, person, rules
from sync.admin.cause_page import GROUPS_A_PAGE, cause_lines, causes_url, source_url
from sync.admin.values import opened
from sync.causes import (
    MAPPING,
    add_missing_value,
    alike,
    fix_of,
    look_at_missing_value,
    missing_value,
    open_groups,
    users_of,
)
from sync.models import ActionRun, DeadLetter, Run
from sync.models.attention import DeadLetterState


class IgnoreForm(ActionForm):
    reason = forms.CharField(widget=TextInput(), max_length=500, help_text="Kept in the audit log.")


def _is_open(letter: DeadLetter) -> bool:
    return letter.state == DeadLetterState.OPEN


def _retry_said(count: int) -> str:
    return f"Reads {count:,} records again with the next run, which is queued now. Those not open are left alone."


RETRY = rules(
    permission="sync.retry_deadletter",
    title=lambda letter: f"Retry {letter.record_number or letter.record_id}?",
    description="Reads the record again with the next run, which is queued now, and plans its write anew.",
    submit="Retry",
    when=_is_open,
)
RETRY_CHOSEN = rules(
    permission="sync.retry_deadletter",
    title=lambda count: f"Retry {count:,} dead letters?",
    description=_retry_said,
    submit="Retry",
    several=True,
)
RESYNC_CHOSEN = rules(
    permission="sync.resync_flow",
    title=lambda count: f"Resync the records of {count:,} dead letters?",
    description=lambda count: (
        f"Reads {count:,} records again beside the live lane, in one run for each flow, and writes only what differs. "
        "Letters whose record succeeds close by themselves. Those not open are left alone."
    ),
    submit="Resync",
    several=True,
)
IGNORE = rules(
    permission="sync.ignore_deadletter",
    title=lambda letter: f"Ignore {letter.record_number or letter.record_id}?",
    description="Puts the dead letter aside. A later failure of the same record opens a new one.",
    submit="Ignore",
    form=IgnoreForm,
    when=_is_open,
)
IGNORE_CHOSEN = rules(
    permission="sync.ignore_deadletter",
    title=lambda count: f"Ignore {count:,} dead letters?",
    description="Puts them aside. A later failure of the same record opens a new dead letter.",
    submit="Ignore",
    form=IgnoreForm,
    several=True,
)


RETRY_GROUP = rules(
    permission="sync.retry_deadletter",
    title=lambda letter: f"Retry all {alike(letter).count():,} of this cause?",
    description=lambda letter: _retry_said(alike(letter).count()),
    submit="Retry all",
    when=lambda letter: alike(letter).count() > 1,
)
IGNORE_GROUP = rules(
    permission="sync.ignore_deadletter",
    title=lambda letter: f"Ignore all {alike(letter).count():,} of this cause?",
    description="Puts them aside. A later failure of the same record opens a new dead letter.",
    submit="Ignore all",
    form=IgnoreForm,
    when=lambda letter: alike(letter).count() > 1,
)


class AddValueForm(ActionForm):
    """`target`: one letter of those that lack the value."""

    counterpart = forms.CharField(widget=TextInput(), max_length=255)
    both_ways = forms.BooleanField(
        required=False,
        widget=Switch(),
        label="Both ways",
        help_text="Else only the way that these records go.",
    )
    reason = forms.CharField(
        widget=TextInput(), max_length=200, help_text="Kept with the revisions and in the audit log."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        side = self.target.get_side_display() if self.target else "the other side"
        self.fields["counterpart"].label = f"What it is in {side}"


def _lacks_value(letter: DeadLetter) -> bool:
    return _is_open(letter) and fix_of(letter) is not None


def _add_value_said(letter: DeadLetter) -> str:
    row = fix_of(letter)
    if row is None or row.value_map is None:
        return "The field is not mapped by a value map alone any more."
    return f"“{missing_value(letter, row)}” is not in the value map {row.value_map}. Adds the entry."


def _how_far(request: HttpRequest, letter: DeadLetter) -> str:
    row = fix_of(letter)
    if row is None or row.value_map is None:
        return ""
    flows = ", ".join(flow.name for flow in users_of(row.value_map)) or letter.flow.name
    count = alike(letter).count()
    releases = "1 record" if count == 1 else f"{count:,} records"
    if not request.user.has_perm("sync.publish_flow"):
        return (
            f"It is in the draft of the flows that use the map ({flows}) until somebody publishes them; "
            f"{releases} can be retried then."
        )
    return f"Publishes the flows that use the map ({flows}), and releases {releases}: the next run reads them again."


ADD_VALUE = rules(
    permission=MAPPING[0],
    also=MAPPING[1:],
    title=lambda letter: f"Add the missing value of {letter.field}?",
    description=_add_value_said,
    addressed=_how_far,
    submit="Add the value",
    form=AddValueForm,
    when=_lacks_value,
    on_ask=lambda request, letter: look_at_missing_value(letter=letter, by=person(request)),
)


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    appears_here = (
        "A record that a platform refuses, or that nothing can map, appears here and waits for a person."
    )
    list_display = ("record", "status", "of_flow", "written_to", "why", "attempts", "since")
    list_display_links = ("record",)
    list_filter = ("state", "flow", ("code", IndexedValuesFilter), ("field", IndexedValuesFilter), "side")
    search_fields = ("record_number", "=record_id", "code", "rule")
    list_select_related = ("flow",)
    actions = ("retry_chosen", "resync_chosen", "ignore_chosen")
    actions_row = ("retry", "ignore")
    actions_detail = ("add_value", "retry", "retry_group", "ignore", "ignore_group")
    page_template = "console/dead_letter.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        return super().get_queryset(request).select_related("flow").defer("content_sealed")

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.causes)
        return [path("causes/", page, name="sync_deadletter_causes"), *super().get_urls()]

    def causes(self, request: HttpRequest) -> HttpResponse:
        """Open letters by cause, largest group first, each with what mends it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        groups = paged(open_groups(), request.GET.get("p"), GROUPS_A_PAGE)
        context = {
            **self.admin_site.each_context(request),
            "title": "Dead letters by cause",
            "opts": self.opts,
            "page": groups,
            "total": DeadLetter.objects.filter(state=DeadLetterState.OPEN).count(),
            "groups": cause_lines(request, list(groups)),
            "list_url": list_url(DeadLetter),
        }
        return TemplateResponse(request, "console/causes.html", context)

    def page_context(self, request: HttpRequest, obj: DeadLetter) -> dict[str, Any]:
        action = ActionRun.objects.of_letter(obj).first()
        return {
            "action_url": page_url(action) if action else "",
            "title": f"Dead letter {obj.record_number or obj.record_id}",
            "siblings": alike(obj).count(),
            "source_url": source_url(obj),
            "siblings_url": list_url(DeadLetter, state="open", code=obj.code, field=obj.field),
            **opened(request, obj, lambda: obj.content or {}),
        }

    @admin.display(description="record", ordering="record_number")
    def record(self, obj: DeadLetter) -> str:
        return obj.record_number or obj.record_id

    @admin.display(description="status", ordering="state")
    def status(self, obj: DeadLetter) -> SafeString:
        return present.badge(obj.state, obj.get_state_display())

    @admin.display(description="flow", ordering="flow__name")
    def of_flow(self, obj: DeadLetter) -> SafeString:
        return link_to(obj.flow)

    @admin.display(description="written to", ordering="side")
    def written_to(self, obj: DeadLetter) -> SafeString:
        return present.side_name(obj.side)

    @admin.display(description="cause", ordering="code")
    def why(self, obj: DeadLetter) -> SafeString:
        where = f"{obj.field}: " if obj.field else ""
        return format_html(
            '<b title="{}">{}{}</b><div class="ic-dim">{}</div>',
            obj.code,
            where,
            obj.rule or obj.code,
            obj.advice,
        )

    @admin.display(description="since", ordering="first_at")
    def since(self, obj: DeadLetter) -> SafeString:
        return present.ago(obj.first_at)

    @console_action("Retry", RETRY, icon="replay", variant=PRIMARY)
    def retry(self, request: HttpRequest, target: DeadLetter, answers: dict[str, Any]) -> Done:
        services.retry_dead_letters(letters=[target], by=person(request))
        return Done(f"{target.record_number or target.record_id} is queued again.", page_url(target))

    @console_action("Ignore", IGNORE, icon="do_not_disturb_on")
    def ignore(self, request: HttpRequest, target: DeadLetter, answers: dict[str, Any]) -> Done:
        services.ignore_dead_letters(letters=[target], by=person(request), reason=answers["reason"])
        return Done(f"{target.record_number or target.record_id} is ignored.", page_url(target))

    @console_action("Add the missing value", ADD_VALUE, icon="add", variant=PRIMARY)
    def add_value(self, request: HttpRequest, target: DeadLetter, answers: dict[str, Any]) -> Done:
        added = add_missing_value(
            letter=target, counterpart=answers["counterpart"], both_ways=answers["both_ways"],
            reason=answers["reason"], by=person(request),
        )  # fmt: skip
        if not added.published and not added.retried:
            return Done(
                f"The value is in its map; {', '.join(added.left) or 'no flow'} will use it once published.",
                causes_url(),
            )
        counted = "1 record" if added.retried == 1 else f"{added.retried:,} records"
        left = (
            f" Left alone, with changes that are not published: {', '.join(added.left)}."
            if added.left
            else ""
        )
        return Done(
            f"The value is added, {', '.join(added.published)} published, {counted} queued again.{left}",
            causes_url(),
        )

    @console_action("Retry all of this cause", RETRY_GROUP, icon="replay")
    def retry_group(self, request: HttpRequest, target: DeadLetter, answers: dict[str, Any]) -> Done:
        count = services.retry_dead_letters(letters=alike(target), by=person(request))
        return Done(f"{count:,} records are queued again.", causes_url())

    @console_action("Ignore all of this cause", IGNORE_GROUP, icon="do_not_disturb_on")
    def ignore_group(self, request: HttpRequest, target: DeadLetter, answers: dict[str, Any]) -> Done:
        count = services.ignore_dead_letters(
            letters=alike(target), by=person(request), reason=answers["reason"]
        )
        return Done(f"{count:,} dead letters are ignored.", causes_url())

    @console_action("Retry the chosen", RETRY_CHOSEN)
    def retry_chosen(
        self, request: HttpRequest, target: QuerySet[DeadLetter], answers: dict[str, Any]
    ) -> Done:
        count = services.retry_dead_letters(
            letters=target.select_related("flow__revision"), by=person(request)
        )
        return Done(f"{count:,} records are queued again.", list_url(DeadLetter))

    @console_action("Resync the chosen", RESYNC_CHOSEN)
    def resync_chosen(
        self, request: HttpRequest, target: QuerySet[DeadLetter], answers: dict[str, Any]
    ) -> Done:
        runs = services.resync_dead_letters(letters=target, by=person(request))
        if not runs:
            raise services.Refused("None of these dead letters is open any more.")
        where = page_url(runs[0]) if len(runs) == 1 else list_url(Run, kind="resync")
        return Done(f"{len(runs):,} runs read the records again.", where)

    @console_action("Ignore the chosen", IGNORE_CHOSEN)
    def ignore_chosen(
        self, request: HttpRequest, target: QuerySet[DeadLetter], answers: dict[str, Any]
    ) -> Done:
        count = services.ignore_dead_letters(letters=target, by=person(request), reason=answers["reason"])
        return Done(f"{count:,} dead letters are ignored.", list_url(DeadLetter))
