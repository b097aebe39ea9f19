"""Connections: what Test connection proved, the budget, and credentials that are written and never shown."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.actions import Done, console_action
from integration_console.theme.admin import ConfigurationAdmin
from integration_console.theme.toolkit import DANGER, PRIMARY
from sync import approval, services
from sync.admin import schemas
from sync.admin.base import page_url, person, rules
from sync.admin.connection_form import SECRET_FIELDS, ConnectionForm, conditional_fields
from sync.admin.limits import limits
from sync.models import Connection, Question
from sync.models.question import QuestionKind
from sync.oauth_views import callback_url, refuse_other_host

# A change of one of these makes the cached token worthless.
LOGIN_FIELDS = {"url", "auth", "username", "audience", "key_id", "ca_bundle"}

TEST = rules(
    permission="sync.test_connection",
    title=lambda connection: f"Test {connection.name}?",
    description="A worker logs in and asks the platform who we are, what we may do, how many calls are left and what each flow "
    "lacks: about six calls and two for each flow; nothing is written.",
    submit="Test connection",
)


CONNECT = rules(
    permission="sync.change_connection",
    title=lambda connection: f"Connect {connection.name}?",
    description=lambda connection: (
        f"Your browser goes to {urlsplit(connection.url).netloc}. Log in there as the user that the console is to work as, "
        "not as yourself, and allow access. You come back here, connected."
    ),
    submit="Continue",
    when=approval.by_approval,
)
DISCONNECT = rules(
    permission="sync.change_connection",
    title=lambda connection: f"Disconnect {connection.name}?",
    description="The approval is revoked on the platform and forgotten here. Flows on this connection stop with the next call.",
    submit="Disconnect",
    when=lambda connection: approval.status(connection) is not None,
)


@admin.register(Connection)
class ConnectionAdmin(ConfigurationAdmin):
    form = ConnectionForm
    list_display = ("titled", "health_badge", "address", "method", "budget", "tested")
    list_display_links = ("titled",)
    list_filter = ("system", "health")
    search_fields = ("name", "url")
    fieldsets = (
        (None, {"fields": ("name", "system", "url", "auth")}),
        (
            "Credentials",
            {
                "fields": ("username", *SECRET_FIELDS, "audience", "key_id", "callback_address"),
                "description": "Secrets are written once, encrypted, and never shown again.",
            },
        ),
        (
            "Limits and trust",
            {
                "fields": (
                    "concurrency",
                    "limit_requests",
                    "limit_per",
                    "reserve_percent",
                    "ca_bundle",
                    "api_version",
                )
            },
        ),
    )
    conditional_fields = conditional_fields()
    actions_row = ("test",)
    actions_detail = ("test", "connect", "disconnect")
    page_views = ("proved", "schemas")
    change_form_outer_before_template = "console/connection_head.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        return super().get_queryset(request).defer("secrets_sealed")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        shown = [entry for entry in super().get_fieldsets(request, obj) if entry[0] != "Credentials"]
        columns = {"fields": ("username", "audience", "key_id")}
        return [shown[0], ("Credentials", columns), *shown[1:]]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"callback_at": callback_url(request)})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> Any:
        connection = self.get_object(request, unquote(object_id))
        context = {**proof(connection), **schemas.shown(connection)} if connection else {}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def proved(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The last test's lines; asks for itself again until a worker has answered."""
        connection = self.visible(request, object_id)
        return TemplateResponse(
            request, "console/connection_proved.html", {"original": connection, **proof(connection)}
        )

    def schemas(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What was read of its tables or objects: POST asks a worker to read them anew, GET shows how things stand."""
        return schemas.fragment(request, self.visible(request, object_id))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if secrets := form.new_secrets():
            connection = Connection.objects.get(pk=form.instance.pk)
            services.set_secrets(connection=connection, secrets=secrets, by=person(request))
        elif LOGIN_FIELDS & set(form.changed_data):
            services.forget_token(form.instance)

    @admin.display(description="connection", ordering="name")
    def titled(self, obj: Connection) -> SafeString:
        return format_html("{} {}", present.side_mark(obj.system), obj.name)

    @admin.display(description="health", ordering="health")
    def health_badge(self, obj: Connection) -> SafeString:
        return format_html(
            '{}<div class="ic-dim">{}</div>',
            present.badge(obj.health, obj.get_health_display()),
            obj.health_message,
        )

    @admin.display(description="address", ordering="url")
    def address(self, obj: Connection) -> str:
        return obj.url

    @admin.display(description="method", ordering="auth")
    def method(self, obj: Connection) -> SafeString:
        missing = approval.by_approval(obj) and approval.status(obj) is None
        return format_html(
            "{}{}",
            obj.get_auth_display(),
            SafeString('<div class="ic-dim">not connected</div>' if missing else ""),
        )

    @admin.display(description="calls used")
    def budget(self, obj: Connection) -> str:
        if obj.calls_used is None or obj.calls_allowed is None:
            return "not known yet"
        return f"{obj.calls_used:,} of {obj.calls_allowed:,}"

    @admin.display(description="checked", ordering="health_at")
    def tested(self, obj: Connection) -> SafeString:
        return present.ago(obj.health_at)

    @console_action("Test connection", TEST, icon="network_check", variant=PRIMARY)
    def test(self, request: HttpRequest, target: Connection, answers: dict[str, Any]) -> Done:
        services.test_connection(connection=target, by=person(request))
        return Done(f"A worker is testing {target.name}; its findings appear below.", page_url(target))

    @console_action("Connect", CONNECT, icon="link")
    def connect(self, request: HttpRequest, target: Connection, answers: dict[str, Any]) -> Done:
        refuse_other_host(request)
        approval.begin(
            connection=target,
            by=person(request),
            session=request.session,
            redirect_uri=callback_url(request),
        )
        return Done("", reverse("oauth_leave"))

    @console_action("Disconnect", DISCONNECT, icon="link_off", variant=DANGER)
    def disconnect(self, request: HttpRequest, target: Connection, answers: dict[str, Any]) -> Done:
        if approval.disconnect(connection=target, by=person(request)):
            return Done(f"{target.name} is disconnected, and its approval revoked.", page_url(target))
        return Done(
            f"{target.name} is disconnected here, but the platform did not confirm that the approval ended: "
            "revoke it there too.",
            page_url(target),
            messages.WARNING,
        )


def proof(connection: Connection) -> dict[str, Any]:
    """The newest test of the connection and how it stands; `question` is None if it was never tested."""
    asked = Question.objects.filter(connection=connection, kind=QuestionKind.TEST_CONNECTION).select_related(
        "asked_by"
    )
    question = asked.first()
    answer = question.answer if question else {}
    return {
        "question": question,
        "findings": answer.get("findings", []),
        "facts": answer.get("facts", {}),
        "by_approval": approval.by_approval(connection),
        "approval": approval.status(connection),
        **limits(connection, timezone.now()),
    }
