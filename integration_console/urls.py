from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from integration_console import health
from sync import oauth_views

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("oauth/connect/", oauth_views.leave, name="oauth_leave"),
    path("oauth/callback/", oauth_views.callback, name="oauth_callback"),
    path("admin/", admin.site.urls),
]
