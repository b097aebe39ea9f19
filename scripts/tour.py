#!/usr/bin/env python3
"""Takes the pictures of docs/tour.md anew: a made-up console on this machine, in a real Chromium.

    .venv/bin/python scripts/tour.py [part of a name …]

Nothing outside is asked; the database is a file that goes with the end of this script.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
COLOURS = 128  # of a picture: screens have few
LARGEST = 150_000  # bytes


@dataclass(frozen=True)
class Shot:
    """A picture of a page: `path` with the names of `seed()` filled in. `narrow`: 390 pixels, twice as sharp."""

    name: str
    path: str
    dark: bool = False
    narrow: bool = False

    @property
    def file(self) -> Path:
        return IMAGES / f"{self.name}.png"


SHOTS = (
    Shot("tour/overview", "/admin/"),
    Shot("tour/overview-dark", "/admin/", dark=True),
    Shot("tour/overview-narrow", "/admin/", narrow=True),
    Shot("tour/flow", "/admin/sync/flow/{flow}/change/#rows"),
    Shot("tour/run", "/admin/sync/run/{live}/change/"),
    Shot("tour/record", "/admin/sync/recordlink/{link}/change/?values=1"),
    Shot("tour/record-narrow", "/admin/sync/recordlink/{link}/change/?values=1", dark=True, narrow=True),
    Shot("tour/why", "/admin/sync/recordlink/{link}/why/?row={row}"),
    Shot("tour/conflict", "/admin/sync/conflict/{conflict}/change/?values=1"),
    Shot("tour/causes", "/admin/sync/deadletter/causes/", dark=True),
    Shot("tour/causes-narrow", "/admin/sync/deadletter/causes/", narrow=True),
    Shot("tour/connection", "/admin/sync/connection/{connection}/change/"),
    Shot("tour/report", "/admin/report/"),
    Shot("tour/audit", "/admin/sync/auditentry/"),
    Shot("recipe", "/admin/recipes/incident-case/?servicenow={servicenow}&salesforce={salesforce}"),
)


def main(wanted: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": f"sqlite:///{scratch}/tour.sqlite3",
        }
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's loop makes Django refuse the ORM
        sys.path.insert(0, str(ROOT))
        import django

        django.setup()
        names = seed()
        with served() as url, browser() as chromium:
            cookie = {**log_in(), "url": url}
            for shot in SHOTS:
                if not wanted or any(part in shot.name for part in wanted):
                    take(shot, chromium, url, cookie, names)


def seed() -> dict[str, Any]:
    """A console in use, as the tests know it, and what makes its pages worth a look."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.utils import timezone

    from sync import audit, revisions
    from sync.actor import Actor, acting_as
    from sync.models import (
        Conflict,
        DeadLetter,
        Event,
        Question,
        Reconciliation,
        RecordLink,
        Run,
    )
    from sync.models.base import time_ordered_uuid
    from tests.console import seed as made
    from tests.console.test_why import wrote

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    User.objects.create_superuser("alice", password=None)
    flow = made.everything(records=60)
    now = timezone.now()
    flow.rows.filter(salesforce="Origin").update(direction="to_salesforce")
    states = flow.rows.get(salesforce="Status").value_map
    states.entries.create(position=20, servicenow="2", salesforce="Escalated", direction="to_servicenow")
    type(flow).objects.filter(pk=flow.pk).update(direction="both", conflict="ask")
    flow.refresh_from_db()
    revisions.publish(
        flow, author_id=None, author_name="Alice", reason="Escalations of the customer desk come back"
    )

    link, row = RecordLink.objects.get(servicenow_number="INC0010016"), flow.rows.get(salesforce="Status")
    Event.objects.filter(link=link).delete()
    for after, (source, under, sent, minutes) in enumerate(
        (("1", "", "New", 190), ("2", "New", "Working", 3)), start=1
    ):
        key = time_ordered_uuid(now + timedelta(milliseconds=after))
        wrote(link, row, sent, source=source, under=under, minutes=minutes, id=key)
    read = {
        "servicenow_read_at": now - timedelta(minutes=2),
        "salesforce_read_at": now - timedelta(minutes=2),
    }
    RecordLink.objects.update(**read)

    conflict = Conflict.objects.get()
    conflict.rule = "ask"
    conflict.values = {
        **conflict.values, "servicenow_by": "fred.luddy", "servicenow_at": (now - timedelta(minutes=9)).isoformat(),
        "salesforce_by": "005000000000001AAA", "salesforce_at": (now - timedelta(minutes=8)).isoformat(),
    }  # fmt: skip
    conflict.save()

    for number, letter in enumerate(DeadLetter.objects.order_by("-pk")[:2]):
        letter.code, letter.field, letter.rule = "STRING_TOO_LONG", "Subject", "At most 255 characters"
        letter.advice = "Truncate it in the mapping, or shorten it over there, then retry."
        letter.first_at = now - timedelta(minutes=20 + number)
        letter.save()

    _described(flow)
    for number, other in enumerate(RecordLink.objects.filter(flow=flow)):
        pair = (("1", "New"), ("2", "Working"), ("2", "Working"), ("7", "Closed"))[number % 4]
        if other.pk != link.pk:
            other.base = {**other.base, str(row.pk): list(pair)}
            other.save()

    Reconciliation.objects.create(
        flow=flow, run=made.run(flow, now - timedelta(hours=5), kind="manual"), state="done", as_of=now - timedelta(hours=5),
        finished_at=now - timedelta(hours=5), in_scope=48_112, paired=48_112,
    )  # fmt: skip
    _checked(flow, Question, now)
    for name, address, action, target in (
        ("bob", "192.0.2.8", "payload.opened", link), ("carol", "192.0.2.14", "conflict.made_rule", flow),
        ("bob", "192.0.2.8", "dead_letters.retried", None),
    ):  # fmt: skip
        with acting_as(Actor(name=name, ip=address)):
            audit.record(action, target)
    return {
        "flow": flow.pk, "link": link.pk, "row": row.pk, "conflict": conflict.pk, "live": Run.objects.get(status="running").pk,
        "connection": flow.servicenow_connection_id, "servicenow": flow.servicenow_connection_id,
        "salesforce": flow.salesforce_connection_id,
    }  # fmt: skip


