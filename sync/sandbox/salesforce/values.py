"""One field's value: from JSON to how it rests in a row, and back."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import lru_cache

from sync.sandbox.salesforce.ids import to18
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.schema import TEXT_TYPES, Field
from sync.sandbox.salesforce.store import Stored

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
# The names of JSON tokens in the platform's parser errors (Jackson's).
_JSON_TOKENS: dict[type, str] = {
    dict: "START_OBJECT",
    list: "START_ARRAY",
    str: "VALUE_STRING",
    int: "VALUE_NUMBER_INT",
    float: "VALUE_NUMBER_FLOAT",
    type(None): "VALUE_NULL",
}
_EXCERPT = 255  # characters of an oversized value that the error text repeats


def wrong_json(field: Field, value: object, wanted: str) -> Refusal:
    token = _JSON_TOKENS.get(type(value), f"VALUE_{str(value).upper()}")
    text = value if isinstance(value, str) else json.dumps(value)
    return Refusal(
        "JSON_PARSER_ERROR",
        f"Cannot deserialize instance of {wanted} from {token} value {text[:_EXCERPT]} "
        "or request may be missing a required field",
        field.name,
    )


def parse(field: Field, value: object) -> Stored:
    """Return how a JSON value is stored; an empty string is null. Raises Refusal for the record."""
    if value is None or value == "":
        if field.type == "boolean":
            raise wrong_json(field, value, "boolean")
        return None
    return _PARSERS[field.type](field, value)


def _text(field: Field, value: object) -> Stored:
    if not isinstance(value, str):
        raise wrong_json(field, value, "string")
    if len(value) > field.length:
        raise Refusal(
            "STRING_TOO_LONG",
            f"{field.label}: data value too large: {value[:_EXCERPT]} (max length={field.length})",
            field.name,
        )
    return value


def _picklist(field: Field, value: object) -> Stored:
    text = _text(field, value)
    for choice in field.choices:
        if choice.value == text and choice.active:
            return choice.value  # one string for all rows
    if field.restricted:
        raise bad_value(field, str(text))
    return text


def bad_value(field: Field, text: str) -> Refusal:
    return Refusal(
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        f"{field.label}: bad value for restricted picklist field: {text}",
        field.name,
    )


def _email(field: Field, value: object) -> Stored:
    text = _text(field, value)
    if not _EMAIL.fullmatch(str(text)):
        raise Refusal("INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {text}", field.name)
    return text


def _boolean(field: Field, value: object) -> Stored:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise wrong_json(field, value, "boolean")


def _number(field: Field, value: object) -> Stored:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value) if field.type == "int" else float(value)
    raise wrong_json(field, value, field.type)


def _datetime(field: Field, value: object) -> Stored:
    try:
        moment = datetime.fromisoformat(str(value)) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        raise wrong_json(field, value, "datetime")
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _date(field: Field, value: object) -> Stored:
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError as error:
        raise wrong_json(field, value, "date") from error


def _bytes(field: Field, value: object) -> Stored:
    """Return base64 text, which is how bytes rest too."""
    try:
        base64.b64decode(str(value), validate=True)
    except ValueError as error:
        raise wrong_json(field, str(value)[:20], "base64") from error
    return str(value)


def _reference(field: Field, value: object) -> Stored:
    if not isinstance(value, str):
        raise wrong_json(field, value, "reference")
    record_id = to18(value)
    if record_id is None:
        raise Refusal("MALFORMED_ID", f"{field.label}: id value of incorrect type: {value}", field.name)
    return record_id


_PARSERS: dict[str, Callable[[Field, object], Stored]] = {
    **dict.fromkeys(TEXT_TYPES, _text),
    "picklist": _picklist,
    "email": _email,
    "boolean": _boolean,
    "int": _number,
    "double": _number,
    "currency": _number,
    "datetime": _datetime,
    "date": _date,
    "base64": _bytes,
    "id": _reference,
    "reference": _reference,
}


@lru_cache(maxsize=65536)
def render_datetime(stamp: int) -> str:
    """Return `2026-11-23T17:36:44.000+0000`: milliseconds always zero, no colon in the offset."""
    return datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def renderer(field: Field) -> Callable[[int], str] | None:
    """Return what turns a stored value into JSON, or None when it is JSON already."""
    return render_datetime if field.type == "datetime" else None


def render(field: Field, value: Stored) -> Stored:
    """Return a stored value as JSON."""
    return render_datetime(int(value)) if field.type == "datetime" and value is not None else value
