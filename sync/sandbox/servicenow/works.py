"""The changes and problems of the demo: one change waits for its approval, problems have workarounds."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Work:
    """One task that touches a customer's machine and a service. `days`: until a change begins."""

    number: str
    subject: str
    description: str
    customer: str
    machine: str
    machine_table: str
    service: str
    group: str
    assignee: str
    days: int = 0
    approver: str = ""
    category: str = ""  # of the incidents that a problem stands behind
    values: dict[str, str] = field(default_factory=dict)


def _waits() -> dict[str, str]:
    return {"state": "-3", "approval": "requested", "type": "normal", "risk": "3"}


CHANGES = (
    Work(
        "CHG0030001",
        "Replace the core switch of Edge Communications",
        "The switch edge-switch-1 is near the end of its warranty and is replaced by its successor. The network of the "
        "site is down for up to one hour.",
        "Edge Communications",
        "edge-switch-1",
        "cmdb_ci_netgear",
        "Managed Network",
        "Network",
        "don.goodliffe",
        days=6,
        approver="fred.luddy",
        values=_waits(),
    ),
    Work(
        "CHG0030002",
        "Upgrade the mail server of Acme",
        "Mail is queued while acme-mail-1 is upgraded; nothing is lost.",
        "Acme",
        "acme-mail-1",
        "cmdb_ci_server",
        "Mail and Calendar",
        "Software",
        "charlie.whitherspoon",
        days=3,
        values={"state": "-2", "approval": "approved", "type": "standard", "risk": "4"},
    ),
    Work(
        "CHG0030003",
        "Move the database of Edge Communications to new disks",
        "The database is read-only for two hours.",
        "Edge Communications",
        "edge-db-1",
        "cmdb_ci_server",
        "Database Hosting",
        "Database",
        "david.dan",
        days=20,
        values={"state": "-5", "type": "normal", "risk": "3"},
    ),
    Work(
        "CHG0030004",
        "Open the gateway of Acme for a test",
        "Withdrawn: the test was made elsewhere.",
        "Acme",
        "acme-gw-1",
        "cmdb_ci_netgear",
        "Managed Network",
        "Network",
        "beth.anglin",
        days=-2,
        values={"state": "4", "approval": "cancelled", "type": "normal", "active": "false"},
    ),
)
PROBLEMS = (
    Work(
        "PRB0040001",
        "VPN connections drop every hour",
        "Tunnels through acme-gw-1 are closed when their key is renewed.",
        "Acme",
        "acme-gw-1",
        "cmdb_ci_netgear",
        "Managed Network",
        "Network",
        "beth.anglin",
        category="network",
        values={
            "state": "103",
            "problem_state": "103",
            "known_error": "true",
            "cause_notes": "The gateway forgets the old key before the new one is agreed on.",
            "workaround": "<p>Set the renewal of the key to <b>24 hours</b> on both ends and connect again.</p>",
        },
    ),
    Work(
        "PRB0040002",
        "Mail is delayed after backups",
        "The queue of acme-mail-1 stands still for some minutes after the nightly backup.",
        "Acme",
        "acme-mail-1",
        "cmdb_ci_server",
        "Mail and Calendar",
        "Software",
        "charlie.whitherspoon",
        category="software",
        values={
            "state": "104",
            "problem_state": "104",
            "known_error": "true",
            "workaround": "<p>Restart the <i>queue runner</i>; no mail is lost.</p>",
        },
    ),
)
