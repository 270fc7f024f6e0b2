"""A Django project of one file. It counts when it is loaded, and in its view."""

from __future__ import annotations

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.e2e.python_apps.counting import count

VIEWER = os.environ["VIEWER"]


def accept(request: HttpRequest) -> HttpResponse:
    count("suggestion_accepted", 2, VIEWER)
    return HttpResponse()


settings.configure(SECRET_KEY="only for tests", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
urlpatterns = [path("accept", accept)]
application = get_wsgi_application()
count("suggestion_shown", 1, VIEWER)
