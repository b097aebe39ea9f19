"""The settings that functions take, and what is wrong with one. Pure."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from mappings.patterns import PatternError, compiled
from mappings.registry import Kind, Setting
from mappings.text import shown
from mappings.values import MAX_TEXT


def _length(value: Any) -> str:
    good = isinstance(value, int) and 1 <= value <= MAX_TEXT
    return "" if good else f"A length is a whole number from 1 to {MAX_TEXT:,}."


def _digits(value: Any) -> str:
    return "" if isinstance(value, int) and 0 <= value <= 15 else "Digits are a whole number from 0 to 15."


def _named(value: Any) -> str:
    return "" if value else "Write the name in quotes."


def _something(value: Any) -> str:
    return "" if value else "The text to look for is empty."


def _anything(value: Any) -> str:
    return ""


def _pattern(value: Any) -> str:
    try:
        compiled(value)
    except PatternError as error:
        return str(error)
    return ""


def zone_problem(value: Any) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # which one depends on how the name is wrong
        return f"There is no time zone {shown(value)}: write one such as Europe/Berlin or UTC."
    return ""


Length = Annotated[int, Setting(Kind.NUMBER, _length)]
Digits = Annotated[int, Setting(Kind.NUMBER, _digits)]
MapName = Annotated[str, Setting(Kind.TEXT, _named)]
FlowName = Annotated[str, Setting(Kind.TEXT, _anything)]
Words = Annotated[str, Setting(Kind.TEXT, _anything)]
Sought = Annotated[str, Setting(Kind.TEXT, _something)]
Pattern = Annotated[str, Setting(Kind.TEXT, _pattern)]
Zone = Annotated[str, Setting(Kind.TEXT, zone_problem)]
Holes = Annotated[str, Setting(Kind.TEXT, _anything, holes=True)]
