"""How this org differs from the next: the switches a test or a person may turn while it runs."""

from __future__ import annotations

from dataclasses import dataclass


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
    unknown_field_fails_whole_collection: bool = False
    trims_text: bool = False
    assignment_queue: str = "Service_Desk"  # DeveloperName; empty: no assignment rule
    comments_touch_case: bool = True  # a comment moves the case's SystemModstamp, not its LastModifiedDate
    lock_fraction: float = 0.0
    locked_ids: frozenset[str] = frozenset()
    seed: int = 0
    session_seconds: int = 7200
    reuses_sessions: bool = True  # the same user and app get the session they already have
    password_grant: bool = True  # off: what an org made since Summer '23 answers
    logins_per_hour: int = 3600  # of one user; past it every login is refused
    daily_api_requests: int = 100_000
