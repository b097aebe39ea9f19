"""Writes of knowledge articles: several calls each, any of which may be repeated.

create  draft under its UrlName -> categories -> publish. The name belongs to one article: a repeated create is refused as a
        duplicate and goes on with the draft that is there; an article that went online already is told as a duplicate.
update  draft of what is online -> fields -> categories -> publish as the next version. Our own draft is gone on with;
        somebody else's is left alone and told.
archive one call. Fields that come with it are left out: what is withdrawn is neither published again nor copied.

Nobody reads a draft, so until the publication nothing has changed for anybody. Source: Knowledge Developer Guide, "Publish
the Master Version of an Article", "Edit an Online Version", "Archive", "Restore an Archived Version".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sync import jsons
from sync.connectors.results import failed_alike
from sync.connectors.salesforce import reading, soql
from sync.connectors.salesforce.identity import who_we_are
from sync.connectors.salesforce.knowledge import (
    ARCHIVED,
    CATEGORIES,
    DRAFT,
    ID,
    ONLINE,
    STANDING,
    STATUS,
    URL_NAME,
    Articles,
    as_url_name,
    category_object,
)
from sync.connectors.salesforce.writing import refusal_of
from sync.core.records import CHANGED_SINCE, Operation, Refusal, Reply, Write, WriteResult
from sync.errors import OutcomeUnknownError, RefusedError, SyncError, TransientError

_MASTERS = "knowledgeManagement/articleVersions/masterVersions"
_STATE = ("Id", ID, STATUS, "LastModifiedById", "LastModifiedDate")
DRAFT_IN_PROGRESS = "DRAFT_IN_PROGRESS"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a write asks for. `categories` None: they are left as they are."""

    fields: Mapping[str, Any]
    categories: frozenset[str] | None
    status: str

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> _Wanted:
        fields = {name: value for name, value in values.items() if name not in (STATUS, CATEGORIES)}
        if fields.get(URL_NAME):
            fields[URL_NAME] = as_url_name(str(fields[URL_NAME]))
        named = str(values[CATEGORIES] or "").split(";") if CATEGORIES in values else None
        categories = None if named is None else frozenset(part.strip() for part in named if part.strip())
        return cls(fields, categories, str(values.get(STATUS) or ""))

    @property
    def edits(self) -> bool:
        return bool(self.fields) or self.categories is not None


@dataclass(frozen=True, slots=True)
class _State:
    """The versions that an article has now, by status; of archived ones the latest."""

    by_status: Mapping[str, Mapping[str, Any]]

    @property
    def status(self) -> str:
        return next((each for each in (ONLINE, ARCHIVED, DRAFT) if each in self.by_status), "")


