"""What Test connection proves about a Salesforce org. Each step that fails becomes a finding."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

from sync.connectors.base import Token
from sync.connectors.findings import Findings
from sync.connectors.salesforce import soql
from sync.connectors.salesforce.identity import who_we_are
from sync.connectors.salesforce.metadata import describe
from sync.connectors.salesforce.org import Org
from sync.connectors.salesforce.reading import all_rows
from sync.core.records import Probe, Schema
from sync.errors import SchemaError, SyncError, TransientError

LOW_BUDGET = 0.1  # of the org's daily calls
_TOO_MUCH = {
    "PermissionsModifyAllData": "Modify All Data",
    "PermissionsViewAllData": "View All Data",
    "PermissionsManageUsers": "Manage Users",
    "PermissionsCustomizeApplication": "Customize Application",
    "PermissionsAuthorApex": "Author Apex",
}


def probe(org: Org, name: str, key_field: str) -> Probe:
    findings = Findings()
    versions = findings.attempt("reached", lambda: _versions(org))
    if versions is None:
        return findings.probe()
    findings.ok("reached", f"{urlsplit(org.transport.origin).netloc} answers over trusted TLS.")
    token = findings.attempt("authenticated", org.authoriser.token)
    if token is None:
        return findings.probe()
    findings.attempt("authenticated", lambda: _identity(org, token, findings))
    _version(org, versions, findings)
    _clock(org, findings)
    findings.attempt("budget", lambda: _budget(org, findings))
    _excess(org, findings)
    if name:
        schema = findings.attempt("object", lambda: describe(org, name))
        if schema:
            _object(schema, key_field, findings)
    return findings.probe()


def _versions(org: Org) -> list[str]:
    data = org.get("/services/data/")
    if not isinstance(data, list):
        raise TransientError("The host does not answer like Salesforce.", code="bad_answer")
    return [str(entry.get("version", "")) for entry in data if isinstance(entry, dict)]


def _identity(org: Org, token: Token, findings: Findings) -> None:
    """Who we are: organisation and user from the identity URL of the login, the rest from the User record."""
    org_id, user_id = who_we_are(org, token)
    findings.org_id = org_id
    users = list(all_rows(org, "User", ["Id", "Username"], soql.one_of("Id", [user_id])))
    findings.user = str(users[0]["Username"]) if users else user_id
    findings.facts["user_id"] = user_id
    findings.facts["instance_url"] = token.instance_url
    findings.ok("authenticated", f"Logged in as {findings.user} in organisation {findings.org_id}.")


def _version(org: Org, versions: list[str], findings: Findings) -> None:
    findings.facts["api_version"] = org.version
    if org.version in versions:
        findings.ok("api_version", f"API version {org.version} is supported.")
    else:
        newest = max(
            versions, key=lambda text: [int(part) for part in text.split(".") if part.isdigit()], default="?"
        )
        findings.error(
            "api_version",
            f"API version {org.version} is not offered.",
            f"Choose one of the offered, up to {newest}.",
        )


def _clock(org: Org, findings: Findings) -> None:
    now = org.transport.server_now()
    if now is not None:
        findings.facts["clock_offset_seconds"] = f"{(now - datetime.now(UTC)).total_seconds():.0f}"


def _budget(org: Org, findings: Findings) -> None:
    data = org.read("limits")
    daily = data.get("DailyApiRequests") if isinstance(data, dict) else None
    if not daily:
        findings.warning("budget", "The org does not tell its daily API requests.")
        return
    left, allowed = int(daily["Remaining"]), int(daily["Max"])
    findings.facts["budget"] = f"{left}/{allowed}"
    text = f"{left:,} of {allowed:,} daily API requests are left."
    if left < allowed * LOW_BUDGET:
        findings.warning("budget", text, "Runs are deferred when none are left; see what else uses the API.")
    else:
        findings.ok("budget", text)


def _excess(org: Org, findings: Findings) -> None:
    """Permissions of the user beyond what any flow needs; an org that does not tell is not asked further.

    Source: Object Reference, UserPermissionAccess: the permissions of whoever asks, without View Setup.
    """
    with suppress(SyncError):
        named = ", ".join(_TOO_MUCH)
        rows = org.query(f"SELECT {named} FROM UserPermissionAccess LIMIT 1")["records"]  # noqa: S608
        more = [label for name, label in _TOO_MUCH.items() if rows and rows[0].get(name) is True]
        if more:
            advice = "Take them away; the permission set in deploy/salesforce gives what the recipes need."
            findings.warning("excess", f"The user has {', '.join(more)}: more than any flow needs.", advice)


def _object(schema: Schema, key_field: str, findings: Findings) -> None:
    name = schema.name
    findings.ok("object", f"{name} is visible with {len(schema.fields)} fields.")
    if not any(field.createable for field in schema.fields.values()):
        findings.error(
            "createable", f"The user may not create {name}.", "Give it create access to the object."
        )
    if not key_field:
        return
    key = schema.fields.get(key_field)
    if key is None:
        error = SchemaError(f"{name} has no field {key_field}, or the user cannot see it.")
        findings.error(
            "key", error.message, "Create it as text, External ID, Unique, and grant field-level security."
        )
    elif not key.unique:
        findings.error(
            "key", f"{name}.{key_field} is not unique.", "Tick Unique: External ID alone lets duplicates in."
        )
    elif not key.external_id:
        findings.warning(
            "key",
            f"{name}.{key_field} is unique but no External ID.",
            "Tick External ID: it is indexed then.",
        )
    elif not key.createable:
        findings.error(
            "key", f"The user may not write {name}.{key_field}.", "Grant edit access to the field."
        )
    else:
        findings.ok("key", f"{name}.{key_field} is unique and an external id.")
