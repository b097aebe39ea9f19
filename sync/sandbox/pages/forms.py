"""A record and its forms. A form carries what each field was when it was drawn, so that only what a person changed is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from sync.sandbox.pages.desk import Change, Comment, Desk, Entry, Kind, Option, Record
from sync.sandbox.pages.html import Html, Node, tag
from sync.sandbox.pages.views import Frame, address, page

_VALUE, _WAS = "value.", "was."


@dataclass(frozen=True, slots=True)
class Draft:
    """Who fills a form, and what they had filled in when it was refused."""

    csrf: str = field(repr=False)
    person: str
    sent: Mapping[str, str] = field(default_factory=dict)


def changes(sent: Mapping[str, str]) -> dict[str, str]:
    """The fields of a form whose value is another than the one it was drawn with; browsers send line ends as CR LF."""
    fields = {name.removeprefix(_VALUE): text for name, text in sent.items() if name.startswith(_VALUE)}
    lines = {name: text.replace("\r\n", "\n") for name, text in fields.items()}
    return {
        name: text for name, text in lines.items() if text != sent.get(_WAS + name, "").replace("\r\n", "\n")
    }


def creation(desk: Desk, frame: Frame, kind: Kind, entries: Sequence[Entry], draft: Draft) -> Html:
    return page(desk, frame, _form(desk, address("t", kind.name, "new"), entries, draft, "Create"))


def record(desk: Desk, frame: Frame, shown: Record, draft: Draft) -> Html:
    """One record: a form where it can be changed and is not being watched, else its fields; beside it what happened."""
    here = address("t", shown.kind.name, shown.row_id)
    still = frame.watch or not shown.editable
    return page(
        desk,
        frame,
        tag("p", shown.subtitle, class_="subtitle") if shown.subtitle else None,
        _switches(here, frame, shown),
        tag(
            "div",
            tag(
                "section",
                _facts(shown.entries) if still else _edit(desk, here, shown, draft),
                None if frame.watch else _end(desk, here, shown, draft),
            ),
            tag(
                "section",
                _talk(desk, here, shown, draft, writing=not frame.watch),
                tag("h2", "History"),
                _history(shown.history),
            ),
            class_="columns",
        ),
    )


def _switches(here: str, frame: Frame, shown: Record) -> Html:
    watch = tag(
        "a",
        "Edit" if frame.watch and shown.editable else "Stop watching" if frame.watch else "Watch",
        href=here if frame.watch else f"{here}?watch=1",
        class_="button quiet",
    )
    state = tag("span", "Deleted", class_="mark") if shown.deleted else None
    return tag("div", state, watch, class_="switches")


def _edit(desk: Desk, here: str, shown: Record, draft: Draft) -> list[Node]:
    editable = [entry for entry in shown.entries if entry.field.editable]
    fixed = [entry for entry in shown.entries if not entry.field.editable]
    return [_form(desk, here, editable, draft, "Save"), tag("h2", "Kept by the platform"), _facts(fixed)]


def _form(desk: Desk, action: str, entries: Sequence[Entry], draft: Draft, button: str) -> Html:
    main = [entry for entry in entries if entry.field.main]
    more = [entry for entry in entries if not entry.field.main]
    return tag(
        "form",
        tag("input", type="hidden", name="csrf", value=draft.csrf),
        tag("div", *(_field(entry, draft) for entry in main), class_="fields"),
        tag(
            "details",
            tag("summary", f"{len(more)} more fields"),
            tag("div", *(_field(entry, draft) for entry in more), class_="fields"),
            open=not main,
        )
        if more
        else None,
        tag("div", _as(desk, draft.person, "form"), tag("button", button), class_="send"),
        method="post",
        action=action,
    )


def _field(entry: Entry, draft: Draft) -> Html:
    name = entry.field.name
    value, was = draft.sent.get(_VALUE + name, entry.value), draft.sent.get(_WAS + name, entry.value)
    long = entry.field.options is None and (entry.field.long or "\n" in value)
    label = [entry.field.label, tag("i", "required") if entry.field.required else None]
    return tag(
        "div",
        tag("label", *label, for_=_VALUE + name),
        _control(entry, _VALUE + name, value, long=long),
        tag("input", type="hidden", name=_WAS + name, value=was),
        class_="field wide" if long or entry.field.wide else "field",
    )


def _control(entry: Entry, name: str, value: str, *, long: bool) -> Html:
    if entry.field.options is not None:
        return _select(name, entry.field.options, value, name)
    if long:
        # A parser drops the first line end of a textarea: this one is there for it.
        return tag("textarea", "\n", value, name=name, id=name, rows=4)
    return tag("input", name=name, id=name, value=value, autocomplete="off")


def _choice(label: str, name: str, options: Iterable[Option], value: str, purpose: str) -> Html:
    """A labelled list; `purpose` tells the forms of a page apart."""
    key = f"{purpose}-{name}"
    return tag("div", tag("label", label, for_=key), _select(name, options, value, key), class_="field")


def _select(name: str, options: Iterable[Option], value: str, key: str) -> Html:
    parts: list[Node] = []
    for group, members in groupby(options, key=lambda option: option.group):
        drawn = [
            tag("option", each.label, value=each.value, selected=each.value == value) for each in members
        ]
        parts.append(tag("optgroup", *drawn, label=group) if group else drawn)
    return tag("select", *parts, name=name, id=key)


def _as(desk: Desk, person: str, purpose: str) -> Html:
    people = desk.people()
    return _choice("As", "by", people, person or people[0].value, purpose)


def _end(desk: Desk, here: str, shown: Record, draft: Draft) -> Html | None:
    """The form that deletes a record, or brings it back."""
    if shown.deleted:
        return _deed(desk, f"{here}/undelete", draft, "Undelete")
    if not shown.deletable:
        return None
    form = _deed(desk, f"{here}/delete", draft, "Delete", class_="danger")
    return tag("details", tag("summary", "Delete this record"), form)


def _deed(desk: Desk, action: str, draft: Draft, text: str, class_: str | None = None) -> Html:
    return tag(
        "form",
        tag("input", type="hidden", name="csrf", value=draft.csrf),
        tag("div", _as(desk, desk.administrator, "deed"), tag("button", text, class_=class_), class_="send"),
        method="post",
        action=action,
    )


def _facts(entries: Iterable[Entry]) -> Html:
    return tag(
        "dl",
        *(
            tag(
                "div",
                tag("dt", entry.field.label),
                tag(
                    "dd", tag("a", entry.shown, href=address("t", *entry.link)) if entry.link else entry.shown
                ),
            )
            for entry in entries
            if entry.shown
        ),
    )


def _talk(desk: Desk, here: str, shown: Record, draft: Draft, *, writing: bool) -> list[Node]:
    if not shown.channels and not shown.comments:
        return []
    told = [_comment(comment) for comment in shown.comments]
    form = (
        _comment_form(desk, here, shown, draft) if writing and shown.channels and not shown.deleted else None
    )
    return [tag("h2", "Comments"), form, tag("ol", *told, class_="talk") if told else None]


def _comment(comment: Comment) -> Html:
    head = tag("p", tag("b", comment.by), f" · {comment.channel} · ", tag("time", comment.at))
    return tag("li", head, tag("p", comment.text, class_="text"))


def _comment_form(desk: Desk, here: str, shown: Record, draft: Draft) -> Html:
    return tag(
        "form",
        tag("input", type="hidden", name="csrf", value=draft.csrf),
        tag(
            "textarea",
            "\n",
            draft.sent.get("text", ""),
            name="text",
            rows=3,
            aria_label="Comment",
            required=True,
        ),
        tag(
            "div",
            _choice("Kind", "channel", shown.channels, draft.sent.get("channel", ""), "talk"),
            _as(desk, draft.person, "talk"),
            tag("button", "Comment"),
            class_="send",
        ),
        method="post",
        action=f"{here}/comment",
        class_="talk-form",
    )


def _history(history: Sequence[Change] | None) -> Html:
    if history is None:
        return tag("p", "The platform keeps no history of this table.", class_="empty")
    lines = []
    for change in history:
        what: list[Node] = [tag("b", change.new)]
        if change.field:
            old, new = tag("del", change.old or "(empty)"), tag("ins", change.new or "(empty)")
            what = [tag("b", change.field), " ", old, " → ", new]
        lines.append(
            tag("li", tag("p", tag("time", change.at), " · ", change.by), tag("p", *what, class_="text"))
        )
    return tag("ol", *lines, class_="history")
