"""Recipes: cards, a page for each that says what it needs and writes, its checks, and Use, which makes a flow of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode

from integration_console.theme.actions import ActionForm
from integration_console.theme.toolkit import Select, Switch, TextInput
from mappings.registry import named
from sync import services
from sync.admin.base import page_url, person
from sync.admin.comments import CHANNEL_WORDS
from sync.admin.declared import declared
from sync.configuration.documents import FieldDoc, FlowDoc
from sync.core.files import exact_size
from sync.core.notes import KINDS, OFF
from sync.models import Connection, Flow, Question
from sync.models.question import QuestionKind, QuestionState
from sync.recipes import Recipe, shipped
from sync.recipes.reading import SYSTEMS, Option
from sync.recipes.use import PERMISSION, names, taken, use_recipe

CHECK = "sync.check_recipe"
Chosen = dict[str, Connection | None]


def urls(site: AdminSite) -> list[URLPattern]:
    """Pages of the admin that stand on no model: recipes are files."""
    pages = (
        ("", _cards, "recipes"),
        ("<slug:name>/", _page, "recipe"),
        ("<slug:name>/check/", _check, "recipe_check"),
        ("<slug:name>/use/", _use, "recipe_use"),
    )
    return [path(route, site.admin_view(_on(view, site)), name=name) for route, view, name in pages]


def _on(view: Any, site: AdminSite) -> Any:
    """The view with the site that its pages stand in, for those who may see flows."""

    def served(request: HttpRequest, **parts: str) -> HttpResponse:
        if not request.user.has_perm("sync.view_flow"):
            raise PermissionDenied
        response: HttpResponse = view(request, site.each_context(request), **parts)
        return response

    return served


def _recipe(name: str) -> Recipe:
    recipe = shipped().get(name)
    if recipe is None:
        raise Http404
    return recipe


def _cards(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    made = Flow.objects.exclude(recipe="").order_by("name")
    cards = [
        (
            recipe.of(option),
            [flow for flow in made if flow.recipe.partition("/")[0] == name],
            _asked(recipe, newest, option),
        )
        for name, recipe in shipped().items()
        for newest in (_newest(name),)
        for option in (_option(recipe, "", newest),)
    ]
    return TemplateResponse(request, "console/recipes.html", {**context, "title": "Recipes", "cards": cards})


def _page(request: HttpRequest, context: dict[str, Any], name: str) -> HttpResponse:
    recipe = _recipe(name)
    chosen = _chosen(recipe, request.GET)
    last = _last(recipe, chosen)
    option = _option(recipe, request.GET.get("option"), last)
    used = recipe.of(option)
    pair = {side: str(found.pk) for side, found in chosen.items() if found is not None}
    return TemplateResponse(
        request,
        "console/recipe.html",
        {
            **context,
            "title": recipe.title,
            "sides": [(side, used.needs.of(side), used.writes.of(side)) for side in SYSTEMS],
            "options": [
                (each, each.name == option, f"?{urlencode({**pair, 'option': each.name})}")
                for each in _options(recipe)
            ],
            "choices": [(side, list(_connections(side)), chosen[side]) for side in SYSTEMS],
            "complete": all(chosen.values()),
            "parts": [
                (part, _rows(part.flow), list(_settings(part.flow)), list(declared(part.flow)))
                for part in used.parts
            ],
            "may_check": request.user.has_perm(CHECK),
            "may_use": request.user.has_perm(PERMISSION),
            **_asked(recipe, last, option),
            "recipe": used,
            # Who has not said which is shown the one that the checks then find possible.
            "kept": option if option == request.GET.get("option") else "",
        },
    )


def _options(recipe: Recipe) -> tuple[Option, ...]:
    return recipe.choice.options if recipe.choice else ()


def _option(recipe: Recipe, given: str | None, question: Question | None) -> str:
    """What the page is about: the option that it is asked for, else the first of those of which the checks found least amiss."""
    names = [each.name for each in _options(recipe)]
    if given and given in names:
        return given
    return min(names, key=lambda name: _failed(question, name), default="")


def _findings(question: Question | None, option: str) -> list[dict[str, Any]]:
    """What was found that concerns an option."""
    found = question.answer.get("findings", []) if question else []
    return [each for each in found if not each.get("options") or option in each["options"]]


def _failed(question: Question | None, option: str, status: str = "error") -> int:
    return sum(each["status"] == status for each in _findings(question, option))


def _connections(side: str) -> QuerySet[Connection]:
    return Connection.objects.filter(system=side).defer("secrets_sealed").order_by("name")


def _chosen(recipe: Recipe, given: Mapping[str, Any]) -> Chosen:
    """The connections that the page is about: those it is asked for, else those checked last, else the first ones."""
    last = _newest(recipe.name)
    before = (last.params if last else None) or {}
    return {
        side: _one(side, given.get(side)) or _one(side, before.get(side)) or _connections(side).first()
        for side in SYSTEMS
    }


def _newest(name: str) -> Question | None:
    return Question.objects.filter(kind=QuestionKind.RECIPE, params__recipe=name).first()


def _one(side: str, key: Any) -> Connection | None:
    try:
        return _connections(side).filter(pk=UUID(str(key))).first() if key else None
    except ValueError:
        return None


def _last(recipe: Recipe, chosen: Chosen) -> Question | None:
    """The newest checks of the recipe between these two."""
    held = {f"params__{side}": str(found.pk) for side, found in chosen.items() if found is not None}
    asked = Question.objects.filter(kind=QuestionKind.RECIPE, params__recipe=recipe.name, **held)
    return asked.select_related("asked_by").first() if len(held) == len(SYSTEMS) else None


def _asked(recipe: Recipe, question: Question | None, option: str) -> dict[str, Any]:
    findings = _findings(question, option)
    return {
        "recipe": recipe,
        "option": option,
        "choice": recipe.choice,
        "possible": [
            (each, _failed(question, each.name), _failed(question, each.name, "warning"))
            for each in _options(recipe)
        ],
        "question": question,
        "waits": question is not None and question.state == QuestionState.ASKED,
        "found": [(side, *_sorted(findings, side)) for side in SYSTEMS],
        "beyond": [finding for finding in findings if not finding.get("side")],
        "failing": sum(finding["status"] == "error" for finding in findings),
        "passing": sum(finding["status"] == "ok" for finding in findings),
        "warnings": sum(finding["status"] == "warning" for finding in findings),
    }


Findings = list[dict[str, Any]]


def _sorted(findings: Findings, side: str) -> tuple[Findings, Findings]:
    """What is amiss on a side, the worst first, and what passed."""
    own = [finding for finding in findings if finding.get("side") == side]
    errors, warnings, passed = (
        [finding for finding in own if finding["status"] == status] for status in ("error", "warning", "ok")
    )
    return [*errors, *warnings], passed


def _check(request: HttpRequest, context: dict[str, Any], name: str) -> HttpResponse:
    """POST asks a worker; GET shows the answer once it is there."""
    recipe = _recipe(name)
    if request.method != "POST":
        number = request.GET.get("question", "")
        asked = Question.objects.filter(kind=QuestionKind.RECIPE, params__recipe=recipe.name)
        question = asked.filter(pk=int(number)).first() if number.isdecimal() and len(number) < 19 else None
        if question is None:
            raise Http404
        option = _option(recipe, request.GET.get("option"), question)
        return TemplateResponse(request, "console/recipe_checks.html", _asked(recipe, question, option))
    if not request.user.has_perm(CHECK):
        raise PermissionDenied
    servicenow, salesforce = (_one(side, request.POST.get(side)) for side in SYSTEMS)
    if servicenow is None or salesforce is None:
        messages.error(request, "Choose a connection for each side first.")
        return HttpResponseRedirect(reverse("recipe", args=[name]))
    services.check_recipe(recipe=name, servicenow=servicenow, salesforce=salesforce, by=person(request))
    kept = {"option": request.POST["option"]} if request.POST.get("option") else {}
    pair = urlencode({"servicenow": str(servicenow.pk), "salesforce": str(salesforce.pk), **kept})
    return HttpResponseRedirect(f"{reverse('recipe', args=[name])}?{pair}#checks")


class UseForm(ActionForm):
    """`target` is the recipe."""

    name = forms.SlugField(
        max_length=80, label="Name of the flow", widget=TextInput(), help_text="Letters, digits, - and _."
    )
    servicenow = forms.ModelChoiceField(Connection.objects.none(), label="ServiceNow", widget=Select())
    salesforce = forms.ModelChoiceField(Connection.objects.none(), label="Salesforce", widget=Select())
    option = forms.ChoiceField(widget=Select())
    share = forms.BooleanField(required=False, label="Share what is there already", widget=Switch())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for side in SYSTEMS:
            field = self.fields[side]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = _connections(side)
        if held := taken(self.target):
            self.fields[
                "share"
            ].help_text = f"Taken already: {held}. Shared, they serve the new flow as they are, and a change of them reaches all."
        else:
            del self.fields["share"]
        if self.target.choice is None:
            del self.fields["option"]
        elif isinstance(option := self.fields["option"], forms.ChoiceField):
            option.label = self.target.choice.title
            option.choices = [(each.name, each.title) for each in self.target.choice.options]
        if len(self.target.parts) > 1:
            made = [names(self.target.of(each.name), "…") for each in _options(self.target)] or [
                names(self.target, "…")
            ]
            self.fields["name"].label = "What the names of the flows begin with"
            self.fields["name"].help_text = "The flows: " + "; or ".join(", ".join(each) for each in made)


def _use(request: HttpRequest, context: dict[str, Any], name: str) -> HttpResponse:
    """GET says what would be made; only a POST of its form makes it."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    recipe = _recipe(name)
    chosen = _chosen(recipe, request.GET)
    last = _last(recipe, chosen)
    option = _option(recipe, request.POST.get("option") or request.GET.get("option"), last)
    beforehand = {
        "name": _free(recipe),
        "option": option,
        **{side: found and found.pk for side, found in chosen.items()},
    }
    form = UseForm(request.POST if request.method == "POST" else None, target=recipe, initial=beforehand)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            flows = use_recipe(
                recipe=recipe, name=data["name"], servicenow=data["servicenow"], salesforce=data["salesforce"],
                share=data.get("share", False), option=data.get("option", ""), by=person(request),
            )  # fmt: skip
        except services.Refused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _made(flows))
            return HttpResponseRedirect(page_url(flows[0]))
    dialog = {
        "title": f"Make a flow of {recipe.title}?",
        "description": _makes(recipe.of(option)) + _failing(last, option),
        "form_submit_text": "Use this recipe",
    }
    page = {**context, "title": f"Use {recipe.title}", "dialog": dialog, "form": form, "recipe": recipe}
    return TemplateResponse(request, "console/recipe_use.html", page)


