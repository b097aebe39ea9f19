"""The form of a connection: which inputs a method needs, and secrets that are written and never shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from integration_console.theme.toolkit import ModelForm, PasswordInput, Textarea, TextInput
from sync.connectors.addresses import checked_origin
from sync.connectors.auth import METHODS
from sync.connectors.auth.assertion import checked_private_key
from sync.connectors.auth.credentials import USERNAME, Source
from sync.core.records import Side
from sync.errors import ConfigurationError
from sync.models import Connection
from sync.models.base import SideChoices
from sync.models.connection import AuthMethod

SECRETS = {
    need.name: need
    for method in METHODS.values()
    for need in method.needs
    if need.source is Source.ENTERED
}  # fmt: skip
SECRET_FIELDS = tuple(f"secret_{name}" for name in SECRETS)
# A page that is only shown has no inputs to ask, so it shows all it may.
_SHOWN_ONLY = "typeof auth == 'undefined'"


def _condition(chosen: list[tuple[Side, str]]) -> str:
    """True in the browser while system and method are one of these pairs."""
    pairs = ", ".join(f"'{side.value}:{auth}'" for side, auth in chosen)
    return f"{_SHOWN_ONLY} || [{pairs}].includes(system + ':' + auth)"


def conditional_fields() -> dict[str, str]:
    """Field -> when the browser shows it: exactly while the chosen method needs it."""
    found = {
        (name if source is Source.COLUMN else f"secret_{name}"): _condition(
            [pair for pair, method in METHODS.items() if (name, source) in _needs(method)]
        )
        for name, source in sorted(
            {entry for method in METHODS.values() for entry in _needs(method)}, key=lambda entry: entry[0]
        )
    }
    approved = [pair for pair, method in METHODS.items() if method.by_approval]
    return found | {
        "callback_address": _condition(approved),
        "api_version": f"{_SHOWN_ONLY} || system == 'salesforce'",
    }


def _needs(method: Any) -> list[tuple[str, Source]]:
    return [(need.name, need.source) for need in method.needs if need.source is not Source.OBTAINED]


class SecretTextarea(Textarea):
    """A text of several lines that, like a password, is never sent back to the browser."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


def _secret_input(name: str) -> forms.CharField:
    """Stripped of blanks around it, which come with copying, except for what a person chose."""
    widget = SecretTextarea({"rows": 6, "spellcheck": "false"}) if name == "private_key" else PasswordInput()
    need = SECRETS[name]
    return forms.CharField(
        required=False, label=need.label, help_text=need.help, widget=widget, strip=name != "password"
    )


def method_notes() -> SafeString:
    """What is to be known of each method and why not to choose a legacy one; the browser shows the chosen one's."""
    lines = [
        (f"!({_SHOWN_ONLY}) && system == '{side.value}' && auth == '{auth}'", _note(method))
        for (side, auth), method in METHODS.items()
    ]
    return format_html_join("", '<span x-show="{}" x-cloak>{}</span>', lines)


def _note(method: Any) -> SafeString:
    legacy = (
        format_html(' <b class="ic-badge ic-amber">legacy</b> {}', method.legacy) if method.legacy else ""
    )
    return format_html("{}{}", method.help, legacy)


# Browsers give pages the clipboard behind TLS and on localhost alone; elsewhere a click into the field marks it all.
_COPY = SafeString(
    '<button type="button" class="ic-button" style="float:right" x-show="navigator.clipboard" x-cloak '
    "x-on:click=\"navigator.clipboard.writeText($root.querySelector('[name=callback_address]').value); "
    "$el.textContent = 'Copied'\">Copy</button>"
)


