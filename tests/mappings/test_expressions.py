"""Formulas and conditions: what they say, what they refuse and where, and that nothing else comes of any text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mappings.demonstration import DEMONSTRATION, RECORD
from mappings.expressions import Expression, ExpressionError, parse
from mappings.registry import REGISTRY, Example, Function
from mappings.templates import parse_template
from mappings.tools import Tools
from mappings.values import Unmapped

EXAMPLES = [(found, each) for found in REGISTRY.values() for each in found.examples]


@pytest.mark.parametrize(("function", "shown"), EXAMPLES, ids=lambda part: getattr(part, "formula", ""))
def test_what_the_help_shows_of_a_function_is_so(function: Function, shown: Example) -> None:
    found = parse(shown.formula).evaluate(RECORD, DEMONSTRATION)

    assert repr(found) == repr(parse(shown.result).evaluate({}))
    assert function.name in shown.formula


@pytest.mark.parametrize("function", REGISTRY.values(), ids=lambda function: function.name)
def test_every_function_says_what_it_does_and_shows_it(function: Function) -> None:
    assert function.doc
    assert function.examples
    assert function.label


SCOPE = {
    "state": "6", "priority": "2", "active": "false", "caller_id.name": "Abel Tuter", "count": "12", "blank": "",
    "servicenow": {"number": "INC0010001", "caller_id.name": "Beth Anglin"}, "steps": {"order": {"number": 5}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("state", "6"),
        ("caller_id.name", "Abel Tuter"),
        ("servicenow.number", "INC0010001"),
        ("servicenow.caller_id.name", "Beth Anglin"),
        ("steps.order.number", 5),
        ('state == "6"', True),
        ("state == 6.0", True),
        ("state != 7", True),
        ("count > 9", True),
        ('count > "9"', True),
        ('"2026-11-30" > "2026-11-23"', True),
        ("blank == empty", True),
        ("blank < 5", False),
        ("blank > 5", False),
        ('state in ("6", "7")', True),
        ("state in [6]", True),
        ('state not in ("6", "7")', False),
        ("not active", True),
        ("active or not active and false", False),
        ("(active or not active) and false", False),
        ("true and count", True),
        ('if(active, missing, "idle")', "idle"),
        ("coalesce(blank, state, missing)", "6"),
        ("upper(trim(' a ')) == 'A'", True),
        ('template("{state}: {upper(caller_id.name)} {{}}")', "6: ABEL TUTER {}"),
        ("'it\\'s' == \"it's\"", True),
    ],
)
def test_a_formula_says_of_a_record(text: str, value: Any) -> None:
    assert parse(text).evaluate(SCOPE) == value


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("", 0, "It is empty"),
        ("trim(", 5, "A value is missing before the end"),
        ("trim(a", 6, "The ( of character 5 is not closed"),
        ("  tirm(a)", 2, "Did you mean trim?"),
        ("a = 1", 2, "Write == to compare"),
        ("a == ", 4, "A value is missing"),
        ("a & b", 2, "Write and"),
        ("a + b", 2, "template("),
        ("a in 'x'", 5, "in parentheses"),
        ("a b", 2, "The formula ends before 'b'"),
        ('"open', 0, "no closing quote"),
        ("truncate(a)", 0, "Write truncate(text, length, [ending]); 1 are given here."),
        ("truncate(a, b)", 12, "Write the length of truncate itself here"),
        ('truncate(a, "b")', 12, "is a number"),
        ("truncate(a, 0)", 12, "whole number from 1"),
        ("round(true)", 6, "takes a number"),
        ('round("many")', 6, "takes a number"),
        ("date(number(a))", 5, "takes a date or time"),
        ('date(a, "Atlantis")', 8, "no time zone 'Atlantis'"),
        ('matches(a, "(a")', 11, "not closed"),
        ('matches(a, "(a)\\1")', 11, "not offered"),
        ('template("{a")', 10, "not closed"),
        ('template("{a b}")', 13, "The formula ends before 'b'"),
        ("a.__class__()", 0, "no function"),
        ("a.", 1, "caller_id.name"),
        ("__import__('os')", 0, "no function '__import__'"),
        ("[a for a in b]", 0, "A value is missing before '['"),
        ("a if b else c", 2, "The formula ends before 'if'"),
        ("lambda: 1", 6, "means nothing here"),
        ("2**9**9", 1, "means nothing here"),
        ("trim(" * 30 + "a" + ")" * 30, 100, "nested deeper"),
        ("not " * 30 + "a", 80, "nested deeper"),
        ("a or " * 400 + "a", 0, "2,001 characters"),
        ("“a”", 0, "straight quotes"),
    ],
)
def test_what_is_no_formula_is_told_by_place_with_what_to_write(text: str, at: int, said: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        parse(text)

    assert said in str(raised.value)
    assert (raised.value.at, f"(character {at + 1})" in str(raised.value)) == (at, True)


def test_the_columns_of_a_formula_are_told_before_there_is_a_record() -> None:
    found = parse('if(state in ("6"), template("{number}: {trim(caller_id.name)}"), servicenow.number)')

    assert found.columns == {"state", "number", "caller_id.name", "servicenow.number"}
    assert found.names == ("state", "number", "caller_id.name", "servicenow.number")


def test_a_name_that_is_not_there_is_named() -> None:
    with pytest.raises(Unmapped, match=r"steps\.order\.total") as raised:
        parse("steps.order.total").evaluate(SCOPE)

    assert raised.value.code == "UNKNOWN_NAME"


def test_a_template_is_filled_in_and_names_what_is_missing() -> None:
    found = parse_template('Order {steps.order.number} for {coalesce(blank, "nobody")} {{sic}}')

    assert found.columns == {"steps.order.number", "blank"}
    assert found.render(SCOPE) == "Order 5 for nobody {sic}"
    with pytest.raises(Unmapped, match="gone"):
        parse_template("{gone}").render(SCOPE)
    with pytest.raises(ExpressionError, match="closes nothing") as raised:
        parse_template("a } b")
    assert raised.value.at == 2


def test_a_text_cannot_be_made_to_grow_without_end() -> None:
    grown = "a"
    for _ in range(15):
        grown = f'replace({grown}, "a", "{"a" * 60}")'
    with pytest.raises(Unmapped) as raised:
        parse(grown).evaluate({"a": "a" * 1000})

    assert raised.value.code == "TOO_LONG"


def test_of_two_branches_the_other_is_not_even_looked_at() -> None:
    assert parse('if(true, 1, value_map("9", "priority"))').evaluate({}, DEMONSTRATION) == 1
    assert parse('true or value_map("9", "priority")').evaluate({}, DEMONSTRATION) is True


def test_what_was_cut_inside_is_noted() -> None:
    found = parse("upper(truncate(a, 5))").project({"a": "Printer on fire"})

    assert found == ("PRIN…", "cut from 15 to 5 characters")


pieces = st.sampled_from(
    ["(", ")", "[", "]", ",", " ", "and ", "or ", "not ", "in ", "==", "<", '"', "'", "{", "}", "\\", ".", "-", "a", "b.c"]
    + ["1", "2.5", '"x"', "true", "empty", "template(", '"{a}"', "∞", "\x00", "\ud800"]
    + [f"{name}(" for name in REGISTRY]
)  # fmt: skip
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
)


@given(st.text() | st.lists(pieces, max_size=25).map("".join))
@example("template('{template(\"{template(1)}\")}')")
@example("{" * 2000)
@example("-" * 1999)
@example("(" * 2000)
@example("1" * 2000)
def test_any_text_is_a_formula_or_an_expression_error(text: str) -> None:
    for read in (parse, parse_template):
        assert 0 <= place_of_error(read, text) <= len(text)


def place_of_error(read: Callable[[str], Any], text: str) -> int:
    try:
        read(text)
    except ExpressionError as error:
        return error.at
    return 0


def settings_of(function: Function) -> list[str]:
    texts = {
        "length": "5",
        "digits": "2",
        "zone": '"Europe/Berlin"',
        "value_map": '"priority"',
        "text": '"{a} {b}"',
    }
    return [texts.get(each.name, '"a"') for each in function.settings if each.required or each.name in texts]


def calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def of(function: Function) -> st.SearchStrategy[str]:
        given_values = st.lists(inner, min_size=len(function.values), max_size=len(function.values))
        return given_values.map(
            lambda parts: f"{function.name}({', '.join([*parts, *settings_of(function)])})"
        )

    compared = (
        st.tuples(inner, st.sampled_from(["==", "<", ">=", "!="]), inner).map(" ".join).map("({})".format)
    )
    among = st.tuples(inner, inner).map(lambda pair: f"({pair[0]} in ({pair[1]}, 1))")
    return st.sampled_from(list(REGISTRY.values())).flatmap(of) | compared | among


formulas = st.recursive(st.sampled_from(["a", "b", "c.d", "5", '"x"', "empty", "true"]), calls, max_leaves=8)


def failure_of(formula: Expression, scope: dict[str, Any], tools: Tools) -> type[Exception] | None:
    try:
        formula.evaluate(scope, tools)
    except Exception as error:  # noqa: BLE001 - whatever is raised is what the tests ask about
        return type(error)
    return None


@given(formulas, values, values, values)
def test_a_formula_on_any_record_gives_a_value_or_unmapped(text: str, a: Any, b: Any, c: Any) -> None:
    try:
        formula = parse(text)
    except ExpressionError:  # of kinds that do not go together
        return
    for scope in ({"a": a, "b": b, "c": {"d": c}}, {"c.d": c, "a": a}, {"c": c}):
        for tools in (DEMONSTRATION, DEMONSTRATION.towards("servicenow")):
            assert failure_of(formula, scope, tools) in (None, Unmapped)


ROUND: list[Any] = []
ROUND.append({"round": ROUND})
DEEP: Any = "x"
for _ in range(20_000):
    DEEP = [DEEP]
STRANGE = {
    "a zero byte": "\x00", "half an emoji": "\ud83d", "a number that cannot be spelled": 10**5000, "one that is none": float("nan"),
    "digits without end": "9" * 5_000, "an exponent": "1e99", "the last day": "9999-12-31 23:59:59", "the first": "0001-01-01 00:00:00",
    "a day of no calendar": "2026-02-30", "what refers to itself": ROUND, "what is nested without end": DEEP, "an object": {"a": ["b", {}]},
    "open tags": "<a" * 2_000, "braces": "{0.__class__.__mro__} {id!r:>9999999}", "an attribute": "a.__class__.__subclasses__()",
    "a per cent": "%(a)s %n", "what explodes elsewhere": "a" * 5_000 + "!",
}  # fmt: skip


@pytest.mark.parametrize("function", REGISTRY.values(), ids=lambda function: function.name)
def test_nothing_but_unmapped_comes_of_a_strange_value_alone_or_within_another_call(
    function: Function,
) -> None:
    text = f"{function.name}({', '.join(['a'] * len(function.values) + settings_of(function))})"
    within = [
        f"coalesce({text}, a)",
        f"if({text} == a, {text}, a in ({text}, 1))",
        f"template('{{coalesce(a, a)}}') == {text}",
    ]
    for formula in map(parse, [text, *within]):
        for tools in (DEMONSTRATION, DEMONSTRATION.towards("servicenow")):
            for said, value in STRANGE.items():
                assert failure_of(formula, {"a": value, "b": value}, tools) in (None, Unmapped), said


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "((a*)*)*x", "a{1,200}a{1,200}b"])
@pytest.mark.parametrize("name", ["matches", "extract"])
def test_a_formula_with_a_pattern_that_explodes_elsewhere_ends(name: str, pattern: str) -> None:
    assert failure_of(
        parse(f'{name}(a, "{pattern}")'), {"a": STRANGE["what explodes elsewhere"]}, DEMONSTRATION
    ) in (None, Unmapped)


@pytest.mark.parametrize(
    "name",
    ["a.__class__", "a.__class__.__mro__", "__builtins__", "a.append", "c.__init__.__globals__", "self.a"],
)
def test_a_name_with_dots_reads_columns_and_never_an_attribute(name: str) -> None:
    assert failure_of(parse(name), {"a": "x", "c": {"d": ROUND}}, DEMONSTRATION) is Unmapped
