"""Authenticated access to one ServiceNow instance or one Salesforce org."""

from __future__ import annotations

from django.db import models

from sync.encryption import Sealed
from sync.models.base import SideChoices, UUIDKey


class AuthMethod(models.TextChoices):
    CLIENT_CREDENTIALS = "oauth_client_credentials", "OAuth client credentials"
    PASSWORD = "oauth_password", "OAuth password"
    BASIC = "basic", "basic authentication"
    REFRESH_TOKEN = "oauth_refresh_token", "OAuth refresh token"
    JWT_BEARER = "oauth_jwt_bearer", "OAuth JWT bearer"
    AUTHORIZATION_CODE = "oauth_authorization_code", "OAuth authorization code"
    SOAP_LOGIN = "soap_login", "SOAP login (legacy)"


class ConnectionHealth(models.TextChoices):
    UNKNOWN = "unknown", "not tested"
    OK = "ok", "ok"
    FAILING = "failing", "failing"


class Connection(UUIDKey):
    name = models.SlugField(max_length=80, unique=True)
    system = models.CharField(max_length=12, choices=SideChoices.choices)
    url = models.CharField(max_length=255, help_text="https://host, the instance or the org's My Domain.")
    auth = models.CharField(
        "method", max_length=32, choices=AuthMethod.choices, default=AuthMethod.CLIENT_CREDENTIALS
    )
    username = models.CharField(max_length=120, blank=True, help_text="Where the method has one.")
    audience = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text="JWT bearer, Salesforce: https://login.salesforce.com, https://test.salesforce.com or the org's own "
        "My Domain. Empty: by the address.",
    )
    key_id = models.CharField(
        "key ID",
        max_length=120,
        blank=True,
        default="",
        db_default="",
        help_text="JWT bearer, ServiceNow: the kid of the key, where the instance has one.",
    )
    secrets_sealed = models.BinaryField(null=True, editable=False)
    secrets_set = models.JSONField(
        default=dict, editable=False, help_text="Which secret was set when, by whom."
    )
    ca_bundle = models.CharField(
        "CA bundle",
        max_length=255,
        blank=True,
        help_text="Path of a PEM file; empty: the system's authorities.",
    )
    concurrency = models.PositiveSmallIntegerField(default=4, help_text="Calls at once, at most.")
    limit_requests = models.PositiveIntegerField(
        default=0, help_text="Calls per window; 0: as the platform says."
    )
    limit_per = models.CharField(
        max_length=8, default="hour", choices=[("hour", "clock hour"), ("24h", "rolling 24 hours")]
    )
    reserve_percent = models.PositiveSmallIntegerField(
        default=10, help_text="Share of the window that background work may not touch."
    )
    api_version = models.CharField(
        max_length=8, blank=True, help_text="Salesforce: empty for the one this release is tested with."
    )
    # Which instance or org this was when first met; another behind the same URL disables its flows.
    org_id = models.CharField(max_length=64, blank=True, editable=False)
    # Who we are there, as records name who changed them last: a user_name, or an 18-character Id.
    own_user = models.CharField(max_length=120, blank=True, editable=False)
    health = models.CharField(
        max_length=8, choices=ConnectionHealth.choices, default=ConnectionHealth.UNKNOWN, editable=False
    )
    health_message = models.CharField(max_length=500, blank=True, editable=False)
    health_at = models.DateTimeField(null=True, blank=True, editable=False)
    # When its tables or objects are described anew next: each night (sync.nightly).
    schemas_due_at = models.DateTimeField(null=True, editable=False)
    calls_used = models.PositiveIntegerField(null=True, blank=True, editable=False)
    calls_allowed = models.PositiveIntegerField(null=True, blank=True, editable=False)
    calls_seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    blocked_until = models.DateTimeField(null=True, blank=True, editable=False)  # budget spent
    # The circuit breaker: failures in a row, how often it has opened since a run went well, until when nothing is sent,
    # and until when one run tries the platform again.
    circuit_failures = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    circuit_openings = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    circuit_open_until = models.DateTimeField(null=True, blank=True, editable=False)
    circuit_tried_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    secrets = Sealed("secrets_sealed")

    class Meta:
        ordering = ("name",)
        permissions = [("test_connection", "Can test a connection")]

    def __str__(self) -> str:
        return self.name


class ConnectionToken(UUIDKey):
    """The access token that threads and processes share. `lease_until`: somebody is fetching a newer one."""

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="token")
    token_sealed = models.BinaryField(null=True)
    generation = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)

    token = Sealed("token_sealed")

    class Meta:
        default_permissions = ()
