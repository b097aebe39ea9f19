"""A person's browser, as far as tests need one: it keeps cookies, reads forms and sends them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import requests

from sync.sandbox.pair import Pair, Side

ROOT = "/__sandbox__/ui/"


class Document(HTMLParser):
    """The forms of a page with what a browser would send, its element names, and its text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self.options: dict[str, list[str]] = {}
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self._form: dict[str, str] = {}
        self._name = ""
        self._area = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        self.attributes |= set(given)
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "form":
            self._form = self.forms[given.get("action") or ""] = {}
        elif tag == "input" and name:
            self._form[name] = value
        elif tag == "select":
            self._name = name
            self.options[name] = []
        elif tag == "option":
            self.options[self._name].append(value)
            if "selected" in given or self._name not in self._form:
                self._form[self._name] = value
        elif tag == "textarea":
            self._area = name
            self._form[name] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._form[self._area] = self._form[self._area].removeprefix("\n")
            self._area = ""

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._area:
            self._form[self._area] += data


@dataclass
class Browser:
    """Keeps cookies and fills in forms; goes where a redirect leads."""

    side: Side[Any]
    session: requests.Session
    answer: requests.Response = field(default_factory=requests.Response)

    def open(self, path: str, **query: str) -> Document:
        return self._shown(self.session.get(self.side.url + path, params=query, timeout=10))

    def submit(self, action: str, **entered: str) -> Document:
        """Send a form of the page shown last, some of its fields filled in."""
        form = Document(self.answer.text).forms[action]
        unknown = {name.replace("__", ".") for name in entered} - set(form)
        assert not unknown, unknown
        sent = form | {name.replace("__", "."): value for name, value in entered.items()}
        return self.post(action, **sent)

    def post(self, action: str, **sent: str) -> Document:
        return self._shown(self.session.post(self.side.url + action, data=sent, timeout=10))

    def _shown(self, answer: requests.Response) -> Document:
        self.answer = answer
        return Document(answer.text)


def stranger(pair: Pair, side: Side[Any]) -> Browser:
    session = requests.Session()
    session.trust_env = False
    session.verify = str(pair.ca_file)
    return Browser(side, session)
