"""JSON or XML, as the caller's Accept and Content-Type say.

An answer is `<response>` around what the JSON object holds, a list as one element for each item, null as an empty one;
a body is `<request>` with an `<entry>` for each record, of which the first counts. Source: the vendor's pages on data
format headers and on scripted REST (the request), and public scripts that read and write XML.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lxml import etree

from sync.sandbox.servicenow import errors
from sync.sandbox.wire import BadJson, Request, Response

XML_TYPE = "application/xml;charset=UTF-8"
MAX_BODY = 10 * 1024 * 1024
_JSON_KINDS = frozenset({"application/json", "application/*", "*/*"})
_XML_KINDS = frozenset({"application/xml", "text/xml"})
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 cannot write these
_UNNAMED = re.compile(r"[^\w.-]|^(?=[\d.-])")  # what the name of an element cannot hold, or begin with


def in_format(request: Request, answer: Callable[[Request], Response]) -> Response:
    """Answer in the format asked for, refusals too."""
    wanted = _wanted(request.headers.get("accept", "*/*"))
    if wanted is None:
        return errors.error(406, "Not acceptable")  # UNVERIFIED wording
    response = answer(request)
    return _as_xml(response) if wanted == "xml" else response


def _wanted(accept: str) -> str | None:
    """`json` or `xml`: what the caller likes best, and of equals the first; None: neither."""
    for kind in sorted((part.strip() for part in accept.lower().split(",")), key=_dislike):
        name = kind.partition(";")[0].strip()
        if name in _JSON_KINDS or name.endswith("+json"):
            return "json"
        if name in _XML_KINDS:
            return "xml"
    return None


def _dislike(kind: str) -> float:
    _, mark, weight = kind.partition("q=")
    try:
        return -float(weight) if mark else -1.0
    except ValueError:
        return 0.0


def _as_xml(response: Response) -> Response:
    if not response.body or "json" not in response.headers.get("Content-Type", ""):
        return response
    root = ET.Element("response")
    _fill(root, response.data())
    body = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return replace(response, body=body, headers={**response.headers, "Content-Type": XML_TYPE})


def _fill(element: ET.Element, value: Any) -> None:
    if isinstance(value, dict):
        for name, each in value.items():
            for item in each if isinstance(each, list) else [each]:
                _fill(ET.SubElement(element, _UNNAMED.sub("_", name) or "_"), item)
    elif isinstance(value, bool):
        element.text = "true" if value else "false"
    elif value is not None:
        element.text = _UNFIT.sub("", str(value))


def body_of(request: Request) -> Any:
    """The body as JSON would say it. Raises BadJson, also for XML that cannot be read, and Refused for other formats."""
    if len(request.body) > MAX_BODY:
        size = len(request.body)
        raise errors.Refused(
            f"Rejected large REST payload with content-length = {size} bytes. Max allowed: {MAX_BODY} bytes.",
            message="Exception while reading request",
            status=400,
        )
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind in _XML_KINDS:
        return _first_entry(request.body)
    if request.body and "json" not in kind:
        raise errors.Refused(None, message="Unsupported media type", status=415)  # UNVERIFIED wording
    return request.json()


def _first_entry(body: bytes) -> Any:
    root = _parsed(body)
    entry = root.find("entry") if root.tag == "request" else None
    if entry is None:
        raise BadJson("no entry in a request")
    return _record(entry) or {}


def _parsed(body: bytes) -> Any:
    """The root element. A document type is refused: with it go entities, of this document and of others."""
    parser = etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BadJson(str(error)) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise BadJson("a document type is not read")
    return root


def _record(element: Any) -> Any:
    """Text, or an object where there are elements within, as a reference is written that was read before."""
    children = list(element)
    return {each.tag: _record(each) for each in children} if children else element.text or ""
