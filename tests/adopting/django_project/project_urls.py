"""The project's paths: those of docs/adopting.md, a page, and what signs somebody in without a form."""

from __future__ import annotations

from django.contrib.auth import login, logout
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.generic import TemplateView


def sign_in(request: HttpRequest, name: str) -> HttpResponse:
    login(request, User.objects.get_or_create(username=name)[0])
    return HttpResponse("signed in")


def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse("signed out")


urlpatterns = [
    path("", include("photos.urls")),
    path("photo", TemplateView.as_view(template_name="photo.html")),
    path("sign-in/<name>", sign_in),
    path("sign-out", sign_out),
]
