"""The other kinds of task: problems, changes with their approvals and what they touch, and what people request.

Source: the platform's state models of problem and change, and its documentation of catalog requests.
"""

from __future__ import annotations

from sync.sandbox.servicenow.schema import REGISTRY, Column, Table, choices, labels, to
from sync.sandbox.servicenow.tables.task import APPROVALS, ITIL, TASK

PROBLEM_CLOSED = "107"
CHANGE_CLOSED, CHANGE_CANCELED = "3", "4"
CHANGE_NEW, CHANGE_SCHEDULED = "-5", "-2"
CHANGE_AWAITS_APPROVAL = ("-4", "-3")  # Assess, Authorize
TASK_DONE = ("3", "4", "7")  # of the states task itself lists

PROBLEM_STATES = choices(
    ("101", "New"),
    ("102", "Assess"),
    ("103", "Root Cause Analysis"),
    ("104", "Fix in Progress"),
    ("106", "Resolved"),
    (PROBLEM_CLOSED, "Closed"),
)
CHANGE_STATES = choices(
    ("-5", "New"),
    ("-4", "Assess"),
    ("-3", "Authorize"),
    ("-2", "Scheduled"),
    ("-1", "Implement"),
    ("0", "Review"),
    (CHANGE_CLOSED, "Closed"),
    (CHANGE_CANCELED, "Canceled"),
)


REQUEST_STATES = choices(
    ("requested", "Pending Approval"),
    ("in_process", "Approved"),
    ("closed_complete", "Closed Complete"),
    ("closed_incomplete", "Closed Incomplete"),
    ("closed_cancelled", "Closed Cancelled"),
    ("closed_rejected", "Closed Rejected"),
    ("closed_skipped", "Closed Skipped"),
)


def _user(name: str, label: str) -> Column:
    return Column(name, label, "reference", 32, reference="sys_user")


PROBLEM = REGISTRY.add(
    Table(
        "problem",
        "Problem",
        (
            Column("problem_state", "Problem state", "integer", default="101", choices=PROBLEM_STATES),
            Column("known_error", "Known error", "boolean", default="false"),
            Column("cause_notes", "Cause notes", max_length=4000),
            Column("fix_notes", "Fix notes", max_length=4000),
            Column("workaround", "Workaround", "html", 65536),
            Column("workaround_applied", "Workaround applied", "boolean", default="false"),
            Column("resolution_code", "Resolution code"),
        ),
        parent=TASK,
        display="number",
        number_prefix="PRB",
        audited=True,
        readers=ITIL,
        writers=ITIL,
        overrides={"state": "101"},
        choice_sets={"state": PROBLEM_STATES},
    )
)
CHANGE_REQUEST = REGISTRY.add(
    Table(
        "change_request",
        "Change Request",
        (
            Column("type", "Type", default="normal", choices=labels(("normal", "standard", "emergency"))),
            Column("category", "Category", default="Other"),
            Column("risk", "Risk", "integer", default="4"),
            Column("start_date", "Planned start date", "glide_date_time"),
            Column("end_date", "Planned end date", "glide_date_time"),
            Column("work_start", "Actual start", "glide_date_time"),
            Column("work_end", "Actual end", "glide_date_time"),
            Column("on_hold", "On hold", "boolean", default="false"),
            Column("on_hold_reason", "On hold reason", max_length=4000),
            Column("cab_required", "CAB required", "boolean", default="false"),
            _user("requested_by", "Requested by"),
            Column("justification", "Justification", max_length=4000),
            Column("implementation_plan", "Implementation plan", max_length=4000),
            Column("backout_plan", "Backout plan", max_length=4000),
            Column(
                "close_code",
                "Close code",
                choices=choices(
                    ("successful", "Successful"),
                    ("successful_issues", "Successful with issues"),
                    ("unsuccessful", "Unsuccessful"),
                ),
            ),
        ),
        parent=TASK,
        display="number",
        number_prefix="CHG",
        audited=True,
        readers=ITIL,
        writers=ITIL,
        overrides={"state": "-5", "priority": "4"},
        choice_sets={"state": CHANGE_STATES},
    )
)
SC_REQUEST = REGISTRY.add(
    Table(
        "sc_request",
        "Request",
        (
            _user("requested_for", "Requested for"),
            Column("request_state", "Request state", default="requested", choices=REQUEST_STATES),
            Column("stage", "Stage", default="requested"),
            Column("price", "Price", "decimal", default="0"),
            Column("special_instructions", "Special instructions", max_length=4000),
            Column("delivery_address", "Delivery address", max_length=4000),
            Column("requested_date", "Requested for date", "glide_date_time"),
        ),
        parent=TASK,
        display="number",
        number_prefix="REQ",
        audited=True,
        readers=ITIL,
        writers=ITIL,
    )
)
SC_REQ_ITEM = REGISTRY.add(
    Table(
        "sc_req_item",
        "Requested Item",
        (
            to("sc_request", "request", "Request"),
            _user("requested_for", "Requested for"),
            to("sc_cat_item", "cat_item", "Item"),
            Column("quantity", "Quantity", "integer", default="1"),
            Column("stage", "Stage", default="waiting_for_approval"),
            Column("price", "Price", "decimal", default="0"),
            Column("recurring_price", "Recurring price", "decimal", default="0"),
        ),
        parent=TASK,
        display="number",
        number_prefix="RITM",
        audited=True,
        readers=ITIL,
        writers=ITIL,
    )
)
SC_TASK = REGISTRY.add(
    Table(
        "sc_task",
        "Catalog Task",
        (
            Column("request", "Request", "reference", 32, reference="sc_request"),
            Column("request_item", "Request item", "reference", 32, reference="sc_req_item"),
        ),
        parent=TASK,
        display="number",
        number_prefix="SCTASK",
        audited=True,
        readers=ITIL,
        writers=ITIL,
    )
)

SYSAPPROVAL_APPROVER = REGISTRY.add(
    Table(
        "sysapproval_approver",
        "Approval",
        (
            to("task", "sysapproval", "Approval for"),
            _user("approver", "Approver"),
            Column("state", "State", default="requested", choices=APPROVALS),
            Column("comments", "Comments", "journal_input", 4000),
            Column("due_date", "Due date", "glide_date_time"),
        ),
        display="approver",
        audited=True,
        readers=ITIL,
        writers=ITIL | frozenset({"approver_user"}),
    )
)


def _touched(name: str, label: str, target: str, column: str, column_label: str) -> Table:
    """A table that ties tasks to what they touch; a row of it may be taken away again."""
    return REGISTRY.add(
        Table(
            name,
            label,
            (to("task", "task", "Task"), to(target, column, column_label)),
            display=column,
            readers=ITIL,
            writers=ITIL,
            deleters=ITIL,
        )
    )


TASK_CI = _touched("task_ci", "Affected CI", "cmdb_ci", "ci_item", "Configuration Item")
TASK_CMDB_CI_SERVICE = _touched(
    "task_cmdb_ci_service", "Impacted Service", "cmdb_ci_service", "cmdb_ci_service", "Service"
)
TASK_SERVICE_OFFERING = _touched(
    "task_service_offering", "Impacted Service Offering", "service_offering", "service_offering", "Offering"
)
