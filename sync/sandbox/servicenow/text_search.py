"""`123TEXTQUERY321=printer fire`: rows whose text columns hold all the words, in any order.

Source: the vendor's page on encoded query strings. The platform asks an index with stems, synonyms and a score; here a
word stands for itself, or with `*` at its end for those that begin with it (UNVERIFIED), and the score orders nothing.
"""

from __future__ import annotations

import re

from sync.sandbox.servicenow.schema import STRING_TYPES, Row, Table
from sync.sandbox.servicenow.terms import Test

TEXT_QUERY = "123TEXTQUERY321"
_WORD = re.compile(r"[\w@.-]+\*?")


def has_words(table: Table, text: str) -> Test | None:
    """None where there is no word to look for."""
    wanted = [_pattern(word) for word in _WORD.findall(text.casefold())]
    places = [place for place, column in enumerate(table.columns) if column.kind in STRING_TYPES]
    if not wanted:
        return None

    def test(row: Row) -> bool:
        whole = "\n".join(row[place] for place in places).casefold()
        return all(pattern.search(whole) for pattern in wanted)

    return test


def _pattern(word: str) -> re.Pattern[str]:
    end = "" if word.endswith("*") else r"(?!\w)"
    return re.compile(r"(?<!\w)" + re.escape(word.removesuffix("*")) + end)