class ConnectionForm(ModelForm):
    """Secrets are inputs of their own that start empty and stay empty: nothing stored is ever sent to a browser."""

    moved = False  # to another host than the stored secrets were given for
    callback_at = ""  # set by the page, which knows where the platforms send people back to
    secret_client_id = _secret_input("client_id")
    secret_client_secret = _secret_input("client_secret")
    secret_password = _secret_input("password")
    secret_security_token = _secret_input("security_token")
    secret_refresh_token = _secret_input("refresh_token")
    secret_private_key = _secret_input("private_key")
    callback_address = forms.CharField(
        required=False,
        label="Callback address",
        help_text=_COPY
        + "Register exactly this in the app or registry entry, then save here and press Connect.",
        widget=TextInput({"readonly": True, "x-on:focus": "$el.select()"}),
    )

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
            "username": "User name",
        }
        help_texts = {
            "username": "The user over there that the console works as.",
            "audience": "The login host: https://login.salesforce.com, https://test.salesforce.com or the org's own My "
            "Domain. Empty: the first two, by the address.",
            "key_id": "The kid of the key, if the instance's verifier map has one.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in SECRETS:
            if field := self.fields.get(f"secret_{name}"):
                mark = mark_of(self.instance, name)
                field.widget.attrs.update({"autocomplete": "new-password", "placeholder": mark or "not set"})
        auth = self.fields.get("auth")
        if isinstance(auth, forms.ChoiceField):
            auth.choices = [(value, _offered(value, label)) for value, label in AuthMethod.choices]
            auth.help_text = method_notes()
        self.initial["callback_address"] = self.callback_at

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"].strip()
        if not url.lower().startswith("https://"):
            raise ValidationError("The address must begin with https://, because credentials travel over it.")
        _or_invalid(lambda: checked_origin(url))
        parts = urlsplit(url)
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValidationError(
                "Give the address alone, such as https://acme.service-now.com, with nothing after it."
            )
        return url.rstrip("/")

    def clean_audience(self) -> str:
        audience: str = self.cleaned_data["audience"].strip().rstrip("/")
        return _or_invalid(lambda: checked_origin(audience)) if audience else ""

    def clean_secret_private_key(self) -> str:
        pem: str = self.cleaned_data["secret_private_key"]
        if pem:
            _or_invalid(lambda: checked_private_key(pem))
        return pem

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self._refuse_unknown_method(data)
        self._miss_user_name(data)
        self.moved = self._moves_to_another_host(data)
        if self.moved and not any(data.get(name) for name in SECRET_FIELDS):
            self.add_error(
                "url",
                "Enter the credentials again with a new address: stored ones are not sent to another host.",
            )
        return data

    def _refuse_unknown_method(self, data: dict[str, Any]) -> None:
        system, auth = data.get("system"), data.get("auth")
        known = [name for side, name in METHODS if side == system]
        if system and auth and auth not in known:
            labels = dict(Connection._meta.get_field("auth").flatchoices)
            offered = ", ".join(str(labels[name]) for name in known)
            name = SideChoices(system).label
            self.add_error("auth", f"{name} knows no {labels[auth]}. Choose one of: {offered}.")

    def _miss_user_name(self, data: dict[str, Any]) -> None:
        method = METHODS.get((data.get("system", ""), data.get("auth", "")))
        if method and USERNAME in method.needs and "username" in data and not data["username"]:
            self.add_error("username", f"{method.label} needs a user name.")

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


def _offered(auth: str, label: str) -> str:
    """The method's name, with the system if only one of the two knows it."""
    sides = [side for side, name in METHODS if name == auth]
    return label if len(sides) != 1 else f"{label}, {SideChoices(sides[0].value).label} only"


def _or_invalid(check: Any) -> Any:
    try:
        return check()
    except ConfigurationError as error:
        raise ValidationError(error.told) from None


def mark_of(connection: Connection, name: str) -> str:
    """When a secret was set and by whom, or "" if it is not set."""
    mark = (connection.secrets_set or {}).get(name)
    if not mark:
        return ""
    day = datetime.fromisoformat(mark["at"]).strftime("%d %B %Y")
    return f"set on {day} by {mark['by'] or 'the command line'}, leave empty to keep"
