"""A console in use: two connections, a flow with its maps, two weeks of totals, runs, records and what needs a person."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from mappings.models import FieldRow, UserTable, ValueMap
from sync import audit, revisions, services
from sync.actor import Actor, acting_as
from sync.models import (
    ActionRun,
    ActionStep,
    Checkpoint,
    Conflict,
    Connection,
    DeadLetter,
    Event,
    Flow,
    HourlyTotal,
    Plan,
    PlanItem,
    Question,
    RecordLink,
    RemoteCall,
    Run,
    Schedule,
    Waiting,
    Worker,
)

STATES = (("1", "New"), ("2", "Working"), ("3", "Working"), ("6", "Closed"), ("7", "Closed"))
SUBJECTS = (
    "Printer on the third floor prints blank pages", "VPN drops every ten minutes", "Cannot open the payroll report",
    "New laptop for Beth Anglin", "Mailbox is full", "Password reset for Abel Tuter", "Projector in room 12 stays dark",
)  # fmt: skip


def connections() -> tuple[Connection, Connection]:
    now = timezone.now()
    servicenow = Connection.objects.create(
        name="acme-servicenow", system="servicenow", url="https://acme.service-now.com", auth="oauth_password",
        username="sync.user", health="ok", health_message="Logged in as sync.user", health_at=now, calls_used=1_204,
        calls_allowed=20_000, calls_seen_at=now,
    )  # fmt: skip
    salesforce = Connection.objects.create(
        name="acme-salesforce", system="salesforce", url="https://acme.my.salesforce.com", health="ok",
        limit_per="24h", health_at=now, calls_used=38_112, calls_allowed=100_000, calls_seen_at=now,
    )  # fmt: skip
    return servicenow, salesforce


def flow(servicenow: Connection, salesforce: Connection, name: str = "incidents-to-cases") -> Flow:
    """A flow with a value map, a user table, seven rows, a schedule and a published revision."""
    states, _ = ValueMap.objects.get_or_create(name="incident-state-case-status")
    if not states.entries.exists():
        for position, (here, there) in enumerate(STATES):
            states.entries.create(
                position=position, servicenow=here, salesforce=there, direction="to_salesforce"
            )
    people, made = UserTable.objects.get_or_create(name="acme-people", fallback_to_salesforce="it_queue")
    if made:
        people.entries.create(kind="user", servicenow="abel.tuter", salesforce="abel@acme.example",
                              servicenow_id="a" * 32, salesforce_id="005000000000001AAA", servicenow_active=True,
                              salesforce_active=True, resolved_at=timezone.now())  # fmt: skip
        people.entries.create(kind="group", servicenow="Hardware", salesforce="Hardware_Queue")
    made_flow = Flow.objects.create(
        name=name, servicenow_connection=servicenow, salesforce_connection=salesforce, user_table=people
    )
    rows: tuple[dict[str, Any], ...] = (
        {"servicenow": "number", "salesforce": "ServiceNow_Number__c"},
        {"servicenow": "short_description", "salesforce": "Subject"},
        {"servicenow": "description", "salesforce": "Description"},
        {"servicenow": "state", "salesforce": "Status", "transform": "value_map", "value_map": states},
        {"salesforce": "Origin", "transform": "constant", "value": "ServiceNow"},
    )
    for position, row in enumerate(rows):
        FieldRow.objects.create(mapping=made_flow, position=position, **row)
    Schedule.objects.create(
        flow=made_flow, cron="*/1 * * * *", next_at=timezone.now() + timedelta(seconds=42)
    )
    revisions.publish(made_flow, author_id=None, author_name="Alice", reason="First version")
    return made_flow


def totals(of_flow: Flow, now: datetime, rng: random.Random) -> None:
    hour = now.replace(minute=0, second=0, microsecond=0)
    rows = []
    for back in range(24 * 14):
        at = hour - timedelta(hours=back)
        busy = 1.0 if 7 <= at.hour <= 18 and at.weekday() < 5 else 0.25
        counts = {
            "created": int(rng.randint(20, 60) * busy),
            "updated": int(rng.randint(180, 420) * busy),
            "failed": rng.choice((0, 0, 0, 0, 3, 9)),
            "conflict": rng.choice((0, 0, 0, 2)),
        }
        rows += [
            HourlyTotal(flow=of_flow, hour=at, side="salesforce", outcome=outcome, count=count)
            for outcome, count in counts.items()
            if count
        ]
    HourlyTotal.objects.bulk_create(rows)


def run(of_flow: Flow, now: datetime, **given: Any) -> Run:
    began = now - timedelta(minutes=2)
    return Run.objects.create(
        **{
            "flow": of_flow, "kind": "poll", "status": "succeeded", "revision": of_flow.revision, "read": 412,
            "created": 12, "updated": 371, "unchanged": 29, "calls_servicenow": 3, "calls_salesforce": 9,
            "started_at": began, "progress_at": began, "finished_at": began + timedelta(seconds=2.4),
            "phases": {"read": 0.9, "map": 0.1, "look_up": 0.3, "write": 0.8, "record": 0.3}, **given,
        }
    )  # fmt: skip


def link(of_flow: Flow, number: int) -> RecordLink:
    made = RecordLink(
        flow=of_flow, born_in="servicenow", servicenow_connection=of_flow.servicenow_connection,
        servicenow_table="incident", servicenow_id=f"{number:032x}", servicenow_number=f"INC{10_000 + number:07}",
        salesforce_connection=of_flow.salesforce_connection, salesforce_object="Case",
        salesforce_id=f"500{number:012}AAA", salesforce_number=f"{1_000 + number:08}", synced_at=timezone.now(),
    )  # fmt: skip
    subject = SUBJECTS[number % len(SUBJECTS)]
    values = (
        made.servicenow_number,
        subject,
        f"{subject} since this morning.",
        ("2", "Working"),
        "ServiceNow",
    )
    made.base = {
        str(row.pk): list(value) if isinstance(value, tuple) else [value, value]
        for row, value in zip(of_flow.rows.all(), values, strict=True)
    }
    made.save()
    return made


def event(of_link: RecordLink, of_run: Run, outcome: str = "updated", **given: Any) -> Event:
    made = Event(
        **{
            "flow": of_link.flow, "run": of_run, "revision": of_run.revision, "link": of_link, "at": of_run.started_at,
            "side": "salesforce", "operation": "create" if outcome == "created" else "update", "outcome": outcome,
            "servicenow_id": of_link.servicenow_id, "servicenow_number": of_link.servicenow_number,
            "salesforce_id": of_link.salesforce_id, "salesforce_number": of_link.salesforce_number,
            "field_names": "Status", **given,
        }
    )  # fmt: skip
    made.detail = {
        "fields": [
            {"row": "", "field": "Status", "source": "2", "under": "New", "sent": "Working", "note": ""}
        ]
    }
    made.save()
    return made


def dead_letter(of_link: RecordLink, of_run: Run | None = None) -> DeadLetter:
    made = DeadLetter(
        flow=of_link.flow, run=of_run, link=of_link, side="salesforce", record_id=of_link.servicenow_id,
        record_number=of_link.servicenow_number, operation="update", code="UNMAPPED_VALUE", field="Status",
        rule="Status value 8 is not mapped", advice="Add 8 to the value map incident-state-case-status, then retry.",
        attempts=2, first_at=timezone.now() - timedelta(hours=2), last_at=timezone.now(),
        revision=of_link.flow.revision,
    )  # fmt: skip
    made.content = {
        "value": "8",
        "message": "no counterpart",
        "values": {"Subject": SUBJECTS[0], "Status": "8"},
    }
    made.save()
    return made


def conflict(of_link: RecordLink) -> Conflict:
    row = of_link.flow.rows.get(salesforce="Status")
    made = Conflict(link=of_link, row=row.pk, field="Status", at=timezone.now() - timedelta(hours=2))
    made.values = {"base": ["2", "Working"], "servicenow": "6", "salesforce": "Escalated"}
    made.save()
    return made


def doubt(of_link: RecordLink, of_run: Run) -> ActionRun:
    """An order whose answer was lost, behind a look-up that was not."""
    now = timezone.now()
    made = ActionRun(
        flow=of_run.flow, link=of_link, revision=of_run.revision, run=of_run, action="order-services", trigger="created",
        side="servicenow", record_id=of_link.servicenow_id, record_number=of_link.servicenow_number, occasion="created",
        status="in_doubt", step="order", since=now, created_at=now,
    )  # fmt: skip
    made.state = {
        "occasion": "created",
        "record": {"short_description": SUBJECTS[0]},
        "steps": {"item": {"": {"id": "b" * 32}}},
    }
    made.save()
    item = ActionStep(action_run=made, position=0, name="item", kind="look_up", side="servicenow", status="done",
                      target="sc_cat_item", target_id="b" * 32, target_number="1 found", done_at=now)  # fmt: skip
    item.save()
    order = ActionStep(action_run=made, position=1, name="order", kind="order", side="servicenow", status="in_doubt",
                       target="sc_request", key="c" * 32, code="in_doubt", attempts=1, intent_at=now)  # fmt: skip
    order.content = {
        "request": {"order": "b" * 32, "variables": {"account": "Acme"}},
        "message": "No answer came.",
    }
    order.save()
    return made


def plan(of_run: Run, links: list[RecordLink], **given: Any) -> Plan:
    """What a dry run of these pairs planned: their Status."""
    made = Plan.objects.create(run=of_run, flow=of_run.flow, **given)
    for one in links:
        item = PlanItem(
            plan=made, link=one, side="salesforce", read="servicenow", operation="update", servicenow_id=one.servicenow_id,
            servicenow_number=one.servicenow_number, salesforce_id=one.salesforce_id,
            salesforce_number=one.salesforce_number, field_names="Status",
        )  # fmt: skip
        item.content = {
            "fields": [
                {
                    "row": "",
                    "field": "Status",
                    "source": "6",
                    "now": "Working",
                    "will": "Closed",
                    "note": "",
                    "rule": "",
                }
            ],
            "extra": {},
        }
        item.save()
    return made


def call(of_run: Run, status: int = 400) -> RemoteCall:
    return RemoteCall.objects.create(
        run=of_run, connection=of_run.flow.salesforce_connection, at=timezone.now(), method="POST",
        path="/services/data/v64.0/composite/sobjects", status=status, milliseconds=212, request_id="4f2c",
        error="INVALID_FIELD" if status >= 400 else "",
    )  # fmt: skip


def everything(records: int = 60) -> Flow:
    """All of the above, plausible enough to look at."""
    rng = random.Random(7)
    now = timezone.now()
    alice = User.objects.filter(username="alice").first()
    servicenow, salesforce = connections()
    main = flow(servicenow, salesforce)
    totals(main, now, rng)
    other = flow(servicenow, salesforce, "problems-to-cases")
    with acting_as(Actor(user_id=alice.pk if alice else None, name="alice", ip="192.0.2.7")):
        audit.record("flow.published", main, after={"revision": 1, **main.revision.snapshot})
        services.pause_flow(flow=other, by=None, reason="The Salesforce admins are changing the page layout.")
        services.set_secrets(
            connection=servicenow, secrets={"password": "s3cret", "client_id": "abc"}, by=None
        )
    states = ValueMap.objects.get(name="incident-state-case-status")
    states.entries.create(position=9, servicenow="8", salesforce="Closed", direction="to_salesforce")
    revisions.publish(
        main, author_id=None, author_name="Alice", reason="Cancelled incidents close their Case"
    )
    looked = run(main, now - timedelta(minutes=30), kind="manual", mode="dry", asked_by_name="bob")
    for back in range(12, 0, -1):
        run(main, now - timedelta(minutes=back))
    done = run(main, now, kind="manual", status="partial", failed=7, asked_by_name="bob", asked_from="192.0.2.7",
               read=12_000, created=402, updated=10_871, unchanged=720, expected=12_000,
               finished_at=now - timedelta(seconds=60))  # fmt: skip
    live = Run.objects.create(
        flow=main, lane="backfill", kind="resync", status="running", revision=main.revision, read=7_320, expected=12_000,
        created=402, updated=6_871, unchanged=40, failed=7, calls_servicenow=9, calls_salesforce=40, asked_by_name="bob",
        asked_from="192.0.2.7", started_at=now - timedelta(seconds=4), progress_at=now, step="page 8, writing",
        phases={"read": 0.9, "map": 0.4, "look_up": 0.3, "write": 2.1, "record": 0.3},
    )  # fmt: skip
    links = [link(main, number) for number in range(1, records + 1)]
    plan(looked, links[:3])
    for position, one in enumerate(links):
        event(one, done, "created" if position % 3 else "updated", field_names="Subject, Status, Description")
    for one in links[20:34]:
        event(one, live, field_names="Status, Priority")
    for one in links[:7]:
        dead_letter(one, done)
        event(one, done, "failed", code="UNMAPPED_VALUE")
    conflict(links[9])
    doubt(links[8], done)
    for one in links[10:12]:
        Waiting.objects.create(flow=main, side="servicenow", record_id=one.servicenow_id, reason="reference",
                               record_number=one.servicenow_number, message="The caller has no contact yet",
                               since=now - timedelta(minutes=9), due_at=now + timedelta(minutes=1))  # fmt: skip
    call(done)
    for side in ("servicenow", "salesforce"):
        Checkpoint.objects.create(flow=main, lane="live", side=side, completed_at=now - timedelta(seconds=41))
    Worker.objects.create(
        name="console-1:41", started_at=now - timedelta(hours=8), seen_at=now, canary_at=now
    )
    answered(servicenow)
    return main


def answered(connection: Connection) -> Question:
    return Question.objects.create(
        kind="test_connection", connection=connection, state="answered", answered_at=timezone.now(),
        answer={
            "findings": [
                {"code": "reached", "status": "ok", "text": "acme.service-now.com answers over TLS.", "advice": ""},
                {"code": "user", "status": "ok", "text": "Logged in as sync.user.", "advice": ""},
                {"code": "zone", "status": "warning", "text": "The user's time zone is US/Pacific.",
                 "advice": "Set it to GMT, so that nobody reads dates in two zones."},
                {"code": "dictionary", "status": "error", "text": "sys_dictionary cannot be read.",
                 "advice": "Give the user the role personalize_dictionary."},
            ],
            "facts": {"release": "Yokohama", "user": "sync.user"},
        },
    )  # fmt: skip
