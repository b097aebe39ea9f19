"""The frame every page stands in, and the pages without a form: tables, rows, and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from sync.sandbox.pages.desk import PAGE_SIZE, Desk, Kind, Line, Listing
from sync.sandbox.pages.html import Html, Node, tag

UI_PREFIX = "/__sandbox__/ui/"
WATCH_SECONDS = 5
_MOST = 160  # characters of a cell
_MOST_SAID = 500  # characters of a refusal, which may repeat a whole text
_TIGHT = 20  # characters of a cell that is not broken into lines where there is room


def address(*parts: str, **query: str | int) -> str:
    """The path of a page; empty query values are left out."""
    path = UI_PREFIX + "/".join(quote(part, safe="") for part in parts)
    wanted = {name: value for name, value in query.items() if value not in ("", 0)}
    return f"{path}?{urlencode(wanted)}" if wanted else path


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a page. `watch`: it loads itself again; `notice` and `problem` are said on top.

    `onward`: the address a browser goes to by itself.
    """

    title: str
    trail: Sequence[tuple[str, str]] = ()  # (label, address) of the pages above
    notice: str = ""
    problem: str = ""
    watch: bool = False
    onward: str = ""


def page(desk: Desk, frame: Frame, *content: Node) -> Html:
    return tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", http_equiv="refresh", content=WATCH_SECONDS) if frame.watch else None,
            tag("meta", http_equiv="refresh", content=f"0;url={frame.onward}") if frame.onward else None,
            tag("title", f"{frame.title} · sandbox {desk.title}"),
            tag("link", rel="stylesheet", href=address("page.css")),
            tag("link", rel="icon", href="data:,"),
        ),
        tag("body", _banner(desk), tag("main", _heading(frame), *content), class_=desk.name),
        lang="en",
    )


def _banner(desk: Desk) -> Html:
    return tag(
        "header",
        tag("a", tag("b", "Sandbox"), f"Simulated {desk.title}", href=address(), class_="home"),
        tag("span", "Made-up data on this machine. Not the vendor's product.", class_="fact"),
        tag("span", f"{desk.now()} UTC", class_="clock"),
    )


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _heading(frame: Frame) -> list[Node]:
    trail = [tag("li", tag("a", label, href=link)) for label, link in frame.trail]
    return [
        tag("nav", tag("ol", *trail), aria_label="Breadcrumb") if trail else None,
        tag("p", _shortened(frame.problem, _MOST_SAID), class_="problem", role="alert")
        if frame.problem
        else None,
        tag("p", frame.notice, class_="notice", role="status") if frame.notice else None,
        tag("h1", frame.title),
    ]


def words(desk: Desk, title: str, said: Node, onward: str = "") -> Html:
    """A page that only says something."""
    return page(desk, Frame(title, onward=onward), tag("p", said))


def home(desk: Desk, frame: Frame, csrf: str, link: str) -> Html:
    kinds = desk.kinds()
    return page(
        desk,
        frame,
        _tiles([kind for kind in kinds if kind.main]),
        tag("h2", "The platform's own"),
        _tiles([kind for kind in kinds if not kind.main]),
        tag("h2", "Another browser"),
        _link_form(csrf, link),
    )


def _tiles(kinds: Sequence[Kind]) -> Html:
    return tag(
        "ul",
        *(
            tag(
                "li",
                tag(
                    "a",
                    tag("span", kind.label, tag("small", kind.name)),
                    tag("b", f"{kind.count:,}"),
                    href=address("t", kind.name),
                ),
            )
            for kind in kinds
        ),
        class_="tiles",
    )


def _link_form(csrf: str, link: str) -> Html:
    shown = tag("p", "It works once: ", tag("code", link)) if link else None
    return tag(
        "form",
        shown or tag("p", "These pages open by a link that works once."),
        tag("input", type="hidden", name="csrf", value=csrf),
        tag("button", "Make a link", class_="quiet"),
        method="post",
        action=address("link"),
    )


@dataclass(frozen=True, slots=True)
class Search:
    text: str = ""
    page: int = 1
    deleted: bool = False
    watch: bool = False

    def address(
        self, kind: Kind, *, page: int = 1, deleted: bool | None = None, watch: bool | None = None
    ) -> str:
        """The page with another number, or with a switch the other way."""
        return address(
            "t",
            kind.name,
            q=self.text,
            page=page if page > 1 else 0,
            deleted=int(self.deleted if deleted is None else deleted),
            watch=int(self.watch if watch is None else watch),
        )


def listing(desk: Desk, frame: Frame, found: Listing, search: Search) -> Html:
    return page(
        desk,
        frame,
        _tools(found.kind, search),
        _table(found) if found.lines else tag("p", _nothing(search), class_="empty"),
        _pager(found, search),
    )


def _nothing(search: Search) -> str:
    if search.text:
        return f"Nothing holds “{search.text}”."
    return "Nothing was deleted." if search.deleted else "There is nothing here yet."


def _tools(kind: Kind, search: Search) -> Html:
    switches: list[Node] = []
    if kind.creates:
        switches.append(tag("a", "New", href=address("t", kind.name, "new"), class_="button"))
    if kind.keeps_deleted:
        text = "Show living" if search.deleted else "Show deleted"
        switches.append(
            tag("a", text, href=search.address(kind, deleted=not search.deleted), class_="button quiet")
        )
    text = "Stop watching" if search.watch else "Watch"
    switches.append(tag("a", text, href=search.address(kind, watch=not search.watch), class_="button quiet"))
    return tag(
        "div",
        tag(
            "form",
            tag(
                "input", type="search", name="q", value=search.text, aria_label="Search", placeholder="Search"
            ),
            tag("input", type="hidden", name="deleted", value="1") if search.deleted else None,
            tag("button", "Search", class_="quiet"),
            role="search",
        ),
        tag("div", *switches, class_="switches"),
        class_="tools",
    )


def _table(found: Listing) -> Html:
    return tag(
        "table",
        tag("thead", tag("tr", *(tag("th", label, scope="col") for label in found.labels))),
        tag("tbody", *(_row(found, line) for line in found.lines)),
    )


def _row(found: Listing, line: Line) -> Html:
    named = next((index for index, cell in enumerate(line.cells) if cell), 0)
    cells = []
    for index, (label, cell) in enumerate(zip(found.labels, line.cells, strict=True)):
        text = _shortened(cell, _MOST)
        content: Node = text
        if index == named:
            content = tag("a", text or line.row_id, href=address("t", found.kind.name, line.row_id))
        cells.append(tag("td", content, data_label=label, class_=_width(cell)))
    return tag("tr", *cells)


def _width(cell: str) -> str | None:
    return "void" if not cell else "tight" if len(cell) <= _TIGHT else None


def _pager(found: Listing, search: Search) -> Html:
    last = max(1, -(-found.total // PAGE_SIZE))
    start = (search.page - 1) * PAGE_SIZE
    span = f"{start + 1:,}–{start + len(found.lines):,} of {found.total:,}" if found.lines else ""
    older, newer = (
        search.address(found.kind, page=search.page + 1),
        search.address(found.kind, page=search.page - 1),
    )
    return tag(
        "p",
        tag("a", "Newer", href=newer, rel="prev") if search.page > 1 else None,
        tag("span", span),
        tag("a", "Older", href=older, rel="next") if search.page < last else None,
        class_="pager",
    )
