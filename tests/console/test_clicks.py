"""What each role asks the console every day is answered within two clicks of the Overview: the clicks are counted here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin

import pytest
from django.test import Client
from django.utils import timezone

from mappings.models import FieldRow
from sync import audit
from sync.actor import Actor, acting_as
from sync.models import AuditEntry, Connection, Flow, RecordLink
from tests.console.test_why import wrote

AT_MOST = 2
NUMBER = "INC0010003"
pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


@dataclass(frozen=True)
class Question:
    """`clicks`: how the links begin that are followed, one after the other; "?…" is typed into the box and sent."""

    role: str
    asked: str
    clicks: tuple[str, ...]
    answer: str

    def __str__(self) -> str:
        return f"{self.role}: {self.asked}"


QUESTIONS = (
    Question("viewer", "is everything all right?", (), "1 flow needs attention"),
    Question("viewer", "how far behind are we?", (), r"behind \d+ s the slowest flow"),
    Question("viewer", "what did the last run do?", ("succeeded",), r"created 12 updated 371"),
    Question("administrator", "which flows differ from what is published?", ("Flows",), "incidents-to-cases .* draft differs"),
    Question("administrator", "which connection fails, and why?", ("acme-salesforce",), "failing.* Invalid client"),
    Question("administrator", "which mapping blocks records?", ("Dead letters",), "missing value to the value map incident-state-case-status : releases 7 records"),
    Question("mapping editor", "which value has no counterpart?", ("Dead letters", "incident-state-case-status"), "Change value map"),
    Question("mapping editor", "what is not published yet?", ("Flows",), "incidents-to-cases .* draft differs"),
    Question("mapping editor", "what do runs use now?", ("incidents-to-cases", "Revision 2"), r"revision 2 published by Alice .* Cancelled incidents"),
    Question("operator", f"where is {NUMBER}?", (f"?{NUMBER}",), f"{NUMBER} .* Case 00001003 .* in step since"),
    Question("operator", "why does it say Working?", (f"?{NUMBER}", "Why? Status"), "value map incident-state-case-status"),
    Question("operator", "send it again", (f"?{NUMBER}", "Sync now"), f"Sync {NUMBER}"),
    Question("operator", "what is broken?", (), "failing acme-salesforce .*Invalid client"),
    Question("operator", "since when, and how far does it reach?", ("Dead letters",), "7 records: Status.* since 2 h"),
    Question("operator", "which button mends it?", ("Dead letters", "Retry 7"), "Retry all 7 of this cause"),
    Question("auditor", "who changed what last?", ("Audit log",), "bob paused problems-to-cases"),
    Question("auditor", "who opened values, who took them away?", ("Audit log", "Who looked"), "bob opened the values of INC0010003"),
    Question("auditor", "is the chain whole?", ("Audit log",), r"chain verified Checked now: all entries up to \d+"),
)  # fmt: skip


@pytest.fixture(scope="module")
def in_use(in_use):
    """On a day when one platform lets nobody in, a draft lies about and somebody has looked at values."""
    flow = Flow.objects.get(name="incidents-to-cases")
    Connection.objects.filter(system="salesforce").update(
        health="failing", health_message="Invalid client.", health_at=timezone.now()
    )
    link = RecordLink.objects.get(servicenow_number=NUMBER)
    wrote(link, flow.rows.get(salesforce="Status"), "Working", source="2", under="New", minutes=3)
    FieldRow.objects.filter(mapping=flow, salesforce="Subject").update(default="None given")
    with acting_as(Actor(name="bob", ip="10.0.0.8")):
        audit.record("payload.opened", link)
        audit.record("flow.paused", Flow.objects.get(name="problems-to-cases"))
    return in_use


@dataclass
class Walk:
    """A person with a browser who only follows what the pages offer."""

    browser: Client
    url: str = "/admin/"
    clicks: int = 0
    page: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._open(self.url)

    def _open(self, url: str) -> None:
        reply = self.browser.get(url, follow=True)
        assert reply.status_code == 200, url
        self.url = reply.request["PATH_INFO"]
        self.page = reply.content.decode()

    def click(self, what: str) -> None:
        self.clicks += 1
        if what.startswith("?"):
            action, name = re.search(
                r'role="search" method="get" action="([^"]+)".*?name="(\w+)"', self.page, re.DOTALL
            ).groups()
            return self._open(f"{action}?{urlencode({name: what[1:]})}")
        hrefs = [href for said, href in self._links() if said.startswith(what)]
        assert hrefs, f"{self.url} offers no link “{what}”"
        return self._open(urljoin(self.url, hrefs[0]))

    def _links(self) -> list[tuple[str, str]]:
        """What each link says, and its title, with where it leads."""
        return read(self.page).links


class Reader(HTMLParser):
    """What a page says and where its links lead; without scripts and icons."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.links: list[tuple[str, str]] = []
        self._began: list[tuple[int, dict[str, str | None]]] = []
        self._silent = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a":
            self._began.append((len(self.said), given))
        if tag in ("script", "style") or "material-symbols" in (given.get("class") or ""):
            self._silent = self._silent or tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._silent:
            self._silent = ""
        if tag == "a" and self._began:
            start, given = self._began.pop()
            title = (given.get("title") or "").removeprefix("Why ")
            self.links.append((" ".join([*self.said[start:], title]).strip(), given.get("href") or ""))

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.said.append(" ".join(data.split()))


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    return reader


def words(html: str) -> str:
    return " ".join(read(html).said)


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_a_daily_question_is_answered_within_two_clicks(as_role, in_use, question):
    walk = Walk(as_role(question.role))
    for what in question.clicks:
        walk.click(what)

    assert re.search(question.answer, words(walk.page)), f"{walk.url}: {words(walk.page)}"
    assert walk.clicks <= AT_MOST


def test_every_role_has_its_three_questions():
    roles = [question.role for question in QUESTIONS]

    assert {role: roles.count(role) for role in roles} == {
        "viewer": 3, "administrator": 3, "mapping editor": 3, "operator": 6, "auditor": 3,
    }  # fmt: skip


def test_a_broken_chain_is_told_before_anything_else_of_the_log(as_role, in_use):
    auditor = as_role("auditor")
    AuditEntry._base_manager.filter(number=2).update(actor_name="Mallory")
    page = words(auditor.get("/admin/sync/auditentry/").content.decode())

    assert "chain broken Entry 2: was edited after it was written." in page
    assert "chain verified" not in page
