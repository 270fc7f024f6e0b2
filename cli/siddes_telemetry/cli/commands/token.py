"""`siddes-telemetry token`: a JWT for trying out."""

from __future__ import annotations

import time
from typing import Annotated, Any

import jwt
import typer

from siddes_telemetry.cli.commands.command_settings import EventsFile, read_settings
from siddes_telemetry.cli.settings import PREFIX, SettingsError
from siddes_telemetry.cli.terminal import exit_on_error
from siddes_telemetry.schemas.viewer import has_email_shape, is_subject, is_viewer_id

MAX_TOKEN_HOURS = 24 * 365

app = typer.Typer(add_completion=False)


@app.command()
def token(
    viewer: Annotated[str, typer.Option(help="Who the token is for.")],
    hours: Annotated[int, typer.Option(min=1, max=MAX_TOKEN_HOURS, help="How long it holds.")] = 1,
    events: EventsFile = None,
) -> None:
    """Print a JWT for trying out, signed with SIDDES_TELEMETRY_JWT_SECRET."""
    with exit_on_error():
        settings = read_settings(events=events)
        if settings.jwt_secret is None:
            raise SettingsError([f"{PREFIX}JWT_SECRET: must be set"])
        if settings.viewer_key is not None and not is_subject(viewer):
            raise SettingsError(["--viewer: 1 to 255 characters"])
        if settings.viewer_key is None and (not is_viewer_id(viewer) or has_email_shape(viewer)):
            form = "1 to 64 of A-Z a-z 0-9 . _ : @ | + / = ~ - and no e-mail address"
            raise SettingsError([f"--viewer: {form}, unless {PREFIX}VIEWER_KEY is set"])
        claims: dict[str, Any] = {settings.jwt_claim: viewer, "exp": int(time.time()) + hours * 3600}
        if settings.jwt_issuer is not None:
            claims["iss"] = settings.jwt_issuer
        if settings.jwt_audience is not None:
            claims["aud"] = settings.jwt_audience
        typer.echo(jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm="HS256"))
