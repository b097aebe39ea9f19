"""Schedules written by hand: each is the shortest form of one way in which a synchroniser goes wrong."""

from __future__ import annotations

from sync.core.records import Side
from tests.simulation.schedule import Schedule, Step

SN, SF = Side.SERVICENOW, Side.SALESFORCE
RUN: tuple[Step, ...] = (("start", "a", "live"), ("go", "a", 0))
# An incident and its Case, linked, and older than any overlap.
PAIR: tuple[Step, ...] = (("add", SN), *RUN, ("wait", 400.0), *RUN)
CASE_WRITE = "before POST salesforce write"
CASE_WRITTEN = "after POST salesforce write"
INCIDENT_UPDATE = "before PATCH servicenow write"


def story(
    *steps: Step, flow: str = "servicenow", page_size: int = 50, history: bool = False, seed: int = 1
) -> Schedule:
    return Schedule(seed, flow, page_size, (0.0, 0.0), steps, (), history)


OWN_ECHO = story(
    *PAIR,
    ("edit", SN, 0, "subject", ""),
    ("start", "a", "live"), ("until", "a", CASE_WRITTEN), ("die", "a", True),
    ("edit", SN, 0, "subject", ""),
    flow="salesforce",
)  # fmt: skip

REPEATED_CREATE = story(
    ("add", SN),
    ("start", "a", "live"), ("until", "a", CASE_WRITTEN), ("die", "a", True),
    ("edit", SF, 0, "subject", ""),
)  # fmt: skip

LATE_TWIN = story(
    ("add", SF),
    ("fault", SN, "execute_late", {"seconds": 400.0, "hold": 30.0}, "writes", 0), *RUN,
    ("wait", 5.0), *RUN,
    flow="field-key",
)  # fmt: skip

SECOND_CREATE = story(
    ("add", SF),
    ("fault", SN, "execute_late", {"seconds": 20.0, "hold": 5.0}, "writes", 0),
    ("start", "a", "live"), ("until", "a", "after POST servicenow write"),
    ("edit", SF, 0, "subject", ""), ("go", "a", 0),
    ("edit", SN, 0, "subject", ""),
)  # fmt: skip

READ_BACK = story(
    *PAIR,
    ("edit", SN, 0, "status", "2"),
    ("start", "a", "live"), ("until", "a", CASE_WRITTEN),
    ("edit", SF, 0, "subject", ""), ("go", "a", 0),
)  # fmt: skip

LOST_UPDATE = story(
    *PAIR,
    ("edit", SF, 0, "subject", ""), ("wait", 5.0),
    ("start", "a", "live"), ("until", "a", INCIDENT_UPDATE),
    ("edit", SN, 0, "subject", ""), ("go", "a", 0),
)  # fmt: skip

OVERTAKEN_CASE = story(
    *PAIR,
    ("edit", SN, 0, "subject", ""), ("wait", 5.0),
    ("start", "a", "live"), ("until", "a", CASE_WRITE),
    ("edit", SF, 0, "subject", ""), ("go", "a", 0),
)  # fmt: skip

SAME_SECOND = story(
    *PAIR,
    ("edit", SN, 0, "subject", ""), ("edit", SF, 0, "symptom", ""),
    ("start", "a", "live"), ("until", "a", CASE_WRITE),
    ("edit", SF, 0, "subject", ""), ("go", "a", 0),
)  # fmt: skip

LATE_COMMIT = story(
    ("add", SN), *PAIR,
    ("late", SN, 200.0, 1), ("edit", SN, 0, "subject", ""),
    *RUN, ("wait", 100.0),
    ("edit", SN, 1, "subject", ""), *RUN, ("wait", 100.0), ("edit", SN, 1, "subject", ""), *RUN,
)  # fmt: skip

ONE_STAMP = story(
    *PAIR,
    ("edit", SF, 0, "subject", ""), *RUN, ("wait", 0.1),
    ("edit", SF, 0, "subject", ""), *RUN,
)  # fmt: skip

