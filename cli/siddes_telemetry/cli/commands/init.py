"""`siddes-telemetry init`: writes an app's first event registry."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from siddes_telemetry.cli.terminal import exit_on_error, say
from siddes_telemetry.schemas.registry_template import EXAMPLE_EVENTS, name_problem, registry_text

DEFAULT_FILE = Path("events.toml")

app = typer.Typer(add_completion=False)


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="The file to write.", metavar="FILE", show_default="events.toml")] = (
        DEFAULT_FILE
    ),
    event: Annotated[
        list[str] | None,
        typer.Option(help="An event; repeat it for more.", metavar="NAME", show_default="asks, or two examples"),
    ] = None,
) -> None:
    """Write an event registry for an app of your own. Never overwrites a file."""
    given, named = _checked(event or []), shlex.quote(str(file))
    if not named.isprintable():  # it stands in a comment of the file
        raise typer.BadParameter("the name must be one line of UTF-8", param_hint="FILE")
    with exit_on_error():
        if file.exists():
            say(
                f"error: {file} is there already: name another, or add events by hand and run "
                f"siddes-telemetry check {named}"
            )
            raise typer.Exit(1)
        names = given or (_asked() if sys.stdin.isatty() else EXAMPLE_EVENTS)
        if names == EXAMPLE_EVENTS:
            say("no event was named: two examples are written")
        text = registry_text(names, named)
        with file.open("x", encoding="utf-8") as written:
            written.write(text)
        say(f"{file} is written: {', '.join(names)}")
        say(f"""next:
  siddes-telemetry up --debug --events {named}
  siddes-telemetry schema typescript --events {named} > telemetry.ts   # the module for your app; or: schema python""")


def _checked(names: list[str]) -> list[str]:
    taken: list[str] = []
    for name in names:
        if problem := name_problem(name, taken):
            raise typer.BadParameter(f"{problem}: {name[:64]!r}", param_hint="--event")
        taken.append(name)
    return taken


def _asked() -> list[str] | tuple[str, ...]:
    """The names that a person types, until an empty line."""
    say("Which events does your app count? One name a line, such as photo_opened; an empty line ends.")
    names: list[str] = []
    while name := typer.prompt("event", default="", show_default=False, err=True).strip():
        if problem := name_problem(name, names):
            say(problem)
        else:
            names.append(name)
    return names or EXAMPLE_EVENTS
