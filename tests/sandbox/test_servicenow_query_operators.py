"""Operators on columns, dates, classes and people. Monday 2 March 2026, 08:00 UTC, is midnight in Los Angeles."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.sandbox.clock import ManualClock
from sync.sandbox.servicenow.configured import ME, ONE_OF_MY_GROUPS
from tests.sandbox.servicenow_queries import Instance

# name: (sys_created_on, due_date, reassignment_count, reopen_count, description)
INCIDENTS = {
    "a": ("2026-03-01 07:59:59", "2026-03-01 08:00:00", "0", "1", "the story"),  # Saturday evening there
    "b": ("2026-03-01 08:00:00", "2026-03-05 08:00:00", "2", "1", "a story"),  # Sunday, from its first second
    "c": ("2026-03-02 07:59:59", "2026-03-02 07:59:59", "2", "2", "that story."),  # Sunday, to its last
    "d": ("2026-03-02 08:00:00", "", "3", "", ""),  # Monday
    "e": ("2025-12-31 20:00:00", "2025-12-30 20:00:00", "10", "9", "Storys"),  # noon on a Wednesday
}


@pytest.fixture(scope="module")
def instance():
    instance = Instance(ManualClock(datetime(2026, 3, 2, 20, 0, tzinfo=UTC)))
    beth, software = instance.user("beth.anglin")["sys_id"], instance.group("Software")["sys_id"]
    network = instance.group("Network")["sys_id"]
    for name, (created, due, moved, reopened, text) in INCIDENTS.items():
        row = {
            "sys_id": name * 32 if name in "abcdef" else "",
            "correlation_id": name,
            "sys_created_on": created,
            "sys_updated_on": created,
            "due_date": due,
            "reassignment_count": moved,
            "reopen_count": reopened,
            "description": text,
            "assigned_to": beth if name in "ab" else "",
            "assignment_group": {"a": network, "b": software}.get(name, ""),
            "category": ("network", "software")[name in "ace"],
        }
        instance.platform.migrate("incident", row)
    return instance


def letters(instance, query, **caller):
    return "".join(sorted(instance.find("incident", query, "correlation_id", **caller)))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (
            "reassignment_countGT_FIELDreopen_count",
            "be",
        ),  # 10 is more than 9, and an empty count is in no order
        ("reassignment_countLT_FIELDreopen_count", "a"),
        ("reassignment_countGT_OR_EQUALS_FIELDreopen_count", "bce"),
        ("reassignment_countLT_OR_EQUALS_FIELDreopen_count", "ac"),
        ("reassignment_countSAMEASreopen_count", "c"),
        ("reassignment_countNSAMEASreopen_count", "abde"),
        ("sys_created_onGT_FIELDdue_date", "e"),
        ("sys_created_onSAMEASdue_date", "c"),
        ("sys_created_onSAMEASdue_date@day", "c"),  # eight in the morning, UTC, divides a from its due date
        ("sys_created_onSAMEASdue_date@month", "bce"),
        ("sys_created_onSAMEASdue_date@year", "abce"),
        ("sys_created_onMORETHANdue_date@day@before@3", "b"),
        ("sys_created_onLESSTHANdue_date@day@before@5", "abc"),
        ("sys_created_onMORETHANdue_date@hour@after@23", "e"),
        ("sys_created_onMORETHANdue_date@hour@before or after@23", "be"),
    ],
)
def test_one_column_against_another(instance, query, found):
    assert letters(instance, query) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("descriptionMATCH_PATthe story", "a"),
        ("descriptionMATCH_PAT*story", "ab"),
        ("descriptionMATCH_PAT?*story*", "abc"),
        ("descriptionMATCH_PATstory?", "e"),  # a dot or a letter, and case as the dialect says
        ("descriptionMATCH_PAT*.", "c"),
        ("descriptionNOTLIKEthat^descriptionDOES NOT CONTAINthe^descriptionISNOTEMPTY", "be"),
    ],
)
def test_patterns_have_two_special_characters(instance, query, found):
    assert letters(instance, query) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("ONToday@javascript:gs.daysAgoStart(0)@javascript:gs.daysAgoEnd(0)", "d"),
        ("NOTONToday@javascript:gs.daysAgoStart(0)@javascript:gs.daysAgoEnd(0)", "abce"),
        (
            "ON2026-03-01@javascript:gs.dateGenerate('2026-03-01','start')"
            "@javascript:gs.dateGenerate('2026-03-01','end')",
            "bc",
        ),
        ("NOTON2026-03-01", "ade"),
        ("ONThis month@javascript:gs.beginningOfThisMonth()@javascript:gs.endOfThisMonth()", "bcd"),
        ("ONLast month@javascript:gs.beginningOfLastMonth()@javascript:gs.endOfLastMonth()", "a"),
        ("ONLast week@javascript:gs.beginningOfLastWeek()@javascript:gs.endOfLastWeek()", "abc"),
        ("ONLast 3 months@javascript:gs.beginningOfLast3Months()@javascript:gs.endOfLast3Months()", "abcde"),
        ("ONThis quarter@javascript:gs.beginningOfThisQuarter()@javascript:gs.endOfThisQuarter()", "abcd"),
        ("ONLast year@javascript:gs.beginningOfLastYear()@javascript:gs.endOfLastYear()", "e"),
        ("ONNext week@javascript:gs.beginningOfNextWeek()@javascript:gs.endOfNextWeek()", ""),
        (">=javascript:gs.monthsAgoStart(2)", "abcd"),
        (">=javascript:gs.beginningOfYesterday()", "bcd"),
        ("RELATIVEGT@hour@ago@13", "cd"),
        ("RELATIVELT@dayofweek@ago@1", "abe"),
        ("RELATIVEEE@dayofweek@ago@1", "bc"),
        ("RELATIVEGE@month@ago@3", "abcde"),
        ("RELATIVEGE@quarter@ahead@1", ""),
    ],
)
def test_days_and_longer_spans_are_those_of_the_caller(instance, query, found):
    assert letters(instance, f"sys_created_on{query}") == found


@pytest.mark.parametrize(
    ("part", "value", "sign", "found"),
    [
        ("dayofweek", "monday", "GE", "ade"),  # every day but Sunday
        ("dayofweek", "monday", "LE", "bcd"),
        ("dayofweek", "monday", "GT", "ae"),
        ("dayofweek", "monday", "LT", "bc"),
        ("dayofweek", "monday", "EE", "d"),
        ("month", "feb", "EE", "a"),
        ("month", "march", "GE", "bcde"),
        ("quarter", "1", "GT", "e"),
        ("year", "2026", "LT", "e"),
        ("hour", "12", "EE", "e"),
        ("week", "9", "EE", "bcd"),
    ],
)
def test_parts_of_a_date(instance, part, value, sign, found):
    query = f"sys_created_onDATEPARTlabel@javascript:gs.datePart('{part}','{value}','{sign}')"

    assert letters(instance, query) == found


def test_another_zone_has_other_days(instance):
    query = "sys_created_onON2026-03-01"

    assert letters(instance, query, time_zone="UTC") == "ab"
    assert letters(instance, query, time_zone="US/Pacific") == "bc"


def test_me_and_my_groups_are_those_of_the_caller(instance):
    mine, my_groups = f"assigned_toDYNAMIC{ME}", f"assignment_groupDYNAMIC{ONE_OF_MY_GROUPS}"

    assert letters(instance, mine, user_name="beth.anglin") == "ab"
    assert letters(instance, my_groups, user_name="beth.anglin") == "a"
    assert letters(instance, my_groups, user_name="fred.luddy") == "b"
    assert letters(instance, "assignment_group=javascript:getMyGroups()", user_name="fred.luddy") == "b"
    assert letters(instance, mine, user_name="abel.tuter") == ""


def test_an_administrator_may_add_a_dynamic_option(instance):
    option = instance.platform.add(
        "sys_filter_option_dynamic", {"label": "Yesterday", "script": "gs.beginningOfYesterday()"}
    )

    assert letters(instance, f"sys_created_onDYNAMIC{option['sys_id']}") == "b"


def test_a_class_has_the_instances_of_those_that_extend_it():
    instance = Instance()
    instance.platform.add("cmdb_ci_computer", {"name": "laptop"})
    instance.platform.add("cmdb_ci_service", {"name": "mail"})

    def found(name):
        return instance.find("cmdb_ci", f"sys_class_nameINSTANCEOF{name}^ORDERBYname", "name")

    assert found("cmdb_ci") == ["laptop", "mail"]
    assert found("cmdb_ci_computer") == ["laptop"]
    assert found("no_such_class") == []


@pytest.mark.parametrize(
    "term",
    [
        "sys_created_onDATEPARTlabel@javascript:gs.datePart('fortnight','1','EE')",
        "sys_created_onDATEPARTlabel@javascript:gs.datePart('dayofweek','funday','EE')",
        "sys_created_onRELATIVEGT@fortnight@ago@1",
        "sys_created_onMORETHANno_such@day@before@1",
        "sys_created_onSAMEASdue_date@fortnight",
        "reopen_countGT_FIELDno_such",
        "descriptionON2026-03-01",
        "assigned_toDYNAMICffffffffffffffffffffffffffffffff",
        "assigned_toIN_HIERARCHYfdd0fa0f93f5d2505bd0bd886cba1015@9ee1b13dc6112271007f9d0efdb69cd0",
    ],
)
def test_a_term_that_makes_no_sense_is_dropped_and_reported(instance, term):
    assert instance.compile("incident", term).broken
    assert letters(instance, f"category=network^{term}") == "bd"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("story", "abc"),
        ("story the", "a"),
        ("STORY", "abc"),
        ("stor*", "abce"),
        ("stor", ""),
        ("that story.^category=network", ""),
        ("story^category=network", "b"),
    ],
)
def test_words_are_looked_for_in_every_text_column(instance, words, found):
    assert letters(instance, f"123TEXTQUERY321={words}") == found


@pytest.mark.parametrize("due", ["0001-01-01 00:00:00", "9999-12-31 23:59:59"])
def test_the_ends_of_the_calendar_are_no_trap(due):
    instance = Instance()
    instance.platform.migrate("incident", {"correlation_id": "x", "due_date": due})

    for term in (
        "MORETHANsys_created_on@year@before or after@1",
        "SAMEASsys_created_on@week",
        "ON0001-01-01",
    ):
        assert letters(instance, f"due_date{term}") == ""
    for span in ("RELATIVEGT@year@ahead@99999", ">javascript:gs.yearsAgo(99999)"):
        assert letters(instance, f"due_date{span}") in ("", "x")


PIECES = st.sampled_from(
    [
        *(
            "^",
            "^^",
            "^OR",
            "^NQ",
            "^ORDERBY",
            "^EQ",
            "JOIN",
            "RLQUERY",
            "^ENDRLQUERY",
            "SUBQUERY",
            "^ENDSUBQUERY",
        ),
        *(
            "incident",
            "sys_user",
            ".",
            "sys_id",
            "assigned_to",
            "due_date",
            "reopen_count",
            "123TEXTQUERY321",
        ),
        *(
            "=",
            "!",
            ">",
            ",",
            "@",
            "@day",
            "1",
            "0001-01-01",
            "9999-12-31",
            "\x00",
            "(",
            "*",
            "javascript:gs.",
        ),
        *("hoursAgo(9)", "yearsAgo(99999)", "beginningOfLast9999Years()", "datePart('week','1','EE')"),
        *("IN", "SAMEAS", "DATEPART", "RELATIVEGT", "MORETHAN", "BETWEEN", "ON", "DYNAMIC", "MATCH_PAT"),
    ]
)


@given(pieces=st.lists(PIECES, max_size=12))
def test_no_text_breaks_the_reader_and_every_row_found_is_there(instance, pieces):
    found = instance.find("incident", "".join(pieces), "correlation_id")

    assert set(found) <= set("abcde")
    assert len(found) == len(set(found))


CONDITIONS = st.sampled_from(
    [
        ("category=network", "category!=network"),
        ("categoryINnetwork,x", "categoryNOT INnetwork,x"),
        ("descriptionLIKEthat", "descriptionNOT LIKEthat"),
        ("description*that", "description!*that"),
        ("due_dateISEMPTY", "due_dateISNOTEMPTY"),
        ("reassignment_countSAMEASreopen_count", "reassignment_countNSAMEASreopen_count"),
        ("sys_created_onSAMEASdue_date@week", "sys_created_onNSAMEASdue_date@week"),
        ("due_dateON2026-03-01", "due_dateNOTON2026-03-01"),
        ("reassignment_count>2", "reassignment_count<=2"),
    ]
)


@given(one=CONDITIONS, two=CONDITIONS)
def test_an_operator_and_its_complement_divide_the_rows(instance, one, two):
    """De Morgan, in the precedence of the language: not (A and B) is A' or B'."""
    for yes, no in (one, two):
        assert sorted(letters(instance, yes) + letters(instance, no)) == list("abcde")
    both, neither = f"{one[0]}^{two[0]}", f"{one[1]}^OR{two[1]}"
    assert sorted(letters(instance, both) + letters(instance, neither)) == list("abcde")
    assert letters(instance, neither) == letters(instance, f"{one[1]}^NQ{two[1]}")


@given(columns=st.lists(st.tuples(st.sampled_from(["category", "due_date", "reopen_count"]), st.booleans())))
def test_an_order_that_ends_with_the_sys_id_is_total(instance, columns):
    """Backwards in every column is backwards as a whole, and no row is lost by ordering."""
    words = {False: "ORDERBY", True: "ORDERBYDESC"}
    forth = "^".join([*(words[down] + name for name, down in columns), "ORDERBYsys_id"])
    back = "^".join([*(words[not down] + name for name, down in columns), "ORDERBYDESCsys_id"])

    found = instance.find("incident", forth, "correlation_id")

    assert found == instance.find("incident", back, "correlation_id")[::-1]
    assert sorted(found) == list("abcde")
