"""A person connects Salesforce in a real Chromium: from the button over the platform's own page and back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.urls import reverse

from sync import services
from sync.models import Connection
from sync.sandbox.pair import start_pair
from tests.console.browsing import in_browser

pytestmark = in_browser


@pytest.fixture
def page(window):
    """The platform's certificate is the sandbox's own, which this browser need not know."""
    return window(ignore_https_errors=True)


@pytest.mark.parametrize("plain", [False, True], ids=["dialog", "plain-page"])
def test_a_person_connects_and_comes_back_connected(page, live_server, plain):
    """Also without the dialog's script, where a form's answer may not redirect to another host."""
    from playwright.sync_api import expect

    with start_pair() as pair:
        held, org = pair.credentials.salesforce, pair.salesforce.platform
        org.app = replace(org.app, redirect_uris=frozenset({f"{live_server.url}/oauth/callback/"}))
        connection = Connection.objects.create(
            name="acme-salesforce", system="salesforce", url=pair.salesforce.url, auth="oauth_authorization_code",
            ca_bundle=str(pair.ca_file),
        )  # fmt: skip
        given = {"client_id": held.client_id, "client_secret": held.client_secret}
        services.set_secrets(connection=connection, secrets=given, by=None)

        page.goto(reverse("admin:sync_connection_change", args=[connection.pk]))
        expect(page.get_by_text("Nobody has let the console in yet")).to_be_visible()
        expect(page.get_by_label("Callback address")).to_have_value(f"{live_server.url}/oauth/callback/")
        expect(page.get_by_label("Private key")).to_be_hidden()
        if plain:
            page.goto(reverse("admin:sync_connection_connect", args=[connection.pk]))
        else:
            page.locator("a[href$='/connect/']").first.click()
        page.get_by_role("button", name="Continue", exact=True).click()

        expect(page.get_by_role("heading", name="Allow access?")).to_be_visible()
        page.get_by_label("Password").fill(held.password)
        page.get_by_role("button", name="Allow").click()
        expect(page.get_by_text(f"acme-salesforce is connected as {held.username}.")).to_be_visible()
        expect(page.get_by_role("link", name="Disconnect").first).to_be_visible()