def _described(flow: Any) -> None:
    """What runs would have kept of both descriptions: labels, lengths, choices."""
    from sync.core.records import FieldSchema, Schema
    from sync.engine.schemas import remember_schema

    states = {"1": "New", "2": "In Progress", "3": "On Hold", "6": "Resolved", "7": "Closed", "8": "Canceled"}
    words = ("New", "Working", "On Hold", "Escalated", "Closed")
    here = (
        FieldSchema("number", "string", "Number", 40), FieldSchema("sys_id", "GUID", "Sys ID", 32, unique=True),
        FieldSchema("short_description", "string", "Short description", 160),
        FieldSchema("description", "string", "Description", 4_000),
        FieldSchema("state", "integer", "State", choices=tuple(states), labels=tuple(states.values())),
    )  # fmt: skip
    there = (
        FieldSchema("ServiceNow_Sys_Id__c", "string", "ServiceNow Sys Id", 80, unique=True, external_id=True),
        FieldSchema("ServiceNow_Number__c", "string", "ServiceNow Number", 40),
        FieldSchema("Subject", "string", "Subject", 255), FieldSchema("Description", "textarea", "Description", 32_000),
        FieldSchema("Status", "picklist", "Status", restricted=True, choices=words, labels=words),
        FieldSchema("Origin", "picklist", "Case Origin", choices=("ServiceNow", "Web"), labels=("ServiceNow", "Web")),
    )  # fmt: skip
    ends = ((flow.servicenow_connection, "incident", here), (flow.salesforce_connection, "Case", there))
    for connection, name, fields in ends:
        remember_schema(connection, Schema(name, {field.name: field for field in fields}))


def _checked(flow: Any, question: Any, now: Any) -> None:
    """The recipe's checks as an org answers that lacks two things."""
    told = (
        ("servicenow", "table", "ok", "incident is there and may be read, written and created.", ""),
        ("servicenow", "role", "ok", "The user has the role itil.", ""),
        ("servicenow", "journal", "warning", "No row of sys_journal_field is shown (empty): comments and work notes of ServiceNow "
         "would not be found.", "Let the integration user read sys_journal_field, unless nobody ever wrote one there."),
        ("salesforce", "object", "ok", "Case may be read, created and edited.", ""),
        ("salesforce", "key", "error", "Case.ServiceNow_Sys_Id__c is not unique.", "Tick Unique: External ID alone lets duplicates in."),
        ("salesforce", "field", "error", "Case has no ServiceNow_URL__c, or the user cannot see it.",
         "Add it: URL: the way from the Case to its incident. Grant the user field-level security on it."),
    )  # fmt: skip
    names = ("side", "code", "status", "text", "advice")
    question.objects.create(
        kind="recipe", state="answered", answered_at=now,
        params={"recipe": "incident-case", "servicenow": str(flow.servicenow_connection_id),
                "salesforce": str(flow.salesforce_connection_id)},
        answer={"findings": [dict(zip(names, line, strict=True)) for line in told]},
    )  # fmt: skip


