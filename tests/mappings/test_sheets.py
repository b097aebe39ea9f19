"""CSV as spreadsheets save it: what is read, what is refused with what to do, and what taking it over would change."""

from __future__ import annotations

import csv
import io
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.sheets import FIELDS, MOST_ROWS, VALUES, Line, Unreadable, plan, read
from sync.sheets import guarded

HEAD = "servicenow,salesforce\n"


def lines(text: str | bytes, sheet=VALUES, **how) -> list[dict]:
    found, problems = read(io.BytesIO(text if isinstance(text, bytes) else text.encode()), sheet, **how)
    assert problems == []
    return [dict(line.cells) for line in found]


@pytest.mark.parametrize(
    "saved",
    [
        "servicenow,salesforce\n2,Jürgen\n".encode(),
        "servicenow,salesforce\r\n2,Jürgen\r\n".encode("utf-8-sig"),
        "servicenow;salesforce\n2;Jürgen\n".encode(),
        "ServiceNow value\tSalesforce value\n2\tJürgen\n".encode("utf-16"),
        'Salesforce Value,servicenow\n"Jürgen", 2\n\n,\n'.encode(),
    ],
    ids=["utf-8", "with its mark", "semicolons", "utf-16 with tabs", "other order, spaces, empty lines"],
)
def test_a_table_is_read_however_a_spreadsheet_saved_it(saved):
    assert lines(saved) == [{"servicenow": "2", "salesforce": "Jürgen"}]


@pytest.mark.parametrize(
    ("saved", "told"),
    [
        (b"", "There is nothing in it"),
        ("servicenow,salesforce\n2,Jürgen\n".encode("latin-1"), "It is not UTF-8 (byte 0xFC)"),
        ("servicenow,salesforce\n2,New\n".encode("utf-16-le"), "It is no text"),
        (b"servicenow,direction\n2,both\n", "Missing: salesforce."),
        (b"servicenow,salesforce,directoin\n2,New,both\n", "There is no column “directoin”. Did you mean “direction”?"),
        (b"servicenow,salesforce,servicenow\n2,New,3\n", "The column “servicenow” is there twice."),
        (b'servicenow,salesforce\n2,"New\n', "It is no CSV from here on"),
    ],
)  # fmt: skip
def test_what_is_no_such_table_is_refused_with_what_to_do(saved, told):
    with pytest.raises(Unreadable) as refused:
        lines(saved)
    assert told in str(refused.value)


def test_a_formula_is_refused_and_a_number_or_what_an_apostrophe_guards_is_a_text():
    held, problems = read(
        io.BytesIO((HEAD + "-5,Pending\n=1+1,New\n'=1+1,New\n@SUM(A1),New\n+49 30,'s-Hertogenbosch\n").encode()), VALUES
    )  # fmt: skip

    assert [str(problem).partition(" begins")[0] for problem in problems] == [
        "Line 3: servicenow: “=1+1”",
        "Line 5: servicenow: “@SUM(A1)”",
        "Line 6: servicenow: “+49 30”",
    ]
    assert dict(held[0].cells) == {"servicenow": "-5", "salesforce": "Pending"}
    assert held[2].cells["servicenow"] == "=1+1"
    assert held[4].cells["salesforce"] == "'s-Hertogenbosch"


class Endless(io.RawIOBase):
    """A file that never ends, and counts what was read of it."""

    def __init__(self) -> None:
        self.at, self.numbers = 0, count()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, at: int, whence: int = 0) -> int:
        self.at = at
        return at

    def tell(self) -> int:
        return self.at

    def readinto(self, room) -> int:
        data = (HEAD.encode() if self.at == 0 else b"") + b"2,New\n" * (len(room) // 6 - 8)
        room[: len(data)] = data
        self.at += len(data)
        return len(data)


def test_a_file_with_too_many_rows_is_given_up_at_the_first_one_too_many():
    file = io.BufferedReader(endless := Endless(), 8_192)
    with pytest.raises(Unreadable, match=r"more than 10,000 rows"):
        read(file, VALUES)
    assert endless.at < (MOST_ROWS + 5_000) * 6
    assert len(lines(HEAD + "2,New\n" * MOST_ROWS)) == MOST_ROWS


def test_pasted_lines_need_no_head():
    assert lines("short_description, Subject\nstate, Status, both", FIELDS, typed=True) == [
        {"servicenow": "short_description", "salesforce": "Subject"},
        {"servicenow": "state", "salesforce": "Status", "direction": "both"},
    ]


texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=12).map(
    lambda text: text.replace("\r\n", "\n").replace("\r", "\n").strip()
)
tables = st.lists(
    st.fixed_dictionaries({"servicenow": texts, "salesforce": texts, "direction": st.just("both"), "along": texts}),
    max_size=6,
).map(lambda rows: [row for row in rows if row["servicenow"] or row["salesforce"]])  # fmt: skip


@given(tables, st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.sampled_from(",;\t"))
def test_what_was_exported_is_read_back_as_it_was(rows, encoding, delimiter):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(VALUES.columns)
    writer.writerows([guarded(row[name]) for name in VALUES.columns] for row in rows)

    assert lines(out.getvalue().encode(encoding)) == rows


@given(tables, tables, st.booleans())
def test_taking_a_file_over_gives_what_it_says_and_a_second_time_nothing(held, wanted, whole):
    given_lines = [Line(number, row) for number, row in enumerate(wanted, start=2)]
    found = plan(held, given_lines, VALUES, whole=whole)
    after = [dict(step.after) for step in found.steps if step.after is not None]

    if whole:
        assert after == wanted
    else:
        assert all(row in after for row in wanted)
    assert sum(step.index is not None for step in found.steps) == len(held)
    again = plan(after, given_lines, VALUES, whole=whole)
    assert not again.of("added")
    assert not again.of("removed")
    if whole:
        assert again.is_empty


def test_a_row_is_found_again_by_its_fields_and_what_the_file_does_not_say_stays():
    row = {**dict.fromkeys(FIELDS.columns, ""), "servicenow": "state", "salesforce": "Status", "default": "New"}  # fmt: skip
    found = plan([row], [Line(2, {"servicenow": "incident_state", "salesforce": "Status"})], FIELDS, whole=False)  # fmt: skip

    (step,) = found.steps
    assert step.verb == "changed"
    assert step.after == {**row, "servicenow": "incident_state"}
