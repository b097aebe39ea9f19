"""Files of linked records: each once, both ways, whatever is lost; and a record goes on beside one that is refused."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from sync import services
from sync.core.records import Side
from sync.engine import lease as leases
from sync.engine.attachments import Carrying
from sync.engine.connect import CallLog, open_connector
from sync.engine.context import build
from sync.engine.execute import execute
from sync.engine.store import Store
from sync.models import (
    Attachment,
    Checkpoint,
    Connection,
    DeadLetter,
    Event,
    Flow,
    LaneLease,
    RecordLink,
    RemoteCall,
    Run,
    Waiting,
)
from sync.sandbox.pair import Pair
from tests.engine.attaching import a_pair, carrying, on_case, on_incident, put_on_case, put_on_incident
from tests.engine.conftest import run_now
from tests.engine.killing import await_that, let_time_pass, worker_on_the_test_database

pytestmark = pytest.mark.django_db(transaction=True)
PICTURE = bytes(range(256)) * 40
NOTE = b"The fire is out.\r\n"


def statuses() -> list[str]:
    return list(Attachment.objects.order_by("id").values_list("status", flat=True))


def writes(pair: Pair) -> int:
    return int(pair.servicenow.counters.writes + pair.salesforce.counters.writes)


def at_rest(flow: Flow, pair: Pair) -> None:
    before = writes(pair)
    assert run_now(flow).status == "succeeded"
    assert run_now(flow).status == "succeeded"
    assert writes(pair) == before


def test_files_of_both_sides_reach_the_other_one_and_stay_there_once(pair: Pair) -> None:
    flow = carrying(pair)
    incident, case = a_pair(flow, pair)
    put_on_incident(pair, incident, "fire.png", PICTURE, "image/png")
    put_on_case(pair, case, "note.txt", NOTE)

    assert run_now(flow).status == "succeeded"

    both = [("fire.png", PICTURE), ("note.txt", NOTE)]
    assert (on_incident(pair, incident), on_case(pair, case)) == (both, both)
    at_rest(flow, pair)
    row = Attachment.objects.get(side="servicenow", size=len(PICTURE))
    assert (row.status, row.sha256, row.md5) == (
        "done",
        hashlib.sha256(PICTURE).hexdigest(),
        hashlib.md5(PICTURE, usedforsecurity=False).hexdigest(),
    )
    told = Event.objects.filter(field_names="attachment", side="salesforce").order_by("id")
    assert told[0].detail["notes"] == ["“fire.png” (10 KB): carried to Salesforce."]


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "execute_late", "dropped"])
def test_whatever_answer_is_lost_a_file_is_there_once(pair: Pair, kind: str) -> None:
    flow = carrying(pair)
    incident, case = a_pair(flow, pair)
    more = {"execute_late": {"seconds": 0.3}, "dropped": {"status": 202}}.get(kind, {})
    for side, path in ((pair.servicenow, "/attachment/file"), (pair.salesforce, "/sobjects/ContentVersion$")):
        side.fault("status" if kind == "dropped" else kind, method="POST", path=path, **more)
    put_on_incident(pair, incident, "fire.png", PICTURE, "image/png")
    put_on_case(pair, case, "note.txt", NOTE)

    first = run_now(flow)
    if kind in ("reset_before", "dropped"):
        assert (first.status, first.in_doubt, statuses()) == ("partial", 2, ["in_doubt"] * 2)
        run_now(flow)
        assert statuses() == ["in_doubt"] * 2  # it may still arrive, as far as anybody knows
        let_time_pass()
        assert (on_case(pair, case), on_incident(pair, incident)) == (
            [("note.txt", NOTE)],
            [("fire.png", PICTURE)],
        )
    elif kind == "execute_late":
        await_that(lambda: len(on_case(pair, case)) + len(on_incident(pair, incident)) == 4)
    run_now(flow)

    both = [("fire.png", PICTURE), ("note.txt", NOTE)]
    assert (on_incident(pair, incident), on_case(pair, case)) == (both, both)
    at_rest(flow, pair)


def test_a_worker_killed_between_sending_and_recording_leaves_no_double(pair: Pair) -> None:
    flow = carrying(pair)
    incident, case = a_pair(flow, pair)
    # The platform executes it at once and lets the caller wait for the answer.
    pair.servicenow.fault("execute_late", method="POST", path="/attachment/file", hold=20.0)
    pair.salesforce.fault("execute_late", method="POST", path="/sobjects/ContentVersion$", hold=20.0)

    with worker_on_the_test_database() as worker:
        put_on_case(pair, case, "note.txt", NOTE)
        assert worker.killed_when(flow, lambda: len(on_incident(pair, incident)) == 1)
        assert statuses() == ["sent"]
        put_on_incident(pair, incident, "fire.png", PICTURE, "image/png")
        assert worker.killed_when(flow, lambda: len(on_case(pair, case)) == 2)
        assert sorted(statuses()) == ["done", "sent"]
    for run in Run.objects.active():
        execute(run.pk)

    both = [("fire.png", PICTURE), ("note.txt", NOTE)]
    assert (on_incident(pair, incident), on_case(pair, case)) == (both, both)
    at_rest(flow, pair)


def test_a_transfer_that_breaks_off_leaves_nothing_torn_and_is_done_again(pair: Pair) -> None:
    flow = carrying(pair)
    incident, case = a_pair(flow, pair)
    put_on_incident(pair, incident, "fire.png", PICTURE, "image/png")
    pair.servicenow.fault("truncated", method="GET", path="/attachment/.*/file", times=2)

    assert run_now(flow).status == "succeeded"
    assert (on_case(pair, case), statuses()) == ([], ["planned"])
    Attachment.objects.update(due_at=None)
    run_now(flow)
    assert on_case(pair, case) == []
    Attachment.objects.update(due_at=None)
    run_now(flow)

    assert on_case(pair, case) == [("fire.png", PICTURE)]
    assert Attachment.objects.get().attempts == 3
    assert [(c.health, c.circuit_failures) for c in Connection.objects.all()] == [("ok", 0)] * 2
    at_rest(flow, pair)


def is_coming(pair: Pair) -> bool:
    return pair.servicenow.counters.calls_to("GET /api/now/attachment/{sys_id}/file") > 0


def test_a_worker_told_to_stop_in_the_middle_of_a_file_leaves_it_to_the_next(pair: Pair) -> None:
    flow = carrying(pair)
    incident, case = a_pair(flow, pair)
    put_on_incident(pair, incident, "fire.png", PICTURE, "image/png")
    asked = services.request_run(flow=flow, by=None, enqueue=False)

    assert execute(asked.pk, stopping=lambda: is_coming(pair)).status == "running"

    assert (on_case(pair, case), statuses()) == ([], ["planned"])
    assert execute(asked.pk).status == "succeeded"
    assert on_case(pair, case) == [("fire.png", PICTURE)]


def test_a_run_that_lost_its_lease_cannot_finish_what_it_had_begun_to_send(pair: Pair) -> None:
    flow = carrying(pair)
    incident, case = a_pair(flow, pair)
    put_on_incident(pair, incident, "fire.png", PICTURE, "image/png")
    held = LaneLease.objects.filter(flow=flow, lane="live")

    def lose() -> bool:
        if is_coming(pair):
            held.update(token="another's", holder="elsewhere", until=timezone.now() + timedelta(minutes=3))
        return False

    asked = services.request_run(flow=flow, by=None, enqueue=False)
    assert execute(asked.pk, stopping=lose).status == "running"

    assert (on_case(pair, case), statuses()) == ([], ["sent"])
    held.update(token="", holder="", until=None)
    assert execute(asked.pk).status == "succeeded"
    assert on_case(pair, case) == [("fire.png", PICTURE)]
    at_rest(flow, pair)


def carry(flow: Flow, kind: str) -> None:
    """As a run does after its records, with a turn that is over at once."""
    run = services.request_run(flow=flow, by=None, kind=kind, enqueue=False)
    lease = leases.take(flow, "live", timezone.now())
    assert lease is not None
    assert flow.revision is not None
    ends = {Side.SERVICENOW: flow.servicenow_connection, Side.SALESFORCE: flow.salesforce_connection}
    connectors = {side: open_connector(end) for side, end in ends.items()}
    context = build(flow, flow.revision, *connectors.values())
    store = Store(context=context, now=timezone.now, run=run, lease=lease, calls=CallLog(run, ends))
    deque(Carrying(context, store, connectors, lambda: False, turn=0.0)(), maxlen=0)
    leases.release(lease)
    Run.objects.filter(pk=run.pk).update(status="succeeded")
    for connector in connectors.values():
        connector.close()


def test_records_do_not_wait_for_files(pair: Pair) -> None:
    flow = Flow.objects.get(pk=carrying(pair).pk)
    incident, case = a_pair(flow, pair)
    for number in range(4):
        put_on_incident(pair, incident, f"{number}.txt", b"%d" % number)

    for turn in (1, 2):
        carry(flow, "poll")
        assert len(on_case(pair, case)) == turn  # the rest is for the next one, after its records
    carry(flow, "manual")

    assert len(on_case(pair, case)) == 4


def test_a_deleted_file_is_neither_deleted_there_nor_put_back_here(pair: Pair) -> None:
    flow = carrying(pair)
    incident, case = a_pair(flow, pair)
    there = put_on_incident(pair, incident, "fire.png", PICTURE)
    put_on_case(pair, case, "note.txt", NOTE)
    run_now(flow)
    pair.servicenow.delete("sys_attachment", there)
    (copy,) = pair.servicenow.rows("sys_attachment", table_sys_id=incident)
    pair.servicenow.delete("sys_attachment", copy["sys_id"])

    at_rest(flow, pair)

    assert on_incident(pair, incident) == []
    assert [name for name, _ in on_case(pair, case)] == ["fire.png", "note.txt"]


def test_files_are_found_by_their_own_stamps_in_a_call_or_two(pair: Pair) -> None:
    pair.servicenow.turn(attachment_touches_record=False)
    flow = carrying(pair)
    incident, case = a_pair(flow, pair)
    run_now(flow)
    Checkpoint.objects.filter(stream="attached").update(poll_id="f" * 32)  # as if the link were old
    version = put_on_case(pair, case, "plan.txt", b"A", FirstPublishLocationId=None)
    (row,) = pair.salesforce.rows("ContentVersion", Id=version)
    document = row["ContentDocumentId"]
    run_now(flow)
    assert on_incident(pair, incident) == []  # it stands on no record

    put_on_incident(pair, incident, "fire.png", PICTURE)
    pair.salesforce.add("ContentDocumentLink", ContentDocumentId=document, LinkedEntityId=case, ShareType="V")
    run_now(flow)
    assert [name for name, _ in on_incident(pair, incident)] == ["fire.png", "plan.txt"]
    assert [name for name, _ in on_case(pair, case)] == ["fire.png", "plan.txt"]

    # A new version is another file; the one before it stays where it is.
    put_on_case(pair, case, "plan.txt", b"B", ContentDocumentId=document, FirstPublishLocationId=None)
    run_now(flow)
    assert on_incident(pair, incident) == [("fire.png", PICTURE), ("plan.txt", b"A"), ("plan.txt", b"B")]
    for side in (pair.servicenow, pair.salesforce):
        side.reset_counters()
    Checkpoint.objects.filter(stream="attachments").update(watermark=timezone.now() + timedelta(minutes=1))
    at_rest(flow, pair)
    # Each of the two runs asks for incidents and for files; and for Cases, versions and the places they are shown.
    assert pair.servicenow.counters.calls_to("GET /api/now/v2/table/{table}") == 2 * 2
    assert pair.salesforce.counters.calls_to("GET /services/data/{version}/query") == 2 * 3


def test_a_resync_of_the_flow_has_all_files_read_again(pair: Pair) -> None:
    flow = carrying(pair)
    incident, case = a_pair(flow, pair)
    RecordLink.objects.update(state="unlinked")
    put_on_incident(pair, incident, "fire.png", PICTURE)
    run_now(flow)
    RecordLink.objects.update(state="active")
    Checkpoint.objects.filter(stream="attached").update(poll_id="f" * 32)
    Checkpoint.objects.filter(stream="attachments").update(watermark=timezone.now() + timedelta(minutes=1))
    run_now(flow)
    assert on_case(pair, case) == []  # it came while the pair was none

    run_now(flow, kind="resync")
    run_now(flow)

    assert on_case(pair, case) == [("fire.png", PICTURE)]


def test_what_the_rules_leave_behind_is_on_record_and_goes_when_they_change(pair: Pair) -> None:
    flow = carrying(pair, attachments={"max_size": 5000, "except": ["*.exe"], "types": ["image/*", "*.txt"]})
    incident, case = a_pair(flow, pair)
    put_on_incident(pair, incident, "fire.png", PICTURE, "image/png")
    put_on_incident(pair, incident, "tool.exe", b"MZ", "image/png")
    put_on_incident(pair, incident, "sheet.xls", b"x", "application/vnd.ms-excel")
    put_on_case(pair, case, "note.txt", NOTE)

    assert run_now(flow).status == "succeeded"

    assert on_case(pair, case) == [("note.txt", NOTE)]
    assert [name for name, _ in on_incident(pair, incident)] == [
        "fire.png",
        "note.txt",
        "sheet.xls",
        "tool.exe",
    ]
    assert dict(Attachment.objects.filter(side="servicenow").values_list("size", "reason")) == {
        len(PICTURE): "It has 10 KB; the flow carries files of up to 4.9 KB.",
        2: "The flow leaves files like *.exe behind.",
        1: "Its type, application/vnd.ms-excel, is none of those that the flow carries: image/*, *.txt.",
    }
    flow.options = {"attachments": {"max_size": 50_000, "except": ["*.exe"]}}
    flow.save()
    services.publish_flow(flow=flow, by=None)
    run_now(flow)
    assert [name for name, _ in on_case(pair, case)] == ["fire.png", "note.txt", "sheet.xls"]
    at_rest(flow, pair)


def test_one_way_leaves_the_files_of_the_other_side_alone(pair: Pair) -> None:
    flow = carrying(pair, attachments={"direction": "to_servicenow"})
    incident, case = a_pair(flow, pair)
    put_on_incident(pair, incident, "fire.png", PICTURE)
    put_on_case(pair, case, "note.txt", NOTE)
    run_now(flow)
    assert (len(on_incident(pair, incident)), len(on_case(pair, case))) == (2, 1)


def test_a_refused_file_is_a_dead_letter_of_its_own_and_its_record_goes_on(pair: Pair) -> None:
    flow = carrying(pair)
    incident, case = a_pair(flow, pair)
    pair.servicenow.add("sys_properties", name="glide.attachment.extensions", value="txt")
    pair.servicenow.add("sys_properties", name="com.glide.attachment.max_size", value="1")
    put_on_case(pair, case, "tool.exe", b"MZ")
    put_on_case(pair, case, "long.txt", bytes(1024 * 1024 + 1))
    put_on_case(pair, case, "note.txt", NOTE)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Goes on")

    run = run_now(flow)

    assert (run.status, run.failed) == ("partial", 2)
    assert pair.servicenow.rows("incident")[0]["short_description"] == "Goes on"
    assert on_incident(pair, incident) == [("note.txt", NOTE)]
    letters = {letter.code: letter for letter in DeadLetter.objects.filter(state="open")}
    assert set(letters) == {"BAD_REQUEST", "HTTP_413"}
    assert "glide.attachment.extensions" in letters["BAD_REQUEST"].advice
    assert "max_size" in letters["HTTP_413"].advice
    assert letters["BAD_REQUEST"].content["file"] == "tool.exe"
    assert letters["BAD_REQUEST"].link == RecordLink.objects.get()
    assert "File type not allowed" in letters["BAD_REQUEST"].content["message"]

    assert run_now(flow).status == "succeeded"  # it is not tried again by itself
    pair.servicenow.edit(
        "sys_properties",
        pair.servicenow.rows("sys_properties", name="glide.attachment.extensions")[0]["sys_id"],
        value="txt, exe",
    )
    services.retry_dead_letters(letters=letters.values(), by=None)
    for asked in Run.objects.active():
        execute(asked.pk)
    assert on_incident(pair, incident) == [("note.txt", NOTE), ("tool.exe", b"MZ")]
    assert list(DeadLetter.objects.filter(state="open").values_list("code", flat=True)) == ["HTTP_413"]
    assert not Waiting.objects.exists()


def test_salesforce_refuses_a_file_too(pair: Pair) -> None:
    flow = carrying(pair)
    incident, case = a_pair(flow, pair)
    said = '[{"errorCode": "STORAGE_LIMIT_EXCEEDED", "message": "storage limit exceeded"}]'
    pair.salesforce.fault("status", method="POST", path="/sobjects/ContentVersion$", status=400, body=said)
    put_on_incident(pair, incident, "a.txt", b"a")
    put_on_incident(pair, incident, "b.txt", b"b")

    run_now(flow)

    assert len(on_case(pair, case)) == 1
    put_on_incident(pair, incident, "empty.txt", b"")
    run_now(flow)
    assert {letter.code: letter.advice for letter in DeadLetter.objects.all()} == {
        "STORAGE_LIMIT_EXCEEDED": "Free space in Salesforce or add to it, then retry.",
        "REQUIRED_FIELD_MISSING": "Ignore this dead letter, or leave such files behind in the flow's attachments.",
    }


@pytest.mark.parametrize(
    ("status", "became", "reason"),
    [
        (404, "skipped", "It was deleted before it could be carried."),
        (403, "refused", "The integration user may not read the file."),
    ],
)
def test_a_file_that_cannot_be_fetched_stops_itself_alone(
    pair: Pair, status: int, became: str, reason: str
) -> None:
    flow = carrying(pair)
    incident, case = a_pair(flow, pair)
    pair.servicenow.fault("status", method="GET", path="/attachment/.*/file", status=status, body="{}")
    code = {404: "NOT_FOUND", 403: "INSUFFICIENT_ACCESS"}[status]
    said = json.dumps([{"errorCode": code, "message": "no"}])
    pair.salesforce.fault("status", method="GET", path="/VersionData", status=status, body=said)
    put_on_incident(pair, incident, "a.txt", b"a")
    put_on_case(pair, case, "b.txt", b"b")
    put_on_case(pair, case, "c.txt", b"c")

    run_now(flow)

    assert sorted(statuses()) == sorted(["done", became, became])
    assert set(Attachment.objects.filter(status=became).values_list("reason", flat=True)) == {reason}


HOSTILE = (
    "../../etc/passwd",
    "C:\\temp\\a\\report.pdf",
    "evil\r\nX-Injected: 1.txt",
    '"; filename="x.html',
    "feu \N{FIRE} \N{WHITE HEAVY CHECK MARK}.png",
    "gpj.\N{RIGHT-TO-LEFT OVERRIDE}exe.txt",
    "\N{LATIN SMALL LETTER E WITH ACUTE}" * 300 + ".tar.gz",
    "& =?#%+.txt",
)  # fmt: skip


def test_hostile_names_arrive_harmless_and_are_known_again(pair: Pair) -> None:
    flow = carrying(pair)
    incident, case = a_pair(flow, pair)
    for number, name in enumerate(HOSTILE):
        put_on_incident(pair, incident, name, b"%d" % number)
        put_on_case(pair, case, name, b"from the case %d" % number, Title=name[:255])

    assert run_now(flow).status == "succeeded"

    for arrived in (on_case(pair, case), on_incident(pair, incident)):
        assert len(arrived) == 2 * len(HOSTILE)
        assert len({content for _, content in arrived}) == 2 * len(HOSTILE)
    carried = {content: name for name, content in on_case(pair, case) if not content.startswith(b"from")}
    assert carried[b"0"] == "passwd"
    assert carried[b"1"] == "report.pdf"
    assert carried[b"2"] == "evilX-Injected: 1.txt"
    assert carried[b"4"] == HOSTILE[4]
    assert carried[b"5"] == "gpj.exe.txt"
    assert carried[b"6"].endswith(".gz")
    assert len(carried[b"6"].encode()) <= 255
    assert carried[b"7"] == HOSTILE[7]
    at_rest(flow, pair)
    # Nor does a name that was mended on its way make another file, should what is known of it be lost.
    Attachment.objects.all().delete()
    Checkpoint.objects.filter(stream__startswith="attach").delete()
    at_rest(flow, pair)


def test_a_file_that_both_sides_have_already_is_not_doubled(pair: Pair) -> None:
    """As after a database was lost, or where people had copied it by hand."""
    flow = carrying(pair)
    incident, case = a_pair(flow, pair)
    put_on_incident(pair, incident, "fire.png", PICTURE, "image/png")
    put_on_case(pair, case, "fire.png", PICTURE)
    put_on_case(pair, case, "other.png", PICTURE)

    run_now(flow)

    assert [name for name, _ in on_case(pair, case)] == ["fire.png", "other.png"]
    assert [name for name, _ in on_incident(pair, incident)] == ["fire.png", "other.png"]
    Attachment.objects.all().delete()
    Checkpoint.objects.filter(stream__startswith="attach").delete()
    run_now(flow)
    assert len(on_case(pair, case)) + len(on_incident(pair, incident)) == 4
    at_rest(flow, pair)


def test_names_and_bytes_are_in_no_clear_column(pair: Pair) -> None:
    flow = carrying(pair)
    incident, case = a_pair(flow, pair)
    put_on_case(pair, case, "dismissal of Bob.txt", b"a very private sentence")
    pair.servicenow.fault("status", method="POST", path="/attachment/file", status=400, body="{}")

    run_now(flow)

    assert DeadLetter.objects.get().code == "BAD_REQUEST"
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608
            for row in cursor.fetchall():
                kept = b" ".join(v if isinstance(v, bytes) else str(v).encode() for v in row)
                assert b"dismissal" not in kept, table
                assert b"private sentence" not in kept, table
    assert RemoteCall.objects.filter(path__contains="/attachment/file?table_name=incident").exists()


def test_a_large_file_is_never_whole_in_memory(pair: Pair) -> None:
    flow = carrying(pair)
    incident, case = a_pair(flow, pair)
    with worker_on_the_test_database() as worker:
        put_on_incident(pair, incident, "small.bin", b"small")
        worker.start(flow)
        assert worker.ended() == 0
        usual = worker.peak
        put_on_incident(pair, incident, "large.bin", bytes(24 * 1024 * 1024))
        worker.start(flow)
        assert worker.ended() == 0

    assert sorted(len(content) for _, content in on_case(pair, case)) == [5, 24 * 1024 * 1024]
    assert worker.peak - usual < 6 * 1024  # KiB
