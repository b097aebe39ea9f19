"""What becomes of the versions of an article: draft, publish, archive, restore, discard.

Source: Salesforce Knowledge Developer Guide, "Manage Knowledge with REST API" and "Retrieve Knowledge Language Settings".
Which code refuses a second draft, or a version in the wrong status, is documented nowhere.
"""

from __future__ import annotations

from sync.sandbox.salesforce.ids import to18
from sync.sandbox.salesforce.objects.knowledge import (
    ARCHIVED,
    DRAFT,
    LANGUAGE,
    ONLINE,
    VERSIONS,
    archive,
    draft_of,
    publish,
)
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.routing import Call, api
from sync.sandbox.salesforce.store import Row
from sync.sandbox.wire import Response

_ROOT = "/knowledgeManagement/articleVersions/masterVersions"


@api("GET", "/knowledgeManagement/settings")
def language_settings(call: Call) -> Response:
    languages = [{"active": True, "name": LANGUAGE}]
    return Response.json({"defaultLanguage": LANGUAGE, "knowledgeEnabled": True, "languages": languages})


@api("POST", _ROOT)
def make_draft(call: Call) -> Response:
    """A draft of what is online, or of what was archived."""
    writer = call.writer()
    draft = draft_of(writer, to18(call.json_object().get("articleId")) or "")
    writer.created += 1
    call.count(writer)
    return Response.json({"id": draft.values[0]}, 201)


@api("PATCH", _ROOT + "/{version_id}")
def change_status(call: Call, version_id: str) -> Response:
    body, writer, version = call.json_object(), call.writer(), _version(call, version_id)
    wanted = str(body.get("publishStatus", "")).capitalize()
    if wanted == ONLINE:
        publish(writer, version, next_version=body.get("versionNumber") == "NextVersion")
    elif wanted == ARCHIVED:
        archive(writer, version)
    else:
        raise Refusal("INVALID_FIELD", f"publishStatus cannot become {wanted or 'nothing'}.")
    writer.updated += 1
    call.count(writer)
    return Response.empty(204)


@api("DELETE", _ROOT + "/{version_id}")
def discard(call: Call, version_id: str) -> Response:
    """A draft that is not wanted any more."""
    version, view = _version(call, version_id), call.org.view(VERSIONS)
    if version.values[view.slot("PublishStatus")] != DRAFT:
        raise Refusal("FIELD_INTEGRITY_EXCEPTION", "Only a draft or an archived version can be deleted.")
    writer = call.writer()
    writer.delete(view, version)
    call.count(writer)
    return Response.empty(204)


def _version(call: Call, version_id: str) -> Row:
    return call.org.living(call.org.view(VERSIONS), version_id)