def _failing(question: Question | None, option: str) -> str:
    """What the last checks between these two found amiss, and how to mend it, the first three."""
    found = _findings(question, option) if question and question.answered_at else []
    errors = [f"{each['text']} {each['advice']}".strip() for each in found if each["status"] == "error"]
    if not errors:
        return ""
    more = f" And {len(errors) - 3} more: see the checks." if len(errors) > 3 else ""
    return f" The last checks between these two failed, and a run would too: {' '.join(errors[:3])}{more}"


def _made(flows: Sequence[Flow]) -> str:
    if len(flows) == 1:
        return f"{flows[0].name} is made, and disabled. Edit it, then enable and save it to publish it."
    listed = ", ".join(flow.name for flow in flows)
    return (
        f"{listed} are made, and disabled. Edit them, then enable and save each to publish it, in this order."
    )


def _free(recipe: Recipe) -> str:
    """The recipe's own name, or with the next number that leaves its flows names of their own."""
    stem = recipe.name[:56]
    taken = set(Flow.objects.filter(name__startswith=stem).values_list("name", flat=True))
    numbered = (f"{stem}-{number}" for number in range(2, len(taken) + 3))
    return next(each for each in (recipe.name, *numbered) if taken.isdisjoint(names(recipe, each)))


def _makes(recipe: Recipe) -> str:
    maps = ", ".join(doc.name for doc in recipe.value_maps)
    tables = ", ".join(doc.name for doc in recipe.user_tables)
    routing = ", ".join(doc.name for doc in recipe.routing_tables)
    flows = recipe.flows
    fields = "" if recipe.choice else f" with {sum(len(flow.fields) for flow in flows)} fields"
    several = f"{len(flows)} flows{fields}"
    parts = [
        several if len(flows) > 1 else f"a flow with {_of_one(flows[0])}",
        *([f"the value maps {maps}"] if maps else []),
        *([f"the empty user table {tables}"] if tables else []),
        *([f"the routing table {routing}"] if routing else []),
    ]
    return (
        f"Makes {', '.join(parts)}. All of it is yours to edit. "
        + ("The flows are" if len(flows) > 1 else "The flow is")
        + " disabled and not published: nothing is read or written until you enable and save "
        + ("them." if len(flows) > 1 else "it.")
    )


