"""A person at the running console over HTTP: reads pages, follows what they offer, and sends their own forms back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import lxml.html
import requests

PATIENCE = 60  # seconds for a page of a machine that does much else


@dataclass(frozen=True, slots=True)
class Page:
    url: str
    tree: Any

    @property
    def text(self) -> str:
        """What is to be read on it, with single spaces."""
        return " ".join(
            " ".join(self.tree.xpath("//body//text()[not(parent::script or parent::style)]")).split()
        )

    def offered(self, label: str) -> str:
        """Where the link or button of this label leads; icons stand before labels. Raises LookupError with what there is."""
        found = {_label(each): place for each in self.tree.iter("a", "button") if (place := _place(each))}
        for name, place in found.items():
            if name == label or name.endswith(f" {label}"):
                return urljoin(self.url, place)
        raise LookupError(f"{self.url} offers no {label!r}, but {sorted(found)}")

    @property
    def form(self) -> Any:
        """The page's own form: of those that are sent the largest."""
        return max(
            (form for form in self.tree.forms if form.method == "POST"), key=lambda form: len(form.fields)
        )

    def new_row(self, prefix: str, **values: str) -> dict[str, str]:
        """What a browser sends for a row that is added below the others: its template, with these values."""
        sent = dict(self.form.form_values())
        total, blank = int(sent[f"{prefix}-TOTAL_FORMS"]), f"{prefix}-__prefix__-"
        fresh = {name.removeprefix(blank): value for name, value in sent.items() if name.startswith(blank)}
        row = {f"{prefix}-{total}-{name}": value for name, value in {**fresh, **values}.items()}
        return {f"{prefix}-TOTAL_FORMS": str(total + 1), **row}

    @property
    def complaints(self) -> list[str]:
        """What is wrong with a form that was sent."""
        told = self.tree.xpath("//*[contains(@class, 'errornote') or @role='alert']")
        return [_label(each) for each in told]


def _label(element: Any) -> str:
    return " ".join(element.text_content().split())


def _place(element: Any) -> str:
    return str(element.get("href") or element.get("hx-get") or element.get("formaction") or "")


class Visitor:
    """A browser without scripts; `address`: that of the console."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy lies between

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    def log_in(self, name: str, password: str) -> Page:
        """The page that comes after."""
        return self.send(self.open("/admin/login/"), username=name, password=password)

    def open(self, place: str) -> Page:
        return _page(self._session.get(urljoin(self._address, place), timeout=PATIENCE))

    def press(self, page: Page, label: str, **answers: str | None) -> Page:
        """Press what the page offers under this label, and confirm what it asks; the page that comes after."""
        return self.send(self.open(page.offered(label)), **answers)

    def send(self, page: Page, **answers: str | None) -> Page:
        """Send the page's form as it is, but for these answers; None leaves a field out, as a switch does that is off."""
        form = page.form
        sent = [(name, value) for name, value in form.form_values() if name not in answers]
        sent += [(name, value) for name, value in answers.items() if value is not None]
        place = urljoin(page.url, form.get("action") or "")
        return _page(self._session.post(place, data=sent, headers={"Referer": page.url}, timeout=PATIENCE))


def _page(reply: requests.Response) -> Page:
    reply.raise_for_status()
    return Page(reply.url, lxml.html.fromstring(reply.text, base_url=reply.url))
