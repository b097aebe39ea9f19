"""Requests to the pages: who is asking, may they, and which page answers.

Every answer forbids scripts, foreign resources and frames. A form is taken only with the session's own token and, where
the browser says where it comes from, from these very pages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sync.sandbox.counters import Counters
from sync.sandbox.pages import forms, views
from sync.sandbox.pages.access import Access, Session
from sync.sandbox.pages.desk import Desk
from sync.sandbox.pages.forms import Draft
from sync.sandbox.pages.html import Html, document, tag
from sync.sandbox.pages.salesforce import SalesforceDesk
from sync.sandbox.pages.servicenow import ServiceNowDesk
from sync.sandbox.pages.views import UI_PREFIX, Frame, Search, address
from sync.sandbox.platform import ControlError
from sync.sandbox.salesforce import SalesforcePlatform
from sync.sandbox.servicenow import ServiceNowPlatform
from sync.sandbox.wire import Request, Response, Router

_STYLE = Path(__file__).with_name("page.css").read_bytes()
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of one session."""

    pages: Pages
    session: Session
    counters: Counters = field(default_factory=Counters)  # pages are not calls: nobody counts them

    @property
    def desk(self) -> Desk:
        return self.pages.desk

    @property
    def top(self) -> tuple[str, str]:
        """The first page, as a trail begins."""
        return self.desk.kinds_are, UI_PREFIX

    def frame(self, title: str, *trail: tuple[str, str], problem: str = "", watch: bool = False) -> Frame:
        return Frame(title, trail, self.session.take_notice(), problem, watch)

    def draft(self, form: dict[str, str] | None = None) -> Draft:
        return Draft(self.session.csrf, self.session.person, form or {})

    def acting(self, form: dict[str, str]) -> str:
        """Whom the form says, for its next appearance too. Raises ControlError for nobody or somebody unknown."""
        person = form.get("by", "")
        if person not in {option.value for option in self.desk.people()}:
            raise ControlError("Choose one of the people to act as.")
        self.session.person = person
        return person


class Pages:
    """The pages of one platform: a function from request to response."""

    def __init__(self, desk: Desk, url: str) -> None:
        self.desk = desk
        self.url = url
        port = url.rpartition(":")[2]
        self.access = Access(f"__Secure-sandbox-{desk.name}-{port}")

    def link(self) -> str:
        """An address that opens the pages once; its session then lasts as long as the sandbox."""
        return f"{self.url}{UI_PREFIX}?link={self.access.issue_link()}"

    def handle(self, request: Request) -> Response:
        response = self._answer(request)
        response.headers.update(_HEADERS)
        return response

    def _answer(self, request: Request) -> Response:
        if request.path == address("page.css"):
            return Response(200, _STYLE, {"Content-Type": "text/css;charset=UTF-8"})
        if "link" in request.query and request.method == "GET":
            return self._enter(request.query["link"])
        session = self.access.session(request.headers.get("cookie", ""))
        if session is None:
            return _html(views.words(self.desk, "Closed", _NO_SESSION), 403)
        if request.method == "POST" and not self._ours(request, session):
            return _html(views.words(self.desk, "Not taken", _NO_TOKEN), 403)
        try:
            return ROUTER.dispatch(Visit(self, session), request)
        except ControlError as error:
            return _html(views.words(self.desk, "Not here", str(error)), 404)

    def _enter(self, token: str) -> Response:
        cookie = self.access.enter(token, UI_PREFIX)
        if cookie is None:
            return _html(views.words(self.desk, "Closed", _SPENT_LINK), 403)
        # No redirect: a browser that came from another site would follow it without the strict cookie.
        response = _html(
            views.words(self.desk, "Welcome", tag("a", "Open the pages", href=UI_PREFIX), UI_PREFIX)
        )
        response.headers["Set-Cookie"] = cookie
        return response

    def _ours(self, request: Request, session: Session) -> bool:
        origin = request.headers.get("origin", "")
        at_home = origin in ("", f"https://{request.headers.get('host', '')}")
        return at_home and session.sent_this(request.form().get("csrf", ""))


_NO_SESSION = (
    "These pages open by the link that the sandbox printed when it started. It works once, and for the browser that "
    "opened it until the sandbox ends. A control call makes another: POST /__sandbox__/page_link."
)
_SPENT_LINK = "This link was used before. A browser that opened these pages can make another, at the end of its first page."
_NO_TOKEN = "The form did not come from a page of this session. Go back, load the page again, and repeat."  # noqa: S105

ROUTER: Router[Visit] = Router(
    not_found=lambda visit, request: _html(
        views.words(visit.desk, "Not here", "There is no such page."), 404
    ),
    wrong_method=lambda visit, request: _html(
        views.words(visit.desk, "Not here", "There is no such form."), 405
    ),
)


@ROUTER.route("GET", UI_PREFIX)
def home(visit: Visit, request: Request) -> Response:
    return _html(views.home(visit.desk, visit.frame(visit.desk.kinds_are), visit.session.csrf, ""))


@ROUTER.route("POST", UI_PREFIX + "link")
def another_link(visit: Visit, request: Request) -> Response:
    return _html(
        views.home(visit.desk, visit.frame(visit.desk.kinds_are), visit.session.csrf, visit.pages.link())
    )


