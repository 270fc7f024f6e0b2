"""Serves the app of docs/adopting.md, a page, and what signs somebody in without a form: `uvicorn fastapi_main:app`."""

from __future__ import annotations

from pathlib import Path

from app import app
from fastapi import Request
from fastapi.responses import FileResponse

HERE = Path(__file__).parent


def sign_in(request: Request, name: str) -> str:
    request.session["user_id"] = name
    return "signed in"


app.get("/sign-in/{name}")(sign_in)
app.get("/page", response_class=FileResponse)(lambda: HERE / "index.html")
app.get("/siddes-telemetry.js", response_class=FileResponse)(lambda: HERE / "siddes-telemetry.js")
