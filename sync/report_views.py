"""GET /api/report.json: the report for a program (docs/report.md)."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from sync import report_tokens
from sync.models import Flow
from sync.reporting import report


@require_GET
@never_cache
def report_json(request: HttpRequest) -> JsonResponse:
    """401 without a valid token, whoever is logged in; 404 where no flow has that name."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or report_tokens.admitted(token.strip()) is None:
        answer = JsonResponse(
            {"error": "A valid token of the report is needed: Authorization: Bearer TOKEN."}, status=401
        )
        answer.headers["WWW-Authenticate"] = 'Bearer realm="report"'
        return answer
    flow = (
        Flow.objects.select_related("revision")
        .filter(name=request.GET.get("flow", "").replace("\x00", ""))
        .first()
    )
    if flow is None:
        names = list(Flow.objects.order_by("name").values_list("name", flat=True)[:200])
        return JsonResponse({"error": "Name a flow: ?flow=NAME.", "flows": names}, status=404)
    return JsonResponse(report(flow, with_values=True).as_json())
