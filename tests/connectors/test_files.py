"""Files on the wire: fetched and put by pieces, with the checks that every other call has."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO

import pytest

from sync.connectors.base import Files
from sync.connectors.salesforce.connector import SalesforceConnector
from sync.connectors.servicenow.connector import ServiceNowConnector
from sync.core.files import NewFile, Passing, Stored
from sync.errors import ConfigurationError, LeaseLostError, OutcomeUnknownError, RefusedError, TransientError
from sync.sandbox.pair import Pair
from tests.connectors.conftest import Observed

CONTENT = bytes(range(256)) * 1000
FILE = NewFile("dismissal of Bob.png", "image/png", len(CONTENT))


class Both:
    """A record of each system, and its connector's files."""

    def __init__(self, pair: Pair, servicenow: ServiceNowConnector, salesforce: SalesforceConnector) -> None:
        self.pair = pair
        self.files: dict[str, Files] = {"servicenow": servicenow.files, "salesforce": salesforce.files}
        self.names = {"servicenow": "incident", "salesforce": "Case"}
        self.records = {
            "servicenow": pair.servicenow.add("incident", short_description="Printer")["sys_id"],
            "salesforce": pair.salesforce.add("Case", Subject="Printer")["Id"],
        }
        self.opened = 0

    def put(
        self, side: str, content: bytes = CONTENT, *, seal: Callable[[object], None] = lambda digests: None
    ) -> Stored:
        def opened() -> Passing:
            self.opened += 1
            return Passing(BytesIO(content), FILE.size, seal, lambda: None)

        return self.files[side].add(self.names[side], self.records[side], FILE, opened)

    def get(self, side: str, id: str) -> bytes:
        stream, found = self.files[side].open(id), b""
        while piece := stream.read(10_000):
            found += piece
        stream.close()
        return found

    def count(self, side: str) -> int:
        return len(self.files[side].on([self.records[side]]))


@pytest.fixture
def both(pair: Pair, servicenow: ServiceNowConnector, salesforce: SalesforceConnector) -> Both:
    return Both(pair, servicenow, salesforce)


SIDES = pytest.mark.parametrize("side", ["servicenow", "salesforce"])
UPLOAD = {"servicenow": "/attachment/file", "salesforce": "/sobjects/ContentVersion$"}
FETCH = {"servicenow": "/attachment/.+/file", "salesforce": "/VersionData$"}


@SIDES
def test_a_file_comes_back_as_it_went_and_no_log_names_it(both: Both, side: str, observed: Observed) -> None:
    stored = both.put(side)

    assert both.get(side, stored.id) == CONTENT
    (file,) = both.files[side].on([both.records[side]])
    assert (file.id, file.name, file.size) == (stored.id, FILE.name, FILE.size)
    told = [call for call in observed.calls if call.write]
    assert [call.request_body for call in told] == [""]
    assert not [call for call in observed.calls if "dismissal" in call.path]


@SIDES
def test_an_expired_token_is_renewed_and_the_file_sent_from_its_beginning(both: Both, side: str) -> None:
    stored = both.put(side)
    getattr(both.pair, side).expire_tokens()
    again = both.put(side)
    getattr(both.pair, side).expire_tokens()

    assert both.get(side, again.id) == CONTENT
    assert both.opened == 3
    assert stored.id != again.id


@SIDES
def test_a_platform_that_turns_an_upload_away_is_asked_again_with_all_of_it(both: Both, side: str) -> None:
    getattr(both.pair, side).fault("status", method="POST", path=UPLOAD[side], status=429)

    assert both.get(side, both.put(side).id) == CONTENT
    assert (both.opened, both.count(side)) == (2, 1)


@SIDES
def test_a_redirect_is_not_followed_with_our_token_or_our_file(both: Both, side: str) -> None:
    stored = both.put(side)
    there = {"Location": "https://elsewhere.example/"}
    platform = getattr(both.pair, side)
    platform.fault("status", method="GET", path=FETCH[side], status=302, headers=there)
    with pytest.raises(ConfigurationError, match=r"elsewhere\.example; redirects are not followed"):
        both.files[side].open(stored.id)
    platform.fault("status", method="POST", path=UPLOAD[side], status=307, headers=there)
    with pytest.raises(ConfigurationError, match="redirects are not followed"):
        both.put(side)


@SIDES
def test_what_keeps_the_file_from_coming_says_nothing_of_who_was_to_take_it(
    both: Both, side: str, observed: Observed
) -> None:
    with pytest.raises(TransientError) as cut:
        both.put(side, CONTENT[:-1])

    def lost(_: object) -> None:
        raise LeaseLostError("Somebody else's now.")

    with pytest.raises(LeaseLostError):
        both.put(side, seal=lost)

    assert (cut.value.code, cut.value.system) == ("file_cut", "")
    assert both.count(side) == 0
    assert not [call for call in observed.calls if call.failed]


@SIDES
@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        ({"kind": "reset_after"}, OutcomeUnknownError),
        ({"kind": "html"}, OutcomeUnknownError),
        ({"kind": "empty"}, OutcomeUnknownError),
        ({"kind": "status", "status": 500}, OutcomeUnknownError),
        ({"kind": "status", "status": 503}, TransientError),
        ({"kind": "status", "status": 413, "body": "{}"}, RefusedError),
        (
            {"kind": "status", "status": 400, "body": json.dumps([{"errorCode": "NO", "message": "no"}])},
            RefusedError,
        ),
    ],
    ids=["reset", "html", "empty", "500", "503", "413", "400"],
)
def test_what_an_upload_is_answered_is_sorted_as_for_any_write(
    both: Both, side: str, fault: dict[str, object], raised: type[Exception]
) -> None:
    rule = dict(fault)
    getattr(both.pair, side).fault(rule.pop("kind"), method="POST", path=UPLOAD[side], **rule)
    with pytest.raises(raised) as told:
        both.put(side)
    assert getattr(told.value, "system", "") == side


@SIDES
@pytest.mark.parametrize(("status", "code"), [(404, "FILE_GONE"), (403, "FILE_NOT_READABLE")])
def test_a_file_that_is_gone_or_hidden_is_told_as_such(both: Both, side: str, status: int, code: str) -> None:
    body = json.dumps(
        [{"errorCode": "NOT_FOUND" if status == 404 else "INSUFFICIENT_ACCESS", "message": "no"}]
    )
    getattr(both.pair, side).fault("status", method="GET", path=FETCH[side], status=status, body=body)
    with pytest.raises(RefusedError) as told:
        both.files[side].open("a" * 32)
    assert told.value.code == code
