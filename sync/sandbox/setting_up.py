"""Settings as JSON: frozen dataclasses changed and shown by the names of their fields."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from sync.sandbox.platform import ControlError

S = TypeVar("S")


def changed(settings: S, order: Mapping[str, Any]) -> S:
    """The settings with those fields replaced that they have; other names are left to others.

    Raises ControlError for a value of another kind.
    """
    hints = get_type_hints(type(settings))
    values = {name: _typed(hints[name], value, name) for name, value in order.items() if name in hints}
    result: S = replace(settings, **values)  # type: ignore[type-var]
    return result


def refuse_unknown(order: Mapping[str, Any], *settings: Any, but: Container[str] = ()) -> None:
    """Raises ControlError for a name that none of the settings has, or that is one of `but`, set in another way."""
    known = sorted(each.name for one in settings for each in fields(one) if each.name not in but)
    unknown = [name for name in order if name not in known]
    if unknown:
        raise ControlError(f"There is no setting {', '.join(unknown)}. There are: {', '.join(known)}.")


def shown(settings: Any) -> dict[str, Any]:
    """The fields as JSON values; sets come sorted."""
    return {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in asdict(settings).items()
    }


def _typed(hint: Any, value: Any, name: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (tuple, frozenset) and isinstance(value, list | tuple):
        return origin(_typed(arguments[0], each, name) for each in value)
    if is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Mapping):
        return _built(hint, value, name)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    kinds = tuple(each for each in arguments or (hint,) if isinstance(each, type))
    if origin in (tuple, frozenset) or not isinstance(value, kinds):
        raise ControlError(f"{name} does not take {value!r}.")
    return value


def _built(kind: type[Any], data: Mapping[str, Any], name: str) -> Any:
    hints = get_type_hints(kind)
    unknown = [key for key in data if key not in hints]
    if unknown:
        raise ControlError(f"{name}: unknown keys: {', '.join(unknown)}")
    try:
        return kind(**{key: _typed(hints[key], value, f"{name}.{key}") for key, value in data.items()})
    except TypeError as error:
        raise ControlError(f"{name}: {error}") from error