@contextlib.contextmanager
def served() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, str(ROOT / "manage.py"), "runserver", "--noreload", f"127.0.0.1:{port}"]
    server = subprocess.Popen(  # noqa: S603  (our own command)
        command,
        cwd=ROOT,
        env={**os.environ, "ALLOWED_HOSTS": "127.0.0.1", "TRUSTED_PROXIES": "127.0.0.1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urlopen(f"{address}/healthz").close()  # noqa: S310  (the address is ours)
                break
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    from tests.console.browsing import CHROMIUM, FLAGS

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


def log_in() -> dict[str, str]:
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.get())
    return {"name": settings.SESSION_COOKIE_NAME, "value": client.cookies[settings.SESSION_COOKIE_NAME].value}


def take(shot: Shot, chromium: Any, url: str, cookie: dict[str, str], names: dict[str, Any]) -> None:
    _freshen()
    size = {"width": 390, "height": 844} if shot.narrow else {"width": 1280, "height": 900}
    context = chromium.new_context(
        viewport=size,
        base_url=url,
        device_scale_factor=2 if shot.narrow else 1,
        extra_http_headers={"X-Forwarded-For": "192.0.2.7"},
    )
    context.add_cookies([cookie])
    theme = "dark" if shot.dark else "light"
    context.add_init_script(f"localStorage.setItem('adminTheme', JSON.stringify('{theme}'))")
    page = context.new_page()
    page.goto(shot.path.format(**names), wait_until="networkidle")
    page.evaluate("document.activeElement.blur()")
    shot.file.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(shot.file))
    context.close()
    size_now = shot.file.write_bytes(smaller(chromium, shot.file.read_bytes()))
    sys.stdout.write(f"{shot.name}: {size_now:,} bytes{' (too large)' if size_now > LARGEST else ''}\n")


# The most frequent colours that differ from one another, and for each pixel the nearest of them.
REDUCE = """async ([picture, colours]) => {
    const image = await createImageBitmap(await (await fetch("data:image/png;base64," + picture)).blob());
    const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const data = context.getImageData(0, 0, image.width, image.height).data;
    const colour = at => data[at] << 16 | data[at + 1] << 8 | data[at + 2];
    const parts = key => [key >> 16, key >> 8 & 255, key & 255];
    const counts = new Map();
    for (let at = 0; at < data.length; at += 4) counts.set(colour(at), (counts.get(colour(at)) || 0) + 1);
    const ranked = [...counts].sort((a, b) => b[1] - a[1]).map(([key]) => key);
    const far = (a, b) => (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2;
    const palette = ranked.slice(0, 24).map(parts);
    for (const distance of [300, 100, 30]) for (const key of ranked)
        if (palette.length < colours && palette.every(each => far(each, parts(key)) >= distance)) palette.push(parts(key));
    const nearest = new Map(ranked.map(key => {
        let best = 0;
        palette.forEach((each, index) => { if (far(each, parts(key)) < far(palette[best], parts(key))) best = index; });
        return [key, best];
    }));
    let text = "";
    for (let at = 0; at < data.length; at += 4) text += String.fromCharCode(nearest.get(colour(at)));
    return {width: image.width, height: image.height, palette: palette.flat(), pixels: btoa(text)};
}"""


def smaller(chromium: Any, picture: bytes) -> bytes:
    """The PNG with a palette. Source of the format: W3C, "Portable Network Graphics"."""
    page = chromium.new_page()
    found = page.evaluate(REDUCE, [b64encode(picture).decode(), COLOURS])
    page.close()
    width, height, pixels = found["width"], found["height"], b64decode(found["pixels"])
    rows = b"".join(b"\0" + pixels[start : start + width] for start in range(0, len(pixels), width))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", bytes(found["palette"])),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _freshen() -> None:
    """Nothing works behind this console: what would be heard of every minute is made as of now."""
    from django.utils import timezone

    from sync.models import Checkpoint, Run, Schedule, Worker

    now = timezone.now()
    Worker.objects.update(seen_at=now, canary_at=now)
    Checkpoint.objects.update(completed_at=now - timedelta(seconds=41))
    Schedule.objects.update(next_at=now + timedelta(seconds=58))
    Run.objects.filter(status="running").update(started_at=now - timedelta(seconds=4), progress_at=now)


if __name__ == "__main__":
    main(sys.argv[1:])
