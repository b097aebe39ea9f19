"""What is wrong with a mapping before it runs: held against what both platforms say of their fields. Pure.

`lint` is given all that it looks at and asks nothing. Errors would break a run or a record for sure; warnings lose
something, or break what depends on a value. The codes are listed in docs/linter.md.
"""

from __future__ import annotations

from mappings.linting.ground import End, FieldFacts, Ground, Member, Way
from mappings.linting.report import ERROR, WARNING, Finding, Fix, Hit
from mappings.linting.rules import BOTH_CREATE, lint, written

__all__ = [
    "BOTH_CREATE",
    "ERROR",
    "WARNING",
    "End",
    "FieldFacts",
    "Finding",
    "Fix",
    "Ground",
    "Hit",
    "Member",
    "Way",
    "lint",
    "written",
]
