"""Answers compressed as the caller allows: the last step before the wire, after whatever went wrong went wrong.

Both platforms compress with gzip where Accept-Encoding names it. Source: RFC 9110 section 12.5.3; traces of public clients
for ServiceNow; the REST API Developer Guide, "Compression Headers", for Salesforce. UNVERIFIED: from which size on.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

from sync.sandbox.wire import Request, Response

SMALLEST = 1024  # bytes; what is shorter fits into a packet anyway
_LEVEL = 1  # a sandbox shall not spend its time on this
_GZIP = 31  # zlib's window size for a gzip header
_TEXTUAL = ("text/", "application/json", "application/xml", "application/javascript")


def compressed(request: Request, response: Response) -> Response:
    if len(response.body) < SMALLEST or "Content-Encoding" in response.headers:
        return response
    if not response.headers.get("Content-Type", "").startswith(_TEXTUAL) or not _accepts_gzip(request):
        return response
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    headers = {**response.headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return replace(response, body=packer.compress(response.body) + packer.flush(), headers=headers)


def _accepts_gzip(request: Request) -> bool:
    for item in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = item.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
