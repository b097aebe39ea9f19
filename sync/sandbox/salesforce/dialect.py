"""How this org differs from the next: settings a test may choose, and switches where no public source tells.

Source of the settings: what an administrator can set up. Each switch says what it asks and what it does.
"""

from __future__ import annotations

from dataclasses import dataclass

from sync.sandbox.dialects import ANY_NUMBER, switch


@dataclass(frozen=True, slots=True)
class ValidationRule:
    """A customer's rule: rows of `sobject` whose `field` equals `value` are refused with `message`."""

    sobject: str
    field: str
    value: str
    message: str = "The record breaks a validation rule."


@dataclass(frozen=True, slots=True)
class Dialect:
    """Fields are named `Object.Field`. Defaults describe an org set up as the documentation asks.

    `hidden_fields` have no field-level security for API users: they look unknown, even in describe.
    `absent_fields` do not exist, not even for people. `lock_fraction` of all writes fail as if the row were
    locked, drawn from a generator seeded with `seed`. `session_seconds` counts from a session's last use.
    """

    hidden_fields: frozenset[str] = frozenset()
    absent_fields: frozenset[str] = frozenset()
    non_unique_fields: frozenset[str] = frozenset()
    required_fields: frozenset[str] = frozenset()
    validation_rules: tuple[ValidationRule, ...] = ()
    assignment_queue: str = "Service_Desk"  # DeveloperName; empty: no assignment rule
    lock_fraction: float = 0.0
    locked_ids: frozenset[str] = frozenset()
    seed: int = 0
    session_seconds: int = 7200
    logins_per_hour: int = 3600  # of one user; past it every login is refused
    daily_api_requests: int = 100_000

    unknown_field_fails_whole_collection: bool = switch(
        False,
        "Does an unknown field fail one record of a collection or the whole call?",
        {"false": "its record alone", "true": "the whole call, with 400"},
    )
    trims_text: bool = switch(
        False,
        "Are blanks around a text, or around an external id, cut off when it is written?",
        {"false": "they are kept", "true": "they are cut off"},
    )
    comments_touch_case: bool = switch(
        True,
        "Does a new comment move its case's SystemModstamp?",
        {"true": "SystemModstamp moves, LastModifiedDate does not", "false": "neither moves"},
    )
    equal_update_moves_stamps: bool = switch(
        True,
        "Does an update with equal values move LastModifiedDate and SystemModstamp?",
        {"true": "both move", "false": "neither moves"},
    )
    recycle_bin_blocks_unique_values: bool = switch(
        False,
        "Does a row in the recycle bin block the values of its unique fields?",
        {"false": "they are free again", "true": "DUPLICATE_VALUE until the bin is emptied"},
    )
    conditional_check_in_composite_subrequests: bool = switch(
        True,
        "Is If-Unmodified-Since of a composite subrequest obeyed?",
        {"true": "412 in its part", "false": "ignored: the part is written"},
    )
    if_unmodified_since_grain: int = switch(
        1,
        "To how many seconds do conditional headers compare a row's time?",
        {ANY_NUMBER: "changes within the same span of so many seconds look like none"},
    )
    cursor_lifetime_minutes: int = switch(
        2880,
        "For how many minutes does a query's cursor live: two days (help) or 15 minutes (SOAP guide)?",
        {ANY_NUMBER: "so many minutes after the query"},
    )
    reuses_sessions: bool = switch(
        True,
        "Does a second login return the session of the first?",
        {"true": "the same user and app get the session they have", "false": "each login opens another"},
    )
    password_grant: bool = switch(
        True,
        "Is the password grant open, or blocked as in orgs made since Summer '23?",
        {"true": "open", "false": "invalid_grant, as for a wrong password"},
    )
    logins_count_as_calls: bool = switch(
        False,
        "Does a token request count as one of the org's daily API requests?",
        {"false": "it does not", "true": "it does"},
    )