@ROUTER.route("GET", UI_PREFIX + "t/{name}")
def listing(visit: Visit, request: Request, name: str) -> Response:
    query = request.query
    number = query.get("page", "1")
    page = int(number) if number.isdecimal() and len(number) < 8 else 1
    search = Search(
        query.get("q", "").strip(), max(1, page), query.get("deleted") == "1", query.get("watch") == "1"
    )
    found = visit.desk.listing(name, search=search.text, page=search.page, deleted=search.deleted)
    title = f"{found.kind.label}: deleted" if search.deleted else found.kind.label
    frame = visit.frame(title, visit.top, watch=search.watch)
    return _html(views.listing(visit.desk, frame, found, search))


@ROUTER.route("GET", UI_PREFIX + "t/{name}/new")
def blank(visit: Visit, request: Request, name: str) -> Response:
    return _creation(visit, name)


@ROUTER.route("POST", UI_PREFIX + "t/{name}/new")
def create(visit: Visit, request: Request, name: str) -> Response:
    form = request.form()
    try:
        row_id = visit.desk.add(name, forms.changes(form), by=visit.acting(form))
    except ControlError as refused:
        return _creation(visit, name, form, str(refused))
    return _onward(visit, "Created.", name, row_id)


def _creation(visit: Visit, name: str, form: dict[str, str] | None = None, problem: str = "") -> Response:
    kind, entries = visit.desk.form(name)
    frame = visit.frame(
        f"New in {kind.label}", visit.top, (kind.label, address("t", kind.name)), problem=problem
    )
    return _html(forms.creation(visit.desk, frame, kind, entries, visit.draft(form)), 422 if problem else 200)


@ROUTER.route("GET", UI_PREFIX + "t/{name}/{row_id}")
def record(visit: Visit, request: Request, name: str, row_id: str) -> Response:
    return _record(visit, name, row_id, watch=request.query.get("watch") == "1")


@ROUTER.route("POST", UI_PREFIX + "t/{name}/{row_id}")
def edit(visit: Visit, request: Request, name: str, row_id: str) -> Response:
    form = request.form()
    fields = forms.changes(form)
    if not fields:
        return _onward(visit, "Nothing was changed.", name, row_id)
    try:
        visit.desk.edit(name, row_id, fields, by=visit.acting(form))
    except ControlError as refused:
        return _record(visit, name, row_id, form, str(refused))
    return _onward(visit, "Saved.", name, row_id)


@ROUTER.route("POST", UI_PREFIX + "t/{name}/{row_id}/comment")
def comment(visit: Visit, request: Request, name: str, row_id: str) -> Response:
    form = request.form()
    text = form.get("text", "").replace("\r\n", "\n").strip()
    try:
        if not text:
            raise ControlError("A comment needs words.")
        visit.desk.comment(name, row_id, form.get("channel", ""), text, by=visit.acting(form))
    except ControlError as refused:
        return _record(visit, name, row_id, form, str(refused))
    return _onward(visit, "Commented.", name, row_id)


@ROUTER.route("POST", UI_PREFIX + "t/{name}/{row_id}/{deed}")
def end(visit: Visit, request: Request, name: str, row_id: str, deed: str) -> Response:
    """Delete the record, or bring it back."""
    acts = {
        "delete": (visit.desk.delete, "Deleted.", {"deleted": 1}),
        "undelete": (visit.desk.undelete, "Undeleted.", {}),
    }
    if deed not in acts:
        raise ControlError("There is no such form.")
    act, notice, where = acts[deed]
    form = request.form()
    person = visit.session.person
    try:
        act(name, row_id, by=visit.acting(form))
    except ControlError as refused:
        return _record(visit, name, row_id, problem=str(refused))
    finally:
        visit.session.person = person  # an administrator's deed does not make everything after it one
    visit.session.notice = notice
    return Response.empty(
        303, {"Location": address("t", name, **where) if where else address("t", name, row_id)}
    )


def _record(
    visit: Visit,
    name: str,
    row_id: str,
    form: dict[str, str] | None = None,
    problem: str = "",
    *,
    watch: bool = False,
) -> Response:
    shown = visit.desk.record(name, row_id)
    trail = (visit.top, (shown.kind.label, address("t", shown.kind.name, deleted=int(shown.deleted))))
    frame = visit.frame(shown.title, *trail, problem=problem, watch=watch)
    return _html(forms.record(visit.desk, frame, shown, visit.draft(form)), 422 if problem else 200)


def _onward(visit: Visit, notice: str, name: str, row_id: str) -> Response:
    visit.session.notice = notice
    return Response.empty(303, {"Location": address("t", name, row_id)})


def _html(page: Html, status: int = 200) -> Response:
    return Response(status, document(page), {"Content-Type": "text/html;charset=UTF-8"})


def make_pages(platform: ServiceNowPlatform | SalesforcePlatform, url: str, administrator: str = "") -> Pages:
    """`administrator`: the ServiceNow user name of one; the org's own is known."""
    if isinstance(platform, ServiceNowPlatform):
        return Pages(ServiceNowDesk(platform, administrator), url)
    return Pages(SalesforceDesk(platform), url)
