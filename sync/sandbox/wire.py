"""Requests, responses and the table of routes: HTTP as the platforms see it, without a socket.

A platform is a function from `Request` to `Response`, so its state machines can be driven in process
under a virtual clock; `server.py` puts the same function behind TLS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from sync.sandbox.counters import Counters
from sync.sandbox.trouble import Trouble

JSON_TYPE = "application/json;charset=UTF-8"


class BadJson(ValueError):
    """The body is not JSON in UTF-8."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came: the path raw (not percent-decoded) and without its query."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)  # decoded; the last of repeated names wins
    headers: Mapping[str, str] = field(default_factory=dict)  # keys in lower case
    body: bytes = b""
    trouble: Trouble | None = None  # ordered for the records that the request would write

    @classmethod
    def build(
        cls, method: str, target: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Request:
        """Parse a request target such as `/api/now/table/incident?sysparm_limit=1`."""
        parts = urlsplit(target) if "?" in target or "#" in target or "://" in target else None
        path, query = (parts.path, parse_query(parts.query)) if parts else (target, {})
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        return cls(method.upper(), path, query, lowered, body)

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise BadJson(str(error)) from error
        except RecursionError:
            raise BadJson("The JSON is nested too deep.") from None

    def form(self) -> dict[str, str]:
        """The fields of a URL-encoded body."""
        return parse_query(self.body.decode("utf-8", "replace"))


def parse_query(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True))


@dataclass(slots=True)
class Response:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(
        cls,
        obj: object,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        content_type: str = JSON_TYPE,
    ) -> Response:
        body = json.dumps(obj, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
        return cls(status, body, {"Content-Type": content_type, **(headers or {})})

    @classmethod
    def empty(cls, status: int, headers: Mapping[str, str] | None = None) -> Response:
        return cls(status, b"", dict(headers or {}))

    @classmethod
    def text(cls, text: str, status: int = 200, content_type: str = "text/plain;charset=UTF-8") -> Response:
        return cls(status, text.encode(), {"Content-Type": content_type})

    def data(self) -> Any:
        """The body parsed as JSON, for callers in process."""
        return json.loads(self.body)


class HasCounters(Protocol):
    @property
    def counters(self) -> Counters: ...


PlatformT = TypeVar("PlatformT", bound=HasCounters)
Handler = Callable[..., Response]
_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Route:
    template: str
    pattern: re.Pattern[str]
    handlers: dict[str, Handler]


class Router(Generic[PlatformT]):
    """The endpoints of one platform: each module adds its own, none knows the others.

    A handler is called with `(platform, request, **params)`, the parameters percent-decoded. A parameter is
    one path segment; `{name...}` is not supported because neither platform needs it. Routes are tried in the
    order of their registration, literal ones first.
    """

    def __init__(
        self,
        *,
        not_found: Callable[[PlatformT, Request], Response],
        wrong_method: Callable[[PlatformT, Request], Response],
    ) -> None:
        self._not_found = not_found
        self._wrong_method = wrong_method
        self._literal: dict[str, Route] = {}
        self._patterns: dict[str, Route] = {}

    def route(self, method: str, template: str) -> Callable[[Handler], Handler]:
        """Register the decorated function for `method` (a name, or several joined by `|`) and `template`."""

        def register(handler: Handler) -> Handler:
            table = self._patterns if "{" in template else self._literal
            route = table.get(template)
            if route is None:
                route = table[template] = Route(template, _compile(template), {})
            for name in method.upper().split("|"):
                if name in route.handlers:
                    raise ValueError(f"{name} {template} has a handler already")
                route.handlers[name] = handler
            return handler

        return register

    def template(self, path: str) -> str:
        """The route's template for `path`, or `?` for a path nobody serves: the name calls are counted under."""
        found = self._find(path)
        return found[0].template if found else "?"

    def dispatch(self, platform: PlatformT, request: Request) -> Response:
        """Count the call and answer it."""
        found = self._find(request.path)
        template = found[0].template if found else "?"
        platform.counters.call(request.method, template)
        if found is None:
            return self._not_found(platform, request)
        route, params = found
        handler = route.handlers.get(request.method)
        if handler is None:
            return self._wrong_method(platform, request)
        return handler(platform, request, **params)

    def _find(self, path: str) -> tuple[Route, dict[str, str]] | None:
        literal = self._literal.get(path)
        if literal is not None:
            return literal, {}
        for route in self._patterns.values():
            match = route.pattern.fullmatch(path)
            if match:
                return route, {name: unquote(value) for name, value in match.groupdict().items()}
        return None


def _compile(template: str) -> re.Pattern[str]:
    pieces = _PARAMETER.split(template)
    text = "".join(f"(?P<{piece}>[^/]+)" if i % 2 else re.escape(piece) for i, piece in enumerate(pieces))
    return re.compile(text)
