"""Connections of a file: every method by its name, with the secrets that it uses and no others."""

from __future__ import annotations

import pytest

from sync.configuration.export import export
from sync.configuration.problems import InvalidConfiguration
from sync.connectors.auth import METHODS
from sync.connectors.auth.credentials import USERNAME
from sync.connectors.base import Token
from sync.engine.tokens import approval_of, store_approval
from sync.models import Connection

VALUES = {
    "A_CLIENT_ID": "the-id", "A_CLIENT_SECRET": "one", "A_PASSWORD": "two", "A_SECURITY_TOKEN": "three",
    "A_REFRESH_TOKEN": "four", "A_PRIVATE_KEY": "-----BEGIN PRIVATE KEY-----\\nfive",
}  # fmt: skip


def file_of(system: str, auth: str, more: str = "", secrets: tuple[str, ...] | None = None) -> str:
    method = METHODS[system, auth]  # type: ignore[index]
    names = method.secret_names if secrets is None else secrets
    given = ", ".join(f'{name}: "${{A_{name.upper()}}}"' for name in names)
    user = "    username: sync.user\n" if USERNAME in method.needs else ""
    return (
        f"version: 1\nconnections:\n  - name: acme\n    system: {system}\n    url: https://acme.my.salesforce.com\n"
        f"    auth: {auth}\n{user}{more}    secrets: {{{given}}}\n"
    )


@pytest.mark.parametrize(("system", "auth"), [(side.value, auth) for side, auth in METHODS])
def test_every_method_is_applied_with_its_secrets_and_exported_without_them(bring_in, system, auth):
    plan = bring_in(file_of(system, auth), environ=VALUES)

    connection, method = Connection.objects.get(), METHODS[system, auth]
    assert set(connection.secrets) == set(method.secret_names)
    assert any("connections[acme].auth" in notice for notice in plan.notices) == bool(method.legacy)
    text = export()
    assert [value for value in VALUES.values() if value in text] == []
    assert bring_in(text, environ={}).changes == []


def test_audience_and_key_id_go_in_and_come_out(bring_in):
    bring_in(
        file_of("salesforce", "oauth_jwt_bearer", "    audience: https://test.salesforce.com\n"),
        environ=VALUES,
    )
    assert Connection.objects.get().audience == "https://test.salesforce.com"
    assert "audience: https://test.salesforce.com" in export()

    bring_in(file_of("servicenow", "oauth_jwt_bearer", "    key_id: console-1\n"), environ=VALUES)
    assert "key_id: console-1" in export()
    assert Connection.objects.get().audience == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (file_of("salesforce", "oauth_jwt_bearer", secrets=("private_kye",)), "Did you mean 'private_key'?"),
        (file_of("salesforce", "oauth_authorization_code", secrets=("refresh_token",)), "uses no secret of this name"),
        (file_of("salesforce", "soap_login").replace("salesforce\n", "servicenow\n", 1), "cannot log in to servicenow"),
        (file_of("salesforce", "soap_login").replace("soap_login", "soap"), "is not one of"),
        (file_of("salesforce", "oauth_jwt_bearer", "    audience: login\n"), "audience"),
        (file_of("servicenow", "oauth_jwt_bearer").replace("    username: sync.user\n", ""), "needs a user name"),
    ],
    ids=["misspelt", "obtained", "other-system", "unknown", "audience", "nobody"],
)  # fmt: skip
def test_a_mistake_in_a_method_is_told(read, text, words):
    with pytest.raises(InvalidConfiguration, match="connections") as caught:
        read(text)

    assert words in str(caught.value)


def test_an_approval_is_not_exported_and_outlives_applying_the_same_file(bring_in):
    text = file_of("salesforce", "oauth_authorization_code")
    bring_in(text, environ=VALUES)
    token = Token("access", "https://acme.my.salesforce.com", None, 1, "refresh-me")
    store_approval(Connection.objects.get(), token, user="sync.user@acme.example", by="alice")

    assert "refresh" not in export()
    bring_in(text, environ=VALUES)
    assert approval_of(Connection.objects.get()).user == "sync.user@acme.example"
