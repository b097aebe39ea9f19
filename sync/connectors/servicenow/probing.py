"""What Test connection proves about a ServiceNow instance. Each step that fails becomes a finding."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sync.connectors.base import Profile
from sync.connectors.findings import Findings
from sync.connectors.servicenow import query
from sync.connectors.servicenow.instance import TABLES, Instance
from sync.connectors.servicenow.metadata import describe
from sync.core.records import Probe
from sync.errors import AuthenticationError, ConfigurationError

_USER_FIELDS = ("sys_id", "user_name", "name", "time_zone", "web_service_access_only")
_HIDDEN_DICTIONARY = "Let the integration user read sys_db_object, sys_dictionary and sys_choice."


def probe(instance: Instance, profile: Profile, name: str, key_field: str) -> Probe:
    findings = Findings()
    if not findings.attempt("reached", lambda: _reached(instance, findings)):
        return findings.probe()
    token = findings.attempt("authenticated", instance.authoriser.token)
    if token is None:
        return findings.probe()
    user = findings.attempt("authenticated", lambda: _user(instance, profile))
    if user is None:
        return findings.probe()
    _whom(user, profile, findings)
    if user:
        findings.attempt("roles", lambda: _roles(instance, user, findings))
    findings.attempt("identity", lambda: _identity(instance, findings))
    _clock(instance, findings)
    if name:
        findings.attempt("table", lambda: _table(instance, name, findings))
        findings.attempt("dictionary", lambda: _dictionary(instance, name, key_field, findings))
        findings.facts["delete_audit"] = _shown(instance, "sys_audit_delete", "documentkey")
        findings.facts["journal"] = _shown(instance, "sys_journal_field", "element_id")
    return findings.probe()


def _reached(instance: Instance, findings: Findings) -> bool:
    host = urlsplit(instance.transport.origin).netloc
    with suppress(AuthenticationError):  # without credentials this is the right answer
        instance.reach()
    findings.ok("reached", f"{host} answers over trusted TLS.")
    findings.facts["api_version"] = TABLES.split("/")[3]
    return True


def _user(instance: Instance, profile: Profile) -> dict[str, Any]:
    """The row of the user that calls run as; {} where it cannot be read. The first authenticated call."""
    wanted = (
        query.one_of("user_name", [profile.username])
        if profile.username
        else "user_name=javascript:gs.getUserName()"
    )
    rows = instance.rows("sys_user", wanted, _USER_FIELDS, limit=2).rows
    return rows[0] if len(rows) == 1 else {}


def _whom(user: dict[str, Any], profile: Profile, findings: Findings) -> None:
    findings.user = user.get("user_name") or profile.username
    if not user:
        findings.warning(
            "authenticated",
            "Logged in, but the user's own record is not visible.",
            "Let the user read sys_user.",
        )
        return
    findings.ok("authenticated", f"Logged in as {findings.user}.")
    zone = user.get("time_zone") or "the instance's default"
    findings.facts["time_zone"] = zone
    findings.facts["user_id"] = user["sys_id"]
    findings.ok("time_zone", f"The user's time zone is {zone}; values are exchanged in UTC whatever it is.")


def _roles(instance: Instance, user: dict[str, Any], findings: Findings) -> None:
    """itil covers the shipped flows; whether a table can be read is tested on the table itself."""
    rows = instance.rows(
        "sys_user_has_role", f"user={user['sys_id']}", ("sys_id", "role.name", "role"), limit=500
    ).rows
    roles = sorted({str(row.get("role.name") or row.get("role") or "") for row in rows} - {""})
    findings.facts["roles"] = ", ".join(roles)
    if "itil" in roles:
        findings.ok("roles", f"The user has the role itil ({len(roles)} roles in all).")
    elif not roles:
        findings.warning("roles", "The user's roles are not visible.", "Let the user read sys_user_has_role.")
    else:
        findings.warning(
            "roles", "The user does not have the role itil.", "Give it itil, or rights to each table."
        )


def _identity(instance: Instance, findings: Findings) -> None:
    """The instance's own id: instance_id where it can be read, else its name, else the host."""
    wanted = query.one_of("name", ["instance_id", "instance_name"])
    rows = instance.rows("sys_properties", wanted, ("sys_id", "name", "value"), limit=2).rows
    values = {row.get("name"): row.get("value") for row in rows}
    host = urlsplit(instance.transport.origin).netloc
    findings.org_id = str(values.get("instance_id") or values.get("instance_name") or host)
    findings.ok("identity", f"The instance is {findings.org_id}.")


def _clock(instance: Instance, findings: Findings) -> None:
    now = instance.transport.server_now()
    if now is not None:
        findings.facts["clock_offset_seconds"] = f"{(now - datetime.now(UTC)).total_seconds():.0f}"


def _table(instance: Instance, name: str, findings: Findings) -> None:
    part = instance.rows(name, "", ("sys_id", "sys_updated_on"), limit=1)
    if part.rows and part.rows[0].get("sys_updated_on"):
        findings.ok("table", f"{name} is readable; {part.total:,} rows match before access control.")
    elif part.total:
        findings.error(
            "table", f"Rows of {name} are hidden from the user.", "Give it a role that may read the table."
        )
    else:
        findings.warning("table", f"{name} is empty or hidden from the user.")


def _shown(instance: Instance, table: str, column: str) -> str:
    """Whether rows of a table are shown: readable, hidden, refused, or empty, which may be hidden as well."""
    try:
        part = instance.rows(table, "", ("sys_id", column), limit=1)
    except ConfigurationError:
        return "refused"
    if not part.rows:
        return "hidden" if part.total else "empty"
    return "readable" if part.rows[0].get(column) else "hidden"


def _dictionary(instance: Instance, name: str, key_field: str, findings: Findings) -> None:
    schema = describe(instance, name)
    findings.ok("dictionary", f"{name} has {len(schema.fields)} columns.")
    if key_field and key_field not in schema.fields:
        findings.error(
            "key", f"{name} has no column {key_field}.", "Check the flow's key, or add the column."
        )
    elif key_field:
        findings.ok("key", f"{name}.{key_field} is there.")
