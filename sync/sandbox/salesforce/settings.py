"""What an administrator sets up in the org: duplicate rules, automation, permissions, how long bulk jobs take.

Unlike a dialect's switches these are no questions about the platform; by default nothing of it is set up.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DuplicateRule:
    """Rows of `sobject` that equal another in all `fields`, whatever their case, are duplicates.

    `allows_save`: the rule only alerts, so that a client may insist by a header; otherwise it blocks.
    Source: Help, "Duplicate Rules"; REST guide, "Duplicate Rule Header".
    """

    sobject: str
    fields: tuple[str, ...]
    name: str = "Standard_Rule"
    allows_save: bool = True
    message: str = "You're creating a duplicate record. We recommend you use an existing record instead."


@dataclass(frozen=True, slots=True)
class Automation:
    """A customer's flow: whenever a row of `sobject` was saved, `field` becomes `value`.

    Without a delay it runs within the save, as the user who saved, in the same second. `after_seconds` later it
    is an edit of its own by the administrator, as a scheduled path's is by the default workflow user. A
    `silent` one moves SystemModstamp alone, as the platform's own recalculations do.
    """

    sobject: str
    field: str
    value: str | bool | None
    after_seconds: float = 0.0
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """`bulk_hard_delete` is a permission of the integration user. The two spans are those of every bulk job:
    in the state UploadComplete and in InProgress, by the org's clock; a job writes at the end of the second.
    `default_record_types`, such as Case.Incident, are what the users' profile gives a new row that names none; otherwise it
    has the master's. `tracked_fields`, such as Case.Status, have a field history. `daily_emails`: how many the org sends in 24 hours.
    """

    duplicate_rules: tuple[DuplicateRule, ...] = ()
    automations: tuple[Automation, ...] = ()
    bulk_hard_delete: bool = False
    bulk_queued_seconds: float = 0.0
    bulk_running_seconds: float = 0.0
    default_record_types: frozenset[str] = frozenset()  # object and DeveloperName
    tracked_fields: frozenset[str] = frozenset()
    daily_emails: int = 5000
