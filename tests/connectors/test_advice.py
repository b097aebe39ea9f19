"""What a refusal tells a person to do."""

from __future__ import annotations

import pytest

from sync.connectors.advice import rule_and_advice


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "value map"),
        ("STRING_TOO_LONG", "Cut it"),
        ("INACTIVE_OWNER_OR_USER", "Activate"),
        ("INSUFFICIENT_ACCESS_OR_READONLY", "permission set"),
        ("INSUFFICIENT_ACCESS_OF_SOME_NEW_KIND", "permission set"),
        ("DATA_POLICY", "close notes"),
        ("UNMAPPED_VALUE", "value map"),
        ("UNMAPPED_USER", "user table"),
    ],
)
def test_a_code_has_its_own_advice(code: str, word: str) -> None:
    assert word in rule_and_advice(code).advice


@pytest.mark.parametrize(
    "code",
    ["UNMAPPED_VALUE", "UNMAPPED_USER", "NO_OWNER", "REQUIRED_SOURCE_EMPTY", "NOT_A_NUMBER", "NOT_A_DATE",
     "NOT_ONE_VALUE", "INVALID_VALUE", "ADOPT_REFUSED"],
)  # fmt: skip
def test_what_the_mapping_refuses_is_not_said_of_the_platform(code: str) -> None:
    assert "platform" not in rule_and_advice(code).rule


def test_a_code_never_seen_still_has_a_rule_and_advice() -> None:
    advice = rule_and_advice("SOMETHING_NEW")

    assert advice.rule
    assert "retry" in advice.advice
