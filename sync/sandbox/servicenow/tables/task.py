"""task and the tables that extend it.

Source: the platform's documentation of `task`, and the state model, close codes and priority of incidents.
"""

from __future__ import annotations

from sync.sandbox.servicenow.schema import REGISTRY, Column, Table, choices, labels, to

ITIL = frozenset({"itil"})
NEW, IN_PROGRESS, ON_HOLD, RESOLVED, CLOSED, CANCELED = "1", "2", "3", "6", "7", "8"
AWAITING_CALLER = "1"  # a hold_reason

INCIDENT_STATES = choices(
    (NEW, "New"),
    (IN_PROGRESS, "In Progress"),
    (ON_HOLD, "On Hold"),
    (RESOLVED, "Resolved"),
    (CLOSED, "Closed"),
    (CANCELED, "Canceled"),
)
# task's own list is another one: what an inherited column may hold depends on the class.
TASK_STATES = choices(
    ("-5", "Pending"),
    ("1", "Open"),
    ("2", "Work in Progress"),
    ("3", "Closed Complete"),
    ("4", "Closed Incomplete"),
    ("7", "Closed Skipped"),
)
LEVELS = choices(("1", "1 - High"), ("2", "2 - Medium"), ("3", "3 - Low"))
PRIORITIES = choices(
    ("1", "1 - Critical"), ("2", "2 - High"), ("3", "3 - Moderate"), ("4", "4 - Low"), ("5", "5 - Planning")
)
CLOSE_CODES = labels(
    (
        "Duplicate",
        "Known error",
        "No resolution provided",
        "Resolved by caller",
        "Resolved by change",
        "Resolved by problem",
        "Resolved by request",
        "Solution provided",
        "Workaround provided",
        "User error",
    )
)
CATEGORIES = choices(
    ("inquiry", "Inquiry / Help"),
    ("software", "Software"),
    ("hardware", "Hardware"),
    ("network", "Network"),
    ("database", "Database"),
)


APPROVALS = choices(
    ("not requested", "Not Yet Requested"),
    ("requested", "Requested"),
    ("approved", "Approved"),
    ("rejected", "Rejected"),
    ("cancelled", "Cancelled"),
    ("not_required", "Not Required"),
    ("duplicate", "Duplicate"),
)


def _user(name: str, label: str) -> Column:
    return Column(name, label, "reference", 32, reference="sys_user")


def _date(name: str, label: str) -> Column:
    return Column(name, label, "glide_date_time")


TASK = REGISTRY.add(
    Table(
        "task",
        "Task",
        (
            Column("number", "Number"),
            Column("short_description", "Short description", max_length=160),
            Column("description", "Description", max_length=4000),
            Column("state", "State", "integer", default=NEW, choices=TASK_STATES),
            Column("active", "Active", "boolean", default="true"),
            Column("priority", "Priority", "integer", default="5", choices=PRIORITIES, computed=True),
            Column("impact", "Impact", "integer", default="3", choices=LEVELS),
            Column("urgency", "Urgency", "integer", default="3", choices=LEVELS),
            _user("assigned_to", "Assigned to"),
            Column("assignment_group", "Assignment group", "reference", 32, reference="sys_user_group"),
            _user("opened_by", "Opened by"),
            _date("opened_at", "Opened"),
            _user("closed_by", "Closed by"),
            _date("closed_at", "Closed"),
            _date("due_date", "Due date"),
            Column(
                "contact_type", "Contact type", choices=labels(("email", "phone", "self-service", "walk-in"))
            ),
            Column("location", "Location", max_length=100),
            to("core_company", "company", "Company"),
            to("cmdb_ci", "cmdb_ci", "Configuration item"),
            to("cmdb_ci_service", "business_service", "Service"),
            to("service_offering", "service_offering", "Service offering"),
            Column("parent", "Parent", "reference", 32, reference="task"),
            Column("watch_list", "Watch list", "glide_list", 4000),
            Column("correlation_id", "Correlation ID", max_length=100),
            Column("correlation_display", "Correlation display", max_length=100),
            Column("approval", "Approval", default="not requested", choices=APPROVALS),
            Column("close_notes", "Close notes", max_length=4000),
            Column("reassignment_count", "Reassignment count", "integer", default="0", computed=True),
            Column("made_sla", "Made SLA", "boolean", default="true"),
            Column("comments", "Additional comments", "journal_input", 4000),
            Column("work_notes", "Work notes", "journal_input", 4000),
        ),
        display="number",
        audited=True,
        abstract=True,
        readers=ITIL,
        writers=ITIL,
    )
)

INCIDENT = REGISTRY.add(
    Table(
        "incident",
        "Incident",
        (
            Column("incident_state", "Incident state", "integer", default=NEW, choices=INCIDENT_STATES),
            _user("caller_id", "Caller"),
            Column("category", "Category", default="inquiry", choices=CATEGORIES),
            Column("subcategory", "Subcategory"),
            Column("u_symptom", "Symptom", max_length=100),
            Column("severity", "Severity", "integer", default="3", choices=LEVELS),
            Column("close_code", "Resolution code", choices=CLOSE_CODES),
            _user("resolved_by", "Resolved by"),
            _date("resolved_at", "Resolved"),
            Column(
                "hold_reason",
                "On hold reason",
                "integer",
                choices=choices(
                    (AWAITING_CALLER, "Awaiting Caller"),
                    ("3", "Awaiting Problem"),
                    ("4", "Awaiting Vendor"),
                    ("5", "Awaiting Change"),
                ),
            ),
            Column("reopen_count", "Reopen count", "integer", default="0", computed=True),
            Column("business_impact", "Business impact", max_length=4000),
            to("problem", "problem_id", "Problem"),
            to("change_request", "rfc", "Change Request"),
            to("change_request", "caused_by", "Caused by Change"),
        ),
        parent=TASK,
        display="number",
        number_prefix="INC",
        choice_sets={"state": INCIDENT_STATES},
        audited=True,
        readers=ITIL,
        writers=ITIL,
    )
)
