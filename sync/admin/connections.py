"""Connections: what Test connection proved, the budget, and credentials that are written and never shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.actions import Done, console_action
from integration_console.theme.admin import ConfigurationAdmin
from integration_console.theme.toolkit import PRIMARY, ModelForm, PasswordInput
from sync import services
from sync.admin.base import page_url, person, rules
from sync.models import Connection, Question
from sync.models.question import QuestionKind

SECRETS = {
    "client_id": "Client ID",
    "client_secret": "Client secret",
    "password": "Password",
    "security_token": "Security token",
}
SECRET_FIELDS = tuple(f"secret_{name}" for name in SECRETS)
# A change of one of these makes the cached token worthless.
LOGIN_FIELDS = {"url", "auth", "username", "ca_bundle"}

# Which inputs a method needs. A page that is only shown has no inputs to ask, so it shows all it may.
CONDITIONS = {
    "username": "auth != 'oauth_client_credentials'",
    "secret_client_id": "auth != 'basic'",
    "secret_client_secret": "auth != 'basic'",
    "secret_password": "auth != 'oauth_client_credentials'",
    "secret_security_token": "auth == 'oauth_password' && system == 'salesforce'",
    "api_version": "system == 'salesforce'",
}
SHOWN_ONLY = "typeof auth == 'undefined'"

TEST = rules(
    permission="sync.test_connection",
    title=lambda connection: f"Test {connection.name}?",
    description="A worker logs in and asks the platform who we are, what we may do and how many calls are left: "
    "about five calls, nothing is written.",
    submit="Test connection",
)


class ConnectionForm(ModelForm):
    """Secrets are inputs of their own that start empty and stay empty: nothing stored is ever sent to a browser."""

    moved = False  # to another host than the stored secrets were given for
    secret_client_id = forms.CharField(required=False, widget=PasswordInput())
    secret_client_secret = forms.CharField(required=False, widget=PasswordInput())
    secret_password = forms.CharField(required=False, widget=PasswordInput())
    secret_security_token = forms.CharField(required=False, widget=PasswordInput())

    class Meta:
        model = Connection
        fields = "__all__"  # the admin's fieldsets name what is shown; sealed columns are not editable
        labels = {
            "url": "Address",
            "concurrency": "Calls at once",
            "limit_requests": "Limit",
            "limit_per": "Window of the limit",
            "reserve_percent": "Reserve, percent",
            "api_version": "API version",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in SECRETS.items():
            field = self.fields.get(f"secret_{name}")
            if field is not None:
                field.label = label
                mark = mark_of(self.instance, name)
                field.widget.attrs.update({"autocomplete": "new-password", "placeholder": mark or "not set"})

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"].strip().rstrip("/")
        parts = urlsplit(url)
        if parts.scheme != "https":
            raise ValidationError("The address must begin with https://, because credentials travel over it.")
        if not parts.hostname or parts.path or parts.query or parts.fragment or parts.username:
            raise ValidationError(
                "Give the address alone, such as https://acme.service-now.com, with nothing after it."
            )
        return url

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self._refuse_unknown_method(data)
        self.moved = self._moves_to_another_host(data)
        if self.moved and not any(data.get(name) for name in SECRET_FIELDS):
            self.add_error(
                "url",
                "Enter the credentials again with a new address: stored ones are not sent to another host.",
            )
        return data

    def _refuse_unknown_method(self, data: dict[str, Any]) -> None:
        from sync.connectors.auth import METHODS

        system, auth = data.get("system"), data.get("auth")
        known = [name for side, name in METHODS if side == system]
        if system and auth and auth not in known:
            labels = dict(Connection._meta.get_field("auth").flatchoices)
            offered = ", ".join(str(labels[name]) for name in known)
            self.add_error("auth", f"This release logs in to {system.title()} with one of: {offered}.")

    def _moves_to_another_host(self, data: dict[str, Any]) -> bool:
        stored = Connection.objects.filter(pk=self.instance.pk).values_list("url", "secrets_set").first()
        return bool(
            stored
            and stored[1]
            and data.get("url")
            and urlsplit(stored[0]).netloc != urlsplit(data["url"]).netloc
        )

    def new_secrets(self) -> dict[str, str]:
        """What was typed; with a new host also "" for each stored secret that was not, so that none goes there."""
        typed = {
            name: self.cleaned_data[f"secret_{name}"]
            for name in SECRETS
            if self.cleaned_data.get(f"secret_{name}")
        }
        return {**dict.fromkeys(self.instance.secrets_set or {}, ""), **typed} if self.moved else typed


def mark_of(connection: Connection, name: str) -> str:
    """When a secret was set and by whom, or "" if it is not set."""
    mark = (connection.secrets_set or {}).get(name)
    if not mark:
        return ""
    day = datetime.fromisoformat(mark["at"]).strftime("%d %B %Y")
    return f"set on {day} by {mark['by'] or 'the command line'}, leave empty to keep"


@admin.register(Connection)
class ConnectionAdmin(ConfigurationAdmin):
    form = ConnectionForm
    list_display = ("titled", "health_badge", "address", "method", "budget", "tested")
    list_display_links = ("titled",)
    list_filter = ("system", "health")
    search_fields = ("name", "url")
    fieldsets = (
        (None, {"fields": ("name", "system", "url", "auth", "username")}),
        (
            "Credentials",
            {"fields": SECRET_FIELDS, "description": "Written once, encrypted, and never shown again."},
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
    conditional_fields = {name: f"{SHOWN_ONLY} || {condition}" for name, condition in CONDITIONS.items()}
    actions_row = ("test",)
    actions_detail = ("test",)
    page_views = ("proved",)
    change_form_outer_before_template = "console/connection_head.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        return super().get_queryset(request).defer("secrets_sealed")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        return [entry for entry in super().get_fieldsets(request, obj) if entry[0] != "Credentials"]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> Any:
        connection = self.get_object(request, unquote(object_id))
        context = proof(connection) if connection else {}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def proved(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The last test's lines; asks for itself again until a worker has answered."""
        connection = self.visible(request, object_id)
        return TemplateResponse(
            request, "console/connection_proved.html", {"original": connection, **proof(connection)}
        )

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
    def method(self, obj: Connection) -> str:
        return obj.get_auth_display()

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


def proof(connection: Connection) -> dict[str, Any]:
    """The newest test of the connection and how it stands; `question` is None if it was never tested."""
    asked = Question.objects.filter(connection=connection, kind=QuestionKind.TEST_CONNECTION).select_related(
        "asked_by"
    )
    question = asked.first()
    answer = question.answer if question else {}
    return {"question": question, "findings": answer.get("findings", []), "facts": answer.get("facts", {})}
