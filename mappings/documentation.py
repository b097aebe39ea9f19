"""What can be written in a formula, told from the registry: for the flow's page and for docs/transforms.md. Pure.

python -m mappings.documentation > docs/transforms.md
"""

from __future__ import annotations

from collections.abc import Iterator

from mappings.grammar import MAX_DEPTH, MAX_LENGTH
from mappings.patterns import MAX_PATTERN, MAX_STEPS
from mappings.registry import ALIASES, REGISTRY, Function
from mappings.transforms import choices, lookups, markup, numbers, texts, times
from mappings.values import MAX_TEXT

GROUPS = {
    texts.__name__: "Text",
    markup.__name__: "HTML",
    times.__name__: "Dates and times",
    numbers.__name__: "Numbers, true and false",
    lookups.__name__: "Looking up",
    choices.__name__: "Choosing",
}


def groups() -> dict[str, list[Function]]:
    """The functions by what they are about, each group in the order of its module."""
    found: dict[str, list[Function]] = {title: [] for title in GROUPS.values()}
    for function in REGISTRY.values():
        found.setdefault(GROUPS.get(function.forward.__module__, "Others"), []).append(function)
    return found


def way_back(function: Function) -> str:
    if function.carries:
        return "Goes both ways."
    return "Its inverse is known." if function.inverse else ""


def page() -> str:
    """docs/transforms.md"""
    return "\n".join([_HEAD, *(line for title, found in groups().items() for line in _group(title, found))])


def _group(title: str, found: list[Function]) -> Iterator[str]:
    yield f"## {title}\n"
    for function in found:
        yield f"### `{function.signature}`\n"
        short = next((alias for alias, name in ALIASES.items() if name == function.name), "")
        yield "\n\n".join(
            filter(None, (function.doc, way_back(function), f"Short: `{short}`." if short else ""))
        )
        yield "\n```text"
        yield from (f"{each.formula}  →  {each.result}" for each in function.examples)
        yield "```\n"


_HEAD = f"""# Transforms and formulas

This page is made from the functions' own documentation (`python -m mappings.documentation`). Each example is a test.

A field row says *how* a value is carried over: by the name of a transform, or by a formula in which the same transforms are
functions.

```yaml
fields:
  - {{servicenow: short_description, salesforce: Subject}}                        # copy, where nothing is said
  - {{servicenow: due_date, salesforce: Due__c, transform: date}}                 # a name: it takes the row's column
  - {{salesforce: Summary__c, transform: 'truncate(html_to_text(description), 255)'}}
  - {{salesforce: Title__c, transform: 'template("{{number}}: {{caller_id.name}}")'}}
  - {{salesforce: Priority, transform: 'if(state in ("6", "7"), "Low", map(priority, "priority"))'}}
  - {{servicenow: comments_html, salesforce: Note__c, direction: both, transform: html_to_text(comments_html), reverse: text_to_html(Note__c)}}
```

## The language

| what | how it is written |
| --- | --- |
| a column | its name: `short_description`; behind a reference: `caller_id.name` |
| its display value | `display(state)`, `display(assignment_group)` |
| a text | `"text"` or `'text'`; `\\n`, `\\t`, `\\"`, `\\\\` as usual; any other backslash stays, for patterns |
| a number, a truth, nothing | `5`, `2.5`, `true`, `false`, `empty` |
| a transform | `name(values, settings)`: settings come after the values and are written out, not read from a record |
| comparison | `==` `!=` `<` `<=` `>` `>=`, `state in ("6", "7")`, `state not in ("6", "7")` |
| conditions together | `and`, `or`, `not`, parentheses |

Two values compare as numbers where both are numbers, else as text: `"5" == 5`. Nothing is neither more nor less than anything. A
condition holds unless its value is empty, `false` or `0`.

A text with holes, as in `template("…")` and in the texts of actions, has columns or whole formulas in braces: `{{upper(number)}}`.
A doubled brace is a brace.

## The way back

A row that goes both ways, or to ServiceNow, names the column that it writes and needs a way back: the inverse of each function, from
the outside in, or a formula of its own in `reverse`, which reads the row's Salesforce field and nothing else. A formula without
either is refused when the flow is saved or the file is applied. Of the columns that a formula reads, only those named in `servicenow`
are written. In a `reverse` formula functions that go both ways work towards ServiceNow: `map(Status, "state")` looks the
Salesforce value up.

A change of what lies behind a reference (the caller's name) does not touch the record itself: it is carried over with the record's
next change, or by a resync.

## Bounds

A formula has at most {MAX_LENGTH:,} characters, nested {MAX_DEPTH} levels deep, and makes texts of at most {MAX_TEXT:,} characters. It
reaches the record's columns and these functions: no files, no network, no attributes, no loops. A pattern has at most {MAX_PATTERN} characters. Its
search follows all ways to match at once, so that its time grows with the length of the text times the size of the pattern and no pattern
explodes; after {MAX_STEPS:,} steps, a fraction of a second, the record becomes a dead letter (`PATTERN_TOO_SLOW`). That leaves out looking around and references
to groups; `(?i)` at the beginning makes capital and small letters the same.
"""

if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
