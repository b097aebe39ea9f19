"""What a step looks for: a query of its own with holes, and values of records in them that only ever are values."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mappings.tools import NO_TOOLS, Tools
from mappings.values import Unmapped
from sync.connectors.salesforce import soql
from sync.connectors.servicenow import query
from sync.core import texts
from sync.core.actions import Step

Scope = Mapping[str, object]
_BARE = re.compile(r"[A-Za-z0-9_.:+-]+")  # what may stand in a SOQL condition without quotes
_LIST = re.compile(r"\bIN\s*\([^()]*\Z", re.IGNORECASE)  # a condition that has come to what is in its list
# And to what is within the quotes of a pattern.
_LIKE = re.compile(r"\bLIKE\s*'(?:[^'\\]|\\.)*\Z", re.IGNORECASE | re.DOTALL)
_NOBODY = "500000000000000AAA"  # a well-formed id
_SCRIPT = "javascript:"  # a value that begins so is run by ServiceNow, wherever a query has it
_COLUMN = re.compile(r"(?:OR|NQ)?[a-z][a-z0-9_.]*")  # of a term, before its operator


def encoded_query(text: str, scope: Scope, tools: Tools) -> str:
    """An encoded query: what a hole gives is a value behind an operator, never a column, an operator or a script."""
    found = ""
    for part, is_words in texts.parts(text, scope, tools):
        term = query.terms(found)[-1]
        column = _COLUMN.match(term)
        if is_words:
            found += part
        elif "=" not in term and (column is None or column.end() == len(term)):
            raise Unmapped(
                f"{part[:80]!r} would be the name of a column or an operator.", code="UNQUOTED",
                advice="Write column and operator in the query itself, and the hole behind them: name={salesforce.Name}.",
            )  # fmt: skip
        elif _SCRIPT in f"{term}{part}".casefold():
            raise Unmapped(
                f"{part[:80]!r} would be run as a script by ServiceNow.", code="SCRIPT",
                advice="Correct the record: a text that is looked for cannot hold javascript:, nor a script a hole.",
            )  # fmt: skip
        else:
            found += query.escaped(part)
    return found


def soql_condition(text: str, scope: Scope, tools: Tools) -> str:
    """A SOQL condition: what stands in quotes is escaped, a list in `IN (...)` is quoted, and else it must be a plain word."""
    found, quoted = "", False
    for part, is_words in texts.parts(text, scope, tools):
        if is_words:
            quoted ^= re.sub(r"\\.", "", part, flags=re.DOTALL).count("'") % 2 == 1
            found += part
        elif found.endswith("\\") and (len(found) - len(found.rstrip("\\"))) % 2:
            raise Unmapped(
                "A backslash stands before a hole of the query.", code="UNQUOTED",
                advice="Take the backslash out: what the hole gives is escaped already.",
            )  # fmt: skip
        elif quoted:
            text = soql.quoted(part)[1:-1]
            found += re.sub("[%_]", r"\\\g<0>", text) if _LIKE.search(found) else text
        elif _LIST.search(found):
            found += ", ".join(soql.quoted(each.strip()) for each in part.split(",") if each.strip())
        elif _BARE.fullmatch(part):
            found += part
        else:
            raise Unmapped(
                f"{part[:80]!r} stands in the query without quotes.", code="UNQUOTED",
                advice="Put single quotes round the hole: Name = '{servicenow.name}'.",
            )  # fmt: skip
    return found


def for_nobody(step: Step) -> str:
    """The SOQL condition of a look-up as it would be for a record that there is not: to ask whether it can be asked at all."""
    names = texts.template(step.text("query")).columns
    return soql_condition(step.text("query"), dict.fromkeys(names, _NOBODY), NO_TOOLS)