HIDDEN_BEHIND_US = story(
    *PAIR,
    ("edit", SF, 0, "symptom", ""), ("wait", 5.0),
    ("start", "a", "live"), ("until", "a", INCIDENT_UPDATE),
    ("edit", SN, 0, "subject", ""), ("go", "a", 0),
)  # fmt: skip

WRONG_CLOCK = story(
    *PAIR,
    ("edit", SF, 0, "subject", ""), ("wait", 5.0),
    ("fault", SN, "execute_late", {"seconds": 400.0, "hold": 30.0}, "writes", 0), *RUN,
    ("start", "b", "live"), ("until", "b", "after GET servicenow"), ("wait", 660.0),
    ("go", "b", 0), *RUN,
)  # fmt: skip

EVIDENCE_RESET = story(
    *PAIR,
    ("retype", SN, 0, "subject", "old"), *RUN, ("wait", 5.0),
    ("retype", SF, 0, "subject", "new"), ("wait", 5.0),
    ("fault", SN, "reset_after", {}, "writes", 0),
    ("start", "a", "live"), ("until", "a", "after PATCH servicenow write"), ("die", "a", True),
    ("retype", SN, 0, "subject", "old"),
)  # fmt: skip

OLD_RESOLUTION = story(
    *PAIR,
    ("edit", SF, 0, "subject", ""), ("wait", 5.0),
    ("fault", SN, "reset_after", {}, "writes", 0),
    ("start", "a", "live"), ("until", "a", "after PATCH servicenow write"), ("die", "a", True),
    ("edit", SF, 0, "subject", ""), ("edit", SF, 0, "symptom", ""), *RUN,
)  # fmt: skip

CUT_TEXT = story(
    ("add", SN), ("edit", SN, 0, "symptom", ""), *RUN, ("wait", 5.0),
    ("edit", SF, 0, "symptom", ""), *RUN,
)  # fmt: skip

BLANKS_OF_A_NEWBORN = story(("add", SF), ("edit", SF, 0, "note", ""), *RUN, ("wait", 5.0), *RUN)

THERE_AND_BACK = story(
    *PAIR,
    ("retype", SN, 0, "subject", "old"), *RUN, ("wait", 5.0),
    ("retype", SN, 0, "subject", "other"), ("retype", SN, 0, "subject", "old"),
    ("retype", SF, 0, "subject", "new"), ("wait", 5.0), *RUN,
)  # fmt: skip

COINCIDENCE = story(
    *PAIR,
    ("edit", SF, 0, "status", "Closed"), ("edit", SN, 0, "subject", ""), ("wait", 5.0),
    ("start", "a", "live"), ("until", "a", "after POST salesforce"),
    ("edit", SF, 0, "status", "On Hold"), ("edit", SN, 0, "status", "7"), ("go", "a", 0),
)  # fmt: skip

# Found by random schedules.
TWO_LANES_ONE_NEWBORN = story(
    ("add", SN),
    ("start", "b", "backfill"), ("until", "b", CASE_WRITTEN),
    ("start", "a", "live"), ("go", "a", 0), ("go", "b", 0),
)  # fmt: skip

SOMEBODY_ELSES_CASE = story(
    ("meet",),
    ("start", "a", "live"), ("until", "a", CASE_WRITE), ("die", "a", True),
    flow="one-way",
)  # fmt: skip

EXECUTED_AND_EDITED = story(
    ("meet",), ("edit", SF, 0, "note", ""), ("wait", 5.0),
    ("start", "a", "live"), ("until", "a", "after PATCH salesforce write"), ("edit", SF, 0, "note", ""), ("die", "a", True),
    flow="one-way-restore",
)  # fmt: skip

FENCE = story(
    *PAIR,
    ("edit", SN, 0, "subject", ""), ("wait", 5.0),
    ("start", "a", "live"), ("until", "a", "before record"), ("wait", 200.0),
    ("edit", SN, 0, "subject", ""), ("wait", 5.0),
    ("start", "b", "live"), ("until", "b", "before finish"),
    ("edit", SF, 0, "subject", ""), ("wait", 5.0),
    ("go", "a", 0), ("go", "b", 0),
)  # fmt: skip

