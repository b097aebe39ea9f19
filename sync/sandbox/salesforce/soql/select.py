"""The SELECT list compiled to a function from a row's values to its JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sync.sandbox.salesforce.org import View
from sync.sandbox.salesforce.schema import Field
from sync.sandbox.salesforce.soql.columns import Columns
from sync.sandbox.salesforce.soql.syntax import Path
from sync.sandbox.salesforce.store import Row, Values
from sync.sandbox.salesforce.values import renderer as value_renderer

Renderer = Callable[[Values], dict[str, Any]]
Step = Callable[[Values], Any]


def renderer(
    columns: Columns,
    view: View,
    paths: tuple[Path, ...],
    base: str,
    children: Mapping[str, Step] | None = None,
) -> Renderer:
    """Return the renderer of the named paths and children; `base` is `/services/data/vXX.X/sobjects`.

    Relationship fields nest where the relationship was named first. Raises Refusal (INVALID_FIELD).
    """
    steps: dict[str, Step] = {}
    nested: dict[str, list[Path]] = {}
    for path in paths:
        if len(path.parts) == 1:
            field = columns.resolve(path).field
            steps[field.name] = _plain(field, view.slot(field.name), f"{base}/{view.name}")
        else:
            reference, _ = columns.relation(view, path.parts[0], path)
            name = str(reference.relationship)
            nested.setdefault(name, []).append(Path(path.parts[1:], path.at))
            steps.setdefault(name, lambda values: None)
    for name, inner in nested.items():
        steps[name] = _relation(columns, view, name, tuple(inner), base)
    steps |= children or {}
    kind, prefix, listed = view.name, f"{base}/{view.name}/", list(steps.items())

    def render(values: Values) -> dict[str, Any]:
        record: dict[str, Any] = {"attributes": {"type": kind, "url": prefix + str(values[0])}}
        for name, step in listed:
            record[name] = step(values)
        return record

    return render


def _plain(field: Field, slot: int, url: str) -> Step:
    if field.type == "base64":  # bytes are fetched on their own
        return lambda values: f"{url}/{values[0]}/{field.name}"
    convert = value_renderer(field)
    if convert is None:
        return lambda values: values[slot]

    def converted(values: Values) -> Any:
        value = values[slot]
        return None if value is None else convert(int(value))

    return converted


def _relation(columns: Columns, view: View, name: str, paths: tuple[Path, ...], base: str) -> Step:
    reference, target = columns.relation(view, name, paths[0])
    slot = view.slot(reference.name)
    inner: Callable[[Row], Any]
    if target is None:
        inner = _name_renderer(columns, paths, base)
    else:
        record = renderer(columns.against(target), target, paths, base)

        def inner(row: Row) -> Any:
            return record(row.values)

    def related(values: Values) -> Any:
        row = columns.row(values[slot])
        return None if row is None else inner(row)

    return related


def _name_renderer(columns: Columns, paths: tuple[Path, ...], base: str) -> Callable[[Row], dict[str, Any]]:
    fields = []
    for path in paths:
        if len(path.parts) > 1:
            raise columns.no_such_column(path, path.parts[0], "Name")
        fields.append(columns.name_field(path.parts[0], path))

    def render(row: Row) -> dict[str, Any]:
        record: dict[str, Any] = {"attributes": {"type": "Name", "url": columns.url(row, base)}}
        for field in fields:
            record[field.name] = columns.name_value(row, field)
        return record

    return render
