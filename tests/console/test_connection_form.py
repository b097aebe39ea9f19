"""A connection's form: what each method asks for, what it refuses, and that no secret comes back."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.urls import reverse

from sync import services
from sync.models import AuditEntry, Connection
from sync.questions import answer
from sync.sandbox.pair import start_pair

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")
GIVEN = {
    "name": "acme", "system": "salesforce", "url": "https://acme.my.salesforce.com", "auth": "oauth_client_credentials",
    "username": "", "concurrency": "4", "limit_requests": "0", "limit_per": "hour", "reserve_percent": "10",
    "ca_bundle": "", "api_version": "", "audience": "", "key_id": "",
}  # fmt: skip


@pytest.fixture
def administrator(as_role):
    return as_role("administrator")


def test_the_form_takes_a_key_and_never_shows_it(administrator):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    given = {**GIVEN, "auth": "oauth_jwt_bearer", "username": "sync.user@acme.example", "secret_private_key": pem,
             "secret_client_id": "the-id", "audience": "https://test.salesforce.com/"}  # fmt: skip
    refused = administrator.post(reverse("admin:sync_connection_add"), {**given, "name": ""}).content.decode()
    assert pem[40:80] not in refused

    administrator.post(reverse("admin:sync_connection_add"), given)
    connection = Connection.objects.get()
    assert connection.secrets["private_key"] == pem.strip()
    assert connection.audience == "https://test.salesforce.com"
    page = administrator.get(reverse("admin:sync_connection_change", args=[connection.pk])).content.decode()
    assert pem[40:80] not in page
    assert pem[40:80] not in str(list(AuditEntry.objects.values()))


def test_a_key_that_cannot_sign_is_refused_in_the_form(administrator):
    given = {**GIVEN, "auth": "oauth_jwt_bearer", "username": "sync.user", "secret_private_key": "s3cret"}
    page = administrator.post(reverse("admin:sync_connection_add"), given).content.decode()

    assert "The private key is no whole PEM text" in page
    assert "s3cret" not in page
    assert not Connection.objects.exists()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://[::1", "is not an address"),
        ("https://acme.my.salesforce.com:99999", "is not an address"),
        ("https://acme.my.\nsalesforce.com", "a blank or a line end"),
        ("https://alice:s3cret@acme.my.salesforce.com", "they belong in the connection&#x27;s own fields"),
        ("http://acme.my.salesforce.com", "must begin with https://"),
    ],
)
def test_an_address_that_is_none_is_refused_in_the_form(administrator, url, said):
    page = administrator.post(reverse("admin:sync_connection_add"), {**GIVEN, "url": url})

    assert (page.status_code, said in page.content.decode()) == (200, True)
    assert not Connection.objects.exists()


def test_a_method_that_names_a_user_asks_for_the_name(administrator):
    page = administrator.post(
        reverse("admin:sync_connection_add"), {**GIVEN, "auth": "soap_login"}
    ).content.decode()

    assert "SOAP login needs a user name" in page


def test_a_legacy_method_is_warned_of_in_the_form_and_at_each_test(administrator):
    with start_pair() as pair:
        held = pair.credentials.salesforce
        connection = Connection.objects.create(
            name="acme", system="salesforce", url=pair.salesforce.url, auth="soap_login", username=held.username,
            ca_bundle=str(pair.ca_file),
        )  # fmt: skip
        given = {"password": held.password, "security_token": held.security_token}
        services.set_secrets(connection=connection, secrets=given, by=None)
        asked = services.test_connection(connection=connection, by=None, enqueue=False)
        found = {line["code"]: line["status"] for line in answer(asked.pk).answer["findings"]}

    url = reverse("admin:sync_connection_change", args=[connection.pk])
    assert "SOAP login ends" in administrator.get(url).content.decode()
    assert (found["authenticated"], found["legacy"]) == ("ok", "warning")
