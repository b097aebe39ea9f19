"""Flows: what does it do, and is it doing it? Saving one publishes a revision."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.actions import Done, console_action
from integration_console.theme.admin import GuardedAdmin, RowsInline, ShownInline, columns
from integration_console.theme.toolkit import PRIMARY, ModelForm
from mappings import documentation
from sync import drafts, mending, renewing, revisions, services
from sync.admin import acts, counted, counts, fields, files, linted, looks, renewals
from sync.admin import flow_actions as ask
from sync.admin.base import list_url, page_url, person
from sync.admin.comments import COMMENTS_CONTROLS, CommentsShown
from sync.admin.deletions import ALLOW, CONTROLS, DeletionsShown
from sync.admin.flow_form import FlowForm
from sync.admin.mend_form import MEND
from sync.admin.plans import to_approve
from sync.configuration.documents import GUARD
from sync.configuration.rules import BULK, BULKS, GUARDS, KEY_PREFIXES
from sync.cron import CronError, parse_cron
from sync.models import DeadLetter, Flow, Revision, Run, Schedule
from sync.models.run import RunKind, RunMode
from sync.recipes import shipped


class ScheduleForm(ModelForm):
    class Meta:
        model = Schedule
        fields = ("cron", "enabled")

    def clean_cron(self) -> str:
        cron: str = self.cleaned_data["cron"].strip()
        try:
            return parse_cron(cron) if cron else ""
        except CronError as problem:
            raise forms.ValidationError(str(problem)) from problem


class ScheduleInline(RowsInline):
    model = Schedule
    form = ScheduleForm
    fields = ("cron", "enabled")
    max_num = 1
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)


class RevisionInline(ShownInline):
    model = Revision
    fields = ("opened", "by", "reason", "published")
    readonly_fields = fields
    per_page = 20

    def get_queryset(self, request: HttpRequest) -> QuerySet[Revision]:
        return super().get_queryset(request).defer("snapshot").order_by("-number")

    @admin.display(description="revision")
    def opened(self, obj: Revision) -> SafeString:
        return format_html('<a class="ic-link" href="{}">Revision {}</a>', page_url(obj), f"{obj.number:,}")

    @admin.display(description="published by")
    def by(self, obj: Revision) -> str:
        return obj.author_name or "the command line"

    @admin.display(description="when")
    def published(self, obj: Revision) -> SafeString:
        return present.ago(obj.created_at)


@admin.register(Flow)
class FlowAdmin(
    looks.LooksShown, acts.ActsShown, files.FilesShown, CommentsShown, DeletionsShown, GuardedAdmin
):
    form = FlowForm
    inlines = (linted.LintedRowInline, ScheduleInline, RevisionInline)
    list_display = ("titled", "health_badge", "last_run", "next_run", "dead_letters", "draft", "enabled")
    list_display_links = ("titled",)
    list_filter = ("health", linted.ErrorsFilter, "enabled", "direction")
    search_fields = ("name", "servicenow_table", "salesforce_object")
    change_form_outer_before_template = "console/flow_head.html"
    change_form_outer_after_template = "console/flow_below.html"
    page_views = ("count", "preview", "impact", "lint", "renewal", "behind")
    actions_row = ("run_now", "dry_run", "pause", "resume")
    actions_detail = (
        "run_now",
        "dry_run",
        "resync",
        "reconcile",
        "allow_deletions",
        "pause",
        "resume",
        "mend",
        "send_again",
    )
    fieldsets = (
        (None, {"fields": ("name", "enabled", "direction", "user_table", "routing_table", "reason", "keep_draft")}),
        (
            "ServiceNow",
            {
                "classes": ["tab"],
                "fields": ("servicenow_connection", "servicenow_table", "servicenow_scope", "servicenow_enter",
                           "servicenow_key", "servicenow_key_field", "create_in_servicenow"),
            },
        ),
        (
            "Salesforce",
            {
                "classes": ["tab"],
                "fields": ("salesforce_connection", "salesforce_object", "salesforce_scope", "salesforce_enter",
                           "salesforce_key", "salesforce_key_field", "key_prefix", "create_in_salesforce"),
            },
        ),
        (
            "Behaviour",
            {
                "classes": ["tab"],
                "fields": ("conflict", "tie", "adopt", "drift", "guard", "bulk", "approval", "start", "on_leave", "overlap", "patience",
                           "time_zone", "reconcile"),
            },
        ),
        ("Deletions", {"classes": ["tab"], "fields": CONTROLS}),
        ("Comments", {"classes": ["tab"], "fields": COMMENTS_CONTROLS}),
        ("Attachments", {"classes": ["tab"], "fields": files.CONTROLS}),
        ("Actions", {"classes": ["tab"], "fields": acts.CONTROLS}),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Flow]:
        return super().get_queryset(request).select_related(
            "revision", "schedule", "lint", "user_table", "routing_table", "servicenow_connection", "salesforce_connection"
        ).defer("servicenow_connection__secrets_sealed", "salesforce_connection__secrets_sealed", "lint__findings", "lint__changes")  # fmt: skip

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list's own columns are fetched with the page's rows: a fixed number of queries."""
        changelist = super().get_changelist_instance(request)
        changelist.result_list = self.with_columns(changelist.result_list)
        return changelist

    def with_columns(self, rows: QuerySet[Flow]) -> QuerySet[Flow]:
        return revisions.with_drafts(for_list(rows))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        first = (None, {"fields": ("name", "enabled", "direction", "user_table", "routing_table")})
        return (first, *fieldsets[1:])

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> Any:
        flow = self.get_object(request, object_id)
        context = (
            {
                **flow_head(flow), **counts.last(flow), **looks.on_page(flow, person(request)), **linted.shown(request, flow),
                **to_approve(flow), **renewals.shown(flow),
            }
            if flow
            else {}
        )  # fmt: skip
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        context = {"transforms": documentation.groups(), **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)

    def state(self, obj: Flow) -> dict[str, Any]:
        """Without what the revision tells, whose publishing is an entry of its own."""
        schedule = Schedule.objects.filter(flow=obj).first()
        return {**columns(obj), "schedule": columns(schedule, leave_out=("flow",)) if schedule else "none"}

    def edited(self, obj: Flow) -> dict[str, Any]:
        """Without the columns that runs write, and without shared value maps, which have a page of their own."""
        schedule = Schedule.objects.filter(flow=obj).first()
        return {
            **drafts.edited(obj), **{name: getattr(obj, name) for name in ("name", "enabled", "reconcile")},
            "routing table": str(obj.routing_table or ""), "schedule": columns(schedule, leave_out=("flow",)) if schedule else {},
        }  # fmt: skip

    def save_model(self, request: HttpRequest, obj: Flow, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and {
            "guard",
            "bulk",
            "approval",
            "key_prefix",
            *CONTROLS,
            *COMMENTS_CONTROLS,
            *files.CONTROLS,
            *acts.CONTROLS,
        }.intersection(form.changed_data):
            obj.save(update_fields=["options"])  # where these are kept

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        specs = [spec for formset in formsets if (spec := getattr(formset, "spec", None)) is not None]
        revisions.hold([form.instance.pk], also=[name for spec in specs for name in spec.value_maps])
        super().save_related(request, form, formsets, change)
        flow = Flow.objects.get(pk=form.instance.pk)
        services.plan_next_run(flow=flow)
        before, reason = flow.revision_id, form.cleaned_data.get("reason", "")
        if form.cleaned_data.get("keep_draft") or not person(request).has_perm("sync.publish_flow"):
            if drafts.keep_draft(flow=flow, by=person(request), reason=reason).differs:
                messages.info(request, f"{flow.name} is kept as a draft. {runs_use(flow)}")
            return
        revision = services.publish_flow(flow=flow, by=person(request), reason=reason)
        if revision.pk != before:
            messages.success(request, f"Published revision {revision.number:,} of {flow.name}.")

    @admin.display(description="guard")
    def guard(self, obj: Flow) -> str:
        """For those who may only look; who may change it has the form's field."""
        return GUARDS.get(obj.options.get("guard", GUARD), GUARD)

    @admin.display(description="bulk")
    def bulk(self, obj: Flow) -> str:
        kept = obj.options.get("bulk", BULK)
        return BULKS.get(kept, f"from {kept:,} new records at a time") if kept else ""

    @admin.display(description="plans need approval", boolean=True)
    def approval(self, obj: Flow) -> bool:
        return bool(obj.options.get("approval"))

    @admin.display(description="key prefix")
    def key_prefix(self, obj: Flow) -> str:
        return KEY_PREFIXES[obj.options.get("key_prefix", "")]

    @admin.display(description="flow", ordering="name")
    def titled(self, obj: Flow) -> SafeString:
        return format_html('{}<div class="ic-dim">{}</div>', obj.name, ends(obj))

    @admin.display(description="health", ordering="health")
    def health_badge(self, obj: Flow) -> SafeString:
        return health(obj)

    @admin.display(description="last run")
    def last_run(self, obj: Any) -> SafeString:
        if obj.last_run_id is None:
            return SafeString("never")
        url = reverse("admin:sync_run_change", args=[obj.last_run_id])
        return format_html(
            '<a href="{}">{}</a> {}', url, present.badge(obj.last_status), present.ago(obj.last_at)
        )

    @admin.display(description="next run", ordering="schedule__next_at")
    def next_run(self, obj: Flow) -> SafeString:
        return next_run(obj)

    @admin.display(description="dead letters")
    def dead_letters(self, obj: Any) -> SafeString | str:
        if not obj.open_dead_letters:
            return "0"
        url = list_url(DeadLetter, state="open", flow__mapping_ptr__exact=obj.pk)
        return format_html('<a class="ic-link" href="{}">{}</a>', url, f"{obj.open_dead_letters:,}")

    @admin.display(description="draft")
    def draft(self, obj: Flow) -> SafeString:
        if obj.revision is None:
            return present.badge("warning", "not published")
        told = [
            present.badge("warning", "draft differs")
            if revisions.differs(obj)
            else format_html("revision {}", f"{obj.revision.number:,}")
        ]
        if errors := linted.errors_noted(obj):
            told.append(present.badge("error", f"{errors:,} mapping error{'' if errors == 1 else 's'}"))
        return format_html_join(" ", "{}", ((each,) for each in told))

    def _start(self, request: HttpRequest, flow: Flow, mode: str) -> Done:
        run = services.request_run(flow=flow, by=person(request), kind=RunKind.MANUAL, mode=mode)
        return Done(f"Run {run.pk:,} of {flow.name} is queued.", page_url(run))

    @console_action("Run now", ask.RUN_NOW, icon="play_arrow", variant=PRIMARY)
    def run_now(self, request: HttpRequest, target: Flow, answers: dict[str, Any]) -> Done:
        return self._start(request, target, RunMode.WRITE)

    @console_action("Dry run", ask.DRY_RUN, icon="science")
    def dry_run(self, request: HttpRequest, target: Flow, answers: dict[str, Any]) -> Done:
        return self._start(request, target, RunMode.DRY)

    @console_action("Resync", ask.RESYNC, icon="restart_alt")
    def resync(self, request: HttpRequest, target: Flow, answers: dict[str, Any]) -> Done:
        run = services.request_run(
            flow=target, by=person(request), kind=RunKind.RESYNC,
            since=answers["since"], until=answers["until"], ids=answers["ids"],
        )  # fmt: skip
        return Done(f"Run {run.pk:,} reads {target.name} again.", page_url(run))

    def count(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """How many records a run would look at: POST asks a worker, GET shows the answer once it is there."""
        flow = self.visible(request, object_id)
        return counts.fragment(request, flow)

    def lint(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What the linter says: POST asks a worker to read or to count, GET shows how things stand."""
        return linted.fragment(request, self.visible(request, object_id))

    def behind(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The fields behind a reference as JSON: GET as they were last read, POST has a worker read them."""
        return fields.behind(request, self.visible(request, object_id))

    def renewal(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What the published revision makes otherwise: POST asks a worker to count, GET shows how things stand."""
        return renewals.fragment(request, self.visible(request, object_id))

    @console_action("Send again", renewals.SEND_AGAIN, icon="forward")
    def send_again(self, request: HttpRequest, target: Flow, answers: dict[str, Any]) -> Done:
        mode = RunMode.DRY if answers["plan"] else RunMode.WRITE
        run = renewing.send_again(flow=target, by=person(request), mode=mode)
        deed = "plans" if answers["plan"] else "does"
        return Done(f"Run {run.pk:,} {deed} that.", page_url(run))

    @console_action("Mend", MEND, icon="build")
    def mend(self, request: HttpRequest, target: Flow, answers: dict[str, Any]) -> Done:
        done = mending.mend(
            flow=target, number=answers["finding"], by=person(request), chosen=answers["chosen"]
        )
        return Done(f"Done in the draft of {target.name}: {done}. {runs_use(target)}", page_url(target))

    @console_action("Reconcile", ask.RECONCILE, icon="fact_check")
    def reconcile(self, request: HttpRequest, target: Flow, answers: dict[str, Any]) -> Done:
        run = services.reconcile(flow=target, by=person(request))
        return Done(f"Run {run.pk:,} compares both sides of {target.name}.", page_url(run))

    @console_action("Allow deletions", ALLOW, icon="delete_sweep")
    def allow_deletions(self, request: HttpRequest, target: Flow, answers: dict[str, Any]) -> Done:
        services.allow_deletions(flow=target, by=person(request))
        return Done(f"The next run of {target.name} carries its deletions over.", page_url(target))

    @console_action("Pause", ask.PAUSE, icon="pause")
    def pause(self, request: HttpRequest, target: Flow, answers: dict[str, Any]) -> Done:
        services.pause_flow(flow=target, by=person(request), reason=answers["reason"])
        return Done(f"{target.name} is paused.", page_url(target))

    @console_action("Resume", ask.RESUME, icon="resume", variant=PRIMARY)
    def resume(self, request: HttpRequest, target: Flow, answers: dict[str, Any]) -> Done:
        services.resume_flow(flow=target, by=person(request))
        return Done(f"{target.name} runs again as scheduled.", page_url(target))


def for_list(flows: QuerySet[Flow]) -> QuerySet[Flow]:
    """Flows with their last run and the number of their open dead letters."""
    last = Run.objects.filter(flow=OuterRef("pk")).order_by("-id")
    letters = DeadLetter.objects.filter(flow=OuterRef("pk"), state="open").order_by().values("flow")
    return flows.annotate(
        last_run_id=Subquery(last.values("pk")[:1]),
        last_status=Subquery(last.values("status")[:1]),
        last_at=Subquery(last.values("created_at")[:1]),
        open_dead_letters=Coalesce(Subquery(letters.annotate(count=Count("pk")).values("count")), 0),
    )


def flow_head(flow: Flow) -> dict[str, Any]:
    """What the top of a flow's page says, before its form."""
    return {
        "head": {
            "ends": ends(flow),
            "recipe": shipped().get(flow.recipe.partition("/")[0]),
            "health": health(flow),
            "next": next_run(flow),
            "revision": flow.revision,
            **draft_of(flow),
            "last": flow.runs.defer("params").first(),
            "dead_letters": flow.dead_letters.filter(state="open").count(),
            "dead_letters_url": list_url(DeadLetter, state="open", flow__mapping_ptr__exact=flow.pk),
            "runs_url": list_url(Run, flow__mapping_ptr__exact=flow.pk),
            "first": counted.first_words(flow) if counted.is_first(flow) else [],
        }
    }


def draft_of(flow: Flow) -> dict[str, Any]:
    draft = drafts.draft_of(flow)
    return {"differs": draft.differs, "changes": len(draft.changes)}


def runs_use(flow: Flow) -> str:
    if flow.revision is None:
        return "It does not run before it is published."
    return f"Runs use revision {flow.revision.number:,} until it is published."


def ends(flow: Flow) -> SafeString:
    return format_html(
        "{} {} {} {} {}",
        present.side_mark("servicenow"),
        flow.servicenow_table,
        present.arrow(flow.direction),
        present.side_mark("salesforce"),
        flow.salesforce_object,
    )


def health(flow: Flow) -> SafeString:
    word = "disabled" if not flow.enabled else "paused" if flow.paused_reason else flow.health
    badges = [present.badge(word)]
    if flow.deletions_paused:
        badges.append(present.badge("warning", "deletions paused"))
    shown = format_html_join(" ", "{}", ((badge,) for badge in badges))
    why = flow.paused_reason or flow.health_message
    return format_html('{}<div class="ic-dim" title="{}">{}</div>', shown, why, why) if why else shown


def next_run(flow: Flow) -> SafeString:
    schedule = getattr(flow, "schedule", None)
    if (
        schedule is None
        or not schedule.enabled
        or not schedule.cron
        or not flow.enabled
        or flow.paused_reason
    ):
        return SafeString("–")
    if schedule.next_at is not None and schedule.next_at <= timezone.now() + timedelta(seconds=1):
        return SafeString("due now")
    return present.ago(schedule.next_at)
