"""Remote calls that wrote or failed, with the request and the response of those that failed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.admin import ReadOnlyAdmin
from sync.admin.base import link_to
from sync.admin.values import opened
from sync.jsons import loads
from sync.models import RemoteCall

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")


class ResultFilter(admin.SimpleListFilter):
    title = "result"
    parameter_name = "result"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("failed", "failed"), ("no_answer", "no answer"), ("ok", "succeeded")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[RemoteCall]) -> QuerySet[RemoteCall]:
        conditions: dict[str, dict[str, int]] = {
            "failed": {"status__gte": 400},
            "no_answer": {"status": 0},
            "ok": {"status__gte": 200, "status__lt": 400},
        }
        return queryset.filter(**conditions.get(self.value() or "", {}))


class MethodFilter(admin.SimpleListFilter):
    title = "method"
    parameter_name = "method"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in METHODS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[RemoteCall]) -> QuerySet[RemoteCall]:
        return queryset.filter(method=self.value()) if self.value() in METHODS else queryset


def call_result(call: RemoteCall) -> SafeString:
    if call.status == 0:
        return present.badge("in_doubt", "no answer")
    return present.badge("failed" if call.status >= 400 else "ok", str(call.status))


def bodies(call: RemoteCall) -> list[tuple[str, SafeString]]:
    """Request and response for people; none where the call kept none."""
    kept = call.bodies or {}
    return [(name, readable(kept[name])) for name in ("request", "response") if kept.get(name)]


def readable(body: str) -> SafeString:
    """A body as a table, or as it is where it is no JSON, was cut, or nests too deep to be taken apart."""
    try:
        return present.table(loads(body.encode("utf-8", "surrogatepass")))
    except (ValueError, RecursionError):
        return format_html('<pre class="ic-code" tabindex="0">{}</pre>', present.printable(body))


@admin.register(RemoteCall)
class RemoteCallAdmin(ReadOnlyAdmin):
    appears_here = "A call to a platform that failed appears here."
    list_display = ("when", "side", "request_line", "result", "duration", "error", "request_id", "of_run")
    list_display_links = ("when",)
    list_filter = (ResultFilter, "connection", MethodFilter)
    list_select_related = ("connection", "run")
    search_fields = ("path", "request_id", "error")
    page_template = "console/call.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[RemoteCall]:
        return super().get_queryset(request).defer("bodies_sealed")

    def page_context(self, request: HttpRequest, obj: RemoteCall) -> dict[str, Any]:
        return {
            "title": f"Call of {obj.connection.name}",
            "result": call_result(obj),
            **opened(request, obj, lambda: bodies(obj)),
        }

    @admin.display(description="when", ordering="id")
    def when(self, obj: RemoteCall) -> SafeString:
        return present.ago(obj.at)

    @admin.display(description="connection", ordering="connection__name")
    def side(self, obj: RemoteCall) -> SafeString:
        return format_html("{} {}", present.side_mark(obj.connection.system), obj.connection.name)

    @admin.display(description="call")
    def request_line(self, obj: RemoteCall) -> SafeString:
        return format_html('<code class="ic-code">{} {}</code>', obj.method, obj.path)

    @admin.display(description="result", ordering="status")
    def result(self, obj: RemoteCall) -> SafeString:
        return call_result(obj)

    @admin.display(description="took", ordering="milliseconds")
    def duration(self, obj: RemoteCall) -> str:
        return f"{present.number(obj.milliseconds)} ms"

    @admin.display(description="run")
    def of_run(self, obj: RemoteCall) -> SafeString:
        return link_to(obj.run)