def _of_one(flow: FlowDoc) -> str:
    """Fields, actions or both."""
    fields, actions = len(flow.fields), len(flow.actions.said)
    told = [f"{fields} fields"] * bool(fields or not actions) + [f"{actions} actions"] * bool(actions)
    return " and ".join(told)


def _rows(flow: FlowDoc) -> list[tuple[FieldDoc, str, str]]:
    return [(row, row.direction or flow.direction, _how(row)) for row in flow.fields]


def _how(row: FieldDoc) -> str:
    if row.reverse and row.direction == "to_servicenow":
        return row.reverse
    if row.how == "value_map":
        return f"value map {row.value_map}"
    found = named(row.how)
    return f"{found.label.lower()} {row.value}".strip() if found else row.how


def _gets(name: str) -> str:
    return f"Gets {'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


_POLICIES = {
    "newest": "the newest record counts",
    "ask": "a person decides",
    "servicenow": "ServiceNow's value counts",
    "salesforce": "Salesforce's value counts",
}


def _settings(flow: FlowDoc) -> Iterable[tuple[str, str]]:
    """What a flow does besides its fields, in words."""
    here, there = flow.servicenow, flow.salesforce
    if flow.create.salesforce:
        yield _gets(there.object), f"{here.table} that meets {here.enter or 'the scope'}"
    if flow.create.servicenow:
        yield _gets(here.table), f"{there.object} that meets {there.enter or 'the scope'}"
    if flow.fields:
        yield "Found again by", there.external_id or there.lookup
        yield "Both sides changed", _POLICIES[flow.conflict]
    for row in flow.fields:
        if row.conflict:
            yield f"Both sides changed {row.salesforce}", _POLICIES[row.conflict]
    for kind in KINDS:
        said = getattr(flow.comments, kind)
        if said.salesforce != OFF:
            yield kind.value.replace("_", " ").capitalize(), CHANNEL_WORDS[kind][said.salesforce]
    if flow.attachments is not None:
        excluded = ", ".join(flow.attachments.excluded)
        without = f", without {excluded}" if excluded else ""
        yield "Files", f"at most {exact_size(flow.attachments.max_size)}{without}"
    yield "Runs", f"{flow.schedule or 'when asked'} ({flow.time_zone})"
