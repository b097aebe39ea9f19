"""The one way an action gets onto a page: a confirmed POST that asks for a permission.

The theme's own actions run on GET when they have no dialog, and for every staff user when they name no permission.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from integration_console.theme.toolkit import DEFAULT, ModelAdmin

Text = str | Callable[[Any], str]  # said as it is, or made from the record (or the number of chosen records)


class Impossible(Exception):
    """The deed was refused; the message tells the person why and what to do."""


class ActionForm(forms.Form):
    """What the dialog asks besides "are you sure". `target` is the record, for several the queryset of them."""

    _form_submitted = forms.BooleanField(initial=True, widget=forms.HiddenInput)
    render_before_template = ""
    render_after_template = ""

    def __init__(self, *args: Any, target: Any = None, **kwargs: Any) -> None:
        self.target = target
        super().__init__(*args, **kwargs)


@dataclass(frozen=True, slots=True)
class Done:
    """What to tell the person afterwards ("": the page does), and the page that shows what it did."""

    message: str
    url: str
    level: int = messages.SUCCESS


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything about an action but its deed. `when`: whether it makes sense for a record; else no button.

    `also`: further permissions that it takes. `on_ask`: what is noted before a dialog is shown that holds values.
    `addressed`: what the description ends with for the person who is asked, whose rights may decide how far it goes.
    """

    permission: str
    title: Text
    description: Text
    submit: str
    form: type[ActionForm] = ActionForm
    refusals: tuple[type[Exception], ...] = (Impossible,)
    when: Callable[[Any], bool] = lambda target: True
    several: bool = False
    also: tuple[str, ...] = ()
    on_ask: Callable[[HttpRequest, Any], None] = lambda request, target: None
    addressed: Callable[[HttpRequest, Any], str] = lambda request, target: ""

    def allows(self, request: HttpRequest) -> bool:
        return request.user.has_perms((self.permission, *self.also))

    def dialog(self, request: HttpRequest, target: Any) -> dict[str, str]:
        said = self.description if isinstance(self.description, str) else self.description(target)
        return {
            "title": self.title if isinstance(self.title, str) else self.title(target),
            "description": f"{said} {self.addressed(request, target)}".strip(),
            "form_submit_text": self.submit,
        }


Deed = Callable[[Any, HttpRequest, Any, dict[str, Any]], Done]


def console_action(
    label: str, rules: Rules, *, icon: str = "", variant: Any = DEFAULT
) -> Callable[[Deed], Callable[..., HttpResponse]]:
    """Make a row or page action (or, with `rules.several`, one for the chosen rows) of a deed.

    The deed gets the admin, the request, the record (or queryset) and the form's cleaned data. GET shows the
    dialog and changes nothing; only a POST of the dialog's own form runs it.
    """

    def decorate(deed: Deed) -> Callable[..., HttpResponse]:
        view = _for_chosen_rows(deed, rules) if rules.several else _for_one_record(deed, rules)
        wrapped = wraps(deed)(view)
        for name, value in {
            "rules": rules, "short_description": label, "icon": icon, "variant": variant, "attrs": {}, "extra_options": {},
            "dialog": {"title": label}, "original_function_name": deed.__name__,
        }.items():  # fmt: skip
            setattr(wrapped, name, value)
        return wrapped

    return decorate


def _for_one_record(deed: Deed, rules: Rules) -> Callable[..., HttpResponse]:
    def view(admin: ModelAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
        if not rules.allows(request):
            return _too_late(
                request, PermissionDenied(), 403, "Nothing was done: your role does not allow it any more."
            )
        target = admin.get_object(request, unquote(object_id))
        if target is None:
            return _too_late(request, Http404(), 404, "Nothing was done: somebody has deleted it meanwhile.")
        rules.on_ask(request, target)
        posted = request.POST if request.method == "POST" else None
        # A link may fill the form in beforehand; what it asks for is still confirmed by a person.
        form = rules.form(posted, target=target, initial=request.GET.dict())
        if request.method == "POST" and form.is_valid():
            return _run(
                request, rules, lambda: deed(admin, request, target, form.cleaned_data), admin, target
            )
        return _ask(admin, request, rules, form, target)

    return view


def _too_late(request: HttpRequest, refusal: Exception, status: int, said: str) -> HttpResponse:
    """The page as it is now, with the reason: the theme's dialog shows no page of an error, and would just stand there."""
    if "HX-Request" not in request.headers:
        raise refusal
    messages.error(request, said)
    return HttpResponse(status=status, headers={"HX-Refresh": "true"})


def _for_chosen_rows(deed: Deed, rules: Rules) -> Callable[..., HttpResponse]:
    def view(admin: ModelAdmin, request: HttpRequest, queryset: QuerySet[Model]) -> HttpResponse:
        if not rules.allows(request):
            raise PermissionDenied
        sent = "_form_submitted" in request.POST
        form = rules.form(request.POST if sent else None, target=queryset)
        if sent and form.is_valid():
            return _run(
                request, rules, lambda: deed(admin, request, queryset, form.cleaned_data), admin, None
            )
        dialog = rules.dialog(request, queryset.count())
        return TemplateResponse(
            request,
            "console/confirm_rows.html",
            {
                **admin.admin_site.each_context(request),
                "opts": admin.opts,
                "title": dialog["title"],
                "dialog": dialog,
                "form": form,
                "posted": [(name, value) for name, values in request.POST.lists() for value in values
                           if name in ("action", "select_across", "index", "_selected_action")],
            },
        )  # fmt: skip

    return view


def _run(
    request: HttpRequest, rules: Rules, deed: Callable[[], Done], admin: ModelAdmin, target: Model | None
) -> HttpResponse:
    try:
        done = deed()
    except rules.refusals as refused:
        done = Done(str(refused), page_of(admin, target), messages.ERROR)
    if done.message:
        messages.add_message(request, done.level, done.message)
    if "HX-Request" in request.headers:
        return HttpResponse(headers={"HX-Redirect": done.url})
    return HttpResponseRedirect(done.url)


def page_of(admin: ModelAdmin, target: Model | None) -> str:
    """The record's page, or the list."""
    page = f"admin:{admin.opts.app_label}_{admin.opts.model_name}_"
    return reverse(page + "change", args=[target.pk]) if target is not None else reverse(page + "changelist")


def _ask(
    admin: ModelAdmin, request: HttpRequest, rules: Rules, form: ActionForm, target: Model
) -> HttpResponse:
    """The dialog for the theme's window, or a whole page for a browser that came by the plain link."""
    dialog = rules.dialog(request, target)
    context = {"dialog": dialog, "form": form, "form_submit_text": rules.submit, "opts": admin.opts}
    if "HX-Request" in request.headers:
        return TemplateResponse(request, "unfold/helpers/dialog.html", context)
    page = {**admin.admin_site.each_context(request), **context, "title": dialog["title"], "original": target}
    return TemplateResponse(request, "console/confirm.html", page)