@dataclass(frozen=True, slots=True)
class Publishing:
    articles: Articles

    def __call__(self, write: Write) -> list[WriteResult]:
        """Carry out one write; its one result whatever happens."""
        deed = {Operation.CREATE: self._create, Operation.UPDATE: self._update}.get(write.operation)
        if deed is None:
            why = RefusedError(
                f"An article is archived, not {write.operation}d.", code="UNSUPPORTED_OPERATION"
            )
            return failed_alike([write], why)
        try:
            return [deed(write, _Wanted.of(write.values))]
        except SyncError as error:
            return failed_alike([write], error)

    def _create(self, write: Write, wanted: _Wanted) -> WriteResult:
        version = self._born(wanted)
        id = self._article_of(version)
        self._categorise(version, wanted.categories)
        if (wanted.status or ONLINE) != DRAFT:
            self._publish(version)
        if wanted.status == ARCHIVED:
            self._archive(version)
        return WriteResult(write.ref, Reply.DONE, id, created=True)

    def _born(self, wanted: _Wanted) -> str:
        """A draft under the name: a new one, or that of an earlier attempt. Raises RefusedError where it is taken."""
        try:
            made = self._send("POST", f"sobjects/{soql.name(self.articles.name)}", wanted.fields)
        except RefusedError as error:
            if error.code != "DUPLICATE_VALUE":
                raise
            held = self._state(f"{URL_NAME} = {soql.quoted(str(wanted.fields.get(URL_NAME)))}")
            if held.status != DRAFT:
                raise
            return self._edited(self._ours(held), wanted)
        return _id_of(made)

    def _update(self, write: Write, wanted: _Wanted) -> WriteResult:
        state = self._state(f"{ID} = {soql.quoted(write.id)}")
        if not state.status:
            return _refused(write, "NOT_FOUND", "The article is not shown any more.")
        if _was_edited(state, write):
            return _refused(write, CHANGED_SINCE, "The article was published since it was read.", retry=True)
        target = wanted.status or state.status
        if target == ARCHIVED:
            return self._withdraw(write, wanted, state)
        if wanted.edits or target != state.status:
            draft = self._edited(self._draft(state, write.id), wanted)
            if target == ONLINE:
                self._publish(draft)
        return WriteResult(write.ref, Reply.DONE, write.id)

    def _withdraw(self, write: Write, wanted: _Wanted, state: _State) -> WriteResult:
        """Archive what is online, without a last publication of anything."""
        online, draft = state.by_status.get(ONLINE), state.by_status.get(DRAFT)
        if draft is not None and self._is_ours(draft):
            self._send("DELETE", f"{_MASTERS}/{draft['Id']}")
        if online is not None:
            self._archive(str(online["Id"]))
        left = (*wanted.fields, *([CATEGORIES] if wanted.categories is not None else ()))
        return WriteResult(write.ref, Reply.DONE, write.id, left_out=left)

    def _draft(self, state: _State, article: str) -> str:
        """The article's draft: ours from an earlier attempt, or a copy of what stands."""
        if DRAFT in state.by_status:
            return self._ours(state)
        return _id_of(self._send("POST", _MASTERS, {"articleId": article}))

    def _ours(self, state: _State) -> str:
        draft = state.by_status[DRAFT]
        if not self._is_ours(draft):
            raise RefusedError(
                "Somebody is working on a draft of this article, which would be published with our edit.",
                code=DRAFT_IN_PROGRESS,
            )
        return str(draft["Id"])

    def _is_ours(self, draft: Mapping[str, Any]) -> bool:
        org = self.articles.org
        return bool(draft["LastModifiedById"] == who_we_are(org, org.authoriser.token())[1])

    def _edited(self, draft: str, wanted: _Wanted) -> str:
        if wanted.fields:
            self._send("PATCH", f"sobjects/{soql.name(self.articles.name)}/{draft}", wanted.fields)
        self._categorise(draft, wanted.categories)
        return draft

    def _publish(self, draft: str) -> None:
        """As a version of its own: a minor one would leave nothing of the version before."""
        self._send("PATCH", f"{_MASTERS}/{draft}", {"publishStatus": ONLINE, "versionNumber": "NextVersion"})

    def _archive(self, version: str) -> None:
        self._send("PATCH", f"{_MASTERS}/{version}", {"publishStatus": ARCHIVED})

    # Categories

    def _categorise(self, draft: str, wanted: frozenset[str] | None) -> None:
        """Select what is missing and deselect what is too many: the draft may have its origin's, or an earlier attempt's."""
        if wanted is None:
            return
        held = self._selected(draft)
        if gone := [id for category, id in held.items() if category not in wanted]:
            query = urlencode({"ids": ",".join(gone), "allOrNone": "true"}, safe=",")
            _check_each(self._send("DELETE", f"composite/sobjects?{query}"))
        if missing := sorted(wanted - held.keys()):
            records = [_selection(self.articles.name, draft, category) for category in missing]
            _check_each(self._send("POST", "composite/sobjects", {"allOrNone": True, "records": records}))

    def _selected(self, draft: str) -> dict[str, str]:
        names = ["Id", "DataCategoryGroupName", "DataCategoryName"]
        condition = f"ParentId = {soql.quoted(draft)}"
        rows = reading.all_rows(self.articles.org, category_object(self.articles.name), names, condition)
        return {f"{row['DataCategoryGroupName']}.{row['DataCategoryName']}": row["Id"] for row in rows}

    # Asking and sending

    def _state(self, which: str) -> _State:
        language = f"Language = {soql.quoted(self.articles.language())}"
        condition = soql.both(which, f"{STANDING} OR {STATUS} = '{DRAFT}'", language)
        rows = reading.all_rows(self.articles.org, self.articles.name, _STATE, condition)
        return _State({str(row[STATUS]): row for row in rows})

    def _article_of(self, version: str) -> str:
        condition = f"Id = {soql.quoted(version)}"
        for row in reading.all_rows(self.articles.org, self.articles.name, ["Id", ID], condition):
            return str(row[ID])
        raise TransientError("Salesforce does not show the draft that it has just made.", code="bad_answer")

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = jsons.dumps(dict(body)) if body is not None else None
        return self.articles.org.write(path, method=method, data=data, headers={})


def _was_edited(state: _State, write: Write) -> bool:
    standing = state.by_status.get(ONLINE)
    if write.expected is None or standing is None:
        return False
    return reading.moment(standing["LastModifiedDate"]) > write.expected.edited_at


def _selection(name: str, draft: str, category: str) -> dict[str, Any]:
    group, _, chosen = category.partition(".")
    return {
        "attributes": {"type": category_object(name)},
        "ParentId": draft,
        "DataCategoryGroupName": group,
        "DataCategoryName": chosen,
    }


def _check_each(answers: Any) -> None:
    """Raises RefusedError for the first record of a collection that was refused."""
    if not isinstance(answers, Sequence) or not all(isinstance(each, dict) for each in answers):
        raise OutcomeUnknownError("Salesforce did not answer each record.", code="bad_answer")
    for answer in answers:
        if not answer.get("success") and (errors := answer.get("errors")):
            refusal = refusal_of(errors[0])
            raise RefusedError(refusal.message, code=refusal.code)


def _id_of(answer: Any) -> str:
    if not isinstance(answer, dict) or not answer.get("id"):
        raise OutcomeUnknownError("Salesforce answered no id of the draft.", code="bad_answer")
    return str(answer["id"])


def _refused(write: Write, code: str, message: str, *, retry: bool = False) -> WriteResult:
    return WriteResult(write.ref, Reply.REFUSED, write.id, refusal=Refusal(code, message, retry=retry))