TWICE_IN_ONE_POLL = story(
    ("add", SF), *RUN, ("wait", 400.0), *RUN,
    ("edit", SF, 0, "subject", ""), ("wait", 5.0),
    ("start", "a", "live"),
    *(("until", "a", "before GET salesforce"), ("wait", 1.0), ("edit", SF, 0, "subject", "")) * 3, ("go", "a", 0),
    page_size=1,
)  # fmt: skip

READ_BEFORE_THE_BASE_MOVED = story(
    *PAIR,
    ("start", "b", "backfill"), ("until", "b", "after GET servicenow"), ("wait", 1.0),
    ("edit", SN, 0, "subject", ""), ("wait", 5.0),
    ("start", "a", "live"), ("go", "a", 0), ("go", "b", 0),
)  # fmt: skip

COUNTED_IN_SLICES = story(
    *PAIR,
    ("edit", SN, 0, "subject", ""), ("edit", SF, 0, "note", ""),
    ("start", "a", "live"), ("until", "a", "after record"), ("stop", "a"), ("go", "a", 0), ("wait", 3.0),
    ("start", "a", "live"), ("until", "a", "after record"), ("die", "a", True),
    ("edit", SN, 0, "subject", ""), ("wait", 5.0), *RUN,
)  # fmt: skip

TWO_LANES_AT_ONE_CREATE = story(
    ("add", SF), ("meet",), *RUN,
    ("edit", SN, 0, "note", ""), ("add", SN),
    ("start", "a", "live"), ("start", "b", "backfill"), ("until", "a", "after intend"), ("seek", "b", CASE_WRITTEN),
    flow="restore", page_size=2, seed=2782,
)  # fmt: skip

LEARNT_AND_DEAD = story(
    ("add", SN), *RUN,
    ("edit", SN, 0, "status", "6"), ("edit", SF, 0, "subject", ""),
    ("fault", SN, "reset_after", {}, "writes", 1),
    ("start", "a", "live"), ("go", "a", 9), ("edit", SF, 0, "subject", ""),
    ("until", "a", "after PATCH servicenow write"), ("rush", "a"), ("go", "a", 0),
    ("start", "b", "live"), ("until", "b", "before record"), ("wait", 185.0),
    flow="salesforce", history=True, seed=1983,
)  # fmt: skip

EDITED_SINCE_THE_LOOK = story(
    ("add", SF), *RUN,
    ("edit", SN, 0, "symptom", ""), ("fault", SF, "reset_after", {}, "writes", 0),
    ("start", "a", "live"), ("edit", SF, 0, "symptom", ""), ("go", "a", 0),
    ("edit", SF, 0, "symptom", ""), *RUN,
    ("edit", SN, 0, "subject", ""), ("edit", SF, 0, "symptom", ""),
    flow="newest", page_size=2, seed=2491,
)  # fmt: skip

LATE_UPDATE_OF_WHAT_IS_CLOSED = story(
    ("add", SF), *RUN,
    ("edit", SF, 0, "status", "Working"), ("wait", 5.0),
    ("fault", SN, "execute_late", {"seconds": 400.0, "hold": 30.0}, "writes", 0), *RUN,
    ("delete", SF, 0), *RUN, ("wait", 450.0), *RUN,
    flow="closes",
)  # fmt: skip

A_COMMENT_EACH = story(
    *PAIR,
    ("say", SN, 0, True, 0, 0), ("say", SF, 0, True, 0, 0), *RUN,
    flow="talks",
)  # fmt: skip

# One way: nothing is polled where the entry went, so that only looking for it can find it.
A_LOST_COMMENT = story(
    *PAIR,
    ("say", SN, 0, False, 0, 0),
    ("start", "a", "live"), ("until", "a", "after POST salesforce write of an entry"), ("die", "a", True),
    ("wait", 700.0), *RUN,
    flow="tells",
)  # fmt: skip

A_LOST_FILE = story(
    *PAIR,
    ("attach", SF, 0, 900, False),
    ("start", "a", "live"), ("until", "a", "after POST servicenow write of a file"), ("die", "a", True),
    ("wait", 700.0), *RUN,
    flow="talks",
)  # fmt: skip
