from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from integration_console import health
from integration_console.theme import dashboard
from sync import oauth_views, report_views
from sync.admin import drafts, fields, matching, recipes, report, sheets, trace

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("oauth/connect/", oauth_views.leave, name="oauth_leave"),
    path("oauth/callback/", oauth_views.callback, name="oauth_callback"),
    path("admin/recipes/", include(recipes.urls(admin.site))),
    path("api/report.json", report_views.report_json, name="report_json"),
    path("admin/report/", include(report.urls(admin.site))),
    path("admin/drafts/", include(drafts.urls(admin.site))),
    path("admin/fields/", include(fields.urls(admin.site))),
    path("admin/people/", include(matching.urls(admin.site))),
    path("admin/sheets/", include(sheets.urls(admin.site))),
    path("admin/trace/", include(trace.urls(admin.site))),
    path("admin/overview/", dashboard.fragment, name="overview"),
    path("admin/", admin.site.urls),
]
