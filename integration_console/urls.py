from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from integration_console import health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("admin/", admin.site.urls),
]
