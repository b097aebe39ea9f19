"""The other kinds of task: problems, changes, and what people request from the catalog.

Source: the platform's state models of problem and change, and its documentation of catalog requests.
"""

from __future__ import annotations

from sync.sandbox.servicenow.schema import REGISTRY, Column, Table, choices, labels
from sync.sandbox.servicenow.tables.task import ITIL, TASK

PROBLEM_CLOSED = "107"
CHANGE_CLOSED, CHANGE_CANCELED = "3", "4"
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
            Column("workaround", "Workaround", max_length=4000),
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
            Column("request_state", "Request state", default="requested"),
            Column("stage", "Stage", default="requested"),
            Column("price", "Price", "decimal", default="0"),
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
            Column("request", "Request", "reference", 32, reference="sc_request"),
            _user("requested_for", "Requested for"),
            Column("cat_item", "Item", max_length=100),
            Column("quantity", "Quantity", "integer", default="1"),
            Column("stage", "Stage", default="waiting_for_approval"),
            Column("price", "Price", "decimal", default="0"),
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
