"""`siddes-telemetry backup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siddes_telemetry.cli.commands.command_settings import EventsFile
from siddes_telemetry.cli.commands.operator_settings import embedded_settings
from siddes_telemetry.cli.operations.run import run_operation
from siddes_telemetry.cli.sizes import count_text, size_text
from siddes_telemetry.cli.terminal import exit_on_error, format_utc, progress_bar

app = typer.Typer(add_completion=False)


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that does not exist yet, or is empty.")],
    events: EventsFile = None,
) -> None:
    """Write a backup of an embedded instance into FOLDER, while it runs or while it is stopped.

    The backup has the log and the store as they were at one moment, and is a
    data folder that an instance can be started on. Counts are accepted
    meanwhile. A running instance writes the backup itself, as its own user, and
    goes on with it if this command is interrupted. Until it is whole, FOLDER
    has a temporary name beside the final one.
    On the same file system the files of the store are hard links, which take no
    space: copy the backup to another disk.
    """
    with exit_on_error():
        settings = embedded_settings(events=events)
        target = Path.cwd() / folder  # of this process, not of the running instance
        with progress_bar("writing the backup") as progress:
            done = run_operation(settings, "backup", {"folder": str(target)}, progress)
        typer.echo(
            f"backup of {count_text(done['rows'], 'stored count')} and a log up to offset {done['next_offset'] - 1:,}, "
            f"{size_text(done['size'])}, written to {folder}"
        )
        typer.echo(f"it reaches until {format_utc(done['reaches_ms'])} UTC")
