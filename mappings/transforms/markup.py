"""Functions that make HTML of one platform HTML of the other. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from mappings import html
from mappings.registry import Text, function
from mappings.tools import Tools
from mappings.values import Projected, Unmapped


@function("clean HTML", fits=False, lasting=False)
def html_clean(text: Text, *, tools: Tools) -> Text | Projected:
    """HTML that Salesforce may show: an allowlist of elements, attributes and addresses; scripts and forms are gone.

    Pictures that ServiceNow keeps are carried first and then shown from Salesforce. What is longer than the field is cut
    between two elements; more than 4,000,000 characters, or 200 elements in one another, are refused.

    >>> html_clean("<p onclick='x()'>Ask <b>us</b></p><script>x()</script>")
    "<p>Ask <b>us</b></p>"
    """
    there = urlsplit(tools.record_url)
    origin = f"{there.scheme}://{there.netloc}" if there.netloc else ""
    try:
        found, note = html.cleaned(text, limit=tools.longest, origin=origin, picture=tools.picture)
    except html.Unreadable as error:
        raise Unmapped(
            str(error),
            code="HTML_UNREADABLE",
            advice="Shorten or simplify the text in ServiceNow, then retry.",
        ) from None
    return Projected(found, note)
