"""What the console's templates need beyond Django's own tags: the functions of `present`, by the same names."""

from __future__ import annotations

from typing import Any

from django import template
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils.http import urlencode

from integration_console.theme import present

register = template.Library()

for _function in (present.ago, present.arrow, present.badge, present.how, present.number, present.plain, present.side_mark,
                  present.side_name, present.span, present.table, present.tone, present.words):  # fmt: skip
    register.filter(_function.__name__, _function)


SCRIPT = "console/fields.js"


@register.inclusion_tag("console/fields_offered.html", takes_context=True)
def fields_offered(context: dict[str, Any], flow: Any) -> dict[str, Any]:
    """The fields of both ends of a flow, for inputs that offer them."""
    from sync.offered import fields_of  # the look of the console is below what it shows

    return {"sides": fields_of(flow), "script": static(SCRIPT), "flow": flow, "perms": context.get("perms")}


@register.inclusion_tag("console/values_offered.html")
def values_offered(value_map: Any) -> dict[str, Any]:
    """The values that the fields may hold between which a value map stands, and which of them it lacks."""
    from sync.offered import values_of

    return {"offered": values_of(value_map)}


@register.filter
def count(counts: dict[str, int], name: str) -> int:
    return counts.get(name, 0)


@register.simple_tag(takes_context=True)
def query(context: dict[str, Any], **changes: Any) -> str:
    """The page's own query string with some parameters changed; None drops one."""
    request: HttpRequest = context["request"]
    kept = {**request.GET.dict(), **changes}
    return "?" + urlencode({name: value for name, value in kept.items() if value is not None})
