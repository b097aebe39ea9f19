"""The login form: Django's, behind the throttle."""

from __future__ import annotations

from typing import Any

from integration_console.middleware import client_ip
from integration_console.theme.toolkit import AuthenticationForm
from sync import logins


class LoginForm(AuthenticationForm):
    """Raises TooManyLogins, which the middleware shows as a page, before a password is looked at."""

    def clean(self) -> dict[str, Any]:
        address = client_ip(self.request) if self.request is not None else ""
        attempt = logins.Attempt(str(self.cleaned_data.get("username") or ""), address)
        logins.admit(attempt)
        cleaned: dict[str, Any] = super().clean()
        logins.succeeded(attempt)
        return cleaned
