"""The org's table of routes, and what every data call has in common: session, budget, version, errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sync.sandbox.counters import Counters
from sync.sandbox.salesforce.duplicates import DuplicateHeader
from sync.sandbox.salesforce.org import Org
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.saving import Writer
from sync.sandbox.wire import BadJson, Request, Response, Router

if TYPE_CHECKING:
    from sync.sandbox.salesforce.platform import SalesforcePlatform

OLDEST, NEWEST = 31, 68  # API versions served; those from 21 to 30 were retired with Summer '25
_RETIRED = 21
_READ_BY_POST = frozenset({"/composite/sobjects/{name}", "/jobs/query"})
_VERSION = re.compile(r"v(\d+)\.0")


@dataclass(frozen=True, slots=True)
class Unit:
    """The writers of subrequests that share one call: counted at its end, or undone together."""

    writers: list[Writer] = field(default_factory=list)

    def rollback(self) -> None:
        """Undo what the subrequests wrote, newest first."""
        for writer in reversed(self.writers):
            writer.rollback()


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated call, or a subrequest of one, which belongs to a `unit`.

    `base` is the path of its API version, as record URLs begin with it.
    """

    platform: SalesforcePlatform
    request: Request
    user_id: str
    version: int
    unit: Unit | None = None

    @property
    def org(self) -> Org:
        return self.platform.org

    @property
    def base(self) -> str:
        return f"/services/data/v{self.version}.0"

    @property
    def zone(self) -> ZoneInfo:
        """The asking user's time zone, in which date literals are meant."""
        users = self.org.tables["User"]
        return ZoneInfo(str(users.rows[self.user_id].values[users.slots["TimeZoneSidKey"]]))

    def writer(self) -> Writer:
        """Assignment rules run unless the header says FALSE, which is the platform's default too."""
        header = self.request.headers.get("sforce-auto-assign", "TRUE")
        duplicates = self.request.headers.get("sforce-duplicate-rule-header", "")
        writer = Writer(
            self.org,
            self.user_id,
            auto_assign=header.upper() != "FALSE",
            trouble=self.request.trouble,
            duplicates=DuplicateHeader.parse(duplicates, self.base),
        )
        if self.unit is not None:
            self.unit.writers.append(writer)
        return writer

    def count(self, writer: Writer) -> None:
        """Count what was written; a subrequest leaves that to its call, which may yet undo it."""
        if self.unit is None:
            self.count_now(writer)

    def count_now(self, writer: Writer) -> None:
        self.platform.counters.wrote(created=writer.created, updated=writer.updated, deleted=writer.deleted)

    def json(self) -> Any:
        """Raises Refusal (JSON_PARSER_ERROR)."""
        try:
            return self.request.json()
        except (BadJson, RecursionError) as error:
            raise Refusal("JSON_PARSER_ERROR", f"Unexpected character: {error}") from error

    def json_object(self) -> dict[str, Any]:
        body = self.json()
        if not isinstance(body, dict):
            raise Refusal("JSON_PARSER_ERROR", "The HTTP entity body is required to be a JSON object.")
        return body


@dataclass(frozen=True, slots=True)
class Part:
    """A subrequest on its way to its handler; `counters` are told of it as of a call."""

    call: Call
    counters: Counters


Handler = Callable[..., Response]


def refused(refusal: Refusal) -> Response:
    return Response.json([refusal.problem.as_call_error()], refusal.status)


def _not_found(asked: object, request: Request) -> Response:
    return refused(Refusal("NOT_FOUND", "The requested resource does not exist"))


def _wrong_method(asked: object, request: Request) -> Response:
    return refused(Refusal("METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed."))


ROUTES: Router[SalesforcePlatform] = Router(not_found=_not_found, wrong_method=_wrong_method)
PARTS: Router[Part] = Router(not_found=_not_found, wrong_method=_wrong_method)


def api(method: str, template: str) -> Callable[[Handler], Handler]:
    """Register a data call under every served version; the handler gets a Call and the path's parameters.

    A template that could be taken for another's parameter (`describe` for an id) must be registered first;
    within one module, that is the order of the functions.
    """

    def register(handler: Handler) -> Handler:
        @wraps(handler)
        def serve(platform: SalesforcePlatform, request: Request, version: str, **params: str) -> Response:
            with platform.org.lock:
                try:
                    session = platform.sessions.authenticate(request.headers.get("authorization", ""))
                    number = parse_version(version)
                    platform.budget.charge()
                    platform.counters.bill()
                    call = Call(platform, request, session.user_id, number)
                    with platform.commits.seen(reading=_reads(request, template)):
                        response = handler(call, **params)
                except Refusal as refusal:
                    return refused(refusal)
                response.headers["Sforce-Limit-Info"] = platform.budget.header()
                return response

        def serve_part(part: Part, request: Request, version: str, **params: str) -> Response:
            try:
                call = replace(part.call, request=request, version=parse_version(version))
                with call.platform.commits.seen(reading=_reads(request, template)):
                    return handler(call, **params)
            except Refusal as refusal:
                return refused(refusal)

        ROUTES.route(method, "/services/data/{version}" + template)(serve)
        PARTS.route(method, "/services/data/{version}" + template)(serve_part)
        return handler

    return register


def _reads(request: Request, template: str) -> bool:
    return request.method == "GET" or template in _READ_BY_POST


def parse_version(text: str) -> int:
    """Raises Refusal (NOT_FOUND, UNSUPPORTED_API_VERSION)."""
    match = _VERSION.fullmatch(text)
    number = int(match.group(1)) if match else 0
    if OLDEST <= number <= NEWEST:
        return number
    if _RETIRED <= number < OLDEST:
        raise Refusal(
            "UNSUPPORTED_API_VERSION", f"API version {number}.0 is no longer supported.", status=410
        )
    raise Refusal("NOT_FOUND", "The requested resource does not exist")
