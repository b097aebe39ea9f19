"""The SELECT list compiled to a function from a row's values to its JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
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
    more: Mapping[str, Step] | None = None,
) -> Renderer:
    """Return the renderer of the named paths and of what is rendered otherwise; `base` is `/services/data/vXX.X/sobjects`.

    Relationship fields nest where the relationship was named first. Raises Refusal (INVALID_FIELD).
    """
    slots: dict[str, int] = {}
    steps: dict[str, Step] = {}
    nested: dict[str, list[Path]] = {}
    for path in paths:
        if len(path.parts) == 1:
            field = columns.resolve(path).field
            slots[field.name] = view.slot(field.name)
            convert = _conversion(field, view.slot(field.name), f"{base}/{view.name}")
            if convert is not None:
                steps[field.name] = convert
        else:
            reference, _ = columns.relation(view, path.parts[0], path)
            name = str(reference.relationship)
            nested.setdefault(name, []).append(Path(path.parts[1:], path.at))
            slots.setdefault(name, 0)
    for name, inner in nested.items():
        steps[name] = _relation(columns, view, name, tuple(inner), base)
    return _assemble(view.name, f"{base}/{view.name}/", slots, {**steps, **(more or {})})


def _assemble(kind: str, prefix: str, slots: dict[str, int], steps: dict[str, Step]) -> Renderer:
    """Return what copies the slots of a row at once, and then does the steps that take more than a copy.

    A page has tens of thousands of values; a call for each would be most of its time.
    """
    names = ("attributes", "", *slots)
    copy = itemgetter(0, 0, *slots.values())  # of at least two, so that it answers a tuple
    listed = list(steps.items())

    def render(values: Values) -> dict[str, Any]:
        record: dict[str, Any] = dict(zip(names, copy(values), strict=True))
        del record[""]
        record["attributes"] = {"type": kind, "url": prefix + str(values[0])}
        for name, step in listed:
            record[name] = step(values)
        return record

    return render


def _conversion(field: Field, slot: int, url: str) -> Step | None:
    """Return what renders a value that is not shown as it rests."""
    if field.type == "base64":  # bytes are fetched on their own
        return lambda values: f"{url}/{values[0]}/{field.name}"
    convert = value_renderer(field)
    if convert is None:
        return None

    def converted(values: Values) -> Any:
        value = values[slot]
        return None if value is None else convert(int(value))

    return converted


def _relation(columns: Columns, view: View, name: str, paths: tuple[Path, ...], base: str) -> Step:
    reference, target = columns.relation(view, name, paths[0])
    slot = view.slot(reference.name)
    inner: Callable[[Row], Any]
    if target is None:
        inner = name_renderer(columns, paths, base)
    else:
        record = renderer(columns.against(target), target, paths, base)

        def inner(row: Row) -> Any:
            return record(row.values)

    if all(len(path.parts) == 1 for path in paths):
        inner = _remembering(inner)

    def related(values: Values) -> Any:
        row = columns.row(values[slot])
        return None if row is None else inner(row)

    return related


def _remembering(render: Callable[[Row], Any]) -> Callable[[Row], Any]:
    """Return a renderer that renders a row again only when it changed: many cases have one owner."""
    known: dict[int, tuple[Values, Any]] = {}

    def remembered(row: Row) -> Any:
        found = known.get(id(row))
        if found is None or found[0] is not row.values:  # values are replaced, never changed
            found = known[id(row)] = (row.values, render(row))
        return found[1]

    return remembered


def name_renderer(columns: Columns, paths: tuple[Path, ...], base: str) -> Callable[[Row], dict[str, Any]]:
    """Return what renders a row of whatever object as the platform's pseudo-object Name. Raises Refusal."""
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
